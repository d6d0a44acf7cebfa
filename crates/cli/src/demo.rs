//! `toolken demo`: the whole way, from text with calls to a frozen model that uses tools, on a small real model.

use crate::{arithmetic::evaluate, exit::Exit, output, progress};
use ::corpus::Corpus;
use ::corpus::arithmetic::{Problem, Split, argument_demos, few_shot_prompt, generate};
use ::tools::ToolSet;
use anyhow::Context;
use decode::{Arguments, Calling, Engine, Generation, Prompt, Request, Settings, Template};
use head::{Head, Method, MethodName, Metrics, Search, Subset, Table, Weighting, choose_lambda, fit};
use lm::{Decoder, FrozenLm};
use serde_json::json;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  toolken demo
  toolken demo --json
  toolken demo --model qwen2.5-coder-0.5b --questions 20";

#[derive(clap::Args)]
pub struct Args {
    /// A name from `toolken model list`, or a path
    #[arg(long, default_value = "smollm2-135m")]
    model: String,
    /// Training examples
    #[arg(long, default_value_t = 1000)]
    examples: usize,
    /// Held-out questions that are answered, of sentence patterns never trained on
    #[arg(long, default_value_t = 40)]
    questions: usize,
    /// Decides the corpus, the folds and the baseline's start
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where features are kept
    #[arg(long)]
    cache: Option<PathBuf>,
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
    right: usize,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let path = crate::model::locate(&self.model)?;
        let model = Decoder::load(&path).with_context(|| format!("loading {}", path.display()))?;
        let cache = match &self.cache {
            Some(cache) => cache.clone(),
            None => lm::models_dir().join("../features"),
        };
        let train = generate(Split::Train, self.seed, self.examples, evaluate)?;
        let test = generate(Split::Test, self.seed, HELD_OUT.max(self.questions), evaluate)?;
        let names: Vec<String> = ToolSet::arithmetic().names().map(Into::into).collect();
        let corpus = |problems: &[Problem]| {
            Corpus::with_tools(problems.iter().map(|p| p.example.clone()).collect(), names.clone())
        };
        let train_store = progress::extract(&model, &corpus(&train)?, &cache)?;
        let test_store = progress::extract(&model, &corpus(&test)?, &cache)?;
        let (train_table, test_table) = (Table::new(&train_store)?, Table::new(&test_store)?);
        let (exact, toolkengpt) = self.heads(&model, &train_table)?;

        let everything = Subset::all(test.len());
        let figures = |head: &Head| Metrics::of(head, &test_table, &everything, Weighting::PerPosition);
        let questions = &test[..self.questions.min(test.len())];
        let tools = ToolSet::arithmetic();
        let mut ways = Vec::new();
        for (key, name, head) in [
            ("none", "without tools", None),
            ("toolkengpt", "ToolkenGPT's way", Some(&toolkengpt)),
            ("exact", "exact (ours)", Some(&exact)),
        ] {
            let generations = answer(&model, head, &tools, questions)?;
            let right =
                generations.iter().zip(questions).filter(|(g, q)| is_right(&g.text, &q.answer)).count();
            ways.push(Way { key, name, metrics: head.map(figures).transpose()?, generations, right });
        }
        self.show(&model, &exact, questions, &ways)?;
        if self.json {
            let ours = ways.iter().find_map(|way| way.metrics.as_ref().filter(|_| way.key == "exact"));
            let answers: BTreeMap<_, _> =
                ways.iter().map(|way| (way.key, way.right as f64 / questions.len().max(1) as f64)).collect();
            output::json(&json!({
                "choice": ours.and_then(|m| m.choice),
                "recall": ours.and_then(|m| m.recall),
                "false_calls": ours.and_then(|m| m.false_calls),
                "answers": answers,
            }))?;
        }
        Ok(Exit::Done)
    }

    fn heads(&self, model: &dyn FrozenLm, table: &Table<'_>) -> anyhow::Result<(Head, Head)> {
        let all = Subset::all(table.groups().len());
        let prior = lm::Matrix::zeros(table.tools().len(), table.width());
        let bar = progress::bar("lambda", "fits", 0);
        let search = Search { seed: self.seed, ..Search::default() };
        let exact = choose_lambda(
            table,
            &all,
            &prior,
            &Method::named(MethodName::Exact),
            &search,
            &mut |done, total| {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
            },
        )?;
        bar.finish_and_clear();
        let method = Method::named(MethodName::ToolkenGpt);
        let start = method.prior.build(model, &[], None).ok().filter(|p| p.rows() == table.tools().len());
        let start = start.unwrap_or_else(|| head::uniform(table.tools().len(), table.width(), self.seed));
        let toolkengpt = fit(table, &all, &start, &method, &mut |_| ())?;
        Ok((exact.fit.head, toolkengpt.head))
    }

    fn show(
        &self,
        model: &dyn FrozenLm,
        head: &Head,
        questions: &[Problem],
        ways: &[Way],
    ) -> anyhow::Result<()> {
        let share = |x: Option<f64>| x.map_or_else(|| "–".into(), |x| format!("{x:.4}"));
        let mut table = output::table(["", "tool choice", "recall", "false calls", "answers right"]);
        for way in ways {
            let metrics = way.metrics.as_ref();
            table.add_row([
                way.name.to_owned(),
                share(metrics.and_then(|m| m.choice)),
                share(metrics.and_then(|m| m.recall)),
                share(metrics.and_then(|m| m.false_calls)),
                format!("{} of {}", way.right, questions.len()),
            ]);
        }
        let lambda = head.meta.lambda.map_or_else(|| "–".into(), |lambda| format!("{lambda:.2e}"));
        let card = model.card();
        output::text(format_args!(
            "{table}\nModel {} ({}), built-in arithmetic corpus, {} training examples, sentence patterns of the test never \
             trained on; exact: λ {lambda} by 5-fold cross-validation, per-position weighting, bias {:.2}; seed {}.\n",
            card.name, card.engine, self.examples, head.bias, self.seed
        ))?;
        let Some(ours) = ways.iter().find(|way| way.key == "exact") else { return Ok(()) };
        let outcome = |right: bool| {
            ours.generations
                .iter()
                .zip(questions)
                .find(move |(g, q)| is_right(&g.text, &q.answer) == right && !q.example.calls.is_empty())
        };
        for (title, found) in
            [("A question it gets right", outcome(true)), ("One it gets wrong", outcome(false))]
        {
            let Some((generation, question)) = found else { continue };
            output::text(format_args!("\n{title}:\n{}{}\n", question.question, generation.text))?;
            for decision in generation.calls() {
                output::text(format_args!("  call: {}\n", serde_json::to_string(decision)?))?;
            }
            output::text(format_args!("  expected: {}\n", question.answer))?;
        }
        Ok(())
    }
}

/// Answers the questions greedily, many at a time, after a few worked examples.
fn answer(
    model: &dyn FrozenLm,
    head: Option<&Head>,
    tools: &ToolSet,
    questions: &[Problem],
) -> anyhow::Result<Vec<Generation>> {
    let settings = Settings {
        calling: if head.is_some() { Calling::Auto } else { Calling::Off },
        arguments: Arguments::Demos,
        max_tokens: 60,
        stop: vec!["\n".into()],
        ..Settings::default()
    };
    let requests: Vec<Request> = questions
        .iter()
        .map(|problem| Request {
            prompt: Prompt::Raw(format!("{}{}", few_shot_prompt(), problem.question)),
            question: Some(problem.question.clone()),
            disabled_tools: Vec::new(),
            disabled_words: Vec::new(),
            settings: settings.clone(),
        })
        .collect();
    let mut engine = match head {
        Some(head) => {
            let demos: BTreeMap<String, Template> = tools
                .names()
                .filter_map(|tool| {
                    argument_demos(tool, evaluate)
                        .map(|text| (tool.to_owned(), Template::new(format!("{text}[QUESTION]"))))
                })
                .collect();
            Engine::new(model, head, tools)?.demos(demos)?
        }
        None => Engine::words_only(model),
    }
    .batch(NonZeroUsize::new(16).unwrap_or(NonZeroUsize::MIN));
    let bar = progress::bar("answers", "questions", questions.len() as u64);
    let generations = engine.run_with(&requests, &mut |event| {
        if matches!(event, decode::Event::Done { .. }) {
            bar.inc(1);
        }
    })?;
    bar.finish_and_clear();
    Ok(generations)
}

/// Whether the text's last sentence ends in the expected answer: numbers within 0.1 %, other answers to the letter.
fn is_right(text: &str, expected: &str) -> bool {
    let text = text.trim().trim_end_matches('.');
    if text.ends_with(expected)
        && !text[..text.len() - expected.len()].ends_with(|c: char| c.is_alphanumeric() || c == '.')
    {
        return true;
    }
    let last =
        text.rsplit(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).find(|part| !part.is_empty());
    match (last.and_then(|x| x.parse::<f64>().ok()), expected.replace(',', "").parse::<f64>()) {
        (Some(found), Ok(expected)) => (found - expected).abs() <= 1e-3 * expected.abs(),
        _ => false,
    }
}
