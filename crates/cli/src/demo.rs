//! `toolken demo`: the whole way, from text with calls to a frozen model that uses tools, on a small real model.

mod answers;
pub mod heads;
mod kept;
mod page;

use crate::{ask::trace, exit::Exit, model::Which, output};
use ::bench::score::Scoring;
use ::corpus::arithmetic::Problem;
use answers::answer;
use decode::Generation;
use head::{Curve, Head, Metrics, Subset, Table, Weighting};
use heads::{Heads, Plan};
use lm::ModelCard;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  toolken demo
  toolken demo --json
  toolken demo --model qwen2.5-coder-0.5b --questions 20

What has been computed is kept beside the models: a second run takes seconds.";

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Training examples
    #[arg(long, default_value_t = 1000)]
    examples: usize,
    /// Held-out questions that are answered, of sentence patterns never trained on
    #[arg(long, default_value_t = 60)]
    questions: usize,
    /// Decides the corpus, the folds and the baseline's start
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where features, fits and answers are kept; by default beside the models
    #[arg(long)]
    cache: Option<PathBuf>,
    /// The HTML page to write; by default among what is kept
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Print the figures as one line of JSON at the end
    #[arg(long)]
    json: bool,
}

/// Examples of the teacher-forced test.
const HELD_OUT: usize = 300;

/// How the questions are answered.
struct Way {
    key: &'static str,
    name: &'static str,
    metrics: Option<Metrics>,
    generations: Vec<Generation>,
    right: Vec<bool>,
}

/// All that the demo found, for the terminal and for the page.
struct Found {
    card: ModelCard,
    examples: usize,
    seed: u64,
    exact: Head,
    curve: Curve,
    questions: Vec<Problem>,
    ways: Vec<Way>,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        if self.questions == 0 {
            anyhow::bail!("--questions 0: expected at least one");
        }
        let model = self.which.load()?;
        let plan = Plan { examples: self.examples, seed: self.seed, cache: self.cache.clone() };
        let kept = plan.kept(model.card())?;
        let data = plan.data(model.as_ref(), HELD_OUT.max(self.questions))?;
        let Heads { exact, toolkengpt, curve } = plan.heads(model.as_ref(), &kept, &data.train_store)?;

        let table = Table::new(&data.test_store)?;
        let everything = Subset::all(data.test.len());
        let figures = |head: &Head| Metrics::of(head, &table, &everything, Weighting::PerPosition);
        let questions = data.test[..self.questions].to_vec();
        let mut ways = Vec::new();
        for (key, name, head) in [
            ("none", "without tools", None),
            ("toolkengpt", "ToolkenGPT's way", Some(&toolkengpt)),
            ("exact", "exact (ours)", Some(&exact)),
        ] {
            let generations: Vec<Generation> = kept
                .json(&format!("answers-{key}-{}.json", questions.len()), || {
                    answer(model.as_ref(), head, &questions)
                })?;
            let right = generations
                .iter()
                .zip(&questions)
                .map(|(g, q)| Scoring::Ending.score(&g.text, &q.answer).strict)
                .collect();
            ways.push(Way { key, name, metrics: head.map(figures).transpose()?, generations, right });
        }
        let (card, examples, seed) = (model.card().clone(), self.examples, self.seed);
        let found = Found { card, examples, seed, exact, curve, questions, ways };
        let html = page::html(&found);
        let page = match &self.page {
            Some(path) => output::file(path, html.as_bytes())?,
            None => kept.write("demo.html", html.as_bytes())?,
        };
        if self.json {
            output::json(&found.json(&page.display().to_string()))?;
        } else {
            found.show()?;
            output::text(format_args!("\nPage: {}\n", page.display()))?;
        }
        Ok(Exit::Done)
    }
}

impl Found {
    /// What the figures are of: everything needed to read them.
    fn provenance(&self) -> String {
        let lambda = self.exact.meta.lambda.map_or_else(|| "–".into(), |lambda| format!("{lambda:.2e}"));
        format!(
            "Model {} ({}), built-in arithmetic corpus, {} training examples, sentence patterns of the test never trained \
             on; exact: λ {lambda} by 5-fold cross-validation, per-position weighting, bias {:.2}; ToolkenGPT's way: Adam, \
             10 epochs at rate 1e-3, uniform start, no penalty; greedy; seed {}.",
            lm::called(&self.card.name, &self.card.digest),
            self.card.engine,
            self.examples,
            self.exact.bias,
            self.seed
        )
    }

    /// A way's share of right answers.
    fn answers(&self, way: &Way) -> f64 {
        way.right.iter().filter(|right| **right).count() as f64 / self.questions.len() as f64
    }

    fn ours(&self) -> Option<&Way> {
        self.ways.iter().find(|way| way.key == "exact")
    }

    /// A question with calls that the exact head got right or wrong.
    fn example(&self, right: bool) -> Option<(&Problem, &Generation)> {
        let ours = self.ours()?;
        let mut each = self.questions.iter().zip(&ours.generations).zip(&ours.right);
        let called = |generation: &Generation| generation.calls().next().is_some();
        each.find(|((_, generation), outcome)| **outcome == right && called(generation)).map(|(pair, _)| pair)
    }

    fn json(&self, page: &str) -> serde_json::Value {
        let ours = self.ours().and_then(|way| way.metrics.as_ref());
        let answers: BTreeMap<_, _> = self.ways.iter().map(|way| (way.key, self.answers(way))).collect();
        json!({
            "choice": ours.and_then(|m| m.choice),
            "recall": ours.and_then(|m| m.recall),
            "false_calls": ours.and_then(|m| m.false_calls),
            "answers": answers,
            "page": page,
        })
    }

    fn show(&self) -> anyhow::Result<()> {
        let share = |x: Option<f64>| x.map_or_else(|| "–".into(), |x| format!("{x:.4}"));
        let mut table = output::table(["", "tool choice", "recall", "false calls", "answers right"]);
        for way in &self.ways {
            let metrics = way.metrics.as_ref();
            table.add_row([
                way.name.to_owned(),
                share(metrics.and_then(|m| m.choice)),
                share(metrics.and_then(|m| m.recall)),
                share(metrics.and_then(|m| m.false_calls)),
                format!("{} of {}", way.right.iter().filter(|right| **right).count(), self.questions.len()),
            ]);
        }
        output::text(format_args!("{table}\n{}\n{WEAK}\n", self.provenance()))?;
        for (title, right) in [("A question it gets right", true), ("One it gets wrong", false)] {
            let Some((question, generation)) = self.example(right) else { continue };
            output::text(format_args!(
                "\n{title} (expected {}):\n{}{}\n{}",
                question.answer,
                question.question,
                generation.text,
                trace(generation)
            ))?;
        }
        Ok(())
    }
}

/// What a reader must know about the default model.
const WEAK: &str = "SmolLM2-135M is a weak model: it seldom sets a word problem up rightly, and no tool can mend that. \
                    `demo --model qwen2.5-coder-0.5b` asks a larger one.";
