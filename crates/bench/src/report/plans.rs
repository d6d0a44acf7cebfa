//! Tables of household plans: how many do what the task wants, and whether methods differ.

use super::{PlansOf, p_value, percent};
use crate::home::{by_title, success_interval, tally};
use crate::page::{Cell, escape, table};
use crate::stats::{BootstrapTest, LEVEL, RESAMPLES, holm, paired_bootstrap};
use std::collections::{BTreeMap, BTreeSet};

/// One table a household, model and set of tasks.
pub fn tables(runs: &[PlansOf]) -> String {
    let mut groups: BTreeMap<(String, String, String), Vec<&PlansOf>> = BTreeMap::new();
    for run in runs.iter().filter(|run| !run.records.is_empty()) {
        let meta = &run.meta;
        let tasks = meta.limit.map_or_else(|| "all".to_owned(), |n| format!("{n} (seed {})", meta.fold_seed));
        groups.entry((meta.household.to_string(), meta.model.clone(), tasks)).or_default().push(run);
    }
    let titled = |((household, model, tasks), runs): ((String, String, String), Vec<&PlansOf>)| {
        let title = format!("household {household}, {tasks} tasks; {model}");
        format!("<h3>{}</h3>\n{}{}", escape(&title), figures(&runs), reasons(&runs))
    };
    groups.into_iter().map(titled).collect()
}

fn figures(runs: &[&PlansOf]) -> String {
    // The plain exact head is what the others are compared with; where there is none, the first run.
    let base = runs.iter().find(|run| run.meta.method() == "exact").or(runs.first());
    let Some(base) = base else { return String::new() };
    let pairs: Vec<Option<BootstrapTest>> =
        runs.iter().map(|run| if std::ptr::eq(*run, *base) { None } else { paired(run, base) }).collect();
    let mut adjusted = holm(&pairs.iter().flatten().map(|pair| pair.p).collect::<Vec<_>>()).into_iter();
    let mut rows = Vec::new();
    for (run, pair) in runs.iter().zip(&pairs) {
        let all = tally(&run.records);
        let share = |count: usize| percent(count as f64 / all.tasks.max(1) as f64);
        let success = success_interval(&run.records).map_or_else(
            || "–".into(),
            |i| format!("{} [{}, {}]", percent(i.value), percent(i.low), percent(i.high)),
        );
        let apart = |published: bool| {
            let part = tally(run.records.iter().filter(|record| record.in_published == published));
            format!("{} of {}", part.success, part.tasks)
        };
        let micros: f64 = run.records.iter().map(|record| record.micros as f64).sum();
        let prompt: usize = run.records.iter().map(|record| record.tokens.0).sum();
        let mut cells = vec![
            Cell::text(&format!("{}, seed {}", run.meta.method(), run.meta.fold_seed)),
            Cell::text(&run.meta.train.to_string()),
            Cell::number(&all.tasks.to_string()),
            Cell::number(&success),
            Cell::number(&share(all.relaxed)),
            Cell::number(&share(all.executable)),
            Cell::number(&share(all.grounded)),
            Cell::number(&share(all.gold)),
            Cell::number(&apart(true)),
            Cell::number(&apart(false)),
            Cell::number(&format!("{:.0}", prompt as f64 / all.tasks.max(1) as f64)),
            Cell::number(&format!("{:.2}", micros / 1e6 / all.tasks.max(1) as f64)),
        ];
        match pair {
            Some(pair) => {
                cells.push(Cell::number(&format!("{:+.1}", 100.0 * pair.difference.value)));
                cells.push(Cell::number(&p_value(adjusted.next().unwrap_or(1.0))));
            }
            None => cells.extend(["–"; 2].map(Cell::number)),
        }
        rows.push(cells);
    }
    table(
        &[
            "method",
            "trained on",
            "tasks",
            "success",
            "relaxed",
            "executable",
            "grounded",
            "own scripts",
            "hint in published texts",
            "hint nowhere in them",
            "prompt tokens",
            "seconds a task",
            "points against exact",
            "p (bootstrap over titles, Holm)",
        ],
        &rows,
        "Percent; Wilson's intervals, widened by how alike tasks of one title fare. Own scripts: what the tasks' own scripts reach in the simulator, the ceiling. The head of \
         a task has seen neither its title nor its hint, except where it is trained on published-unfiltered. The two columns of \
         published hints are successes of tasks. Seconds are wall time; in a batch the others' share is in it.",
    )
}

/// Why the simulator rejected plans.
fn reasons(runs: &[&PlansOf]) -> String {
    let tallies: Vec<_> = runs.iter().map(|run| tally(&run.records)).collect();
    let mut all: BTreeMap<&str, usize> = BTreeMap::new();
    for (reason, count) in tallies.iter().flat_map(|tally| &tally.reasons) {
        *all.entry(reason).or_default() += count;
    }
    if all.is_empty() {
        return String::new();
    }
    let mut reasons: Vec<(&str, usize)> = all.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let rows: Vec<Vec<Cell>> = (runs.iter().zip(&tallies))
        .map(|(run, tally)| {
            let count = |reason: &str| tally.reasons.get(reason).copied().unwrap_or(0).to_string();
            let name = Cell::text(&format!(
                "{}, seed {}, {}",
                run.meta.method(),
                run.meta.fold_seed,
                run.meta.train
            ));
            std::iter::once(name)
                .chain(reasons.iter().map(|(reason, _)| Cell::number(&count(reason))))
                .collect()
        })
        .collect();
    let header: Vec<&str> =
        std::iter::once("rejected").chain(reasons.iter().map(|(reason, _)| *reason)).collect();
    table(&header, &rows, "Plans that the simulator rejects, by what it says; &lt;&gt; stands for a thing.")
}

/// Over the tasks that both runs have, title by title. Nothing to compare if there are none.
fn paired(a: &PlansOf, b: &PlansOf) -> Option<BootstrapTest> {
    let shared = |run: &PlansOf, other: &PlansOf| {
        let tasks: BTreeSet<&str> = other.records.iter().map(|record| record.task.as_str()).collect();
        let counts = by_title(run.records.iter().filter(|record| tasks.contains(record.task.as_str())));
        counts.into_values().collect::<Vec<_>>()
    };
    let (of_a, of_b) = (shared(a, b), shared(b, a));
    let successes = |counts: &[(usize, usize)]| counts.iter().map(|(n, _)| *n as f64).collect::<Vec<_>>();
    let tasks: Vec<f64> = of_a.iter().map(|(_, n)| *n as f64).collect();
    paired_bootstrap(&successes(&of_a), &successes(&of_b), &tasks, RESAMPLES, 0, LEVEL)
}
