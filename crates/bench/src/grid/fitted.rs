//! Fits a unit's heads and scores them.

use super::arena::Split;
use super::{Arena, AtBias, Cell, Kind, LAMBDAS, Lambda, Row, Unit, texts};
use crate::BenchError;
use head::{
    AdamSettings, ExactSettings, Fit, HeadError, Method, Prior, Scores, Search, Solver, Subset, Training,
    choose_lambda, fit, fit_path,
};
use lm::{FrozenLm, Matrix};
use std::time::Instant;

/// Close enough for every figure of the grid.
const TOLERANCE: f64 = 1e-4;
/// Steps of one fit; only λ = 0 comes near.
const MAX_STEPS: usize = 150;
/// Biases of the calibration curve.
const BIASES: std::ops::RangeInclusive<i32> = -8..=24;

pub fn rows(unit: &Unit, lm: &dyn FrozenLm, arena: &Arena<'_>) -> Result<Vec<Row>, BenchError> {
    let started = Instant::now();
    let cell = &unit.cell;
    let split = arena.split(cell.seed, cell.per_tool)?;
    let method = method(cell);
    let texts = texts(arena.tools(), cell.names);
    let build = |part: &Subset| -> Result<Matrix, HeadError> {
        cell.prior.build(lm, &texts, Some((split.train, part)))
    };
    let prior = build(&split.fit_on)?;
    let mut rows = match unit.kind {
        Kind::Own => {
            let found = fit(split.train, &split.fit_on, &prior, &method, &mut |_| ())?;
            let mut row = row(unit, Lambda::Own, &found, &split)?;
            if cell.per_tool.is_none() {
                row.chosen_bias = Some(adam_bias(cell, &method, &split, &build, &found)?);
                row.along_bias = along_bias(&found, &split, cell)?;
            }
            vec![row]
        }
        Kind::Path => fit_path(split.train, &split.fit_on, &prior, &method, &LAMBDAS)?
            .iter()
            .map(|found| row(unit, Lambda::Fixed(found.head.meta.lambda.unwrap_or(0.0)), found, &split))
            .collect::<Result<_, _>>()?,
        Kind::Auto => {
            let search = Search { seed: cell.seed, ..Search::default() };
            let found = choose_lambda(split.train, &split.fit_on, &prior, &method, &search, &mut |_, _| ())?;
            let mut row = row(unit, Lambda::Auto, &found.fit, &split)?;
            let seen = Scores::of(&found.fit.head, split.test, &split.score_on)?;
            row.chosen_bias =
                Some(AtBias::from(&seen.metrics(split.test, cell.weighting, found.fit.head.bias)));
            row.along_bias = along_bias(&found.fit, &split, cell)?;
            vec![row]
        }
        Kind::PerTool => {
            return Err(BenchError::Setting("a lambda for each tool is not there yet".into()));
        }
    };
    let seconds = started.elapsed().as_secs_f64() / rows.len().max(1) as f64;
    rows.iter_mut().for_each(|row| row.seconds = seconds);
    Ok(rows)
}

/// The method of a cell; λ is set by whoever fits.
pub fn method(cell: &Cell) -> Method {
    let mut method = Method::named(cell.method);
    method.prior = cell.prior.clone();
    method.training = Training { weighting: cell.weighting, calls_only: false };
    match &mut method.solver {
        Solver::Exact(settings) => {
            *settings = ExactSettings { tolerance: TOLERANCE, max_steps: MAX_STEPS, ..*settings };
        }
        Solver::Adam(settings) => {
            let chosen = cell.adam.map_or((settings.rate, settings.epochs), |adam| (adam.rate, adam.epochs));
            *settings = AdamSettings { rate: chosen.0, epochs: chosen.1, seed: cell.seed, ..*settings };
        }
    }
    method
}

fn row(unit: &Unit, lambda: Lambda, found: &Fit, split: &Split<'_>) -> Result<Row, HeadError> {
    let seen = Scores::of(&found.head, split.test, &split.score_on)?;
    let meta = &found.head.meta;
    Ok(Row {
        unit: unit.clone(),
        lambda,
        value: meta.lambda,
        scaled: meta.lambda_scaled,
        by_tool: Vec::new(),
        solver: meta.solver.clone(),
        metrics: seen.metrics(split.test, unit.cell.weighting, 0.0),
        chosen_bias: None,
        along_bias: Vec::new(),
        examples: seen.by_example(split.test, 0.0),
        seconds: 0.0,
    })
}

/// The bias that folds of the training part choose for a method without a search of its own.
fn adam_bias(
    cell: &Cell,
    method: &Method,
    split: &Split<'_>,
    build: &dyn Fn(&Subset) -> Result<Matrix, HeadError>,
    found: &Fit,
) -> Result<AtBias, HeadError> {
    let bias = held_out_bias(split.train, &split.fit_on, method, build, cell.seed)?;
    let seen = Scores::of(&found.head, split.test, &split.score_on)?;
    Ok(AtBias::from(&seen.metrics(split.test, cell.weighting, bias)))
}

/// The bias with the highest greedy F1 over held-out folds.
///
/// # Errors
/// As [`head::fit()`].
pub fn held_out_bias(
    table: &head::Table<'_>,
    subset: &Subset,
    method: &Method,
    build: &dyn Fn(&Subset) -> Result<Matrix, HeadError>,
    seed: u64,
) -> Result<f32, HeadError> {
    let mut pooled = Scores::default();
    for held_out in subset.folds(table, Search::default().folds, seed)? {
        let part = subset.minus(&held_out);
        let found = fit(table, &part, &build(&part)?, method, &mut |_| ())?;
        pooled.extend(Scores::of(&found.head, table, &held_out)?);
    }
    Ok(pooled.best_bias(table).0)
}

fn along_bias(found: &Fit, split: &Split<'_>, cell: &Cell) -> Result<Vec<AtBias>, HeadError> {
    let seen = Scores::of(&found.head, split.test, &split.score_on)?;
    Ok(BIASES
        .map(|half| AtBias::from(&seen.metrics(split.test, cell.weighting, half as f32 / 2.0)))
        .collect())
}

/// Whether two seeds give different fits of this prior on the same data.
pub fn is_random(prior: &Prior) -> bool {
    matches!(prior, Prior::Uniform { .. } | Prior::Text { text: head::Text::Unrelated { .. }, .. })
}
