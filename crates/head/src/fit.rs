//! A fit: data, prior and method in, a head out.

use crate::{
    Head, HeadError, Method, Objective, Penalty, Progress, Solution, Solver, Status, Subset, Table, WORD,
    adam::adam,
    exact::{solve, solve_after},
    unseen,
};
use lm::Matrix;
use std::collections::HashSet;

/// A fitted head, and how the solver came to it.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The head; its provenance holds what the fit knows (method, training, λ, solver, unfitted tools).
    pub head: Head,
    /// The solver's account.
    pub outcome: Outcome,
}

/// How a solver came to its result.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Of the exact solver.
    Exact(Solution),
    /// Of the references' loop: each epoch's mean loss.
    Adam(Vec<f64>),
}

/// What a fit says while it works.
#[derive(Clone, Copy, Debug)]
pub enum FitProgress {
    /// A Newton step.
    Step(Progress),
    /// An epoch, and its mean loss.
    Epoch(usize, f64),
}

/// Fits a head on a subset of the examples. `prior` is W0 `(all tools, d)`, as [`crate::Prior::build`] makes it.
///
/// # Errors
/// If there is nothing to learn from, a setting is out of range, or the exact solver is given a penalty that is not
/// squared.
pub fn fit(
    table: &Table<'_>,
    subset: &Subset,
    prior: &Matrix,
    method: &Method,
    progress: &mut dyn FnMut(FitProgress),
) -> Result<Fit, HeadError> {
    let (head, outcome) = match &method.solver {
        Solver::Exact(settings) => {
            let objective = objective(table, subset, prior, method)?;
            let solution =
                solve(&objective, objective.prior(), settings, &mut |p| progress(FitProgress::Step(p)));
            (head_of(&objective, &solution, prior)?, Outcome::Exact(solution))
        }
        Solver::Adam(settings) => {
            let calls_only = method.training.calls_only;
            let mut each_epoch = |epoch, loss| progress(FitProgress::Epoch(epoch, loss));
            let (weights, losses) =
                adam(table, subset, calls_only, prior, method.penalty, settings, &mut each_epoch)?;
            let mut head = Head::new(table.tools().to_vec(), weights)?;
            head.prior = prior.clone();
            (head, Outcome::Adam(losses))
        }
    };
    Ok(Fit { head: with_provenance(head, &outcome, table, method), outcome })
}

/// Fits with the exact solver along λ, from the largest to the smallest, each fit starting from the one before; one fit a
/// value, in that order. Zero may be among them.
///
/// # Errors
/// As [`fit`]; if the method's solver is not exact.
pub fn fit_path(
    table: &Table<'_>,
    subset: &Subset,
    prior: &Matrix,
    method: &Method,
    lambdas: &[f64],
) -> Result<Vec<Fit>, HeadError> {
    let Solver::Exact(settings) = &method.solver else {
        let message = format!("a path along lambda is the exact solver's, `{}` has another", method.name);
        return Err(HeadError::Setting(message));
    };
    let mut lambdas = lambdas.to_vec();
    lambdas.sort_unstable_by(|a, b| b.total_cmp(a));
    lambdas.dedup();
    let mut fits = Vec::with_capacity(lambdas.len());
    let mut previous: Option<Solution> = None;
    for lambda in lambdas {
        let method = Method { penalty: Penalty::Squared { lambda }, ..method.clone() };
        let objective = objective(table, subset, prior, &method)?;
        // Without a penalty the solver has a path of its own.
        let solution = match previous.as_ref().filter(|_| lambda > 0.0) {
            Some(previous) => solve_after(previous, &objective, settings, &mut |_| ()),
            None => solve(&objective, objective.prior(), settings, &mut |_| ()),
        };
        let head = head_of(&objective, &solution, prior)?;
        let outcome = Outcome::Exact(solution.clone());
        fits.push(Fit { head: with_provenance(head, &outcome, table, &method), outcome });
        previous = Some(solution);
    }
    Ok(fits)
}

/// The objective that a method with a squared penalty minimises on a subset.
///
/// # Errors
/// As [`fit`].
pub fn objective<'a>(
    table: &'a Table<'_>,
    subset: &Subset,
    prior: &Matrix,
    method: &Method,
) -> Result<Objective<'a>, HeadError> {
    let Some(lambda) = method.lambda() else {
        let message = "the exact solver takes a squared penalty: the release's unsquared one goes with adam";
        return Err(HeadError::Setting(message.into()));
    };
    Objective::new(table, method.training.weights(table, subset)?, prior, lambda)
}

/// The head of a solution: unfitted tools get their prior's row and an offset ([`crate::UNSEEN_FALSE_CALLS`]).
pub(crate) fn head_of(
    objective: &Objective<'_>,
    solution: &Solution,
    prior: &Matrix,
) -> Result<Head, HeadError> {
    let table = objective.table();
    let mut head = Head::new(table.tools().to_vec(), prior.clone())?;
    head.prior = prior.clone();
    for (row, &tool) in objective.fitted().iter().enumerate() {
        let width = table.width();
        head.weights.row_mut(tool).copy_from_slice(&solution.weights[row * width..(row + 1) * width]);
    }
    let fitted: HashSet<usize> = objective.fitted().iter().copied().collect();
    let unfitted: Vec<usize> = (0..table.tools().len()).filter(|tool| !fitted.contains(tool)).collect();
    if unfitted.is_empty() {
        return Ok(head);
    }
    // The words of the examples that were trained on, whether or not on their words.
    let examples: HashSet<u32> = objective.rows.iter().map(|&id| table.example[id as usize]).collect();
    let words: Vec<u32> = (0..table.tool.len() as u32)
        .filter(|&id| table.tool[id as usize] == WORD && examples.contains(&table.example[id as usize]))
        .collect();
    let offsets = unseen::offsets(table, &words, prior, &unfitted, unseen::UNSEEN_FALSE_CALLS);
    for (tool, offset) in unfitted.into_iter().zip(offsets) {
        head.offsets[tool] = offset;
        head.meta.unfitted.push(table.tools()[tool].clone());
    }
    Ok(head)
}

pub(crate) fn with_provenance(mut head: Head, outcome: &Outcome, table: &Table<'_>, method: &Method) -> Head {
    head.meta.method = Some(method.clone());
    head.meta.training = Some(method.training);
    head.meta.lambda = method.lambda();
    head.meta.lambda_scaled = method.lambda().map(|lambda| lambda / table.mean_square_norm());
    head.meta.solver = match outcome {
        Outcome::Exact(solution) => format!(
            "exact: {}, {} steps, gradient {:.2e}, within {:.1e} of the optimum",
            match solution.status {
                Status::Converged => "converged",
                Status::Unbounded => "unbounded (separable data at lambda 0: the last point)",
                Status::PrecisionLimit => "as close as f32 weights come",
                Status::StepLimit => "stopped by its step limit",
            },
            solution.steps,
            solution.gradient_norm,
            solution.gap,
        ),
        Outcome::Adam(losses) => {
            format!(
                "adam: {} epochs, mean loss of the last {:.4}",
                losses.len(),
                losses.last().unwrap_or(&f64::NAN)
            )
        }
    };
    head
}

/// Calls of each tool in a subset, by tool index.
pub fn calls_by_tool(table: &Table<'_>, subset: &Subset) -> Vec<usize> {
    let mut calls = vec![0; table.tools().len()];
    for (&tool, &example) in table.tool.iter().zip(&table.example) {
        if tool != WORD && subset.contains(example) {
            calls[tool as usize] += 1;
        }
    }
    calls
}
