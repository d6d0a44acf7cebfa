//! The choice of λ, of the bias and of a prior's scale, by cross-validation over examples.
//!
//! In each fold λ goes from large to small, every fit starting from the one before. (Starting from the fit on all examples
//! would be faster, but a fit that is only nearly solved remembers its start, and that start has seen the held-out
//! examples.) What is minimised is the held-out cross-entropy under the fit's own weighting. On the default grid the walk ends
//! when a smaller λ has made that clearly worse.

use crate::{
    ExactSettings, Fit, Head, HeadError, Method, Metrics, Objective, Outcome, Penalty, Scores, Solver,
    Subset, Table, Training, WORD,
    exact::{Solution, solve, solve_after},
    fit::{calls_by_tool, head_of, with_provenance},
};
use lm::Matrix;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// How far from its optimum, in nats, a fit may be that is only compared with others; held-out losses differ by more.
const SEARCH_GAP: f64 = 2e-4;
/// The tolerance of such a fit, relative as in [`ExactSettings::tolerance`], at most.
const SEARCH_TOLERANCE: f64 = 1e-2;
/// The default grid: λ / mean‖h‖² from 10^-4.25 down to 10^-9.5, a factor of 10^0.75 apart.
const GRID: (f64, f64, usize) = (-4.25, -0.75, 8);

/// Which λ of a curve is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The one with the lowest held-out cross-entropy.
    #[default]
    Auto,
    /// The largest within one standard error of that.
    OneSe,
}

/// How the greedy calling bias is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bias {
    /// The one with the highest held-out greedy F1.
    #[default]
    Auto,
    /// This one.
    Fixed(f32),
}

/// Settings of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Search {
    /// Number of folds.
    pub folds: usize,
    /// Decides which groups of examples form a fold.
    pub seed: u64,
    /// The values of λ; by default at most eight that fit the scale of h.
    pub lambdas: Option<Vec<f64>>,
    /// Which λ is taken.
    pub rule: Rule,
    /// The bias.
    pub bias: Bias,
}

impl Default for Search {
    fn default() -> Self {
        Self { folds: 5, seed: 0, lambdas: None, rule: Rule::Auto, bias: Bias::Auto }
    }
}

/// Held-out figures along λ, for plots and for the choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// From the largest λ to the smallest that was tried.
    pub points: Vec<CurvePoint>,
    /// The point that was chosen.
    pub chosen: usize,
    /// The settings of the search.
    pub search: Search,
}

/// One λ of a curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// λ.
    pub lambda: f64,
    /// λ / mean‖h‖².
    pub lambda_scaled: f64,
    /// Held-out cross-entropy, the mean over folds.
    pub held_out: f64,
    /// Its standard error: the folds' standard deviation / √folds.
    pub standard_error: f64,
    /// Each fold's.
    pub folds: Vec<f64>,
    /// Held-out figures over all folds, greedy ones without bias.
    pub metrics: Metrics,
}

/// W0 of the fits of a search.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// The same rows `(all tools, d)` for every fit.
    Rows(&'a Matrix),
    /// Made of the examples of each fit: rows that came from all examples would have seen the held-out ones.
    Of(&'a dyn Fn(&Subset) -> Result<Matrix, HeadError>),
}

impl<'a> From<&'a Matrix> for Start<'a> {
    fn from(rows: &'a Matrix) -> Self {
        Self::Rows(rows)
    }
}

impl<'a> From<&'a Start<'a>> for Start<'a> {
    fn from(start: &'a Start<'a>) -> Self {
        *start
    }
}

impl Start<'_> {
    fn rows(&self, subset: &Subset) -> Result<Cow<'_, Matrix>, HeadError> {
        match self {
            Self::Rows(rows) => Ok(Cow::Borrowed(rows)),
            Self::Of(make) => make(subset).map(Cow::Owned),
        }
    }
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The fit on all examples with the chosen λ; its head has the chosen bias and the held-out figures.
    pub fit: Fit,
    /// The curve.
    pub curve: Curve,
}

/// Chooses λ and the bias, and fits on all examples of the subset. The method's λ is replaced.
///
/// `progress` hears `(fits done, fits in all)`.
///
/// # Errors
/// If the method's solver is not exact, the grid is empty or has a value that is not positive, there are too few
/// groups for the folds; as [`crate::fit()`].
pub fn choose_lambda<'a>(
    table: &Table<'_>,
    subset: &Subset,
    start: impl Into<Start<'a>>,
    method: &Method,
    search: &Search,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Selection, HeadError> {
    let Solver::Exact(settings) = method.solver else {
        let message =
            format!("lambda can be chosen for the exact solver alone, `{}` has another", method.name);
        return Err(HeadError::Setting(message));
    };
    let start = start.into();
    let lambdas = grid(table, subset, search)?;
    let folds = subset.folds(table, search.folds, search.seed)?;
    // A fold tells nothing without a position to score, and none can be fitted without a call.
    let tells = |held_out: &&Subset| {
        let calls = calls_by_tool(table, &subset.minus(held_out)).iter().sum::<usize>();
        calls > 0 && has_positions(table, held_out, method.training)
    };
    let folds: Vec<&Subset> = folds.iter().filter(tells).collect();
    if folds.len() < 2 {
        return Err(HeadError::Setting(format!(
            "lambda cannot be chosen: of {} folds fewer than two have a call to fit on and a position to score; take more examples \
             with calls, other folds, or a lambda of your own",
            search.folds
        )));
    }
    let mut walks = folds
        .iter()
        .map(|&held_out| {
            let train = subset.minus(held_out);
            let prior = start.rows(&train)?;
            let weights = method.training.weights(table, &train)?;
            let objective = Objective::new(table, weights, &prior, lambdas[0])?;
            Ok(Walk { held_out, prior, objective, previous: None })
        })
        .collect::<Result<Vec<_>, HeadError>>()?;
    let in_all = lambdas.len() * folds.len();
    let (mut points, mut scores) = (Vec::<CurvePoint>::new(), Vec::new());
    for &lambda in &lambdas {
        let (mut losses, mut pooled) = (Vec::new(), Scores::default());
        for walk in &mut walks {
            let seen = walk.step(table, lambda, &settings)?;
            losses.push(seen.cross_entropy(table, method.training));
            pooled.extend(seen);
            progress(points.len() * folds.len() + losses.len(), in_all);
        }
        points.push(point(table, method, lambda, losses, &pooled));
        scores.push(pooled);
        if search.lambdas.is_none() && is_past(&points) {
            break;
        }
    }
    progress(in_all, in_all);
    drop(walks);
    let chosen = choose(&points, search.rule);

    let prior = start.rows(subset)?;
    let whole = Objective::new(table, method.training.weights(table, subset)?, &prior, lambdas[chosen])?;
    let solution = solve(&whole, whole.prior(), &settings, &mut |_| ());
    let mut head = head_of(&whole, &solution, &prior)?;
    head.bias = match search.bias {
        Bias::Fixed(bias) => bias,
        Bias::Auto => scores[chosen].best_bias(table).0,
    };
    head.meta.metrics = Some(scores[chosen].kept_metrics(table, method.training.weighting, head.bias));
    let method = Method { penalty: Penalty::Squared { lambda: lambdas[chosen] }, ..method.clone() };
    let outcome = Outcome::Exact(solution);
    let head: Head = with_provenance(head, &outcome, table, &method);
    let curve = Curve { points, chosen, search: search.clone() };
    Ok(Selection { fit: Fit { head, outcome }, curve })
}

/// What a search over a prior's scales found.
#[derive(Clone, Debug)]
pub struct ScaleSelection {
    /// The place of the scale that was chosen.
    pub chosen: usize,
    /// Its selection.
    pub selection: Selection,
    /// Every scale with its curve.
    pub curves: Vec<(f64, Curve)>,
}

/// Chooses a prior's scale too: of `(scale, start)` candidates the one whose chosen λ has the lowest held-out cross-entropy.
///
/// # Errors
/// As [`choose_lambda`]; if there is no candidate.
pub fn choose_scale<'a, P>(
    table: &Table<'_>,
    subset: &Subset,
    candidates: &'a [(f64, P)],
    method: &Method,
    search: &Search,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<ScaleSelection, HeadError>
where
    &'a P: Into<Start<'a>>,
{
    let mut best: Option<(usize, Selection)> = None;
    let mut curves = Vec::with_capacity(candidates.len());
    for (at, (scale, start)) in candidates.iter().enumerate() {
        let mut each = |done, in_all| progress(at * in_all + done, candidates.len() * in_all);
        let selection = choose_lambda(table, subset, start, method, search, &mut each)?;
        curves.push((*scale, selection.curve.clone()));
        let value = |selection: &Selection| selection.curve.points[selection.curve.chosen].held_out;
        if best.as_ref().is_none_or(|(_, best)| value(&selection) < value(best)) {
            best = Some((at, selection));
        }
    }
    let (chosen, selection) =
        best.ok_or_else(|| HeadError::Setting("no scale of the prior to choose from".into()))?;
    Ok(ScaleSelection { chosen, selection, curves })
}

/// One fold's way along λ.
struct Walk<'t, 'a> {
    held_out: &'a Subset,
    prior: Cow<'a, Matrix>,
    objective: Objective<'t>,
    previous: Option<Solution>,
}

impl<'t> Walk<'t, '_> {
    /// Fits with the next λ; what the held-out examples say of it.
    fn step(
        &mut self,
        table: &Table<'t>,
        lambda: f64,
        settings: &ExactSettings,
    ) -> Result<Scores, HeadError> {
        self.objective.set_lambda(lambda);
        let settings = rough(&self.objective, settings);
        let solution = match &self.previous {
            Some(previous) => solve_after(previous, &self.objective, &settings, &mut |_| ()),
            None => solve(&self.objective, self.objective.prior(), &settings, &mut |_| ()),
        };
        let seen = Scores::of(&head_of(&self.objective, &solution, &self.prior)?, table, self.held_out)?;
        self.previous = Some(solution);
        Ok(seen)
    }
}

/// Whether the best λ lies behind: the last is worse by twice the standard error of the folds' differences. Smaller λ overfit
/// more, and cost the most.
fn is_past(points: &[CurvePoint]) -> bool {
    let (best, last) = (&points[choose(points, Rule::Auto)], &points[points.len() - 1]);
    let (n, rise) = (last.folds.len() as f64, last.held_out - best.held_out);
    let spread = last.folds.iter().zip(&best.folds).map(|(last, best)| (last - best - rise).powi(2));
    rise > 0.0 && rise >= 2.0 * (spread.sum::<f64>() / (n - 1.0) / n).sqrt()
}

fn grid(table: &Table<'_>, subset: &Subset, search: &Search) -> Result<Vec<f64>, HeadError> {
    let mut lambdas = search.lambdas.clone().unwrap_or_else(|| {
        let ((first, step, count), scale) = (GRID, table.mean_square_norm_of(subset));
        (0..count).map(|i| 10f64.powf(first + step * i as f64) * scale).collect()
    });
    if lambdas.is_empty() || lambdas.iter().any(|lambda| !(lambda.is_finite() && *lambda > 0.0)) {
        let message = format!("the grid of lambda is {lambdas:?}, expected at least one value, all positive");
        return Err(HeadError::Setting(message));
    }
    lambdas.sort_unstable_by(|a, b| b.total_cmp(a));
    lambdas.dedup();
    Ok(lambdas)
}

/// Settings with which the gap ‖∇F‖² / 4λ is small enough.
fn rough(objective: &Objective<'_>, settings: &ExactSettings) -> ExactSettings {
    let tolerance = (4.0 * objective.lambda * SEARCH_GAP).sqrt() / objective.pull();
    ExactSettings { tolerance: tolerance.min(SEARCH_TOLERANCE).max(settings.tolerance), ..*settings }
}

fn point(table: &Table<'_>, method: &Method, lambda: f64, folds: Vec<f64>, pooled: &Scores) -> CurvePoint {
    let n = folds.len() as f64;
    let held_out = folds.iter().sum::<f64>() / n;
    let variance = folds.iter().map(|x| (x - held_out).powi(2)).sum::<f64>() / (n - 1.0);
    CurvePoint {
        lambda,
        lambda_scaled: lambda / table.mean_square_norm(),
        held_out,
        standard_error: (variance / n).sqrt(),
        folds,
        metrics: pooled.kept_metrics(table, method.training.weighting, 0.0),
    }
}

/// Whether a subset has a position that a training would train on.
fn has_positions(table: &Table<'_>, subset: &Subset, training: Training) -> bool {
    let mut positions = table.tool.iter().zip(&table.example);
    positions.any(|(&tool, &example)| subset.contains(example) && (tool != WORD || !training.calls_only))
}

/// The point that a rule takes; points go from the largest λ to the smallest.
fn choose(points: &[CurvePoint], rule: Rule) -> usize {
    let best = (0..points.len()).fold(
        0,
        |best, i| {
            if points[i].held_out < points[best].held_out { i } else { best }
        },
    );
    match rule {
        Rule::Auto => best,
        Rule::OneSe => {
            let limit = points[best].held_out + points[best].standard_error;
            (0..=best).find(|&i| points[i].held_out <= limit).unwrap_or(best)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_se_takes_the_largest_lambda_within_one_standard_error() {
        let at = |held_out| CurvePoint {
            lambda: 1.0,
            lambda_scaled: 1.0,
            held_out,
            standard_error: 0.1,
            folds: Vec::new(),
            metrics: Metrics::default(),
        };
        let points = [at(2.0), at(1.09), at(1.05), at(1.0), at(1.02)];
        assert_eq!(choose(&points, Rule::Auto), 3);
        assert_eq!(choose(&points, Rule::OneSe), 1);
    }
}
