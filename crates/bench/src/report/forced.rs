//! Tables of teacher-forced figures.

use super::contrast::{Contrast, Figure, contrast, over_seeds};
use super::{Grid, p_value, percent, uncorrected};
use crate::grid::{Kind, Lambda, Names, Row, by_seed, summary};
use crate::page::{Cell, table};
use crate::stats::{Interval, LEVEL, holm, wilson_clustered};
use head::{GroupScores, MethodName, Pool, Prior, Source, Text, Weighting};
use std::collections::BTreeMap;

/// Rows that differ in their seed alone, in the order of their first.
pub fn groups(grid: &Grid, keep: impl Fn(&Row) -> bool) -> Vec<(String, Vec<&Row>)> {
    let mut order: Vec<(String, Vec<&Row>)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for row in grid.rows.iter().filter(|row| keep(row)) {
        let name = summary(row);
        let place = *places.entry(name.clone()).or_insert_with(|| {
            order.push((name, Vec::new()));
            order.len() - 1
        });
        order[place].1.push(row);
    }
    order
}

/// Whether a row is of full data and own names.
pub fn plain(row: &Row) -> bool {
    row.unit.cell.per_tool.is_none() && has_own_names(row)
}

/// Whether a row's names are those of its method.
fn has_own_names(row: &Row) -> bool {
    row.unit.cell.names == Names::published(row.unit.cell.method)
}

/// The rows that others are compared with: the exact optimum, zero prior, λ by cross-validation.
fn ours(row: &Row) -> bool {
    plain(row)
        && row.unit.kind == Kind::Auto
        && row.unit.cell.prior == Prior::Zero
        && row.unit.cell.weighting == Weighting::PerPosition
}

/// Methods as published and ours, each against ours.
pub fn methods(grid: &Grid) -> String {
    let mut all = groups(grid, |row| plain(row) && row.unit.kind != Kind::Path && of_part(row));
    all.sort_by_key(|(_, rows)| !rows.first().is_some_and(|row| ours(row)));
    let base: Vec<&Row> = grid.rows.iter().filter(|row| ours(row)).collect();
    against(&all, &base, "The first row is what the others are compared with.")
}

/// Whether a row is of the comparison of methods, whatever else the grid holds: other priors with a chosen λ are the pictures'
/// matter.
fn of_part(row: &Row) -> bool {
    let cell = &row.unit.cell;
    let prior = match &cell.prior {
        Prior::Zero | Prior::Contexts { .. } => true,
        Prior::Text { text, source: Source::HeadRows, pool: Pool::Mean, .. } => {
            matches!(text, Text::Name | Text::Description)
        }
        _ => false,
    };
    row.unit.kind != Kind::Auto
        || prior && (cell.weighting == Weighting::PerPosition || cell.prior == Prior::Zero)
}

/// Names that say nothing.
pub fn names(grid: &Grid) -> String {
    let others = groups(grid, |row| !has_own_names(row));
    let mut found = Vec::new();
    for (name, rows) in &others {
        let Some(first) = rows.first() else { continue };
        let twin = |row: &&Row| {
            let (a, b) = (&row.unit.cell, &first.unit.cell);
            row.unit.kind == first.unit.kind
                && has_own_names(row)
                && (a.method, &a.prior, a.weighting, a.adam, a.per_tool)
                    == (b.method, &b.prior, b.weighting, b.adam, b.per_tool)
        };
        let own: Vec<&Row> = grid.rows.iter().filter(twin).collect();
        // Ids as names are a prior of their own among few examples a tool, with no twin.
        found.push((format!("{name} − own names"), contrast(rows, &own, Figure::Choice)));
    }
    lines(&found)
}

/// The papers' claims, each as a comparison.
pub fn claims(grid: &Grid) -> String {
    let of = |kind: Kind, method: MethodName| -> Vec<&Row> {
        let published = |row: &&Row| plain(row) && row.unit.kind == kind && row.unit.cell.method == method;
        grid.rows.iter().filter(published).collect()
    };
    let own = |method| of(Kind::Own, method);
    let tuned = |method| of(Kind::Tuned, method);
    let pooled = |wanted: Pool| -> Vec<&Row> {
        let mut rows = own(MethodName::TokenLearning);
        rows.retain(|row| matches!(&row.unit.cell.prior, Prior::Text { text: Text::Name, pool, .. } if *pool == wanted));
        rows
    };
    let (mean, max) = (pooled(Pool::Mean), pooled(Pool::Max));
    let exact_pooled = |wanted: Pool| -> Vec<&Row> {
        let named = |row: &&Row| {
            let cell = &row.unit.cell;
            cell.weighting == Weighting::PerPosition
                && matches!(&cell.prior, Prior::Text { text: Text::Name, source: Source::HeadRows, pool, .. } if *pool == wanted)
        };
        of(Kind::Auto, MethodName::Exact).into_iter().filter(named).collect()
    };
    let toolkengpt = own(MethodName::ToolkenGpt);
    let exact: Vec<&Row> = grid.rows.iter().filter(|row| ours(row)).collect();
    let along = of(Kind::Path, MethodName::TokenLearning);
    let at = |lambda: f64| -> Vec<&Row> {
        along.iter().copied().filter(|row| fixed(row) == Some(lambda)).collect()
    };
    let found: Vec<(&str, Option<Contrast>)> = vec![
        ("TokenLearning (paper) − ToolkenGPT, choice", contrast(&mean, &toolkengpt, Figure::Choice)),
        ("TokenLearning (paper) − ToolkenGPT, recall", contrast(&mean, &toolkengpt, Figure::Recall)),
        (
            "TokenLearning (released) − ToolkenGPT, choice",
            contrast(&own(MethodName::TokenLearningCode), &toolkengpt, Figure::Choice),
        ),
        ("mean pooling − max pooling, choice", contrast(&mean, &max, Figure::Choice)),
        (
            "exact, name rows: mean pooling − max pooling, choice",
            contrast(&exact_pooled(Pool::Mean), &exact_pooled(Pool::Max), Figure::Choice),
        ),
        (
            "both with a tuned rate: TokenLearning (paper) − ToolkenGPT, choice",
            contrast(&tuned(MethodName::TokenLearning), &tuned(MethodName::ToolkenGpt), Figure::Choice),
        ),
        (
            "exact − ToolkenGPT with a tuned rate, choice",
            contrast(&exact, &tuned(MethodName::ToolkenGpt), Figure::Choice),
        ),
        ("TokenLearning (paper), λ 1e-3 − λ 0, choice", contrast(&at(1e-3), &at(0.0), Figure::Choice)),
        ("TokenLearning (paper), λ 1e-2 − λ 0, choice", contrast(&at(1e-2), &at(0.0), Figure::Choice)),
        ("exact − ToolkenGPT, choice", contrast(&exact, &toolkengpt, Figure::Choice)),
        ("exact − TokenLearning (paper), choice", contrast(&exact, &mean, Figure::Choice)),
    ];
    lines(&found)
}

/// Comparisons as a table.
fn lines<S: AsRef<str>>(found: &[(S, Option<Contrast>)]) -> String {
    let known: Vec<(&str, &Contrast)> =
        found.iter().filter_map(|(name, c)| Some((name.as_ref(), c.as_ref()?))).collect();
    if known.is_empty() {
        return String::new();
    }
    let adjusted = holm(&known.iter().map(|(_, c)| c.p()).collect::<Vec<_>>());
    let rows: Vec<Vec<Cell>> = known
        .iter()
        .zip(adjusted)
        .map(|((name, c), p)| {
            let difference = c.groups.map(|test| test.difference);
            vec![
                Cell::text(name),
                Cell::number(&percent(c.means.0)),
                Cell::number(&percent(c.means.1)),
                Cell::number(&difference.map_or_else(|| percent(c.means.0 - c.means.1), points)),
                Cell::number(&p_value(p)),
                over_seeds_p(c),
                Cell::number(&c.seeds.map_or_else(|| "–".into(), |t| format!("{:.1}", t.d_z))),
                Cell::number(&c.detectable.map_or_else(|| "–".into(), percent)),
            ]
        })
        .collect();
    table(
        &[
            "",
            "%",
            "%",
            "difference, points",
            "p, groups (Holm)",
            "p, seeds",
            "d_z, seeds",
            "detectable, points",
        ],
        &rows,
        "Intervals over groups of examples (of FuncQA: texts of one template) by paired bootstrap, p by the signs of the groups' \
         differences; over seeds by paired t, not corrected; where a set is scored on its folds a seed is a cut into folds and its figure the folds' mean, so seeds share examples and their \
         intervals are of the method on this set, not of new examples. Detectable: what the groups show with \
         probability 0.8.",
    )
}

/// p of the paired t-test over seeds, without marks, since no table corrects it.
fn over_seeds_p(c: &Contrast) -> Cell {
    Cell::number(&c.seeds.map_or_else(|| "–".into(), |t| uncorrected(t.p)))
}

/// A table of groups, each against a base.
fn against(all: &[(String, Vec<&Row>)], base: &[&Row], note: &str) -> String {
    if all.is_empty() {
        return String::new();
    }
    let contrasts: Vec<Option<Contrast>> = all
        .iter()
        .map(|(_, rows)| contrast(rows, base, Figure::Choice).filter(|_| !same(rows, base)))
        .collect();
    let known: Vec<f64> = contrasts.iter().flatten().map(Contrast::p).collect();
    let mut adjusted = holm(&known).into_iter();
    let rows: Vec<Vec<Cell>> = all
        .iter()
        .zip(&contrasts)
        .map(|((name, rows), contrast)| {
            let seeds = by_seed(rows.iter().copied(), |_| Some(0.0)).len();
            // Over groups of examples, all seeds of a group together; and over seeds.
            let share = |value: &dyn Fn(&Row) -> Option<f64>, right: fn(&GroupScores) -> u32| {
                let mut groups: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
                for g in rows.iter().flat_map(|row| &row.groups) {
                    let sum = groups.entry(g.group).or_default();
                    *sum = (sum.0 + right(g) as usize, sum.1 + g.calls as usize);
                }
                let groups: Vec<_> = groups.into_values().filter(|(_, calls)| *calls > 0).collect();
                let within = wilson_clustered(&groups, LEVEL)
                    .map_or_else(String::new, |i| format!(" [{}, {}]", percent(i.low), percent(i.high)));
                Cell::number(&format!("{}{within}", shown_over(rows, value, 100.0, 1)))
            };
            let mut cells = vec![
                Cell::text(name),
                Cell::number(&seeds.to_string()),
                share(&|row| row.metrics.choice, |g| g.chosen),
                share(&|row| row.metrics.recall, |g| g.recalled),
                over(rows, &|row| row.metrics.precision, 100.0, 1),
                over(rows, &|row| row.metrics.f1, 100.0, 1),
                over(rows, &|row| row.chosen_bias.and_then(|b| b.f1), 100.0, 1),
                over(rows, &|row| row.metrics.false_calls, 100.0, 3),
                over(rows, &|row| row.metrics.call_nll, 1.0, 3),
                over(rows, &|row| row.metrics.tool_tax, 1000.0, 2),
                Cell::number(&chosen(rows)),
            ];
            cells.splice(VERSUS..VERSUS, versus(contrast.as_ref(), &mut adjusted));
            cells
        })
        .collect();
    table(
        &[
            "",
            "seeds",
            "choice",
            "choice − first",
            "p, groups (Holm)",
            "p, seeds",
            "d_z, seeds",
            "detectable",
            "recall",
            "precision",
            "F1",
            "F1 at chosen bias",
            "false calls",
            "call NLL",
            "tool tax ×1000",
            "λ or rate chosen",
        ],
        &rows,
        &format!(
            "Percent, means over seeds, ± Student's interval over them; in brackets Wilson's over groups of examples, widened by how alike a group's \
             calls fare. p over groups by the signs of their differences, over seeds by paired t, not corrected. NLL and tax in nats. Greedy figures without a bias but where said. {note}"
        ),
    )
}

/// Where the comparison stands among a row's cells: next to what is compared.
const VERSUS: usize = 3;

/// The cells of a comparison.
fn versus(contrast: Option<&Contrast>, adjusted: &mut impl Iterator<Item = f64>) -> Vec<Cell> {
    let Some(c) = contrast else { return ["–"; 5].map(Cell::number).to_vec() };
    vec![
        Cell::number(&c.groups.map_or_else(|| "–".into(), |test| points(test.difference))),
        Cell::number(&p_value(adjusted.next().unwrap_or(1.0))),
        over_seeds_p(c),
        Cell::number(&c.seeds.map_or_else(|| "–".into(), |t| format!("{:.1}", t.d_z))),
        Cell::number(&c.detectable.map_or_else(|| "–".into(), percent)),
    ]
}

/// A difference of shares in points.
fn points(d: Interval) -> String {
    format!("{:+.1} [{:+.1}, {:+.1}]", 100.0 * d.value, 100.0 * d.low, 100.0 * d.high)
}

/// What cross-validation chose, from the least to the most.
fn chosen(rows: &[&Row]) -> String {
    let of = |row: &&Row| match row.unit.kind {
        Kind::Auto => row.value,
        Kind::Tuned => row.chosen_rate,
        _ => None,
    };
    let all: Vec<f64> = rows.iter().filter_map(of).collect();
    match (all.iter().copied().reduce(f64::min), all.iter().copied().reduce(f64::max)) {
        (Some(least), Some(most)) if least < most => format!("{least:.1e} – {most:.1e}"),
        (Some(one), _) => format!("{one:.1e}"),
        _ => "–".into(),
    }
}

/// The mean of a figure over seeds, with half of its interval.
fn over(rows: &[&Row], value: &dyn Fn(&Row) -> Option<f64>, scale: f64, digits: usize) -> Cell {
    Cell::number(&shown_over(rows, value, scale, digits))
}

fn shown_over(rows: &[&Row], value: &dyn Fn(&Row) -> Option<f64>, scale: f64, digits: usize) -> String {
    let shown = over_seeds(rows.iter().copied(), value).map(|i| {
        let (value, half) = (i.value * scale, (i.high - i.value) * scale);
        if i.n > 1 { format!("{value:.digits$} ±{half:.digits$}") } else { format!("{value:.digits$}") }
    });
    shown.unwrap_or_else(|| "–".into())
}

fn same(a: &[&Row], b: &[&Row]) -> bool {
    a.first().map(|row| summary(row)) == b.first().map(|row| summary(row))
}

/// The λ of a row that is one of a path.
pub fn fixed(row: &Row) -> Option<f64> {
    match row.lambda {
        Lambda::Fixed(lambda) => Some(lambda),
        _ => None,
    }
}
