//! `toolken head show`: a head's rows among the vocabulary's.

use crate::{exit::Exit, model::Which, output};
use head::{Head, Neighbour, nearest_words};
use serde::Serialize;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  toolken head show head.safetensors
  toolken head show head.safetensors --model qwen2.5-coder-0.5b --words 10 --json

Near is by cosine, among the rows of the word head.";

#[derive(clap::Args)]
pub struct Args {
    /// The head, or a folder with head.safetensors in it
    head: PathBuf,
    #[command(flatten)]
    which: Which,
    /// How many words to show for a row
    #[arg(long, default_value_t = 5)]
    words: usize,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    tool: String,
    /// ‖w‖, ‖w0‖ and ‖w − w0‖.
    norm: f64,
    prior_norm: f64,
    moved: f64,
    offset: f32,
    /// Nearest to w.
    near: Vec<Neighbour>,
    /// Nearest to w0; empty where that is zero.
    near_prior: Vec<Neighbour>,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let path = if self.head.is_dir() { self.head.join("head.safetensors") } else { self.head.clone() };
        let head = Head::load(&path)?;
        let model = self.which.for_head(Some(&head)).load()?;
        head.check_model(model.card())?;
        let near = nearest_words(model.as_ref(), &head.weights, self.words)?;
        let near_prior = nearest_words(model.as_ref(), &head.prior, self.words)?;
        let shown: Vec<Shown> = (near.into_iter().zip(near_prior).zip(&head.tools).enumerate())
            .map(|(k, ((near, near_prior), tool))| {
                let (w, w0) = (head.weights.row(k), head.prior.row(k));
                Shown {
                    tool: tool.clone(),
                    norm: norm(w.iter().copied()),
                    prior_norm: norm(w0.iter().copied()),
                    moved: norm(w.iter().zip(w0).map(|(w, w0)| w - w0)),
                    offset: head.offsets[k],
                    near,
                    near_prior,
                }
            })
            .collect();
        if self.json {
            output::json(&serde_json::json!({ "bias": head.bias, "meta": head.meta, "tools": shown }))?;
            return Ok(Exit::Done);
        }
        let mut table = output::table(["tool", "‖w‖", "‖w0‖", "moved", "nearest to w", "nearest to w0"]);
        for tool in &shown {
            table.add_row([
                tool.tool.clone(),
                format!("{:.3}", tool.norm),
                format!("{:.3}", tool.prior_norm),
                format!("{:.3}", tool.moved),
                words(&tool.near),
                words(&tool.near_prior),
            ]);
        }
        let meta = &head.meta;
        let or_none = |x: Option<f64>| x.map_or_else(|| "none".into(), |x| format!("{x:.2e}"));
        let method = meta.method.as_ref().map_or("unknown", |method| method.name.as_str());
        let weighting = meta.training.map_or_else(|| "unknown".into(), |t| t.weighting.to_string());
        output::text(format_args!(
            "{table}\n{} tools of {}, method {method}, λ {} (λ / mean‖h‖² {}), weighting {weighting}, bias {:.2}, {}, {}.\n",
            head.tools.len(),
            lm::called(&meta.model, &meta.model_digest),
            or_none(meta.lambda),
            or_none(meta.lambda_scaled),
            head.bias,
            meta.solver,
            meta.date
        ))?;
        Ok(Exit::Done)
    }
}

fn norm(row: impl Iterator<Item = f32>) -> f64 {
    row.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

fn words(near: &[Neighbour]) -> String {
    let shown = near.iter().map(|word| format!("{:?} {:.2}", word.text, word.cosine));
    shown.collect::<Vec<_>>().join(", ")
}
