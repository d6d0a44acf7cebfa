//! `toolken corpus import`: another project's file into a corpus, with an account of what was dropped and why.

use crate::{exit::Exit, output};
use anyhow::Context;
use clap::ValueEnum;
use corpus::import::{Import, Layout, gsm8k, toolkengpt};
use lm::Tokenizer;
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "\
Examples:
  toolken corpus import gsm8k gsm8k/train.jsonl gsm8k.jsonl
  toolken corpus import funcqa funcqa/train.json funcqa.jsonl --tokenizer llama_tokenizer.model";

#[derive(clap::Args)]
pub struct Args {
    /// Whose layout the file is in
    kind: Kind,
    /// The file to read
    file: PathBuf,
    /// The corpus to write
    out: PathBuf,
    /// LLaMA's SentencePiece model, in whose tokens ToolkenGPT's files count
    #[arg(long, value_name = "FILE", required_if_eq_any([("kind", "funcqa"), ("kind", "kamel"), ("kind", "virtualhome")]))]
    tokenizer: Option<PathBuf>,
    /// Print the account as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// ToolkenGPT's FuncQA training file
    #[value(name = "funcqa")]
    FuncQa,
    /// ToolkenGPT's KAMEL training file
    Kamel,
    /// ToolkenGPT's VirtualHome training file
    #[value(name = "virtualhome")]
    VirtualHome,
    /// GSM8K's own file
    Gsm8k,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let layout = match self.kind {
            Kind::FuncQa => Some(Layout::FuncQa),
            Kind::Kamel => Some(Layout::Kamel),
            Kind::VirtualHome => Some(Layout::VirtualHome),
            Kind::Gsm8k => None,
        };
        let Import { corpus, report } = match layout {
            Some(layout) => {
                let tokenizer = self.tokenizer.context("this layout needs --tokenizer")?;
                by_tokens(&self.file, layout, &Tokenizer::from_sentencepiece_model(tokenizer)?)?
            }
            None => gsm8k(&self.file)?,
        };
        corpus::write(&self.out, &corpus)?;
        if self.json {
            output::json(&report)?;
        } else {
            output::text(&report)?;
        }
        Ok(Exit::Done)
    }
}

fn by_tokens(file: &Path, layout: Layout, tokenizer: &Tokenizer) -> anyhow::Result<Import> {
    let tokens = |text: &str| {
        let tokens = tokenizer.encode_with_offsets(text)?;
        Ok::<_, lm::LmError>(tokens.into_iter().map(|(_, bytes)| bytes).collect())
    };
    Ok(toolkengpt(file, layout, tokens)?)
}
