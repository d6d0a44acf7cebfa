//! Few examples a tool: what priors are worth, and what choosing among them by training examples alone makes of them.

use super::contrast::over_seeds;
use super::{Grid, percent};
use crate::grid::{Kind, Names, Row, prior_name};
use crate::page::plot::{Axis, Lines, Point, Series};
use crate::page::{Cell, figure, side_by_side, table};
use crate::stats::Interval;
use std::collections::{BTreeMap, BTreeSet};

/// One line: what it is called, and its rows by the number of examples a tool.
type Line<'g> = (String, BTreeMap<usize, Vec<&'g Row>>);

/// Rows of the comparison: those without folds.
fn lines(grid: &Grid) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for row in &grid.rows {
        let cell = &row.unit.cell;
        let (Some(count), None) = (cell.per_tool, cell.fold) else { continue };
        let name = match (row.unit.kind, cell.names) {
            (Kind::Chosen, _) => "prior, scale and λ chosen".to_owned(),
            (Kind::Own, _) => cell.method.to_string(),
            (Kind::Path, Names::Id) => format!("{} (ids)", prior_name(&cell.prior)),
            (Kind::Path, Names::Own) => prior_name(&cell.prior),
            _ => continue,
        };
        match lines.iter_mut().find(|(known, _)| *known == name) {
            Some((_, by_count)) => by_count.entry(count).or_default().push(row),
            None => lines.push((name, BTreeMap::from([(count, vec![row])]))),
        }
    }
    lines
}

/// The rows of the λ with the highest mean choice: known in hindsight, from what is scored. Rows whose λ was chosen are all.
fn in_hindsight<'g>(rows: &[&'g Row]) -> Vec<&'g Row> {
    let values: BTreeSet<u64> =
        rows.iter().filter_map(|row| super::forced::fixed(row)).map(f64::to_bits).collect();
    let at = |bits: u64| -> Vec<&'g Row> {
        rows.iter().copied().filter(|row| super::forced::fixed(row).map(f64::to_bits) == Some(bits)).collect()
    };
    let choice =
        |rows: &[&Row]| over_seeds(rows.iter().copied(), |row| row.metrics.choice).map_or(0.0, |i| i.value);
    let best = values.into_iter().map(at).max_by(|a, b| choice(a).total_cmp(&choice(b)));
    best.unwrap_or_else(|| rows.to_vec())
}

/// A figure of a row.
type Figure = fn(&Row) -> Option<f64>;

/// Its mean over seeds, at the λ that is best in hindsight.
fn found(rows: &[&Row], of: Figure) -> Option<Interval> {
    over_seeds(in_hindsight(rows), of)
}

/// Choice and recall over examples a tool, one line a prior, and the figures as a table.
pub fn section(grid: &Grid) -> String {
    let lines = lines(grid);
    // A learning curve of one prior compares nothing.
    let priors =
        |(_, by_count): &&Line<'_>| by_count.values().flatten().any(|row| row.unit.kind != Kind::Own);
    if !lines.iter().any(|(name, _)| name.starts_with("prior, scale"))
        && lines.iter().filter(priors).count() < 4
    {
        return String::new();
    }
    let figures: [(&str, Figure); 2] =
        [("choice", |row| row.metrics.choice), ("recall", |row| row.metrics.recall)];
    let drawn = figures.map(|(label, of)| {
        let point = |(&count, rows): (&usize, &Vec<&Row>)| {
            let i = found(rows, of)?;
            Some(Point { x: count as f64, y: i.value, low: i.low.max(0.0), high: i.high.min(1.0) })
        };
        let series = lines.iter().map(|(name, by_count)| Series {
            name: name.clone(),
            points: by_count.iter().filter_map(point).collect(),
        });
        let drawing = Lines {
            x: Axis::logarithmic("examples a tool"),
            y: Axis::share(label),
            series: series.collect(),
        };
        figure(&drawing.svg(), &format!("{label}, 95 % over seeds."))
    });
    side_by_side(&drawn) + &as_table(&lines)
}

fn as_table(lines: &[Line<'_>]) -> String {
    let counts: BTreeSet<usize> = lines.iter().flat_map(|(_, by_count)| by_count.keys().copied()).collect();
    let cell = |rows: Option<&Vec<&Row>>| {
        let shown = rows.and_then(|rows| {
            let choice = found(rows, |row| row.metrics.choice)?;
            let recall = found(rows, |row| row.metrics.recall)?;
            let half = 100.0 * (choice.high - choice.value);
            let band = if choice.n > 1 { format!(" ±{half:.1}") } else { String::new() };
            Some(format!("{}{band} / {}", percent(choice.value), percent(recall.value)))
        });
        Cell::number(&shown.unwrap_or_else(|| "–".into()))
    };
    let rows: Vec<Vec<Cell>> = lines
        .iter()
        .map(|(name, by_count)| {
            let mut cells = vec![Cell::text(name)];
            cells.extend(counts.iter().map(|count| cell(by_count.get(count))));
            cells
        })
        .collect();
    let mut head = vec!["choice / recall, % at examples a tool".to_owned()];
    head.extend(counts.iter().map(usize::to_string));
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    table(
        &head,
        &rows,
        "Of a fixed prior the λ is the best of the path in hindsight, from what is scored, so these figures are optimistic; \
         the line whose prior, scale and λ were chosen has seen nothing of what is scored, nor have the methods as published. Student's 95 % over seeds, which draw the \
         examples. No bias.",
    )
}
