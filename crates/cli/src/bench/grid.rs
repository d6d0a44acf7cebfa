//! `toolken bench grid`: teacher-forced figures of many heads, from features that are computed once.

use super::Data;
use crate::extract::Source;
use crate::{exit::Exit, output, progress};
use ::bench::grid::{Arena, FEW, GridFile, GridMeta, Part, Row, VERSION, Worker, by_seed, maps, plan};
use ::bench::stats::mean_t;
use ::bench::task::TrainingSet;
use clap::ValueEnum;
use head::{Features, Table};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

pub const EXAMPLES: &str = "\
Examples:
  toolken bench grid arithmetic --out grids/arithmetic --parts methods
  toolken bench grid funcqa --data data --out grids/funcqa --seeds 5
  toolken bench grid kamel-30 --data data --out grids/kamel-30 --parts few
  toolken bench grid gsm8k --data data --out grids/gsm8k --training-limit 2000

What is done is kept: the same command goes on where it was stopped.";

const MOST_JOBS: NonZeroUsize = NonZeroUsize::new(8).unwrap();

#[derive(clap::Args)]
pub struct Args {
    /// The training set: funcqa, gsm8k, arithmetic, facts; kamel-N (ToolkenGPT's synthetic texts about the first N relations) or
    /// kamel-facts-N (KAMEL's own facts about them), N one of 10, 20, 30, 60, 100, 234; home-builtin, home-published, home-all
    /// (plans in tool tokens, in folds of titles)
    training: TrainingSet,
    /// What is scored; by default the set's own test, where it has texts of its own kind to test on
    #[arg(long, value_enum)]
    on: Option<On>,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    source: Source,
    /// The grid's directory
    #[arg(long)]
    out: PathBuf,
    /// Parts of the grid, in the order given; by default methods, lambda, names, learning, priors and rest
    #[arg(long, value_delimiter = ',', value_enum)]
    parts: Vec<Which>,
    /// Seeds of everything random; on FuncQA each cuts the examples into five folds anew
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Examples a tool in the part `few`, if not all of 1, 2, 5, 10, 20 and 40
    #[arg(long, value_delimiter = ',')]
    per_tool: Vec<NonZeroUsize>,
    /// At most so many training examples, a seeded sample
    #[arg(long, value_name = "N", alias = "limit")]
    training_limit: Option<usize>,
    /// The seed of that sample
    #[arg(long, default_value_t = 0)]
    sample_seed: u64,
    /// Heads that are fitted at a time; by default one a core, at most eight
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Print one line of JSON a row instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum On {
    /// Folds of the training set; of few examples a tool, all others
    Own,
    /// GSM8K-XL's solutions, unseen patterns, KAMEL's test questions
    Test,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Which {
    /// The methods as published, and ours
    Methods,
    /// λ from 0 to 1
    Lambda,
    /// Names that say nothing
    Names,
    /// Few examples a tool
    Learning,
    /// Few examples a tool: priors, their scales, and the prior that the training calls choose
    Few,
    /// Names pooled by mean and by maximum
    Pooling,
    /// Every prior, source and pooling
    Priors,
    /// Every prior with the other weighting, and with the chosen λ
    Rest,
}

impl From<Which> for Part {
    fn from(which: Which) -> Self {
        match which {
            Which::Methods => Self::Methods,
            Which::Lambda => Self::Lambda,
            Which::Names => Self::Names,
            Which::Learning => Self::Learning,
            Which::Few => Self::Few,
            Which::Pooling => Self::Pooling,
            Which::Priors => Self::Priors,
            Which::Rest => Self::Rest,
        }
    }
}

impl Args {
    /// The parts that are asked for. Of plans no few examples of each token can be drawn: a text has many of them.
    fn parts(&self) -> anyhow::Result<Vec<Which>> {
        let plans = matches!(self.training, TrainingSet::Home(_));
        let draws = |part: &Which| matches!(part, Which::Learning | Which::Few);
        if plans && self.parts.iter().any(draws) {
            anyhow::bail!(
                "{}: learning and few draw so many texts of each tool, and a plan is a text of many: take other parts",
                self.training
            );
        }
        if !self.per_tool.is_empty() && !self.parts.contains(&Which::Few) {
            anyhow::bail!("--per-tool is of the part `few`: add --parts few");
        }
        if !self.parts.is_empty() {
            return Ok(self.parts.clone());
        }
        use Which::{Lambda, Learning, Methods, Names, Priors, Rest};
        let all = [Methods, Lambda, Names, Learning, Priors, Rest];
        Ok(all.into_iter().filter(|part| !(plans && draws(part))).collect())
    }

    pub fn run(self) -> anyhow::Result<Exit> {
        let training = self.training;
        let parts: Vec<Part> = self.parts()?.into_iter().map(Part::from).collect();
        let data = self.data.data.as_deref();
        let corpus = training.load(data, self.training_limit, self.sample_seed)?;
        let test = match self.on.unwrap_or(by_default(training)) {
            On::Own => None,
            On::Test => match training.test(data)? {
                None => anyhow::bail!(
                    "{training} has no test of its own, it is scored in folds: leave out --on test"
                ),
                test => test,
            },
        };
        let model = self.source.model()?;
        let train_store = self.source.features(model.as_ref(), &corpus)?;
        let test_store = match &test {
            Some(test) => Some(self.source.features(model.as_ref(), test)?),
            None => None,
        };
        let train_table = Table::new(&train_store)?;
        let test_table = test_store.as_ref().map(|store| Table::new(store)).transpose()?;
        let arena =
            Arena::new(&train_table, test_table.as_ref(), training.texts(data)?, training.published())?;
        let meta = GridMeta {
            version: VERSION,
            training,
            examples: train_store.groups().len(),
            sample_seed: self.sample_seed,
            corpus: corpus.digest(),
            test_corpus: test.as_ref().map(::corpus::Corpus::digest),
            model: model.card().name.clone(),
            model_digest: model.card().digest.clone(),
            engine: model.card().engine.clone(),
            mean_square_norm: train_table.mean_square_norm(),
        };
        let given: Vec<usize> = self.per_tool.iter().map(|count| count.get()).collect();
        let few = if given.is_empty() { FEW.to_vec() } else { given };
        let units = plan(&arena, &parts, self.seeds, &few);
        if units.is_empty() {
            anyhow::bail!("nothing to fit: {training} has too few examples a tool for what was asked");
        }
        let mut file = GridFile::open(&self.out, &meta)?;
        let worker = Worker::new(model.as_ref(), arena);
        let bar = progress::bar("grid", "fits", units.len() as u64);
        let missing: Vec<_> = units.iter().filter(|unit| !file.has_unit(unit)).collect();
        bar.set_position((units.len() - missing.len()) as u64);
        bar.reset_eta();
        worker.work_all(&missing, self.jobs.unwrap_or_else(jobs), &mut |rows| {
            bar.inc(1);
            file.add(&[rows])
        })?;
        bar.finish_and_clear();
        if GridFile::maps(&self.out)?.is_empty() {
            file.set_maps(&maps(
                model.as_ref(),
                &train_table,
                &training.texts(data)?,
                training.published(),
            )?)?;
        }
        let rows = GridFile::rows(&self.out)?;
        if self.json {
            rows.iter().try_for_each(output::json)?;
        } else {
            output::text(format_args!("{}\n", table(&rows)))?;
            output::text(format_args!(
                "{}, {} examples (corpus {}), {}: {} rows in {}\n",
                training,
                meta.examples,
                &meta.corpus[..8.min(meta.corpus.len())],
                meta.called(),
                rows.len(),
                self.out.display()
            ))?;
        }
        Ok(Exit::Done)
    }
}

/// A set with a test of its own kind is scored on that; FuncQA has none, and KAMEL's synthetic texts are not questions.
fn by_default(training: TrainingSet) -> On {
    match training {
        TrainingSet::FuncQa | TrainingSet::Kamel(_) | TrainingSet::Home(_) => On::Own,
        _ => On::Test,
    }
}

/// One a core; each takes memory of its own, so eight are enough.
fn jobs() -> NonZeroUsize {
    thread::available_parallelism().map_or(NonZeroUsize::MIN, |cores| cores.min(MOST_JOBS))
}

/// The rows' means over seeds.
fn table(rows: &[Row]) -> comfy_table::Table {
    let mut groups: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        groups.entry(::bench::grid::summary(row)).or_default().push(row);
    }
    let mut table =
        output::table(["", "seeds", "choice", "recall", "false calls", "F1 at bias", "call NLL", "CE"]);
    for (name, rows) in groups {
        let show = |value: &dyn Fn(&Row) -> Option<f64>| {
            let values: Vec<f64> = by_seed(rows.iter().copied(), value).into_values().collect();
            mean_t(&values, 0.95).map_or_else(
                || "–".into(),
                |i| {
                    if i.n > 1 {
                        format!("{:.4} ±{:.4}", i.value, i.high - i.value)
                    } else {
                        format!("{:.4}", i.value)
                    }
                },
            )
        };
        table.add_row([
            name,
            by_seed(rows.iter().copied(), |_| Some(0.0)).len().to_string(),
            show(&|row| row.metrics.choice),
            show(&|row| row.metrics.recall),
            show(&|row| row.metrics.false_calls),
            show(&|row| row.chosen_bias.and_then(|b| b.f1)),
            show(&|row| row.metrics.call_nll),
            show(&|row| Some(row.metrics.cross_entropy)),
        ]);
    }
    table
}
