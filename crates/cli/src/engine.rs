//! `--engine URL`: an engine elsewhere, which serves an export, answers in this program's stead.

use crate::model::locate;
use ::engine::{Options, ToolTokens, Unloaded, connect};
use ::export::{Card, TokenForm};
use anyhow::{Context, bail};
use decode::Served;
use head::Head;
use std::time::Duration;
use tools::{Pack, ToolSet};

#[derive(clap::Args)]
pub struct Elsewhere {
    /// An engine that serves an export of the model, to generate with: llama.cpp's server or vLLM, as
    /// http://127.0.0.1:8080. --model is then the export, or what it was made of, and gives the tokenizer alone; a key
    /// that the engine asks for is read from TOOLKEN_ENGINE_KEY
    #[arg(long, value_name = "URL")]
    engine: Option<String>,
    /// Seconds that an answer of the engine may take
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "engine")]
    engine_seconds: u64,
    /// The model's name at an engine that serves several
    #[arg(long, value_name = "NAME", requires = "engine")]
    engine_model: Option<String>,
    /// How the export spells its tools' tokens, if --model is not the export
    #[arg(long, default_value = "<tool:{}>", requires = "engine")]
    token_form: TokenForm,
}

/// An engine that serves the model wanted.
pub struct There {
    /// The model, without weights.
    pub model: Unloaded,
    /// The engine.
    pub served: Served,
    /// The head: what is called, and with which bias. Its rows are zeros where only the export is here.
    pub head: Head,
    /// The `tools.toml` of the pack that was exported.
    pack: Option<String>,
}

impl Elsewhere {
    /// Whether an engine is asked for.
    pub fn is_wanted(&self) -> bool {
        self.engine.is_some()
    }

    /// The engine, if one is asked for. `head` is the one given; without it, the model must be the export.
    pub fn connect(&self, model: &str, head: Option<Head>) -> anyhow::Result<Option<There>> {
        let Some(url) = &self.engine else { return Ok(None) };
        let path = locate(model)?;
        let card = Card::of(&path)?;
        let head = match (head, &card) {
            (Some(head), Some(card)) => {
                agree(&head, card).with_context(|| path.display().to_string())?;
                head
            }
            (Some(head), None) => head,
            (None, Some(card)) => card.head()?,
            (None, None) => bail!(
                "{} is no export: give the export that the engine serves with --model, or its head with --head or --pack",
                path.display()
            ),
        };
        let tokens = match &card {
            Some(card) => ToolTokens {
                spelled: card.tools.iter().map(|tool| (tool.name.clone(), tool.token.clone())).collect(),
                ids: Some(card.tools.iter().map(|tool| tool.id).collect()),
            },
            None => ToolTokens {
                spelled: head.tools.iter().map(|name| (name.clone(), self.token_form.spell(name))).collect(),
                ids: None,
            },
        };
        let engine = connect(
            url,
            &Options {
                timeout: Duration::from_secs(self.engine_seconds.max(1)),
                key: std::env::var("TOOLKEN_ENGINE_KEY").ok().filter(|key| !key.is_empty()),
                model: self.engine_model.clone(),
            },
        )?;
        let model = Unloaded::at(&path, &engine, head.width(), &head.meta.model_digest)?;
        let served = engine.serving(lm::FrozenLm::tokenizer(&model), &tokens)?;
        Ok(Some(There { model, served, head, pack: card.and_then(|card| card.pack) }))
    }
}

impl There {
    /// The tools of the pack that was exported, if it was one.
    pub fn tools(&self) -> anyhow::Result<Option<ToolSet>> {
        let Some(text) = &self.pack else { return Ok(None) };
        let folder = tempfile::tempdir().context("a temporary folder")?;
        let pack = Pack::at(folder.path());
        std::fs::write(pack.tools_path(), text).context("a temporary file")?;
        Ok(Some(pack.load_tools().context("the tools in the export")?))
    }
}

/// Refuses a head that is not the one that was exported, as far as an export tells.
fn agree(head: &Head, card: &Card) -> anyhow::Result<()> {
    let exported = card.tools.iter().map(|tool| (tool.name.as_str(), tool.logit_bias));
    let given =
        head.tools.iter().zip(&head.offsets).map(|(name, offset)| (name.as_str(), head.bias + offset));
    match exported.eq(given) && head.meta.corpus_digest == card.head.corpus_digest {
        true => Ok(()),
        false => bail!(::export::ExportError::Setting(
            "the export was made with another head than the one given: export anew, or give no head"
                .to_owned()
        )),
    }
}
