//! `toolken bench home`: plans for a household by one method, in a directory that can be gone on with.

use super::Data;
use crate::extract::Source;
use crate::fit::with_source;
use crate::{exit::Exit, options, output, progress};
use ::bench::grid::Names;
use ::bench::heads::{HeadPlan, PriorName};
use ::bench::home::{
    FOLDS, HomeData, HomeMeta, HomeRecord, HomeRun, Household, PartPlanner, PlanMethod, Shown, Tally,
    TrainOn, VERSION, Way, fit_part, success_interval, tally,
};
use ::bench::retrieve::Ranker;
use ::bench::task::{TrainingSet, sample};
use head::{Head, MethodName, Table};
use lm::FrozenLm;
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

pub const EXAMPLES: &str = "\
Examples:
  toolken bench home exact --out runs/home
  toolken bench home in-context --out runs/home-words
  toolken bench home exact --simulator --out runs/home-asked
  toolken bench home exact@20-bm25 --out runs/home-20
  toolken bench home exact --household all --data data --out runs/vh-exact
  toolken bench home toolkengpt --household published --data data --out runs/vh58-toolkengpt
  toolken bench home exact --household published --train published-unfiltered --data data --out runs/vh58-as-published

Tasks are tested in five parts, cut by title; the head of a part has seen no title and no hint of it. Printed with the plans'
figures is what the tasks' own scripts reach in the simulator, the ceiling, and what their first eight lines do, since no plan has more.

Every plan is kept as it comes: the same command goes on where it was stopped.";

#[derive(clap::Args)]
pub struct Args {
    /// The method: toolkengpt, tokenlearning, tokenlearning-code or exact, with @K-bm25 or @K-similarity only the K actions and
    /// objects that retrieval ranks first; for plans in words in-context, in-context-described (with what actions and objects
    /// are), bm25 or similarity (the worked examples that retrieval ranks first), or function-calling (the model's own)
    method: Way,
    /// builtin, a small household of our own; published, VirtualHome's tasks within ToolkenGPT's 58 tokens; all, with all
    /// their actions and objects
    #[arg(long, default_value = "builtin")]
    household: Household,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    source: Source,
    /// The run's directory
    #[arg(long)]
    out: PathBuf,
    /// both, gold (the tasks' own scripts), published (ToolkenGPT's texts), or published-unfiltered (all of these, titles and
    /// hints of the tests among them)
    #[arg(long, default_value = "both")]
    train: TrainOn,
    /// W0: own (the method's), zero, random, id, name, name-max, name-states, description, description-states,
    /// name-and-description, contexts, irrelevant, or chosen by the training calls
    #[arg(long, default_value = "own")]
    prior: PriorName,
    /// What priors call the tokens: tool (tool_1, tool_2, …) or func, if not what they are called
    #[arg(long)]
    names: Option<Names>,
    /// λ; by default chosen by cross-validation for exact, else the method's own
    #[arg(long, value_parser = options::lambda)]
    lambda: Option<f64>,
    /// Ask the simulator before each line: only what it would carry out stays enabled
    #[arg(long)]
    simulator: bool,
    /// Adam's learning rate; by default 1e-4
    #[arg(long)]
    rate: Option<f64>,
    /// Adam's epochs; by default 7
    #[arg(long)]
    epochs: Option<usize>,
    /// At most so many tasks, a seeded sample
    #[arg(long)]
    limit: Option<NonZeroUsize>,
    /// Decides the parts, the sample, and what is random in a fit
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Tasks that are planned together; it does not change their plans
    #[arg(long, default_value = "16")]
    batch: NonZeroUsize,
    /// Print the figures as one line of JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(mut self) -> anyhow::Result<Exit> {
        if matches!(self.method, Way::Words(_)) && self.simulator {
            anyhow::bail!("--simulator goes with tool tokens: plans in words are whole when they are seen");
        }
        let of_head = [
            ("--prior", self.prior != PriorName::Own),
            ("--names", self.names.is_some()),
            ("--lambda", self.lambda.is_some()),
        ];
        let of_adam = [("--rate", self.rate.is_some()), ("--epochs", self.epochs.is_some())];
        let given = |options: &[(&'static str, bool)]| options.iter().find(|o| o.1).map(|o| o.0);
        match self.method {
            Way::Words(_) => {
                if let Some(option) = given(&of_head).or(given(&of_adam)) {
                    anyhow::bail!("{option} is of a head, and plans in words have none");
                }
            }
            Way::Tokens(MethodName::Exact, _) => {
                if let Some(option) = given(&of_adam) {
                    anyhow::bail!("{option} is Adam's: exact is fitted to its optimum");
                }
            }
            Way::Tokens(..) => {}
        }
        if let Some(plan) = self.plan() {
            HeadPlan::from(&plan).check()?;
        }
        let home = HomeData::load(self.household, self.data.data.as_deref())?;
        let (folds, mut tests) = (home.folds(self.seed), home.tests());
        self.limit = self.limit.filter(|limit| limit.get() < tests.len());
        if let Some(limit) = self.limit {
            tests = sample(tests.len(), limit.get(), self.seed).into_iter().map(|at| tests[at]).collect();
        }
        let model = self.source.model()?;
        self.method.goes_with(model.as_ref())?;
        let mut run = HomeRun::open(&self.out, &self.meta(&home, model.as_ref()))?;
        let bar = progress::bar("plans", "tasks", tests.len() as u64);
        let todo = |run: &HomeRun| -> Vec<usize> {
            tests.iter().copied().filter(|&at| !run.has(home.tasks.tasks[at].id.as_str())).collect()
        };
        let missing = todo(&run);
        bar.set_position((tests.len() - missing.len()) as u64);
        let store = match self.method {
            Way::Tokens(..) if !missing.is_empty() => {
                Some(self.source.features(model.as_ref(), &home.corpus)?)
            }
            _ => None,
        };
        let table = store.as_ref().map(|store| Table::new(store)).transpose()?;
        let ranker = match self.method.among().filter(|_| !missing.is_empty()) {
            Some(among) => Some((Ranker::new(among.by, home.vocabulary.tools(), model.as_ref())?, among.k)),
            None => None,
        };
        for fold in 0..FOLDS {
            let of_fold: Vec<usize> = missing.iter().copied().filter(|&at| folds[at] == fold).collect();
            if of_fold.is_empty() {
                continue;
            }
            let part = home.training(&folds, fold, self.train);
            let head = match (&table, self.plan()) {
                (Some(table), Some(plan)) => {
                    Some(self.head(&run, model.as_ref(), table, &home, (&part, fold), &plan)?)
                }
                _ => None,
            };
            let among = ranker.as_ref().map(|(ranker, k)| (ranker, *k));
            let planner = match (self.method, &head) {
                (Way::Words(shown), _) => PartPlanner::words(model.as_ref(), &home, shown, &part, self.seed)?,
                (Way::Tokens(..), Some(head)) => {
                    PartPlanner::tokens(model.as_ref(), &home, head, among, self.simulator)
                }
                (Way::Tokens(..), None) => continue, // nothing was missing
            };
            for batch in of_fold.chunks(self.batch.get()) {
                let started = Instant::now();
                let written = planner.plan(batch, self.batch)?;
                let took = (started.elapsed() / batch.len() as u32).as_micros() as u64;
                let record = |(&at, written)| HomeRecord::of(&home, at, fold, written, took);
                run.add(&batch.iter().zip(written).map(record).collect::<Result<Vec<_>, _>>()?)?;
                bar.inc(batch.len() as u64);
            }
        }
        bar.finish_and_clear();
        self.show(&home, &HomeRun::meta(&self.out)?, &HomeRun::read(&self.out)?)?;
        Ok(Exit::Done)
    }

    fn meta(&self, home: &HomeData, model: &dyn FrozenLm) -> HomeMeta {
        let card = model.card();
        HomeMeta {
            version: VERSION,
            household: self.household,
            train: self.train,
            simulator: self.simulator,
            among: self.method.among(),
            shown: match self.method {
                Way::Words(shown) => (shown != Shown::Worked).then_some(shown),
                Way::Tokens(..) => None,
            },
            fold_seed: self.seed,
            limit: self.limit.map(NonZeroUsize::get),
            corpus: home.corpus.digest(),
            model: card.name.clone(),
            model_digest: card.digest.clone(),
            engine: card.engine.clone(),
            head: self.plan(),
        }
    }

    fn plan(&self) -> Option<PlanMethod> {
        let Way::Tokens(method, _) = self.method else { return None };
        let (rate, epochs) = TrainingSet::Home(self.household).published();
        let adam =
            (method != MethodName::Exact).then(|| (self.rate.unwrap_or(rate), self.epochs.unwrap_or(epochs)));
        let (prior, names, lambda, seed) = (self.prior, self.names, self.lambda, self.seed);
        Some(PlanMethod { method, prior, adam, names, lambda, seed })
    }

    /// The head of a part: the one that is kept, or one that is fitted and kept.
    fn head(
        &self,
        run: &HomeRun,
        model: &dyn FrozenLm,
        table: &Table<'_>,
        home: &HomeData,
        (part, fold): (&[bool], usize),
        plan: &PlanMethod,
    ) -> anyhow::Result<Head> {
        // Trained on all that is published, every part has the same head.
        let path = run.head_path(if self.train == TrainOn::PublishedUnfiltered { 0 } else { fold });
        if path.exists() {
            let head = Head::load(&path)?;
            head.check_model(model.card())?;
            let found = head.meta.method.as_ref().map(|method| method.name);
            if head.meta.corpus_digest != home.corpus.digest()
                || found.is_some_and(|name| name != plan.method)
            {
                anyhow::bail!(
                    "{}: another head, of other texts or another method: delete it, and it is fitted again",
                    path.display()
                );
            }
            return Ok(head);
        }
        let head = fit_part(model, table, &home.vocabulary, part, plan)?;
        let head = with_source(head, model, &home.corpus.digest());
        head.save(&path)?;
        Ok(head)
    }

    fn show(&self, home: &HomeData, meta: &HomeMeta, records: &[HomeRecord]) -> anyhow::Result<()> {
        let all = tally(records);
        let name = meta.method();
        let parts = [
            ("hint in the published texts", tally(records.iter().filter(|record| record.in_published))),
            ("hint nowhere in them", tally(records.iter().filter(|record| !record.in_published))),
        ];
        if self.json {
            output::json(&json!({
                "household": self.household.to_string(), "method": name, "run": meta, "prior": self.prior.to_string(),
                "train": self.train.to_string(), "simulator": self.simulator, "tokens": home.vocabulary.kinds().len(),
                "training_texts": home.corpus.examples().len(), "left_out": home.left_out, "figures": all,
                "interval": success_interval(records), "hint_in_published": parts[0].1,
                "hint_not_in_published": parts[1].1,
            }))?;
            return Ok(());
        }
        let mut table = output::table([
            "tasks",
            "",
            "success",
            "relaxed",
            "executable",
            "grounded",
            "cut",
            "own scripts",
            "their first 8 lines",
        ]);
        let row = |name: &str, tally: &Tally| {
            let share = |count: usize| match tally.tasks {
                0 => "–".to_owned(),
                tasks => format!("{:.1} %", 100.0 * count as f64 / tasks as f64),
            };
            let counts = [
                tally.success,
                tally.relaxed,
                tally.executable,
                tally.grounded,
                tally.cut,
                tally.gold,
                tally.gold_lines,
            ]
            .map(share);
            [name.to_owned(), tally.tasks.to_string()].into_iter().chain(counts).collect::<Vec<String>>()
        };
        table.add_row(row("all", &all));
        if records.iter().any(|record| record.in_published) {
            parts.iter().for_each(|(name, tally)| {
                table.add_row(row(name, tally));
            });
        }
        let mut text = format!(
            "{name}, seed {}, household {}, {}, {}: {} tokens, {} training texts, trained on {}.\n{table}\n",
            self.seed,
            self.household,
            meta.called(),
            meta.engine,
            home.vocabulary.kinds().len(),
            home.corpus.examples().len(),
            self.train
        );
        if let Some(interval) = success_interval(records) {
            text += &format!(
                "Success {} of {}, 95 % interval over titles {:.1} to {:.1} %.\n",
                all.success,
                all.tasks,
                100.0 * interval.low,
                100.0 * interval.high
            );
        }
        let mut reasons: Vec<_> = all.reasons.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (reason, count) in reasons {
            text += &format!("{count:5} rejected: {reason}\n");
        }
        for (reason, count) in &home.left_out {
            text += &format!("{count:5} left out: {reason}\n");
        }
        output::text(text)?;
        Ok(())
    }
}
