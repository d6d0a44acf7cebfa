//! Fits a unit's heads and scores them.

use super::arena::Split;
use super::{Arena, AtBias, Cell, Kind, LAMBDAS, Lambda, Names, Row, Unit, texts};
use crate::BenchError;
use head::{
    AdamSettings, ExactSettings, Fit, HeadError, Method, Penalty, Prior, Scores, Search, Solver, Start,
    Subset, ToolText, Training, choose_lambda, empirical_bayes, fit, fit_path,
};
use lm::{FrozenLm, Matrix};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// λ / mean‖h‖² that empirical Bayes starts from.
const EVIDENCE_START: f64 = 1e-8;

/// Close enough for every figure of the grid.
const TOLERANCE: f64 = 1e-4;
/// Steps of one fit; only λ = 0 comes near.
const MAX_STEPS: usize = 150;
/// Learning rates that are tried: the published ones, and those around them.
const RATES: [f64; 5] = [3e-5, 1e-4, 3e-4, 1e-3, 3e-3];
/// Biases of the calibration curve.
const BIASES: std::ops::RangeInclusive<i32> = -8..=24;

/// Rows of W0 that depend on no example, kept as they are made: the model is asked once for each.
#[derive(Default)]
pub struct Priors(Mutex<HashMap<String, Matrix>>);

impl Priors {
    fn build(
        &self,
        cell: &Cell,
        lm: &dyn FrozenLm,
        own: &[ToolText],
        table: &head::Table<'_>,
        part: &Subset,
    ) -> Result<Matrix, HeadError> {
        self.of(&cell.prior, cell.names, lm, own, table, part)
    }

    fn of(
        &self,
        prior: &Prior,
        names: Names,
        lm: &dyn FrozenLm,
        own: &[ToolText],
        table: &head::Table<'_>,
        part: &Subset,
    ) -> Result<Matrix, HeadError> {
        let make = || prior.build(lm, &texts(table.tools(), own, names), Some((table, part)));
        if prior.needs_examples() {
            return make();
        }
        // Who needs the same rows waits for them.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{prior:?} {names:?}");
        if let Some(rows) = kept.get(&key) {
            return Ok(rows.clone());
        }
        let rows = make()?;
        kept.insert(key, rows.clone());
        Ok(rows)
    }
}

pub fn rows(
    unit: &Unit,
    lm: &dyn FrozenLm,
    arena: &Arena<'_>,
    priors: &Priors,
) -> Result<Vec<Row>, BenchError> {
    let started = Instant::now();
    let cell = &unit.cell;
    let split = arena.split(cell)?;
    let method = method(cell);
    let build = |part: &Subset| priors.build(cell, lm, arena.texts(), split.train, part);
    let prior = build(&split.fit_on)?;
    let seen = |found: &Fit| Scores::of(&found.head, split.test, &split.score_on);
    let mut rows = match unit.kind {
        Kind::Own | Kind::Tuned => {
            let mut method = method;
            let tuned = (unit.kind == Kind::Tuned)
                .then(|| tuned_rate(split.train, &split.fit_on, &mut method, &build, cell.seed))
                .transpose()?;
            let found = fit(split.train, &split.fit_on, &prior, &method, &mut |_| ())?;
            let seen = seen(&found)?;
            let mut row = row(unit, Lambda::Own, &found, &seen, &split);
            row.chosen_rate = tuned;
            if cell.per_tool.is_none() {
                let bias = held_out_bias(split.train, &split.fit_on, &method, &build, cell.seed)?;
                calibrate(&mut row, &seen, &split, bias);
            }
            vec![row]
        }
        Kind::Path => along_lambda(&split, &prior, &method, lambdas(cell))?
            .iter()
            .map(|found| {
                let lambda = Lambda::Fixed(found.head.meta.lambda.unwrap_or(0.0));
                Ok(row(unit, lambda, found, &seen(found)?, &split))
            })
            .collect::<Result<_, HeadError>>()?,
        Kind::Auto => {
            let search = Search { seed: cell.seed, ..Search::default() };
            let start = if cell.prior.needs_examples() { Start::Of(&build) } else { Start::Rows(&prior) };
            let found =
                choose_lambda(split.train, &split.fit_on, start, &method, &search, &mut |_, _| ())?.fit;
            let seen = seen(&found)?;
            let mut row = row(unit, Lambda::Auto, &found, &seen, &split);
            calibrate(&mut row, &seen, &split, found.head.bias);
            vec![row]
        }
        Kind::Chosen => {
            let build = |prior: &Prior, part: &Subset| {
                priors.of(prior, cell.names, lm, arena.texts(), split.train, part)
            };
            let (chosen, found) = choose_prior(&split, &method, &build, cell.seed)?;
            let mut row = row(unit, Lambda::Auto, &found, &seen(&found)?, &split);
            row.chosen_prior = Some(chosen);
            vec![row]
        }
        Kind::PerTool => {
            let lambda = EVIDENCE_START * split.train.mean_square_norm();
            let method = Method { penalty: Penalty::Squared { lambda }, ..method };
            let found = empirical_bayes(split.train, &split.fit_on, &prior, &method)?;
            let mut row = row(unit, Lambda::PerTool, &found.fit, &seen(&found.fit)?, &split);
            row.by_tool = found.lambdas;
            vec![row]
        }
    };
    let seconds = started.elapsed().as_secs_f64() / rows.len().max(1) as f64;
    rows.iter_mut().for_each(|row| row.seconds = seconds);
    Ok(rows)
}

/// To an optimum λ = 0 has no use for W0, and the longest way: a path takes it for one prior, the zero one, with all
/// examples. An optimiser that stops early keeps of W0 what it keeps.
fn lambdas(cell: &Cell) -> &'static [f64] {
    let all = &LAMBDAS;
    let zero = cell.adam.is_some() || cell.prior == Prior::Zero && cell.per_tool.is_none();
    if zero { all } else { &all[1..] }
}

/// A fit for each λ.
fn along_lambda(
    split: &Split<'_>,
    prior: &Matrix,
    method: &Method,
    lambdas: &[f64],
) -> Result<Vec<Fit>, HeadError> {
    if matches!(method.solver, Solver::Exact(_)) {
        return fit_path(split.train, &split.fit_on, prior, method, lambdas);
    }
    let one = |&lambda: &f64| {
        let method = Method { penalty: Penalty::Squared { lambda }, ..method.clone() };
        fit(split.train, &split.fit_on, prior, &method, &mut |_| ())
    };
    lambdas.iter().map(one).collect()
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

fn row(unit: &Unit, lambda: Lambda, found: &Fit, seen: &Scores, split: &Split<'_>) -> Row {
    let meta = &found.head.meta;
    Row {
        unit: unit.clone(),
        lambda,
        value: meta.lambda,
        scaled: meta.lambda_scaled,
        by_tool: Vec::new(),
        chosen_rate: None,
        chosen_prior: None,
        solver: meta.solver.clone(),
        metrics: seen.metrics(split.test, unit.cell.weighting, 0.0),
        chosen_bias: None,
        along_bias: Vec::new(),
        groups: seen.by_group(split.test, 0.0),
        seconds: 0.0,
    }
}

/// Makes rows of W0 of a prior, from the examples of a part where it needs some.
type Build<'b> = dyn Fn(&Prior, &Subset) -> Result<Matrix, HeadError> + 'b;

/// The prior and its scale by what they predict, then λ by cross-validation.
fn choose_prior(
    split: &Split<'_>,
    method: &Method,
    build: &Build<'_>,
    seed: u64,
) -> Result<(Prior, Fit), HeadError> {
    let (table, part) = (split.train, &split.fit_on);
    let prior =
        head::candidates::choose(table, part, method.training.weighting, &|prior| build(prior, part))?;
    let made = |part: &Subset| build(&prior, part);
    let search = Search { seed, ..Search::default() };
    let found = choose_lambda(table, part, Start::Of(&made), method, &search, &mut |_, _| ())?.fit;
    Ok((prior, found))
}

/// Greedy figures with the bias that was chosen, and along it.
fn calibrate(row: &mut Row, seen: &Scores, split: &Split<'_>, chosen: f32) {
    let at = |bias| AtBias::from(&seen.metrics(split.test, row.unit.cell.weighting, bias));
    row.chosen_bias = Some(at(chosen));
    row.along_bias = BIASES.map(|half| at(half as f32 / 2.0)).collect();
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
    Ok(held_out(table, subset, method, build, seed)?.best_bias(table).0)
}

/// Sets Adam's learning rate to the one with the lowest cross-entropy on held-out folds, and returns it.
fn tuned_rate(
    table: &head::Table<'_>,
    subset: &Subset,
    method: &mut Method,
    build: &dyn Fn(&Subset) -> Result<Matrix, HeadError>,
    seed: u64,
) -> Result<f64, HeadError> {
    let mut best = (f64::INFINITY, RATES[0]);
    let set = |method: &mut Method, to: f64| {
        if let Solver::Adam(settings) = &mut method.solver {
            settings.rate = to;
        }
    };
    for rate in RATES {
        set(method, rate);
        let scores = held_out(table, subset, method, build, seed)?;
        let loss = scores.metrics(table, method.training.weighting, 0.0).cross_entropy;
        if loss < best.0 {
            best = (loss, rate);
        }
    }
    set(method, best.1);
    Ok(best.1)
}

/// Scores of every example by a head that has not seen its fold.
fn held_out(
    table: &head::Table<'_>,
    subset: &Subset,
    method: &Method,
    build: &dyn Fn(&Subset) -> Result<Matrix, HeadError>,
    seed: u64,
) -> Result<Scores, HeadError> {
    let mut pooled = Scores::default();
    for held_out in subset.folds(table, Search::default().folds, seed)? {
        let part = subset.minus(&held_out);
        let found = fit(table, &part, &build(&part)?, method, &mut |_| ())?;
        pooled.extend(Scores::of(&found.head, table, &held_out)?);
    }
    Ok(pooled)
}
