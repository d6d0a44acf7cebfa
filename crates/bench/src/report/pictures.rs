//! Priors, learning curves, confusion, the bias and maps.

use super::Grid;
use super::contrast::{Figure, band, over_seeds};
use super::forced::{fixed, groups, plain};
use crate::grid::{FEW, Kind, LEARNING, Row, few_priors, prior_name};
use crate::page::plot::{Axis, Bar, Bars, Heat, Lines, Map, Mark, Point, Series};
use crate::page::{Cell, figure, side_by_side, table};
use crate::stats::Interval;
use head::{Method, MethodName, Prior, ToolMetrics, Weighting};

/// λ at which priors are compared: one that holds W near W0, and one that hardly does.
const SHOWN: [f64; 2] = [1e-3, 1e-5];

/// Every prior, pooling by pooling.
pub fn priors(grid: &Grid) -> String {
    let mut figures = Vec::new();
    for lambda in [None].into_iter().chain(SHOWN.map(Some)) {
        let kind = if lambda.is_some() { Kind::Path } else { Kind::Auto };
        let at = |row: &Row| {
            plain(row)
                && row.unit.kind == kind
                && row.unit.cell.adam.is_none()
                && row.unit.cell.weighting == Weighting::PerPosition
                && fixed(row) == lambda
        };
        let mut bars: Vec<(String, [Option<Interval>; 2])> = Vec::new();
        for (_, rows) in groups(grid, at) {
            let Some(first) = rows.first() else { continue };
            let (name, place) = match &first.unit.cell.prior {
                Prior::Text { pool, .. } => {
                    let full = prior_name(&first.unit.cell.prior);
                    let place = usize::from(*pool == head::Pool::Max);
                    (full.trim_end_matches(", mean").trim_end_matches(", max").to_owned(), place)
                }
                other => (prior_name(other), 0),
            };
            let value = band(rows.iter().copied(), Figure::Choice);
            match bars.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values[place] = value,
                None => {
                    let mut values = [None, None];
                    values[place] = value;
                    bars.push((name, values));
                }
            }
        }
        if bars.len() > 1 {
            let groups =
                bars.into_iter().map(|(name, values)| Bar { name, values: values.to_vec() }).collect();
            let drawing = Bars {
                x: Axis { range: Some((0.0, 1.0)), ..Axis::share("choice") },
                series: vec!["mean pooling, or none".into(), "max pooling".into()],
                groups,
            };
            figures.push(figure(
                &drawing.svg(),
                &format!(
                    "Exact optimum at {}, per position; 95 % over seeds, where they change nothing over groups of examples.",
                    lambda.map_or_else(|| "the λ that cross-validation chose".into(), |lambda| format!("λ = {lambda:e}"))
                ),
            ));
        }
    }
    if figures.is_empty() { String::new() } else { side_by_side(&figures) }
}

/// Choice over examples a tool.
pub fn learning(grid: &Grid) -> String {
    // λ of the exact rows: where little is known, the prior must be heard.
    const LAMBDA: f64 = 1e-4;
    // Priors of exact alone are shown better elsewhere.
    let other = |row: &Row| {
        row.unit.cell.per_tool.is_some_and(|count| !FEW.contains(&count))
            && row.unit.cell.method != MethodName::Exact
    };
    if !grid.rows.iter().any(other) {
        return String::new();
    }
    // Without a test of its own a set is scored in folds; what is in none is of the comparison of priors.
    let folded = grid.meta.test_corpus.is_none();
    // Of the comparison of priors there are others.
    let priors = few_priors();
    let of = |row: &Row| {
        row.unit.cell.fold.is_some() == folded
            && row.unit.cell.per_tool.is_some_and(|count| LEARNING.contains(&count))
            && match row.unit.cell.method {
                MethodName::Exact => priors.contains(&row.unit.cell.prior) && fixed(row) == Some(LAMBDA),
                _ => true,
            }
    };
    // Examples a tool, choice, recall.
    type Seen = (f64, Interval, Option<Interval>);
    let mut series: Vec<(String, Vec<Seen>)> = Vec::new();
    for (_, rows) in groups(grid, of) {
        let Some(first) = rows.first() else { continue };
        let (Some(count), Some(choice)) =
            (first.unit.cell.per_tool, over_seeds(rows.iter().copied(), |row| row.metrics.choice))
        else {
            continue;
        };
        let name = match first.unit.cell.method {
            MethodName::Exact => format!("exact, {}", prior_name(&first.unit.cell.prior)),
            method => method.to_string(),
        };
        let point = (count as f64, choice, over_seeds(rows.iter().copied(), |row| row.metrics.recall));
        match series.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push(point),
            None => series.push((name, vec![point])),
        }
    }
    if series.is_empty() {
        return String::new();
    }
    series.iter_mut().for_each(|(_, points)| points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    let place = |x: f64, i: Interval| Point { x, y: i.value, low: i.low, high: i.high };
    let drawing = |label: &str, recall: bool| Lines {
        x: Axis::logarithmic("examples a tool"),
        y: Axis::share(label),
        series: series
            .iter()
            .map(|(name, points)| Series {
                name: name.clone(),
                points: points
                    .iter()
                    .filter_map(|(x, choice, recalled)| {
                        Some(place(*x, if recall { (*recalled)? } else { *choice }))
                    })
                    .collect(),
            })
            .collect(),
    };
    let caption =
        format!("At most so many training examples of each tool; exact at λ = {LAMBDA:e}; 95 % over seeds.");
    side_by_side(&[
        figure(&drawing("choice", false).svg(), &caption),
        figure(&drawing("recall", true).svg(), "The same, where the tool must beat every word too."),
    ])
}

/// Whether a row is of this method as it goes by its name: its weighting, and its own prior but for the seed.
fn is_as_named(row: &Row, method: MethodName) -> bool {
    let (cell, named) = (&row.unit.cell, Method::named(method));
    let prior = cell.prior == named.prior || matches!(cell.prior, Prior::Uniform { .. });
    cell.method == method && cell.weighting == named.training.weighting && prior
}

/// What is called where a tool should be, over all seeds.
pub fn confusion(grid: &Grid) -> String {
    let wanted = |row: &Row| plain(row) && matches!(row.unit.kind, Kind::Auto | Kind::Own);
    let chosen = groups(grid, |row| {
        wanted(row) && (row.unit.cell.method != MethodName::Exact || row.unit.cell.prior == Prior::Zero)
    });
    let mut figures = Vec::new();
    for method in [MethodName::Exact, MethodName::ToolkenGpt] {
        let Some((name, rows)) = chosen.iter().find(|(_, rows)| is_as_named(rows[0], method)) else {
            continue;
        };
        let tools = &rows[0].metrics.tools;
        let mut counts = vec![vec![0; tools.len() + 1]; tools.len()];
        for row in rows {
            for (sum, found) in counts.iter_mut().zip(&row.metrics.confusion) {
                sum.iter_mut().zip(found).for_each(|(sum, n)| *sum += n);
            }
        }
        let names: Vec<String> = tools.iter().map(|tool| tool.tool.clone()).collect();
        let columns = names.iter().cloned().chain(["(word)".into()]).collect();
        let heat = Heat {
            down: "should be called".into(),
            across: "is called".into(),
            rows: names,
            columns,
            counts,
        };
        figures
            .push(figure(&heat.svg(), &crate::page::escape(&format!("{name}; greedy, no bias, all seeds."))));
    }
    if figures.is_empty() { String::new() } else { side_by_side(&figures) + &by_tool(&chosen) }
}

/// Precision, recall and F1 of every tool, method by method.
fn by_tool(methods: &[(String, Vec<&Row>)]) -> String {
    let shown: Vec<_> = methods
        .iter()
        .filter(|(_, rows)| {
            rows[0].unit.cell.weighting == Method::named(rows[0].unit.cell.method).training.weighting
        })
        .collect();
    let mut columns = vec!["tool".to_owned(), "calls".to_owned()];
    columns.extend(shown.iter().map(|(name, _)| format!("{name}: precision, recall, F1")));
    let percent = |x: Option<f64>| x.map_or_else(|| "–".into(), super::percent);
    let Some((_, first)) = shown.first() else { return String::new() };
    let rows: Vec<Vec<Cell>> = (0..first[0].metrics.tools.len())
        .map(|tool| {
            let calls: usize = first.iter().map(|row| row.metrics.tools[tool].calls).sum();
            let mut cells =
                vec![Cell::text(&first[0].metrics.tools[tool].tool), Cell::number(&calls.to_string())];
            for (_, rows) in &shown {
                let sum = |of: fn(&ToolMetrics) -> f64| -> f64 {
                    rows.iter().map(|row| of(&row.metrics.tools[tool])).sum()
                };
                let (calls, called) = (sum(|t| t.calls as f64), sum(|t| t.called as f64));
                // Of those called for, the share that was called; right of what was called follows from it.
                let right = sum(|t| t.recall.unwrap_or(0.0) * t.calls as f64);
                let share = |of: f64| (of > 0.0).then(|| right / of);
                let both = calls + called;
                let f1 = (both > 0.0).then(|| 2.0 * right / both);
                cells.push(Cell::number(&format!(
                    "{} / {} / {}",
                    percent(share(called)),
                    percent(share(calls)),
                    percent(f1)
                )));
            }
            cells
        })
        .collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    table(&columns, &rows, "Percent; greedy, no bias, over all seeds and folds together.")
}

/// Greedy figures along the bias.
pub fn bias(grid: &Grid) -> String {
    let all = groups(grid, |row| plain(row) && !row.along_bias.is_empty());
    let mut figures = Vec::new();
    for method in [MethodName::Exact, MethodName::ToolkenGpt, MethodName::TokenLearning] {
        let Some((name, rows)) = all.iter().find(|(_, rows)| is_as_named(rows[0], method)) else {
            continue;
        };
        let along = |value: fn(&crate::grid::AtBias) -> Option<f64>| -> Vec<Point> {
            let count = rows[0].along_bias.len();
            (0..count)
                .filter_map(|i| {
                    let found = over_seeds(rows.iter().copied(), |row| value(row.along_bias.get(i)?))?;
                    let x = f64::from(rows[0].along_bias[i].bias);
                    Some(Point { x, y: found.value, low: found.low.max(0.0), high: found.high.min(1.0) })
                })
                .collect()
        };
        let lines = Lines {
            x: Axis::linear("bias"),
            y: Axis::share("share"),
            series: vec![
                Series { name: "F1".into(), points: along(|b| b.f1) },
                Series { name: "recall".into(), points: along(|b| b.recall) },
                Series { name: "precision".into(), points: along(|b| b.precision) },
                Series { name: "false calls".into(), points: along(|b| b.false_calls) },
            ],
        };
        let chosen = over_seeds(rows.iter().copied(), |row| Some(f64::from(row.chosen_bias?.bias)));
        let chosen = chosen.map_or_else(String::new, |i| {
            format!(" Held-out training folds chose {:.2} on average.", i.value)
        });
        figures.push(figure(&lines.svg(), &crate::page::escape(&format!("{name}.{chosen}"))));
    }
    if figures.is_empty() { String::new() } else { side_by_side(&figures) }
}

/// Where rows came from and went to.
pub fn maps(grid: &Grid) -> String {
    let figures: Vec<String> = grid
        .maps
        .iter()
        .map(|(name, map)| {
            let place = |at: [f64; 2]| (at[0], at[1]);
            let mark = |p: &crate::grid::Placed| Mark { name: p.name.clone(), at: place(p.at), from: p.from.map(place) };
            let axis = |n: usize| format!("component {}, {:.0} % of the variance", n + 1, 100.0 * map.explained[n]);
            let drawing = Map {
                axes: (axis(0), axis(1)),
                marks: map.words.iter().chain(&map.tools).map(mark).collect(),
            };
            let caption = format!(
                "{name}: rows of W0 (rings) and of W (dots), scaled to unit length, among the words nearest to W's rows."
            );
            figure(&drawing.svg(), &crate::page::escape(&caption))
        })
        .collect();
    if figures.is_empty() { String::new() } else { side_by_side(&figures) }
}
