//! `toolken model states`: final hidden states and log-sum-exp of texts, for comparison with another implementation.

use super::locate;
use crate::{exit::Exit, output};
use anyhow::{Context, bail};
use lm::{Device, Specials};
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "\
Examples:
  echo '{\"text\": \"The capital of France is\"}' > texts.jsonl
  toolken model states smollm2-135m --texts texts.jsonl --out states.safetensors

Line N of the texts gives the tensors hidden.N (tokens, d) and lse.N (tokens), counted from 0.";

#[derive(clap::Args)]
pub struct Args {
    /// A GGUF file, a folder with safetensors, or a name from `toolken model list`
    model: String,
    /// Where the model computes: cpu, cpu-packed, candle-cpu, cuda:0, metal, llama
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// JSON lines with `text` and optionally `ids`, which are then used as they are; no start token is added
    #[arg(long)]
    texts: PathBuf,
    /// The safetensors file to write
    #[arg(long)]
    out: PathBuf,
}

#[derive(Deserialize)]
struct Line {
    text: Option<String>,
    ids: Option<Vec<u32>>,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        output::refuse_input(&self.out, &[&self.texts, Path::new(&self.model)])?;
        let texts = std::fs::read_to_string(&self.texts).with_context(|| self.texts.display().to_string())?;
        let model = lm::load(&locate(&self.model)?, self.device)?;
        let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        for (n, line) in texts.lines().filter(|line| !line.trim().is_empty()).enumerate() {
            let place = || format!("{}: text {n}", self.texts.display());
            let line: Line = serde_json::from_str(line).with_context(place)?;
            let ids = match (line.ids, line.text) {
                (Some(ids), _) => ids,
                (None, Some(text)) => model.tokenizer().encode(&text, Specials::Parse).with_context(place)?,
                (None, None) => bail!("{}: expected `text` or `ids`", place()),
            };
            let hidden = model.states(&ids).with_context(place)?;
            let mass = model.word_mass(&hidden, &vec![None; hidden.rows()])?;
            let bytes = |values: &mut dyn Iterator<Item = f32>| values.flat_map(f32::to_le_bytes).collect();
            let shape = vec![hidden.rows(), hidden.cols()];
            tensors.push((format!("hidden.{n}"), shape, bytes(&mut hidden.data().iter().copied())));
            let lse = bytes(&mut mass.iter().map(|m| m.log_sum_exp));
            tensors.push((format!("lse.{n}"), vec![hidden.rows()], lse));
        }
        let views = tensors
            .iter()
            .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
        output::file(&self.out, &safetensors::serialize(views, None)?)?;
        Ok(Exit::Done)
    }
}
