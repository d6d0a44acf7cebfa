//! `toolken corpus import`: another project's file into a corpus, with an account of what was dropped and why.

use crate::{exit::Exit, output};
use anyhow::Context;
use clap::ValueEnum;
use corpus::import::{Import, KamelTemplates, Layout, gsm8k, kamel_facts, kamel_supervised, toolkengpt};
use lm::Tokenizer;
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "\
Examples:
  toolken corpus import gsm8k gsm8k/train.jsonl gsm8k.jsonl
  toolken corpus import funcqa funcqa/train.json funcqa.jsonl --tokenizer llama_tokenizer.model
  toolken corpus import kamel-facts kamel/train.jsonl.gz facts.jsonl --templates kamel/question-templates.csv";

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
    /// KAMEL's question templates, `P36, What is the capital of [S]?` a line
    #[arg(long, value_name = "FILE", required_if_eq("kind", "kamel-facts"))]
    templates: Option<PathBuf>,
    /// KAMEL's facts of each relation at most, in the file's order
    #[arg(long, value_name = "N", default_value_t = 40)]
    per_relation: usize,
    /// Print the account as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    /// ToolkenGPT's FuncQA training file
    #[value(name = "funcqa")]
    FuncQa,
    /// ToolkenGPT's KAMEL training file
    Kamel,
    /// KAMEL's own facts, gzipped or not
    #[value(name = "kamel-facts")]
    KamelFacts,
    /// ToolkenGPT's VirtualHome training file
    #[value(name = "virtualhome")]
    VirtualHome,
    /// GSM8K's own file
    Gsm8k,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        output::refuse_input(&self.out, &[&self.file])?;
        let layout = match self.kind {
            Kind::FuncQa => Some(Layout::FuncQa),
            Kind::Kamel => Some(Layout::Kamel),
            Kind::VirtualHome => Some(Layout::VirtualHome),
            Kind::Gsm8k | Kind::KamelFacts => None,
        };
        let Import { corpus, report } = match layout {
            Some(layout) => {
                let tokenizer = self.tokenizer.context("this layout needs --tokenizer")?;
                by_tokens(&self.file, layout, &Tokenizer::from_sentencepiece_model(tokenizer)?)?
            }
            None if self.kind == Kind::KamelFacts => self.facts()?,
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

impl Args {
    fn facts(&self) -> anyhow::Result<Import> {
        let templates =
            KamelTemplates::read(self.templates.as_deref().context("this layout needs --templates")?)?;
        let facts = kamel_facts(&self.file)?;
        let mut relations: Vec<String> = Vec::new();
        for fact in &facts {
            if !relations.contains(&fact.relation) {
                relations.push(fact.relation.clone());
            }
        }
        Ok(kamel_supervised(&facts, &templates, &relations, self.per_relation)?)
    }
}

fn by_tokens(file: &Path, layout: Layout, tokenizer: &Tokenizer) -> anyhow::Result<Import> {
    let tokens = |text: &str| {
        let tokens = tokenizer.encode_with_offsets(text)?;
        Ok::<_, lm::LmError>(tokens.into_iter().map(|(_, bytes)| bytes).collect())
    };
    Ok(toolkengpt(file, layout, tokens)?)
}
