//! `--check`: the engine that an export is for loads it, in Python, and is compared with what this program computes.

use super::reference::Reference;
use crate::arithmetic::evaluate;
use crate::exit::Exit;
use crate::extract::cache_dir;
use crate::output;
use ::corpus::Corpus;
use ::corpus::arithmetic::{Split, generate};
use ::export::{Card, Format};
use anyhow::Context;
use head::Head;
use lm::Device;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SCRIPT: &str = include_str!("check.py");
/// Largest error of the logits where all arithmetic is in f32, relative to their norm.
const EXACT: f64 = 1e-3;
/// The same where the engine rounds what it multiplies quantised weights with to eight bits in every product, as llama.cpp
/// does: the largest, the median, and the largest over its own hidden states, where only the last product is rounded.
const QUANTISED: [f64; 3] = [0.35, 0.05, 0.05];
/// Shares that must be the same there: of choices, of calls, and of the calls over its own hidden states; without rounding all must.
const QUANTISED_SAME: [f64; 3] = [0.9, 0.9, 0.98];
/// Problems of the built-in corpus, which has a call or two in each.
const PROBLEMS: usize = 100;

#[derive(clap::Args)]
pub struct Options {
    /// Positions to compare
    #[arg(long, default_value_t = 500, requires = "check")]
    positions: usize,
    /// The corpus that they come from; by default the built-in word problems
    #[arg(long, value_name = "FILE", requires = "check")]
    corpus: Option<PathBuf>,
    /// The folder of feature stores; by default beside the models' cache
    #[arg(long, requires = "check")]
    features: Option<PathBuf>,
    /// The Python that has the engine; by default $TOOLKEN_PYTHON for transformers, $TOOLKEN_LLAMA_PYTHON for llama.cpp,
    /// else python3
    #[arg(long, requires = "check")]
    python: Option<PathBuf>,
    /// Largest error of the logits relative to their norm; by default 1e-3, and 0.35 for quantised weights
    #[arg(long, requires = "check")]
    tolerance: Option<f64>,
}

/// What the script found.
#[derive(Serialize, Deserialize)]
pub struct Found {
    /// The engine and its version.
    engine: String,
    positions: usize,
    /// Whether the engine's weights are quantised.
    quantised: bool,
    /// ‖engine − [W_v; W]·h‖ / ‖[W_v; W]·h‖ with our cached h: the largest and the median.
    error: Spread,
    /// The same with the engine's own h: what the new rows alone are off by.
    own_error: Spread,
    /// Positions where greedy decoding takes the same token, of all.
    same: Share,
    /// The same of those where a tool wins for us.
    calls: Share,
    /// The same of those where a tool wins for [W_v; W]·h with the engine's own h.
    own_calls: Share,
    /// Positions where no tool wins and the extended model still takes another word than the one it was made of.
    changed_words: usize,
    /// Largest difference of a word's logit between the two.
    word_difference: f64,
    /// What is wrong with tokens: not printed, taken for control tokens, or other text read otherwise than before.
    faults: Vec<String>,
    #[serde(default)]
    tolerance: f64,
}

#[derive(Serialize, Deserialize)]
struct Spread {
    max: f64,
    median: f64,
}

#[derive(Serialize, Deserialize)]
struct Share {
    same: usize,
    of: usize,
}

impl Options {
    /// Runs the check.
    ///
    /// # Errors
    /// A model that cannot be loaded, a Python that is not there or has no engine. What the engine computes is no error
    /// here, see [`Found::verdict`].
    pub fn run(
        &self,
        model: &Path,
        out: &Path,
        head: &Head,
        card: &Card,
        other_weights: bool,
    ) -> anyhow::Result<Found> {
        let lm =
            lm::load(model, Device::default()).with_context(|| format!("loading {}", model.display()))?;
        if !other_weights {
            head.check_model(lm.card())?;
        }
        let corpus = match &self.corpus {
            Some(path) => ::corpus::read(path)?,
            None => {
                let problems = generate(Split::Test, 0, PROBLEMS, evaluate)?;
                Corpus::new(problems.into_iter().map(|problem| problem.example).collect())?
            }
        };
        let features = self.features.clone().unwrap_or_else(|| cache_dir("features"));
        let reference = Reference::new(lm.as_ref(), &corpus, &features, head, card, self.positions)?;
        drop(lm);
        let folder = tempfile::tempdir().context("a temporary folder")?;
        let [script, positions, rows] =
            ["check.py", "reference.safetensors", "head.safetensors"].map(|name| folder.path().join(name));
        reference.save(&positions)?;
        head.save(&rows)?;
        std::fs::write(&script, SCRIPT).context("a temporary file")?;
        let (engine, variable) = match Format::of(out) {
            Format::Hf => ("transformers", "TOOLKEN_PYTHON"),
            Format::Gguf => ("llama", "TOOLKEN_LLAMA_PYTHON"),
        };
        let python = self.python.clone().map(OsString::from).or_else(|| std::env::var_os(variable));
        let python = python.unwrap_or_else(|| "python3".into());
        let output = Command::new(&python)
            .arg(&script)
            .arg(engine)
            .args([model, out, &rows, &positions])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("{}: give the engine's Python with --python", python.display()))?;
        if !output.status.success() {
            return Err(failed(format!(
                "{} could not check the export with {engine}: what it printed says why; another Python is given with --python or \
                 {variable}",
                python.display()
            )));
        }
        let mut found: Found =
            serde_json::from_slice(&output.stdout).context("what the check's script printed")?;
        found.tolerance = self.tolerance.unwrap_or(if found.quantised { QUANTISED[0] } else { EXACT });
        Ok(found)
    }
}

impl Found {
    /// What does not hold.
    fn failures(&self) -> Vec<String> {
        let mut failures = self.faults.clone();
        let [median, own] = if self.quantised { [QUANTISED[1], QUANTISED[2]] } else { [EXACT; 2] };
        for (what, error, tolerance) in [
            ("logits", self.error.max, self.tolerance),
            ("logits, the median", self.error.median, median.min(self.tolerance)),
            ("logits over the engine's own hidden states", self.own_error.max, own.min(self.tolerance)),
        ] {
            // NaN fails too.
            if error.is_nan() || error > tolerance {
                failures
                    .push(format!("{what}: relative error {error:.2e}, at most {tolerance:.0e} expected"));
            }
        }
        let same = if self.quantised { QUANTISED_SAME } else { [1.0; 3] };
        for (what, share, least) in [
            ("choices", &self.same, same[0]),
            ("calls", &self.calls, same[1]),
            ("calls over the engine's own hidden states", &self.own_calls, same[2]),
        ] {
            if (share.same as f64) < least * share.of as f64 {
                failures.push(format!("{what}: {} of {} are the same", share.same, share.of));
            }
        }
        if self.changed_words > 0 {
            failures.push(format!("{} words changed where no tool wins", self.changed_words));
        }
        failures
    }

    /// Prints it for people.
    pub fn show(&self) -> anyhow::Result<()> {
        let kind = if self.quantised { "quantised" } else { "f32" };
        output::text(format_args!(
            "{} ({kind}) at {} positions:\n  relative error of [W_v; W]h   max {:.2e}, median {:.2e} (at most {:.0e})\n  over its own \
             hidden states   max {:.2e}, median {:.2e}\n  same choices {} of {}, of which calls {} of {}, and over its own \
             hidden states {} of {}\n  words changed where no tool \
             wins: {} (largest difference of a word's logit {:.1e})\n",
            self.engine,
            self.positions,
            self.error.max,
            self.error.median,
            self.tolerance,
            self.own_error.max,
            self.own_error.median,
            self.same.same,
            self.same.of,
            self.calls.same,
            self.calls.of,
            self.own_calls.same,
            self.own_calls.of,
            self.changed_words,
            self.word_difference,
        ))?;
        Ok(())
    }

    /// Fails where something does not hold.
    pub fn verdict(&self) -> anyhow::Result<Exit> {
        match self.failures() {
            failures if failures.is_empty() => Ok(Exit::Done),
            failures => Err(failed(format!("the export does not hold: {}", failures.join("; ")))),
        }
    }
}

/// What went wrong while computing, not in what was asked for.
fn failed(message: String) -> anyhow::Error {
    std::io::Error::other(message).into()
}
