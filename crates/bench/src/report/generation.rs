//! Tables of answers: how many are right, and whether methods differ.

use super::{RunOf, p_value, percent, uncorrected};
use crate::journal::Entry;
use crate::page::{Cell, escape, table};
use crate::run::{Record, RunMeta};
use crate::stats::{
    Interval, LEVEL, Paired, RESAMPLES, cohens_h, detectable, holm, mean, mean_t,
    minimal_detectable_difference, paired_bootstrap, paired_t, wilson, wilson_clustered,
};
use decode::Finish;
use std::collections::BTreeMap;

/// A method's runs, which differ in the seeds of their heads alone.
struct Answers<'a> {
    /// What they are of, without the seed.
    meta: RunMeta,
    /// A run a seed.
    seeds: BTreeMap<u64, &'a RunOf>,
}

impl<'a> Answers<'a> {
    /// In the order in which the methods come.
    fn of(runs: &[&'a RunOf]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for &run in runs {
            let mut meta = run.meta.clone();
            let seed = meta.head.as_mut().map_or(0, |head| {
                if head.per_tool.is_some() {
                    // The seed draws the examples too.
                    (head.corpus, head.examples) = (String::new(), 0);
                }
                std::mem::take(&mut head.seed)
            });
            let same = |answers: &&mut Self| {
                Record::same(&answers.meta, &meta) && !answers.seeds.contains_key(&seed)
            };
            match all.iter_mut().find(same) {
                Some(answers) => {
                    answers.seeds.insert(seed, run);
                }
                None => all.push(Self { meta, seeds: [(seed, run)].into() }),
            }
        }
        all
    }

    fn label(&self) -> String {
        let seeds: Vec<String> = self.seeds.keys().map(u64::to_string).collect();
        match (&self.meta.head, seeds.len()) {
            (None, _) => self.meta.kind(),
            (Some(_), 1) => format!("{}, seed {}", self.meta.kind(), seeds[0]),
            (Some(_), _) => format!("{}, seeds {}", self.meta.kind(), seeds.join(" ")),
        }
    }

    fn records(&self) -> impl Iterator<Item = &'a Record> + '_ {
        self.seeds.values().flat_map(|run| &run.records)
    }

    /// Right answers to every question, of so many.
    fn by_question(&self) -> BTreeMap<&'a str, (usize, usize)> {
        let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for record in self.records() {
            let count = counts.entry(record.question.id.as_str()).or_default();
            *count = (count.0 + usize::from(record.score.strict), count.1 + 1);
        }
        counts
    }

    /// The share of right answers with its interval over questions: Wilson's, widened by how alike answers to one question are.
    fn right(&self) -> Option<Interval> {
        let questions: Vec<(usize, usize)> = self.by_question().into_values().collect();
        match self.seeds.len() {
            1 => wilson(questions.iter().map(|q| q.0).sum(), questions.len(), LEVEL),
            _ => wilson_clustered(&questions, LEVEL),
        }
    }

    /// Whether the answers of a seed are right, by question.
    fn of_seed(&self, seed: u64) -> Option<BTreeMap<&'a str, bool>> {
        Some(
            self.seeds.get(&seed)?.records.iter().map(|r| (r.question.id.as_str(), r.score.strict)).collect(),
        )
    }

    /// The mean over records.
    fn mean(&self, of: impl Fn(&Record) -> f64) -> Option<f64> {
        mean(&self.records().map(of).collect::<Vec<_>>())
    }

    /// The share of records of which this holds, among those that say so.
    fn share_of(&self, of: impl Fn(&Record) -> Option<bool>) -> String {
        let said: Vec<f64> = self.records().filter_map(of).map(|yes| f64::from(u8::from(yes))).collect();
        mean(&said).map_or_else(|| "–".into(), percent)
    }
}

/// One table a task, model with its engine, and set of questions.
pub fn tables(runs: &[RunOf]) -> String {
    let mut groups: BTreeMap<(String, String, String), Vec<&RunOf>> = BTreeMap::new();
    for run in runs.iter().filter(|run| !run.records.is_empty()) {
        let meta = &run.meta;
        let task = format!("{}, version {}", meta.task, meta.task_version);
        groups.entry((task, meta.model_and_engine(), meta.questions())).or_default().push(run);
    }
    groups
        .into_iter()
        .map(|((task, model, questions), runs)| {
            format!(
                "<h3>{}</h3>\n{}",
                escape(&format!("{task}, {questions} questions; {model}")),
                of_task(&Answers::of(&runs))
            )
        })
        .collect()
}

fn of_task(methods: &[Answers<'_>]) -> String {
    // The plain exact head, from all of its training texts, is what the others are compared with; where there is none, the first method.
    let texts = |answers: &&Answers| answers.meta.head.as_ref().map_or(0, |head| head.examples);
    let plain = methods.iter().filter(|answers| answers.meta.is_plain_exact());
    let Some(base) = plain.rev().max_by_key(texts).or(methods.first()) else { return String::new() };
    let pairs: Vec<Option<Versus>> = methods
        .iter()
        .map(|answers| if std::ptr::eq(answers, base) { None } else { Versus::of(answers, base) })
        .collect();
    let mut adjusted = holm(&pairs.iter().flatten().map(|pair| pair.p).collect::<Vec<_>>()).into_iter();
    // Columns of tasks whose answers are looked up.
    let relations = methods.iter().flat_map(Answers::records).any(|record| record.score.answer.is_some());
    let rows: Vec<Vec<Cell>> = (methods.iter().zip(&pairs))
        .map(|(answers, pair)| {
            let mut cells = cells(answers, relations);
            cells.splice(VERSUS..VERSUS, versus(pair.as_ref(), &mut adjusted));
            cells
        })
        .collect();
    table(&columns(relations), &rows, &note(&escape(&base.label())))
}

/// A method's row, without the comparison.
fn cells(answers: &Answers<'_>, relations: bool) -> Vec<Cell> {
    // A count of one run, the mean of several seeds'.
    let of_seed = |of: fn(&Record) -> usize| {
        tenths(answers.records().map(of).sum::<usize>() as f64 / answers.seeds.len() as f64)
    };
    let failed = of_seed(|r| r.answered.calls.iter().filter(|c| c.error.is_some()).count());
    let first_right = answers.share_of(|r| {
        let gold = r.question.tools.first()?;
        Some(r.answered.calls.first().is_some_and(|call| call.tool == *gold))
    });
    let number = |of: fn(&Record) -> usize, digits: usize| {
        let mean = answers.mean(|r| of(r) as f64);
        Cell::number(&mean.map_or_else(|| "–".into(), |x| format!("{x:.digits$}")))
    };
    let right = answers.right().map_or_else(
        || "–".into(),
        |i| format!("{} [{}, {}]", percent(i.value), percent(i.low), percent(i.high)),
    );
    let right_of = |run: &&RunOf| run.records.iter().filter(|r| r.score.strict).count();
    let by_seed: Vec<f64> =
        answers.seeds.values().map(|run| share(right_of(run), run.records.len())).collect();
    let seeds = mean_t(&by_seed, LEVEL).filter(|seeds| seeds.n > 1);
    let mut cells = vec![
        Cell::text(&answers.label()),
        Cell::number(&answers.by_question().len().to_string()),
        Cell::number(&right),
        Cell::number(&seeds.map_or_else(|| "–".into(), |i| format!("±{}", percent(i.high - i.value)))),
        Cell::number(&answers.share_of(|r| Some(r.score.lax))),
        number(|r| r.answered.calls.len(), 2),
        Cell::number(&failed),
        Cell::number(&first_right),
        number(|r| r.answered.tokens.chosen + r.answered.tokens.arguments, 0),
        number(|r| r.answered.tokens.prompt, 0),
        number(|r| r.answered.tokens.aside, 0),
        Cell::number(&mean(&took(answers)).map_or("–".into(), |x| format!("{x:.0}"))),
    ];
    if relations {
        cells.push(Cell::number(&answers.share_of(|r| r.score.answer)));
        cells.push(Cell::number(&answers.share_of(|r| r.score.complete)));
        cells.push(Cell::number(&answers.share_of(|r| r.score.greedy)));
        let too_long = of_seed(|r| usize::from(matches!(r.answered.finish, Finish::ContextFull { .. })));
        cells.push(Cell::number(&too_long));
    }
    cells
}

/// The titles of the columns.
fn columns(relations: bool) -> Vec<&'static str> {
    let mut columns = vec![
        "method",
        "questions",
        "right, strictly",
        "over seeds",
        "as the reference",
        "calls a question",
        "failed calls",
        "first tool right",
        "tokens",
        "prompt tokens",
        "read for arguments",
        "ms a question",
    ];
    if relations {
        columns.extend(["answer right", "all answers", "unforced too", "did not fit"]);
    }
    let compared = ["points", "alone right", "p (Holm)", "p, seeds", "Cohen's h", "detectable"];
    columns.splice(VERSUS..VERSUS, compared);
    columns
}

/// What a table of answers says of itself.
fn note(base: &str) -> String {
    format!(
        "Percent. Intervals are Wilson's over questions; of several seeds, whose answers count alike, widened by how alike answers to one question are. Over \
             seeds: Student's half width. What is compared is compared with {base}: McNemar's exact test; where a side is of several seeds, the signs of the questions' \
             differences, and beside it, not corrected, a paired t-test over the seeds that both have. Alone right: questions that this method alone, and that that \
             one alone, has right, a seed against a seed. Read for arguments: tokens beside the prompt, worked calls that many share not counted. Detectable: the \
             difference that so many questions show with probability 0.8 at the discordance seen, or at the least that it takes. Milliseconds: wall time over \
             questions, which are answered together. Where relations are asked for, right is the relation: of tool tokens the best of them, called whatever the \
             words say; answer right: one of the expected objects is named; all answers: each of them; unforced too: it also beat every word. Did not fit: prompts \
             longer than the model's context, which count as wrong."
    )
}

/// Where the comparison stands among a row's cells: next to what is compared.
const VERSUS: usize = 4;

/// A comparison of right answers, question by question.
struct Versus {
    /// The difference of the shares of right answers.
    difference: f64,
    /// Questions that the first alone, and that the second alone, has right: means over pairs of seeds.
    alone: (f64, f64),
    /// Over questions.
    p: f64,
    /// Of the paired t-test over seeds.
    p_seeds: Option<f64>,
    /// Cohen's h.
    effect: f64,
    detectable: Option<f64>,
}

impl Versus {
    /// Over the questions that both were asked; nothing if there are none.
    fn of(a: &Answers<'_>, b: &Answers<'_>) -> Option<Self> {
        let of_b = b.by_question();
        let both = a.by_question().into_iter().filter_map(|(id, of_a)| Some((of_a, *of_b.get(id)?)));
        let shares: Vec<(f64, f64)> = both.map(|(a, b)| (share(a.0, a.1), share(b.0, b.1))).collect();
        let (of_a, of_b): (Vec<f64>, Vec<f64>) = shares.iter().copied().unzip();
        let (mean_a, mean_b) = (mean(&of_a)?, mean(&of_b)?);
        let (p, detectable) = if (a.seeds.len(), b.seeds.len()) == (1, 1) {
            let pair = Paired::count(shares.iter().map(|&(a, b)| (a > 0.5, b > 0.5)));
            (pair.p(), minimal_detectable_difference(pair.n(), pair.discordant(), 0.05, 0.8))
        } else {
            let differences: Vec<f64> = shares.iter().map(|(a, b)| a - b).collect();
            let test = paired_bootstrap(&of_a, &of_b, &vec![1.0; shares.len()], RESAMPLES, 0, LEVEL)?;
            (test.p, detectable(&differences))
        };
        let (seeds_a, seeds_b): (Vec<f64>, Vec<f64>) = by_seed(a, b).into_iter().unzip();
        Some(Self {
            difference: mean_a - mean_b,
            alone: (
                shares.iter().map(|(a, b)| a * (1.0 - b)).sum(),
                shares.iter().map(|(a, b)| b * (1.0 - a)).sum(),
            ),
            p,
            p_seeds: paired_t(&seeds_a, &seeds_b, LEVEL).map(|test| test.p),
            effect: cohens_h(mean_a, mean_b),
            detectable,
        })
    }
}

/// The shares of right answers of a and b by the seeds that both have, each over the questions that both answered. (What has no seed
/// is in none: seeds of the other alone would say how much those differ, and nothing of other questions.)
fn by_seed(a: &Answers<'_>, b: &Answers<'_>) -> Vec<(f64, f64)> {
    let shares = |seed: u64| {
        let (a, b) = (a.of_seed(seed)?, b.of_seed(seed)?);
        let both: Vec<(bool, bool)> = a.iter().filter_map(|(id, &a)| Some((a, *b.get(id)?))).collect();
        let right =
            |of: fn(&(bool, bool)) -> bool| share(both.iter().filter(|pair| of(pair)).count(), both.len());
        (!both.is_empty()).then(|| (right(|pair| pair.0), right(|pair| pair.1)))
    };
    a.seeds.keys().copied().filter_map(shares).collect()
}

/// The cells of a comparison.
fn versus(pair: Option<&Versus>, adjusted: &mut impl Iterator<Item = f64>) -> Vec<Cell> {
    let Some(pair) = pair else { return ["–"; 6].map(Cell::number).to_vec() };
    vec![
        Cell::number(&format!("{:+.1}", 100.0 * pair.difference)),
        Cell::number(&format!("{} : {}", tenths(pair.alone.0), tenths(pair.alone.1))),
        Cell::number(&p_value(adjusted.next().unwrap_or(1.0))),
        Cell::number(&pair.p_seeds.map_or_else(|| "–".into(), uncorrected)),
        Cell::number(&format!("{:+.2}", pair.effect)),
        Cell::number(&pair.detectable.map_or_else(|| "–".into(), percent)),
    ]
}

/// Milliseconds of the answers that were timed.
fn took(answers: &Answers<'_>) -> Vec<f64> {
    let timed = answers.records().map(|r| r.answered.took_micros).filter(|&micros| micros > 0);
    timed.map(|micros| micros as f64 / 1e3).collect()
}

/// A count, or a mean of counts.
fn tenths(x: f64) -> String {
    format!("{x:.1}").trim_end_matches(".0").to_owned()
}

fn share(count: usize, of: usize) -> f64 {
    count as f64 / of.max(1) as f64
}
