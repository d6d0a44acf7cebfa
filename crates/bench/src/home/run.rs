//! Runs of plans: a line a task, in a directory that survives being killed.

use super::data::{HomeData, Household, TrainOn};
use super::fit::PlanMethod;
use super::plan::{MOST_LINES, Written};
use super::score::PlanScore;
use super::words::Shown;
use crate::BenchError;
use crate::grid::Adam;
use crate::heads::PriorName;
use crate::journal::{Entry, Journal};
use crate::method::{Among, Method};
use crate::stats::{Interval, LEVEL, wilson_clustered};
use head::MethodName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tools::household::{Line, parse_script};

/// Version of these runs' rules.
pub const VERSION: u32 = 5;

/// Everything needed to repeat a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HomeMeta {
    /// Version of the rules.
    pub version: u32,
    /// The household.
    pub household: Household,
    /// What heads are trained on.
    pub train: TrainOn,
    /// Whether the simulator is asked before each line.
    pub simulator: bool,
    /// Whether only the tokens that retrieval ranks first are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub among: Option<Among>,
    /// Decides the parts that titles are cut into.
    pub fold_seed: u64,
    /// Tasks, if fewer than all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// SHA-256 of the training texts.
    pub corpus: String,
    /// The model's name.
    pub model: String,
    /// SHA-256 of its weights.
    pub model_digest: String,
    /// The engine and its arithmetic.
    pub engine: String,
    /// What plans in words are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Shown>,
    /// How heads are fitted; not given for plans in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<PlanMethod>,
}

impl HomeMeta {
    /// The same without what has no meaning: earlier runs of exact kept a rate too.
    pub fn plain(&self) -> Self {
        let mut plain = self.clone();
        plain
            .head
            .iter_mut()
            .filter(|head| head.method == MethodName::Exact)
            .for_each(|head| head.adam = None);
        plain
    }

    /// The model, as people call it.
    pub fn called(&self) -> String {
        lm::told_apart(&self.model, &self.model_digest)
    }

    /// The method in a few words.
    pub fn method(&self) -> String {
        let version = match self.version {
            VERSION => String::new(),
            other => format!(", rules of version {other}"),
        };
        let Some(head) = &self.head else {
            return format!("{}{version}", self.shown.unwrap_or_default().method());
        };
        let prior = match head.prior {
            PriorName::Own => String::new(),
            prior => format!(", prior {prior}"),
        };
        let names = head.names.map_or_else(String::new, |names| format!(", names {names}"));
        let lambda = head.lambda.map_or_else(String::new, |lambda| format!(", λ {lambda:e}"));
        let adam = head.adam.filter(|_| head.method != MethodName::Exact);
        let adam = adam.map_or_else(String::new, |(rate, epochs)| format!(", {}", Adam { rate, epochs }));
        let simulator = if self.simulator { ", simulator asked" } else { "" };
        let name = Method::ToolTokens { head: head.method, among: self.among, react: false };
        format!("{name}{prior}{names}{lambda}{adam}{simulator}{version}")
    }
}

/// One task's line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HomeRecord {
    /// The task.
    pub task: String,
    /// Its title.
    pub title: String,
    /// The part that it is tested in.
    pub fold: usize,
    /// Whether its hint stands word for word in the published texts.
    pub in_published: bool,
    /// The plan.
    pub plan: Vec<String>,
    /// Whether it ended by itself.
    pub ended: bool,
    /// What it is worth.
    pub score: PlanScore,
    /// What the task's own script is worth.
    pub gold: PlanScore,
    /// What its first [`MOST_LINES`] lines are worth, which is all that a plan may have; not in runs that did not try it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gold_lines: Option<PlanScore>,
    /// Tokens of the prompt, and tokens that were chosen.
    pub tokens: (usize, usize),
    /// Its share of the batch's wall time in microseconds; 0 in runs that did not measure it so.
    #[serde(default)]
    pub took_micros: u64,
}

impl HomeRecord {
    /// A task's line: its plan, and what that and the task's own script are worth.
    ///
    /// # Errors
    /// A task whose start is no scene.
    pub fn of(
        home: &HomeData,
        at: usize,
        fold: usize,
        written: Written,
        took_micros: u64,
    ) -> Result<Self, BenchError> {
        let task = &home.tasks.tasks[at];
        let gold = parse_script(task.script.iter().map(String::as_str)).unwrap_or_default();
        let Written { planned, unreadable } = written;
        let worth = |lines: &[Line], unreadable: Option<&str>| {
            Ok::<_, BenchError>(PlanScore::of(task, home.tasks.home(task)?, lines, unreadable))
        };
        Ok(Self {
            task: task.id.clone(),
            title: task.title.clone(),
            fold,
            in_published: home.in_published_texts(task),
            plan: planned.lines.iter().map(ToString::to_string).collect(),
            ended: planned.ended,
            score: worth(&planned.lines, unreadable.as_deref())?,
            gold: worth(&gold, None)?,
            gold_lines: Some(worth(&gold[..gold.len().min(MOST_LINES)], None)?),
            tokens: (planned.prompt, planned.chosen),
            took_micros,
        })
    }
}

impl Entry for HomeRecord {
    type Meta = HomeMeta;
    type Key = String;
    const META: &'static str = "home.toml";
    const RECORDS: &'static str = "plans.jsonl";

    fn key(&self) -> String {
        self.task.clone()
    }

    fn same(found: &HomeMeta, of: &HomeMeta) -> bool {
        found.plain() == of.plain()
    }

    fn other(found: &HomeMeta) -> String {
        let of = format!("{} in the household {} with {}", found.method(), found.household, found.called());
        format!("another run is there ({of}, or with other settings)")
    }
}

/// A run's directory: a line a task.
pub type HomeRun = Journal<HomeRecord>;

impl HomeRun {
    /// Where the head of a part is kept.
    pub fn head_path(&self, fold: usize) -> PathBuf {
        self.folder().join(format!("head-{fold}.safetensors"))
    }
}

/// Counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Tasks.
    pub tasks: usize,
    /// Plans that do what the task wants.
    pub success: usize,
    /// Plans that do so at some point.
    pub relaxed: usize,
    /// Plans whose lines are all carried out.
    pub executable: usize,
    /// Plans whose objects are all in the household.
    pub grounded: usize,
    /// Tasks whose own script does what they want: the ceiling.
    pub gold: usize,
    /// The same of its first [`MOST_LINES`] lines, which is all that a plan may have.
    pub gold_lines: usize,
    /// Tasks of which that was tried.
    pub gold_lines_of: usize,
    /// Plans that did not end before a limit, as those that have as many lines as a plan may have.
    pub cut: usize,
    /// Why plans were rejected, the line and what it is about left out.
    pub reasons: BTreeMap<String, usize>,
}

/// Counts records.
pub fn tally<'a>(records: impl IntoIterator<Item = &'a HomeRecord>) -> Tally {
    let mut tally = Tally::default();
    for record in records {
        let score = &record.score;
        tally.tasks += 1;
        tally.success += usize::from(score.success);
        tally.relaxed += usize::from(score.relaxed);
        tally.executable += usize::from(score.executable);
        tally.grounded += usize::from(score.grounded);
        tally.gold += usize::from(record.gold.success);
        tally.gold_lines += usize::from(record.gold_lines.as_ref().is_some_and(|gold| gold.success));
        tally.gold_lines_of += usize::from(record.gold_lines.is_some());
        tally.cut += usize::from(!record.ended || record.plan.len() == MOST_LINES);
        if let Some(reason) = &score.reason {
            *tally.reasons.entry(kind(reason)).or_default() += 1;
        }
    }
    tally
}

/// Successes and tasks by title: tasks of one title are much alike, so titles are what is independent.
pub fn by_title<'a>(records: impl IntoIterator<Item = &'a HomeRecord>) -> BTreeMap<&'a str, (usize, usize)> {
    let mut titles: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for record in records {
        let (successes, tasks) = titles.entry(&record.title).or_default();
        *successes += usize::from(record.score.success);
        *tasks += 1;
    }
    titles
}

/// The share of tasks that succeed, with an interval that respects titles.
pub fn success_interval<'a>(records: impl IntoIterator<Item = &'a HomeRecord>) -> Option<Interval> {
    wilson_clustered(&by_title(records).into_values().collect::<Vec<_>>(), LEVEL)
}

/// A simulator's message without what it is about: `<> is not close to <>`.
fn kind(reason: &str) -> String {
    // Of several messages the last is about the line that failed.
    let last = reason.rsplit("]\",").next().unwrap_or(reason);
    let message = last.split(" when executing \"").next().unwrap_or(last);
    let mut kind = String::new();
    let mut inside = false;
    for c in message.chars() {
        match c {
            '<' => (inside, kind) = (true, kind + "<>"),
            '>' => inside = false,
            '(' | ')' | '0'..='9' => {}
            _ if inside => {}
            c => kind.push(c),
        }
    }
    let words: Vec<&str> = kind.split_whitespace().collect();
    if words.is_empty() { "rejected without a word".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_by_what_they_say() {
        let said = |what: &str| {
            format!(
                "<character> (65) is not close to <{what}> (1000) when executing \"[SIT] <{what}> (1) [2]\""
            )
        };
        assert_eq!(kind(&said("chair")), "<> is not close to <>");
        assert_eq!(kind(&said("chair")), kind(&said("bed")));
        let sitting = "<character> (65) is sitting when executing \"[WALK] <phone> (1) [1]\"";
        assert_eq!(
            kind(&format!("{sitting},{}", said("chair"))),
            "<> is not close to <>",
            "the last says why"
        );
        assert_eq!(kind("parse: Cannot parse action"), "parse: Cannot parse action");
        assert_eq!(kind(""), "rejected without a word", "as the original's is");
    }
}
