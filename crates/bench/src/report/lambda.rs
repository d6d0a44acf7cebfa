//! Figures along λ, and what choosing it by cross-validation costs against knowing the best.

use super::contrast::{Contrast, Figure, contrast, over_seeds};
use super::forced::{fixed, plain};
use super::{Grid, p_value};
use crate::grid::{Kind, Row, prior_name};
use crate::page::plot::{Axis, Lines, Point, Series};
use crate::page::{Cell, figure, side_by_side, table};
use head::{Prior, Weighting};

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
                    "Weighting {name}; exact where no optimiser is named. Bands: Student's 95 % over seeds."
                ),
            ));
        }
    }
    let html = if figures.is_empty() { String::new() } else { side_by_side(&figures) };
    html + &regrets(grid)
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
    plain(row)
        && row.unit.kind == Kind::Path
        && (cell.adam.is_some()
            || matches!(cell.prior, Prior::Zero | Prior::Contexts { .. })
            || prior_name(&cell.prior) == "name, head rows, mean")
}

fn along(rows: &[&Row], what: Figure) -> Vec<Point> {
    let mut lambdas: Vec<f64> = rows.iter().filter_map(|row| fixed(row)).collect();
    lambdas.sort_unstable_by(f64::total_cmp);
    lambdas.dedup();
    let point = |lambda: f64| {
        let at = rows.iter().copied().filter(|row| fixed(row) == Some(lambda));
        let i = over_seeds(at, |row| what.of(row))?;
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
                let found: Vec<(f64, Contrast)> = lambdas
                    .iter()
                    .filter_map(|&lambda| {
                        let at: Vec<&Row> =
                            grid.rows.iter().filter(|row| same(row) && fixed(row) == Some(lambda)).collect();
                        Some((lambda, contrast(&chosen, &at, what)?))
                    })
                    .collect();
                // Of cross-entropy the best is the lowest, of choice the highest.
                let better = |c: &Contrast| if what == Figure::CrossEntropy { c.means.1 } else { -c.means.1 };
                let best = found.iter().min_by(|a, b| better(&a.1).total_cmp(&better(&b.1)));
                let worst = found.iter().max_by(|a, b| better(&a.1).total_cmp(&better(&b.1)));
                let (Some(best), Some(worst)) = (best, worst) else { continue };
                let mut cells = vec![
                    Cell::text(&format!("{prior}, {weighting}")),
                    Cell::text(name),
                    Cell::text(unit),
                    Cell::number(&format!("{:.4}", best.1.means.0)),
                ];
                for (lambda, c) in [best, worst] {
                    let d = c.groups.map(|test| test.difference);
                    cells.push(Cell::number(&format!("{lambda:e}: {:.4}", c.means.1)));
                    cells.push(Cell::number(&d.map_or_else(
                        || "–".into(),
                        |d| {
                            format!("{:+.2} [{:+.2}, {:+.2}]", scale * d.value, scale * d.low, scale * d.high)
                        },
                    )));
                    cells.push(Cell::number(&p_value(c.p())));
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
            "p",
            "worst fixed λ",
            "chosen − worst",
            "p",
        ],
        &rows,
        "The best and the worst fixed λ are known in hindsight, on what is scored; λ = 0, whose infimum need not be \
         attained, is not among them. Intervals by paired bootstrap over groups of examples, p by the signs of their differences, not corrected.",
    )
}
