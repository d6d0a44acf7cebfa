//! `toolken bench run`: a task's questions answered by one method, in a directory that can be gone on with.

use super::Data;
use crate::engine::Elsewhere;
use crate::extract::Source;
use crate::fit::with_source;
use crate::options::{self, Arguments, Rounding};
use crate::{exit::Exit, output, progress};
use ::bench::answer::Answerer;
use ::bench::grid::Names;
use ::bench::heads::{HeadPlan, PriorName, fit_head};
use ::bench::method::Method;
use ::bench::run::{BiasRule, HeadOfRun, Record, Run, RunMeta, rules};
use ::bench::stats::{LEVEL, wilson};
use ::bench::task::{Question, Task, TaskName, TrainingSet, few};
use anyhow::{Context, bail};
use head::{Bias, Features, Head, HeadError, Subset, Table, Weighting};
use lm::FrozenLm;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use tools::Guards;

pub const EXAMPLES: &str = "\
Examples:
  toolken bench run arithmetic cot --out runs/arithmetic-cot --limit 40
  toolken bench run funcqa-one-hop exact --data data --model qwen2.5-coder-0.5b --out runs/oh-exact
  toolken bench run gsm8k-xl toolkengpt --data data --limit 150 --bias published --out runs/xl-toolkengpt
  toolken bench run facts exact --prior description-states --per-tool 2 --out runs/facts-exact
  toolken bench run funcqa-multi-hop exact@5-bm25 --data data --out runs/mh-exact-5
  toolken bench run funcqa-one-hop exact --data data --model export.gguf --engine http://127.0.0.1:8080 --out runs/oh-there

Tasks: funcqa-one-hop, funcqa-multi-hop, gsm8k-xl, arithmetic, facts, kamel-N (N relations: 10, 20, 30, 60, 100, 234).
Methods: zero-shot, cot, in-context, in-context-described, react, function-calling, bm25, similarity, toolkengpt, tokenlearning,
tokenlearning-code, exact; HEAD@K-RETRIEVER for tool tokens among the K tools that bm25 or similarity ranks first;
react-HEAD for ReAct whose actions are tool tokens.

Every answer is kept as it comes: the same command goes on where it was stopped.";

#[derive(clap::Args)]
pub struct Args {
    /// The task
    task: TaskName,
    /// The method
    method: Method,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    elsewhere: Elsewhere,
    /// The head that the engine's export was made with, if --model is not the export
    #[arg(long, requires = "engine")]
    head: Option<PathBuf>,
    /// The run's directory
    #[arg(long)]
    out: PathBuf,
    /// At most so many questions, a seeded sample
    #[arg(long)]
    limit: Option<NonZeroUsize>,
    /// The seed of that sample
    #[arg(long, default_value_t = 0)]
    sample_seed: u64,
    /// The bias on tools: published; auto, by greedy F1 on held-out training folds; or a number
    #[arg(long, default_value = "auto", allow_hyphen_values = true)]
    bias: BiasRule,
    /// Decides what is random in a head's fit, and its folds
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Training examples of the head at most, a seeded sample
    #[arg(long, value_name = "N", alias = "train")]
    training_limit: Option<usize>,
    /// The training set of the head, if not the task's own: kamel-facts-30 for kamel-30
    #[arg(long, value_name = "SET")]
    training: Option<TrainingSet>,
    /// At most so many training examples a tool, drawn by the seed
    #[arg(long, value_name = "N")]
    per_tool: Option<usize>,
    /// W0: own (the method's), zero, random, id, name, name-max, name-states, description, description-states,
    /// name-and-description, contexts, irrelevant, or chosen by the training calls
    #[arg(long, default_value = "own")]
    prior: PriorName,
    /// λ, if it is neither to be chosen nor the method's own
    #[arg(long, value_parser = options::lambda)]
    lambda: Option<f64>,
    /// How positions are averaged, if not as the method does: per-position or per-example
    #[arg(long, value_parser = named::<Weighting>)]
    weighting: Option<Weighting>,
    /// Train the head on the positions of calls alone, the release's default
    #[arg(long)]
    calls_only: bool,
    /// What the tools are called: own, id, tool (`tool_1`) or func (`func_42`)
    #[arg(long)]
    names: Option<Names>,
    /// More facts for the knowledge base, JSON lines with relation, subject and answers, and aliases if the subject has other
    /// names (answers [] to add only those); may be given again
    #[arg(long, value_name = "FILE")]
    kb: Vec<PathBuf>,
    /// Adam's learning rate; by default the published one of the training set
    #[arg(long)]
    rate: Option<f64>,
    /// Adam's epochs; by default those of the published head
    #[arg(long)]
    epochs: Option<usize>,
    /// Where the arguments of tool tokens are written
    #[arg(long, value_enum, default_value = "demos")]
    arguments: Arguments,
    /// Rounding of the arithmetic functions
    #[arg(long, value_enum, default_value = "reference")]
    rounding: Rounding,
    /// Questions that decode together; it does not change their answers
    #[arg(long, default_value = "24")]
    batch: NonZeroUsize,
    /// Print the figures as one line of JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(mut self) -> anyhow::Result<Exit> {
        self.check_head_options()?;
        let (task, facts) = self.task()?;
        let bias = match self.bias {
            BiasRule::Published => Some(task.published_bias),
            BiasRule::Auto => None,
            BiasRule::Given(bias) => Some(bias),
        };
        let given = self.head.as_ref().map(|path| Head::load(path)).transpose()?;
        let (model, there): (Box<dyn FrozenLm>, _) =
            match self.elsewhere.connect(self.source.model_name(), given)? {
                Some(there) => (Box::new(there.model), Some((there.served, there.head))),
                None => (self.source.model()?, None),
            };
        self.method.goes_with(&task, model.as_ref())?;
        let plan = self.method.head().map(|method| self.plan(method));
        let corpus = plan.is_some().then(|| self.corpus()).transpose()?;
        let of_head = plan.zip(corpus.as_ref()).map(|(plan, corpus)| self.of_head(&plan, corpus));
        let (served, exported) = there.unzip();
        let asked = plan.zip(corpus.as_ref());
        if let (Some(head), Some((plan, corpus))) = (&exported, &asked) {
            self.refuse_other(head, plan, corpus)?;
        }
        let mut run = Run::open(&self.out, &self.meta(&task, model.as_ref(), facts, of_head))?;
        let missing = run.missing(&task);
        let head = match asked {
            Some(_) if exported.is_some() => exported,
            Some((plan, corpus)) if !missing.is_empty() => {
                Some(self.head(&run, model.as_ref(), &task, &plan, corpus)?)
            }
            _ => None,
        };
        let answerer = Answerer {
            lm: model.as_ref(),
            task: &task,
            method: self.method,
            head: head.as_ref(),
            bias,
            arguments: self.arguments.into(),
            batch: self.batch,
            served,
        };
        answer(&answerer, &missing, &mut run)?;
        self.show(&Run::meta(&self.out)?, &Run::read(&self.out)?)?;
        Ok(Exit::Done)
    }

    /// The task with the questions that are asked and all that its tools know, and the digests of the files of facts.
    fn task(&mut self) -> anyhow::Result<(Task, Vec<String>)> {
        let mut task = self.task.load(self.data.data.as_deref())?;
        // As many as there are is all of them.
        self.limit = self.limit.filter(|limit| limit.get() < task.questions.len());
        if let Some(limit) = self.limit {
            task = task.sampled(limit.get(), self.sample_seed);
        }
        task.tools = task.tools.with_arithmetic(self.rounding.into(), Guards::default());
        let mut facts = Vec::with_capacity(self.kb.len());
        for file in &self.kb {
            let unknown = task.add_facts(file)?;
            if !unknown.is_empty() {
                let names = unknown.into_iter().collect::<Vec<_>>().join(", ");
                tracing::warn!("{}: no relations of {}, not used: {names}", file.display(), task.name);
            }
            let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
            facts.push(hex::encode(Sha256::digest(bytes)));
        }
        Ok((task, facts))
    }

    /// What a head is trained on.
    fn corpus(&self) -> anyhow::Result<::corpus::Corpus> {
        let data = self.data.data.as_deref();
        let corpus = self.training().load(data, self.training_limit, self.sample_seed)?;
        Ok(match self.per_tool {
            Some(count) => few(&corpus, count, self.seed)?,
            None => corpus,
        })
    }

    /// Refuses an engine whose export was made with another head than the one that was asked for.
    fn refuse_other(&self, head: &Head, plan: &HeadPlan, corpus: &::corpus::Corpus) -> anyhow::Result<()> {
        let Some(fault) = self.fault_of(head, plan, corpus) else { return Ok(()) };
        bail!(HeadError::Setting(format!(
            "the export's head {fault}, a run of {} on {} was asked for: export the head.safetensors of a run of that method, and \
             have the engine serve that",
            self.method, self.task
        )))
    }

    /// What tells a head from the one that was asked for. (What its file does not say, the seed of λ's folds and what the tools were
    /// called, is taken on trust.)
    fn fault_of(&self, head: &Head, plan: &HeadPlan, corpus: &::corpus::Corpus) -> Option<String> {
        let (wanted, _) = plan.method();
        let Some(found) = &head.meta.method else { return Some("does not say how it was fitted".to_owned()) };
        let prior = plan.prior == PriorName::Chosen || found.prior == wanted.prior;
        let fault = if found.name != wanted.name {
            return Some(format!("is of another method ({})", found.name));
        } else if head.meta.corpus_digest != corpus.digest() {
            "was fitted on another corpus"
        } else if !prior {
            "was fitted with another prior"
        } else if found.training != wanted.training {
            "was trained on other positions"
        } else if found.solver != wanted.solver {
            "was fitted by another solver, or with other settings"
        } else if self.lambda.is_some() && found.penalty != wanted.penalty {
            "has another λ"
        } else {
            return None;
        };
        Some(fault.to_owned())
    }

    /// Refuses what would have no effect.
    fn check_head_options(&self) -> anyhow::Result<()> {
        let given = [
            ("--prior", self.prior != PriorName::Own),
            ("--lambda", self.lambda.is_some()),
            ("--weighting", self.weighting.is_some()),
            ("--names", self.names.is_some()),
            ("--calls-only", self.calls_only),
            ("--training", self.training.is_some()),
            ("--per-tool", self.per_tool.is_some()),
            ("--training-limit", self.training_limit.is_some()),
            ("--bias", self.bias != BiasRule::Auto),
            ("--arguments", self.arguments != Arguments::Demos),
            ("--seed", self.seed != 0),
        ];
        let adam = [("--rate", self.rate.is_some()), ("--epochs", self.epochs.is_some())];
        let none = |options: &[(&'static str, bool)]| {
            options.iter().find(|(_, given)| *given).map(|(name, _)| *name)
        };
        match self.method.head() {
            None => match none(&given).or(none(&adam)) {
                Some(option) => bail!("{option} is of a head, and {} has none", self.method),
                None => Ok(()),
            },
            Some(method) => match none(&adam).filter(|_| method == head::MethodName::Exact) {
                Some(option) => bail!("{option} is Adam's: {} is fitted to its optimum", self.method),
                None => Ok(self.plan(method).check()?),
            },
        }
    }

    fn training(&self) -> TrainingSet {
        self.training.unwrap_or(self.task.training())
    }

    fn plan(&self, method: head::MethodName) -> HeadPlan {
        let (rate, epochs) = self.training().published();
        let adam = (self.rate.unwrap_or(rate), self.epochs.unwrap_or(epochs));
        HeadPlan {
            seed: self.seed,
            prior: self.prior,
            lambda: self.lambda,
            weighting: self.weighting,
            names: self.names,
            calls_only: self.calls_only,
            ..HeadPlan::new(method, adam)
        }
    }

    fn of_head(&self, plan: &HeadPlan, corpus: &::corpus::Corpus) -> HeadOfRun {
        let (method, _) = plan.method();
        HeadOfRun {
            method: plan.method,
            corpus: corpus.digest(),
            examples: corpus.examples().len(),
            seed: plan.seed,
            prior: (plan.prior != PriorName::Own).then_some(plan.prior),
            training: (self.training() != self.task.training()).then(|| self.training()),
            per_tool: self.per_tool,
            lambda: self.lambda,
            names: self.names,
            calls_only: self.calls_only,
            weighting: method.training.weighting,
            bias_rule: self.bias,
            adam: matches!(method.solver, head::Solver::Adam(_)).then_some(plan.adam),
            arguments: self.arguments.into(),
        }
    }

    fn meta(
        &self,
        task: &Task,
        model: &dyn FrozenLm,
        facts: Vec<String>,
        head: Option<HeadOfRun>,
    ) -> RunMeta {
        let card = model.card();
        RunMeta {
            version: rules(self.method, self.task),
            task: task.name,
            task_version: task.version,
            asked: Some(task.digest()),
            limit: self.limit.map(NonZeroUsize::get),
            // Of no sample it is the seed of none.
            sample_seed: match (self.limit, self.training_limit) {
                (None, None) => 0,
                _ => self.sample_seed,
            },
            method: self.method,
            model: card.name.clone(),
            model_digest: card.digest.clone(),
            engine: card.engine.clone(),
            rounding: self.rounding.into(),
            max_tokens: task.max_tokens,
            facts,
            head,
        }
    }

    /// The run's head: the one that is kept, or one that is fitted and kept.
    fn head(
        &self,
        run: &Run,
        model: &dyn FrozenLm,
        task: &Task,
        plan: &HeadPlan,
        corpus: &::corpus::Corpus,
    ) -> anyhow::Result<Head> {
        let path = run.head_path();
        if path.exists() {
            let head = Head::load(&path)?;
            head.check_model(model.card())?;
            return match self.fault_of(&head, plan, corpus) {
                None => Ok(head),
                Some(fault) => bail!(HeadError::Setting(format!(
                    "{}: the head {fault}: delete it, and it is fitted again",
                    path.display()
                ))),
            };
        }
        // One that is given needs no held-out heads to be chosen by.
        let bias = match self.bias {
            BiasRule::Auto => Bias::Auto,
            BiasRule::Published => Bias::Fixed(task.published_bias),
            BiasRule::Given(bias) => Bias::Fixed(bias),
        };
        let store = self.source.features(model, corpus)?;
        let (table, all) = (Table::new(&store)?, Subset::all(store.groups().len()));
        let head = fit_head(model, &table, &all, &task.texts, plan, bias)?;
        let head = with_source(head, model, &corpus.digest());
        head.save(&path)?;
        Ok(head)
    }

    fn show(&self, meta: &RunMeta, records: &[Record]) -> anyhow::Result<()> {
        let count = |right: &dyn Fn(&Record) -> bool| records.iter().filter(|record| right(record)).count();
        let (strict, lax) = (count(&|r| r.score.strict), count(&|r| r.score.lax));
        let (calls, failed) = records.iter().fold((0, 0), |(calls, failed), r| {
            let wrong = r.answered.calls.iter().filter(|call| call.error.is_some()).count();
            (calls + r.answered.calls.len(), failed + wrong)
        });
        let did_not_fit = count(&|r| matches!(r.answered.finish, decode::Finish::ContextFull { .. }));
        let interval = wilson(strict, records.len(), LEVEL);
        let (answered, greedy) =
            (count(&|r| r.score.answer == Some(true)), count(&|r| r.score.greedy == Some(true)));
        let relations = records.iter().any(|r| r.score.answer.is_some());
        if self.json {
            output::json(&json!({
                "task": self.task, "method": self.method, "run": meta, "questions": records.len(), "strict": strict, "lax": lax,
                "interval": interval, "calls": calls, "failed_calls": failed,
                "answered": relations.then_some(answered), "unforced": relations.then_some(greedy), "did_not_fit": did_not_fit,
            }))?;
            return Ok(());
        }
        let n = records.len();
        let of = |right: usize| {
            wilson(right, n, LEVEL).map_or_else(
                || format!("{right} of {n}"),
                |i| {
                    format!(
                        "{right} of {n}, {:.1} % [{:.1}, {:.1}]",
                        100.0 * i.value,
                        100.0 * i.low,
                        100.0 * i.high
                    )
                },
            )
        };
        let mut text = format!("{} on {}, {}\n", meta.label(), self.task, meta.model_and_engine());
        if relations {
            let unforced =
                if self.method.head().is_some() { format!("; unforced too {greedy}") } else { String::new() };
            text +=
                &format!("  right relation  {}{unforced}\n  right answer    {}\n", of(strict), of(answered));
        } else {
            text += &format!("  right           {}; as the reference scores {lax}\n", of(strict));
        }
        if calls > 0 {
            text += &format!("  calls           {calls}, {failed} of them failed\n");
        }
        if did_not_fit > 0 {
            text += &format!(
                "  did not fit     {did_not_fit} were longer than the model's context, and count as wrong\n"
            );
        }
        output::text(text)?;
        Ok(())
    }
}

/// Answers the questions that are missing, and keeps every answer as it comes.
fn answer(answerer: &Answerer<'_>, missing: &[Question], run: &mut Run) -> anyhow::Result<()> {
    let task = answerer.task;
    let bar = progress::bar("answers", "questions", task.questions.len() as u64);
    bar.set_position((task.questions.len() - missing.len()) as u64);
    if !missing.is_empty() {
        answerer.answer(missing, &mut |i, answered| {
            let question = missing[i].clone();
            let score = task.scoring.of(&question, &answered);
            bar.inc(1);
            run.add(&[Record { question, score, answered }])
        })?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// A value by the name that files give it.
pub fn named<T: serde::de::DeserializeOwned>(name: &str) -> Result<T, String> {
    serde_json::from_value(json!(name)).map_err(|e| e.to_string())
}
