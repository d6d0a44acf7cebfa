//! Tables of household plans: how many do what the task wants, and whether methods differ.

use super::{PlansOf, p_value, percent};
use crate::home::{HomeMeta, HomeRecord, Tally, TrainOn, by_title, success_interval, tally};
use crate::page::{Cell, escape, table};
use crate::stats::{BootstrapTest, LEVEL, RESAMPLES, cohens_h, detectable, holm, mean, paired_bootstrap};
use std::collections::{BTreeMap, BTreeSet};

/// Reasons for rejection that get a column each; the rest share one.
const REASONS: usize = 8;

/// A method's runs, which differ in their seeds alone.
struct Plans<'a> {
    /// What they are of, without the seeds.
    meta: HomeMeta,
    method: String,
    train: String,
    /// A line a task and seed.
    records: BTreeMap<(u64, &'a str), &'a HomeRecord>,
}

impl<'a> Plans<'a> {
    /// In the order in which the methods come.
    fn of(runs: &[&'a PlansOf]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for run in runs {
            let seed = run.meta.fold_seed;
            let records = run.records.iter().map(|record| ((seed, record.task.as_str()), record));
            let mut meta = run.meta.plain();
            meta.fold_seed = 0;
            meta.head.iter_mut().for_each(|head| head.seed = 0);
            match all.iter_mut().find(|plans| plans.meta == meta) {
                Some(plans) => plans.records.extend(records),
                None => all.push(Self {
                    method: meta.method(),
                    train: meta.train.to_string(),
                    meta,
                    records: records.collect(),
                }),
            }
        }
        all
    }

    fn all(&self) -> impl Iterator<Item = &'a HomeRecord> + '_ {
        self.records.values().copied()
    }

    fn seeds(&self) -> usize {
        self.records.keys().map(|(seed, _)| seed).collect::<BTreeSet<_>>().len()
    }
}

/// One table a household, model and set of tasks.
pub fn tables(runs: &[PlansOf]) -> String {
    let mut groups: BTreeMap<(String, String, String), Vec<&PlansOf>> = BTreeMap::new();
    for run in runs.iter().filter(|run| !run.records.is_empty()) {
        let meta = &run.meta;
        let model = format!("{}, {}", meta.called(), meta.engine);
        let tasks = meta.limit.map_or_else(|| "all".to_owned(), |n| format!("{n} (seed {})", meta.fold_seed));
        groups.entry((meta.household.to_string(), model, tasks)).or_default().push(run);
    }
    let titled = |((household, model, tasks), runs): ((String, String, String), Vec<&PlansOf>)| {
        let title = format!("household {household}, {tasks} tasks; {model}");
        let plans = Plans::of(&runs);
        format!("<h3>{}</h3>\n{}{}", escape(&title), figures(&plans), reasons(&plans))
    };
    groups.into_iter().map(titled).collect()
}

fn figures(runs: &[Plans<'_>]) -> String {
    // The plain exact head, from texts of both kinds, is what the others are compared with; where there is none, the first method.
    let exact = |train: Option<&str>| {
        runs.iter().find(|run| run.method == "exact" && train.is_none_or(|train| run.train == train))
    };
    let both = TrainOn::Both.to_string();
    let Some(base) = exact(Some(&both)).or_else(|| exact(None)).or(runs.first()) else {
        return String::new();
    };
    let pairs: Vec<Option<Pair>> =
        runs.iter().map(|run| if std::ptr::eq(run, base) { None } else { paired(run, base) }).collect();
    let mut adjusted = holm(&pairs.iter().flatten().map(|pair| pair.test.p).collect::<Vec<_>>()).into_iter();
    let titles = by_title(base.all()).len();
    let row = |(run, pair): (&Plans<'_>, &Option<Pair>)| {
        let mut cells = cells(run);
        cells.splice(VERSUS..VERSUS, versus(pair.as_ref(), &mut adjusted));
        cells
    };
    let rows: Vec<Vec<Cell>> = runs.iter().zip(&pairs).map(row).collect();
    table(
        &[
            "method",
            "trained on",
            "seeds",
            "plans",
            "success",
            "points",
            "p (titles, Holm)",
            "Cohen's h",
            "detectable",
            "relaxed",
            "executable",
            "grounded",
            "cut",
            "own scripts",
            "their first lines",
            "hint in published texts",
            "hint nowhere in them",
            "prompt tokens",
            "seconds a task",
        ],
        &rows,
        &format!(
            "Percent; points and p are against {}, p by the signs of the {} titles' differences: so many cannot bring it below {}, and intervals resampled from few titles are too narrow. A plan a task \
             and seed, Wilson's intervals, widened by how alike plans of one title fare. Own scripts: what the \
         tasks' own scripts reach in the simulator, the ceiling; their first lines: so many of them as a plan may have, eight. Cut: plans that had not ended by then. Each seed cuts the titles anew; methods are compared over the \
         plans of seeds that both have. The head of a task has seen neither its title nor its hint, except where it is trained on published-unfiltered. The two columns of \
         published hints are successes of tasks. Detectable: what so many titles show with probability 0.8. Seconds: wall time over tasks, which are planned together.",
            escape(&base.method),
            titles,
            least_p(titles)
        ),
    )
}

/// A method's row, without the comparison.
fn cells(run: &Plans<'_>) -> Vec<Cell> {
    let all = tally(run.all());
    let share = |count: usize| percent(count as f64 / all.tasks.max(1) as f64);
    let success = success_interval(run.all()).map_or_else(
        || "–".into(),
        |i| format!("{} [{}, {}]", percent(i.value), percent(i.low), percent(i.high)),
    );
    let apart = |published: bool| {
        let part = tally(run.all().filter(|record| record.in_published == published));
        format!("{} of {}", part.success, part.tasks)
    };
    let timed = run.all().map(|record| record.took_micros).filter(|&micros| micros > 0);
    let seconds: Vec<f64> = timed.map(|micros| micros as f64 / 1e6).collect();
    let prompt: usize = run.all().map(|record| record.tokens.0).sum();
    vec![
        Cell::text(&run.method),
        Cell::text(&run.train),
        Cell::number(&run.seeds().to_string()),
        Cell::number(&all.tasks.to_string()),
        Cell::number(&success),
        Cell::number(&share(all.relaxed)),
        Cell::number(&share(all.executable)),
        Cell::number(&share(all.grounded)),
        Cell::number(&share(all.cut)),
        Cell::number(&share(all.gold)),
        Cell::number(&match all.gold_lines_of {
            0 => "–".to_owned(),
            of => percent(all.gold_lines as f64 / of as f64),
        }),
        Cell::number(&apart(true)),
        Cell::number(&apart(false)),
        Cell::number(&format!("{:.0}", prompt as f64 / all.tasks.max(1) as f64)),
        Cell::number(&mean(&seconds).map_or_else(|| "–".into(), |x| format!("{x:.2}"))),
    ]
}

/// Where the comparison stands among a row's cells: next to what is compared.
const VERSUS: usize = 5;

/// The cells of a comparison.
fn versus(pair: Option<&Pair>, adjusted: &mut impl Iterator<Item = f64>) -> Vec<Cell> {
    let Some(pair) = pair else { return ["–"; 4].map(Cell::number).to_vec() };
    let d = pair.test.difference;
    let [d, low, high] = [d.value, d.low, d.high].map(|x| 100.0 * x);
    vec![
        Cell::number(&format!("{d:+.1} [{low:+.1}, {high:+.1}]")),
        Cell::number(&p_value(adjusted.next().unwrap_or(1.0))),
        Cell::number(&format!("{:+.2}", pair.effect)),
        Cell::number(&pair.detectable.map_or_else(|| "–".into(), percent)),
    ]
}

/// The least p that signs of so many differences can come to: all of one sign, either way.
fn least_p(differences: usize) -> String {
    let p = 2.0_f64.powi(1 - differences.min(1_000) as i32).min(1.0);
    if p < 0.001 { "a thousandth".to_owned() } else { format!("{p:.3}") }
}

/// Why the simulator rejected plans.
fn reasons(runs: &[Plans<'_>]) -> String {
    let tallies: Vec<_> = runs.iter().map(|run| tally(run.all())).collect();
    let mut all: BTreeMap<&str, usize> = BTreeMap::new();
    for (reason, count) in tallies.iter().flat_map(|tally| &tally.reasons) {
        *all.entry(reason).or_default() += count;
    }
    if all.is_empty() {
        return String::new();
    }
    let mut reasons: Vec<(&str, usize)> = all.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let shown: Vec<&str> = reasons.iter().take(REASONS).map(|(reason, _)| *reason).collect();
    let others = reasons.len() > REASONS;
    let row = |(run, tally): (&Plans<'_>, &Tally)| {
        let counts: Vec<usize> =
            shown.iter().map(|reason| tally.reasons.get(*reason).copied().unwrap_or(0)).collect();
        let rest = tally.reasons.values().sum::<usize>() - counts.iter().sum::<usize>();
        let mut cells = vec![Cell::text(&format!("{}, {}", run.method, run.train))];
        let counts = counts.into_iter().chain(others.then_some(rest));
        cells.extend(counts.map(|count| Cell::number(&count.to_string())));
        cells
    };
    let rows: Vec<Vec<Cell>> = runs.iter().zip(&tallies).map(row).collect();
    let mut header = vec!["rejected"];
    header.extend(&shown);
    header.extend(others.then_some("other"));
    table(&header, &rows, "Plans that the simulator rejects, by what it says; &lt;&gt; stands for a thing.")
}

/// A comparison of successes.
struct Pair {
    test: BootstrapTest,
    /// Cohen's h.
    effect: f64,
    detectable: Option<f64>,
}

/// Over the plans that both have by task and seed, title by title. Nothing to compare if there are none.
fn paired(a: &Plans<'_>, b: &Plans<'_>) -> Option<Pair> {
    let shared = |plans: &Plans<'_>, other: &Plans<'_>| {
        let both = plans.records.iter().filter(|(key, _)| other.records.contains_key(key));
        by_title(both.map(|(_, record)| *record)).into_values().collect::<Vec<_>>()
    };
    let (of_a, of_b) = (shared(a, b), shared(b, a));
    let successes = |counts: &[(usize, usize)]| counts.iter().map(|(n, _)| *n as f64).collect::<Vec<_>>();
    let tasks: Vec<f64> = of_a.iter().map(|(_, n)| *n as f64).collect();
    let (of_a, of_b) = (successes(&of_a), successes(&of_b));
    let test = paired_bootstrap(&of_a, &of_b, &tasks, RESAMPLES, 0, LEVEL)?;
    let all: f64 = tasks.iter().sum();
    let share = |of: &[f64]| of.iter().sum::<f64>() / all;
    let differences: Vec<f64> =
        of_a.iter().zip(&of_b).map(|(a, b)| (a - b) * tasks.len() as f64 / all).collect();
    Some(Pair { test, effect: cohens_h(share(&of_a), share(&of_b)), detectable: detectable(&differences) })
}
