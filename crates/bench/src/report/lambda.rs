//! Figures along λ, and what choosing it by cross-validation costs against knowing the best.

use super::Grid;
use super::contrast::{Figure, band, by_group};
use super::forced::{fixed, plain};
use crate::grid::{Kind, Row, few_priors, prior_name};
use crate::page::plot::{Axis, Lines, Point, Series};
use crate::page::{Cell, figure, side_by_side, table};
use crate::stats::{Interval, LEVEL, RESAMPLES, bootstrap};
use head::Weighting;
use std::collections::{BTreeMap, BTreeSet};

pub fn section(grid: &Grid) -> String {
    let weightings = [(Weighting::PerPosition, "per position"), (Weighting::PerExample, "per example")];
    let mut figures = Vec::new();
    for (weighting, name) in weightings {
        let mut series: Vec<(String, Vec<&Row>)> = Vec::new();
        for row in grid.rows.iter().filter(|row| shown(row) && row.unit.cell.weighting == weighting) {
            let name = line(row);
            match series.iter_mut().find(|(known, _)| *known == name) {
                Some((_, rows)) => rows.push(row),
                None => series.push((name, vec![row])),
            }
        }
        if series.is_empty() {
            continue;
        }
        for (what, y) in [
            (Figure::Choice, Axis::share("choice")),
            (Figure::CrossEntropy, Axis::linear("cross-entropy, nats")),
        ] {
            let lines = Lines {
                x: Axis::logarithmic("λ"),
                y,
                series: series
                    .iter()
                    .map(|(name, rows)| Series { name: name.clone(), points: along(rows, what) })
                    .collect(),
            };
            figures.push(figure(
                &lines.svg(),
                &format!(
                    "Weighting {name}; exact where no optimiser is named. Bands: 95 % over seeds, where they change nothing over groups of examples.{}",
                    unbounded(series.iter().flat_map(|(_, rows)| rows))
                ),
            ));
        }
    }
    let html = if figures.is_empty() { String::new() } else { side_by_side(&figures) };
    html + &regrets(grid)
}

/// Says which of these exact fits have no optimum: at λ = 0 it need not exist.
fn unbounded<'r>(rows: impl Iterator<Item = &'r &'r Row> + Clone) -> String {
    let exact = rows.filter(|row| row.unit.cell.adam.is_none());
    let open = exact.clone().filter(|row| !row.solver.contains("converged"));
    let at: BTreeSet<u64> = open.clone().filter_map(|row| fixed(row)).map(f64::to_bits).collect();
    if at.is_empty() {
        return String::new();
    }
    let of = exact.filter(|row| fixed(row).is_some_and(|lambda| at.contains(&lambda.to_bits()))).count();
    let at: Vec<String> = at.into_iter().map(|bits| written(f64::from_bits(bits))).collect();
    let open = open.count();
    format!(
        " At λ = {} no optimum was reached by {open} of exact's {of} fits, unbounded or stopped: their last step is shown.",
        at.join(", ")
    )
}

/// A λ as people write it.
fn written(lambda: f64) -> String {
    if lambda == 0.0 || lambda >= 0.1 { lambda.to_string() } else { format!("{lambda:e}") }
}

/// What a line is called: of exact its prior.
fn line(row: &Row) -> String {
    let cell = &row.unit.cell;
    match cell.adam {
        Some(adam) => format!("{}, {adam}", cell.method),
        None => prior_name(&cell.prior),
    }
}

/// The rows of the part `lambda`: few enough for one picture.
fn shown(row: &Row) -> bool {
    let cell = &row.unit.cell;
    plain(row) && row.unit.kind == Kind::Path && (cell.adam.is_some() || few_priors().contains(&cell.prior))
}

fn along(rows: &[&Row], what: Figure) -> Vec<Point> {
    let mut lambdas: Vec<f64> = rows.iter().filter_map(|row| fixed(row)).collect();
    lambdas.sort_unstable_by(f64::total_cmp);
    lambdas.dedup();
    let point = |lambda: f64| {
        let at = rows.iter().copied().filter(|row| fixed(row) == Some(lambda));
        let i = band(at, what)?;
        Some(Point { x: lambda, y: i.value, low: i.low, high: i.high })
    };
    lambdas.into_iter().filter_map(point).collect()
}

/// λ auto and λ per tool against the best and the worst fixed λ, known in hindsight.
fn regrets(grid: &Grid) -> String {
    let mut rows = Vec::new();
    let mut bases: Vec<(String, Weighting)> = Vec::new();
    for row in
        grid.rows.iter().filter(|row| plain(row) && matches!(row.unit.kind, Kind::Auto | Kind::PerTool))
    {
        let key = (prior_name(&row.unit.cell.prior), row.unit.cell.weighting);
        if !bases.contains(&key) {
            bases.push(key);
        }
    }
    for (prior, weighting) in bases {
        let same = |row: &&Row| {
            let cell = &row.unit.cell;
            plain(row)
                && cell.adam.is_none()
                && prior_name(&cell.prior) == prior
                && cell.weighting == weighting
        };
        let mut lambdas: Vec<f64> =
            grid.rows.iter().filter(same).filter_map(fixed).filter(|&lambda| lambda > 0.0).collect();
        lambdas.sort_unstable_by(f64::total_cmp);
        lambdas.dedup();
        for (kind, name) in [(Kind::Auto, "auto"), (Kind::PerTool, "per tool, empirical Bayes")] {
            let chosen: Vec<&Row> =
                grid.rows.iter().filter(|row| same(row) && row.unit.kind == kind).collect();
            for (what, unit, scale) in
                [(Figure::CrossEntropy, "cross-entropy, mnats", 1e3), (Figure::Choice, "choice, points", 1e2)]
            {
                let along: Vec<(f64, Vec<&Row>)> = lambdas
                    .iter()
                    .map(|&lambda| {
                        let at = grid.rows.iter().filter(|row| same(row) && fixed(row) == Some(lambda));
                        (lambda, at.collect())
                    })
                    .collect();
                let Some(regret) = regret(&chosen, &along, what) else { continue };
                let mut cells = vec![
                    Cell::text(&format!("{prior}, {weighting}")),
                    Cell::text(name),
                    Cell::text(unit),
                    Cell::number(&format!("{:.4}", regret.chosen)),
                ];
                for ((lambda, value), d) in [regret.best, regret.worst] {
                    cells.push(Cell::number(&format!("{}: {value:.4}", written(lambda))));
                    let [d, low, high] = [d.value, d.low, d.high].map(|x| scale * x);
                    cells.push(Cell::number(&format!("{d:+.2} [{low:+.2}, {high:+.2}]")));
                }
                rows.push(cells);
            }
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    table(
        &[
            "prior, weighting",
            "λ",
            "figure",
            "value",
            "best fixed λ",
            "chosen − best",
            "worst fixed λ",
            "chosen − worst",
        ],
        &rows,
        "The best and the worst fixed λ are known in hindsight, on what is scored; λ = 0, whose infimum need not be \
         attained, is not among them. Intervals by bootstrap over groups of examples, reflected; the best and the worst are found anew in each resample.",
    )
}

/// What a choice of λ costs against knowing the best, and gains on the worst.
struct Regret {
    chosen: f64,
    /// The λ with its figure, and the chosen one's difference from it.
    best: ((f64, f64), Interval),
    worst: ((f64, f64), Interval),
}

/// Over the groups of examples that all scored, in the cuts that all have; nothing if there are none.
fn regret(chosen: &[&Row], along: &[(f64, Vec<&Row>)], what: Figure) -> Option<Regret> {
    let all = || along.iter().map(|(_, rows)| rows.as_slice()).chain([chosen]);
    let place = |row: &Row| (row.unit.cell.seed, row.unit.cell.fold);
    let random = |rows: &[&Row]| rows.iter().any(|row| row.unit.depends_on_seed());
    let there = |at: &(u64, Option<usize>), rows: &[&Row]| rows.iter().any(|row| place(row) == *at);
    let kept = |rows: &[&Row]| {
        let shared = |row: &&&Row| {
            !row.unit.depends_on_seed() || all().filter(|of| random(of)).all(|of| there(&place(row), of))
        };
        by_group(&rows.iter().filter(shared).copied().collect::<Vec<_>>(), what)
    };
    let mut figures: Vec<BTreeMap<u32, (f64, f64)>> = all().map(kept).collect();
    let of_chosen = figures.pop()?;
    let groups: Vec<u32> = of_chosen
        .iter()
        .filter(|(group, (_, weight))| *weight > 0.0 && figures.iter().all(|of| of.contains_key(group)))
        .map(|(&group, _)| group)
        .collect();
    let weights: Vec<f64> = groups.iter().map(|group| of_chosen[group].1).collect();
    let column =
        |of: &BTreeMap<u32, (f64, f64)>| groups.iter().map(|group| of[group].0).collect::<Vec<f64>>();
    let (of_chosen, figures) = (column(&of_chosen), figures.iter().map(column).collect::<Vec<_>>());
    let mean = |of: &[f64], drawn: &[usize]| {
        let sum = |of: &[f64]| drawn.iter().map(|&at| of[at]).sum::<f64>();
        sum(of) / sum(&weights)
    };
    // Of cross-entropy the best is the lowest, of choice the highest.
    let sign = if what == Figure::CrossEntropy { 1.0 } else { -1.0 };
    let extreme = |drawn: &[usize], sign: f64| {
        let values = figures.iter().map(|of| mean(of, drawn)).enumerate();
        values.min_by(|a, b| (sign * a.1).total_cmp(&(sign * b.1)))
    };
    let every: Vec<usize> = (0..groups.len()).collect();
    let against = |sign: f64| {
        let (at, value) = extreme(&every, sign)?;
        let difference = |drawn: &[usize]| {
            mean(&of_chosen, drawn) - extreme(drawn, sign).map_or(f64::NAN, |(_, value)| value)
        };
        let i = bootstrap(groups.len(), RESAMPLES, 0, LEVEL, difference)?;
        // A resample's best is better than the best: reflected, the interval is about the value and not about that.
        let reflected = Interval { low: 2.0 * i.value - i.high, high: 2.0 * i.value - i.low, ..i };
        Some(((along[at].0, value), reflected))
    };
    Some(Regret { chosen: mean(&of_chosen, &every), best: against(sign)?, worst: against(-sign)? })
}
