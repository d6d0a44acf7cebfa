//! `toolken model`: language models, their files and tokens.

mod fetch;
mod list;
mod show;
mod states;
mod tokens;

use crate::exit::Exit;
use anyhow::Context;
use clap::Subcommand;
use head::Head;
use lm::{Device, FrozenLm, LmError};
use std::io::Write;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  toolken model fetch smollm2-135m
  toolken model show smollm2-135m
  echo '{\"text\": \"hello world\"}' | toolken model tokens smollm2-135m";

#[derive(Subcommand)]
pub enum Command {
    /// List the models that are known by name
    #[command(after_help = list::EXAMPLES)]
    List(list::Args),
    /// Fetch a model by name
    #[command(after_help = fetch::EXAMPLES)]
    Fetch(fetch::Args),
    /// Turn texts into token ids: JSON lines {"text"} in, {"text", "ids"} out
    #[command(after_help = tokens::EXAMPLES)]
    Tokens(tokens::Args),
    /// Show what a GGUF file holds
    #[command(after_help = show::EXAMPLES)]
    Show(show::Args),
    /// Write texts' hidden states and log-sum-exp to a safetensors file
    #[command(after_help = states::EXAMPLES)]
    States(states::Args),
}

impl Command {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(args) => args.run(),
            Self::Fetch(args) => args.run(),
            Self::Tokens(args) => args.run(),
            Self::Show(args) => args.run(),
            Self::States(args) => args.run(),
        }
    }
}

/// Which model, and where it computes.
#[derive(clap::Args)]
pub struct Which {
    /// A GGUF file, a folder with safetensors, or a name from `toolken model list`; by default the one that the head was made for, and
    /// without a head smollm2-135m
    #[arg(long)]
    model: Option<String>,
    /// Where the model computes: cpu (in f32), cpu-packed (weights as in the file: the quickest), cuda:0, metal;
    /// candle-cpu, candle's own kernels (MKL, Accelerate); llama, llama.cpp, or llama:99 with so many layers on its
    /// accelerators. By default cpu, and cpu-packed where nothing but text is made
    #[arg(long)]
    pub device: Option<Device>,
}

impl Which {
    /// The model's path or name.
    pub fn name(&self) -> &str {
        self.model.as_deref().unwrap_or("smollm2-135m")
    }

    /// As it is for a head: without a model that is given, the one that the head was made for, if that is known by name.
    #[must_use]
    pub fn for_head(&self, head: Option<&Head>) -> Self {
        let made_for = |head: &Head| {
            let found = lm::known().iter().find(|model| model.sha256 == head.meta.model_digest)?;
            Some(found.name.to_owned())
        };
        let model = self.model.clone().or_else(|| made_for(head?));
        Self { model, device: self.device }
    }

    /// The model, fetched if it is only known by name.
    pub fn load(&self) -> anyhow::Result<Box<dyn FrozenLm>> {
        self.load_on(self.device.unwrap_or(Device::Cpu))
    }

    /// As [`Which::load`], for text alone: unless a device is asked for, on the quickest engine.
    pub fn load_for_text(&self) -> anyhow::Result<Box<dyn FrozenLm>> {
        self.load_on(self.device.unwrap_or(Device::CpuPacked))
    }

    fn load_on(&self, device: Device) -> anyhow::Result<Box<dyn FrozenLm>> {
        let path = locate(self.name())?;
        let model = lm::load(&path, device).with_context(|| format!("loading {}", path.display()))?;
        lm::check_known(self.name(), &path, &model.card().digest)?;
        Ok(model)
    }
}

/// The path of a model that is given by path or name; one that is only known by name is fetched.
pub fn locate(name_or_path: &str) -> anyhow::Result<PathBuf> {
    lm::resolve(name_or_path, &mut tell).map_err(of_network)
}

/// Progress that nobody can read is no reason to stop.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// No source gave the file: that is the network's fault and not the caller's, unlike other files' content.
fn of_network(error: LmError) -> anyhow::Error {
    match error {
        LmError::File { .. } => anyhow::Error::msg(error.to_string()),
        error => error.into(),
    }
}
