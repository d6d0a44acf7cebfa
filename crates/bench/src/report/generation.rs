//! Tables of answers: how many are right, and whether methods differ.

use super::{RunOf, p_value, percent};
use crate::page::{Cell, escape, table};
use crate::run::Record;
use crate::stats::{LEVEL, Paired, cohens_h, holm, minimal_detectable_difference, wilson};
use decode::Finish;
use std::collections::BTreeMap;

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
                of_task(&runs)
            )
        })
        .collect()
}

fn of_task(runs: &[&RunOf]) -> String {
    // The plain exact head is what the others are compared with; where there is none, the first run.
    let base = runs.iter().find(|run| run.meta.is_plain_exact()).or(runs.first());
    let Some(base) = base else { return String::new() };
    let pairs: Vec<Option<Paired>> =
        runs.iter().map(|run| (!std::ptr::eq(*run, *base)).then(|| paired(run, base))).collect();
    let mut adjusted = holm(&pairs.iter().flatten().map(Paired::p).collect::<Vec<_>>()).into_iter();
    // Columns of tasks whose answers are looked up.
    let relations = runs.iter().flat_map(|run| &run.records).any(|record| record.score.answer.is_some());
    let rows: Vec<Vec<Cell>> = runs
        .iter()
        .zip(&pairs)
        .map(|(run, pair)| {
            let n = run.records.len();
            let right = run.records.iter().filter(|r| r.score.strict).count();
            let lax = run.records.iter().filter(|r| r.score.lax).count();
            let calls: usize = run.records.iter().map(|r| r.answered.calls.len()).sum();
            let failed: usize = run
                .records
                .iter()
                .map(|r| r.answered.calls.iter().filter(|c| c.error.is_some()).count())
                .sum();
            let first = run.records.iter().filter(|r| !r.question.tools.is_empty()).count();
            let first_right = run
                .records
                .iter()
                .filter(|r| {
                    r.question
                        .tools
                        .first()
                        .is_some_and(|gold| r.answered.calls.first().is_some_and(|c| c.tool == *gold))
                })
                .count();
            let tokens: usize =
                run.records.iter().map(|r| r.answered.tokens.chosen + r.answered.tokens.arguments).sum();
            let interval = wilson(right, n, LEVEL);
            let mut cells = vec![
                Cell::text(&run.meta.label()),
                Cell::number(&n.to_string()),
                Cell::number(&interval.map_or_else(
                    || "–".into(),
                    |i| format!("{} [{}, {}]", percent(i.value), percent(i.low), percent(i.high)),
                )),
                Cell::number(&percent(lax as f64 / n.max(1) as f64)),
                Cell::number(&format!("{:.2}", calls as f64 / n.max(1) as f64)),
                Cell::number(&failed.to_string()),
                Cell::number(&percent(first_right as f64 / first.max(1) as f64)),
                Cell::number(&format!("{:.0}", tokens as f64 / n.max(1) as f64)),
                Cell::number(
                    &mean(run, |r| r.answered.tokens.prompt as f64)
                        .map_or("–".into(), |x| format!("{x:.0}")),
                ),
                Cell::number(
                    &mean(run, |r| r.answered.tokens.aside as f64)
                        .map_or("–".into(), |x| format!("{x:.0}")),
                ),
                Cell::number(&crate::stats::mean(&took(run)).map_or("–".into(), |x| format!("{x:.0}"))),
            ];
            if relations {
                cells.push(Cell::number(&share_of(run, |r| r.score.answer)));
                cells.push(Cell::number(&share_of(run, |r| r.score.complete)));
                cells.push(Cell::number(&share_of(run, |r| r.score.greedy)));
                cells.push(Cell::number(&too_long(run).to_string()));
            }
            cells.splice(VERSUS..VERSUS, versus(pair.as_ref(), &mut adjusted));
            cells
        })
        .collect();
    let mut columns = vec![
        "method",
        "questions",
        "right, strictly",
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
    let compared = ["points", "alone right", "p (McNemar, Holm)", "Cohen's h", "detectable"];
    columns.splice(VERSUS..VERSUS, compared);
    table(
        &columns,
        &rows,
        &format!(
            "Percent; Wilson's intervals. What is compared is compared with {}. Alone right: questions that this method alone, \
             and that that one alone, has right. Read for arguments: tokens beside the prompt, worked calls that many share not counted. \
         Detectable: the difference that so many questions show with probability 0.8 at the discordance seen, or at the least that it takes. Milliseconds: wall time over questions, which are answered \
         together. Where relations are asked for, right is the relation: of tool tokens the best of them, \
         called whatever the words say; answer right: one of the expected objects is named; all answers: each of them; unforced too: it also beat every word. Did not fit: prompts longer than the model's \
         context, which count as wrong.",
            escape(&base.meta.label())
        ),
    )
}

/// Where the comparison stands among a row's cells: next to what is compared.
const VERSUS: usize = 3;

/// The cells of a comparison.
fn versus(pair: Option<&Paired>, adjusted: &mut impl Iterator<Item = f64>) -> Vec<Cell> {
    let Some(pair) = pair else { return ["–"; 5].map(Cell::number).to_vec() };
    let (a, b) = (share(pair.both + pair.first, pair), share(pair.both + pair.second, pair));
    let detectable = minimal_detectable_difference(pair.n(), pair.discordant(), 0.05, 0.8);
    vec![
        Cell::number(&format!("{:+.1}", 100.0 * pair.difference())),
        Cell::number(&format!("{} : {}", pair.first, pair.second)),
        Cell::number(&p_value(adjusted.next().unwrap_or(1.0))),
        Cell::number(&format!("{:+.2}", cohens_h(a, b))),
        Cell::number(&detectable.map_or_else(|| "–".into(), percent)),
    ]
}

fn mean(run: &RunOf, of: impl Fn(&Record) -> f64) -> Option<f64> {
    let n = run.records.len();
    (n > 0).then(|| run.records.iter().map(of).sum::<f64>() / n as f64)
}

/// Milliseconds of the questions that were timed.
fn took(run: &RunOf) -> Vec<f64> {
    let timed = run.records.iter().map(|r| r.answered.took_micros).filter(|&micros| micros > 0);
    timed.map(|micros| micros as f64 / 1e3).collect()
}

/// The share of records of which this holds, among those that say so.
fn share_of(run: &RunOf, of: impl Fn(&Record) -> Option<bool>) -> String {
    let said: Vec<bool> = run.records.iter().filter_map(of).collect();
    if said.is_empty() {
        return "–".into();
    }
    percent(said.iter().filter(|&&yes| yes).count() as f64 / said.len() as f64)
}

/// Questions whose prompt was longer than the context.
fn too_long(run: &RunOf) -> usize {
    run.records.iter().filter(|r| matches!(r.answered.finish, Finish::ContextFull { .. })).count()
}

fn paired(a: &RunOf, b: &RunOf) -> Paired {
    let of_b: BTreeMap<&str, bool> =
        b.records.iter().map(|r| (r.question.id.as_str(), r.score.strict)).collect();
    Paired::count(a.records.iter().filter_map(|r| Some((r.score.strict, *of_b.get(r.question.id.as_str())?))))
}

fn share(count: usize, of: &Paired) -> f64 {
    count as f64 / of.n().max(1) as f64
}
