//! `toolken export`: a model whose vocabulary has a head's tools in it, for other engines.

mod check;
mod reference;

use crate::model::locate;
use crate::{exit::Exit, output, progress};
use ::export::{Card, Format, HeadType, Options, TokenForm};
use ::tools::Pack;
use anyhow::{Context, bail};
use head::Head;
use serde_json::json;
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "\
Examples:
  toolken export --head head.safetensors --out smollm2-tools.gguf
  toolken export --model ./Qwen2.5-7B-Instruct --pack tools/ --format hf --out ./Qwen2.5-7B-tools
  toolken export --head head.safetensors --out smollm2-tools.gguf --check --python ./venv/bin/python

A GGUF file is extended as one, for llama.cpp; a folder of safetensors as one, for transformers, vLLM and SGLang. Engines
add a tool's calling bias by `logit_bias`, with the ids and values that are printed here and kept in the export; transformers
finds them in generation_config.json. --check has the engine itself load the export: transformers for a folder,
llama-cpp-python for a GGUF file (scripts/requirements.txt and scripts/requirements-llama.txt say which versions).";

#[derive(clap::Args)]
pub struct Args {
    /// A GGUF file, a folder with safetensors, or a name from `toolken model list`
    #[arg(long, default_value = "smollm2-135m")]
    model: String,
    /// The head whose tools the vocabulary gains
    #[arg(long, required_unless_present = "pack", conflicts_with = "pack")]
    head: Option<PathBuf>,
    /// A tool pack: tools.toml and head.safetensors
    #[arg(long)]
    pack: Option<PathBuf>,
    /// The file or folder to write
    #[arg(long)]
    out: PathBuf,
    /// hf or gguf; by default, and at most, the model's own: weights are copied, not converted
    #[arg(long)]
    format: Option<Format>,
    /// Element type of the word head: auto, keep, f32, f16, bf16 or q8_0; auto is the words' own, or f16 if that is coarser
    /// than six bits
    #[arg(long, default_value = "auto")]
    head_type: HeadType,
    /// How the tools' tokens are spelled, `{}` for the name
    #[arg(long, default_value = "<tool:{}>")]
    token_form: TokenForm,
    /// Take a head that was fitted on other files of the same model, as on quantised ones
    #[arg(long)]
    other_weights: bool,
    /// Have the engine load the export, and compare what it computes with what this program does
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    checked: check::Options,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let model = locate(&self.model)?;
        self.check_format(&model)?;
        if let Some(head) = self.head.as_ref().filter(|head| files::same(head, &self.out)) {
            bail!("--out {}: that is the head; give another file", head.display());
        }
        let (head, pack) = self.head()?;
        let options = Options {
            head_type: self.head_type,
            form: self.token_form.clone(),
            other_weights: self.other_weights,
            pack,
        };
        let bar = progress::bytes("export");
        let written = ::export::export(&model, &head, &options, &self.out, &mut |written| {
            bar.set_length(written.total);
            bar.set_position(written.bytes);
        });
        bar.finish_and_clear();
        let card = written?;
        if !self.json {
            self.show(&card)?;
        }
        let found = match self.check {
            true => Some(self.checked.run(&model, &self.out, &head, &card, self.other_weights)?),
            false => None,
        };
        if self.json {
            output::json(&json!({ "out": self.out.display().to_string(), "card": card, "check": found }))?;
        } else if let Some(found) = &found {
            found.show()?;
        }
        match found {
            Some(found) => found.verdict(),
            None => Ok(Exit::Done),
        }
    }

    fn check_format(&self, model: &Path) -> anyhow::Result<()> {
        let own = Format::of(model);
        let how = match self.format {
            Some(Format::Hf) if own == Format::Gguf => {
                "a folder of this model is needed: give one with --model, or have transformers write one from the GGUF file \
                 (scripts/twin.py does), and --other-weights if the head was fitted on the file"
            }
            Some(Format::Gguf) if own == Format::Hf => {
                "a GGUF file of this model is needed: give one with --model, or have llama.cpp's convert_hf_to_gguf.py write \
                 one, and --other-weights if the head was fitted on the folder"
            }
            _ => return Ok(()),
        };
        bail!(::export::ExportError::Setting(format!(
            "{} is not {}: {how}",
            model.display(),
            self.format.unwrap_or(own)
        )))
    }

    /// The head, and its pack's `tools.toml`.
    fn head(&self) -> anyhow::Result<(Head, Option<String>)> {
        match (&self.head, &self.pack) {
            (_, Some(dir)) => {
                let pack = Pack::at(dir);
                pack.load_tools()?;
                let path = pack.tools_path();
                let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                Ok((Head::load(&pack.head_path())?, Some(text)))
            }
            (Some(head), None) => Ok((Head::load(head)?, None)),
            (None, None) => bail!("give --head or --pack"),
        }
    }

    fn show(&self, card: &Card) -> anyhow::Result<()> {
        let mut table = output::table(["tool", "token", "id", "logit bias"]);
        for tool in &card.tools {
            table.add_row([
                &tool.name,
                &tool.token,
                &tool.id.to_string(),
                &format!("{:.4}", tool.logit_bias),
            ]);
        }
        let filled = match card.filled.len() {
            0 => String::new(),
            n => format!("{n} tokens had no row and were given one that never wins.\n"),
        };
        output::text(format_args!("{table}\n{filled}Wrote {}.\n", self.out.display()))?;
        if card.is_biased() {
            let biases: serde_json::Map<_, _> =
                card.tools.iter().map(|t| (t.id.to_string(), json!(t.logit_bias))).collect();
            let biases = serde_json::Value::Object(biases);
            output::text(format_args!("With every request: \"logit_bias\": {biases}\n"))?;
        }
        Ok(())
    }
}
