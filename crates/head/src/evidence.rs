//! A λ for each tool by empirical Bayes: the evidence of the data chooses, and no fold is held out.
//!
//! N·F is the negative logarithm of a posterior in which row k has the Gaussian prior N(w0_k, I/α_k) with α_k = 2Nλ_k.
//! MacKay's fixed point (1992, "The evidence framework applied to classification networks") for the Laplace approximation,
//! with the curvature taken tool by tool:
//!
//! ```text
//! γ_k = Σ_j e_j / (e_j + α_k)        e: eigenvalues of N Σ_i ω_i p_ik (1 − p_ik) h_i h_iᵀ
//! α_k = γ_k / ‖w_k − w0_k‖²          γ: how many of row k's directions the data determine
//! ```

use crate::{
    Fit, HeadError, Method, Objective, Outcome, Solver, Subset, Table,
    exact::{Solution, solve, solve_after},
    fit::{head_of, objective, with_provenance},
};
use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, Mat, MatRef, Par, Side};
use lm::Matrix;
use rayon::prelude::*;

/// Rounds at most; the values settle to a few percent long before.
const ROUNDS: usize = 20;
/// Settled: no λ moves by more than this share.
const SETTLED: f64 = 0.02;
/// λ / mean‖h‖² stays within these.
const RANGE: (f64, f64) = (1e-12, 1e-2);
/// Positions that add less than this share of the largest are left out of a block.
const NEGLIGIBLE: f64 = 1e-7;

/// What empirical Bayes found.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The fit with these values.
    pub fit: Fit,
    /// λ by tool; of a tool without calls the value it started from.
    pub lambdas: Vec<f64>,
    /// γ by tool: the directions that the data determine, of d.
    pub determined: Vec<f64>,
    /// Rounds until the values settled.
    pub rounds: usize,
}

/// Chooses a λ for each tool and fits. The method's λ is where the search starts; its weighting must be per position, since
/// the evidence counts positions.
///
/// # Errors
/// As [`crate::fit()`]; if the solver is not exact, or λ is not positive.
pub fn empirical_bayes(
    table: &Table<'_>,
    subset: &Subset,
    prior: &Matrix,
    method: &Method,
) -> Result<Evidence, HeadError> {
    let Solver::Exact(settings) = &method.solver else {
        let message = format!("empirical Bayes needs the exact solver, `{}` has another", method.name);
        return Err(HeadError::Setting(message));
    };
    let start = method
        .lambda()
        .filter(|lambda| *lambda > 0.0)
        .ok_or_else(|| HeadError::Setting("empirical Bayes needs a positive lambda to start from".into()))?;
    let mut lambdas = vec![start; table.tools().len()];
    let mut determined = vec![0.0; lambdas.len()];
    let scale = table.mean_square_norm();
    let mut previous: Option<Solution> = None;
    let mut rounds = 0;
    loop {
        let objective = objective(table, subset, prior, method)?.with_lambdas(&lambdas)?;
        let solution = match &previous {
            Some(previous) => solve_after(previous, &objective, settings, &mut |_| ()),
            None => solve(&objective, objective.prior(), settings, &mut |_| ()),
        };
        let next = step(&objective, &solution);
        let mut moved = 0.0f64;
        for (&tool, (lambda, gamma)) in objective.fitted().iter().zip(next) {
            let lambda = lambda.clamp(RANGE.0 * scale, RANGE.1 * scale);
            moved = moved.max((lambda / lambdas[tool]).ln().abs());
            (lambdas[tool], determined[tool]) = (lambda, gamma);
        }
        rounds += 1;
        if moved <= SETTLED || rounds == ROUNDS {
            // The fit is that of the values before the last move, which is too small to see.
            let head = head_of(&objective, &solution, prior)?;
            let outcome = Outcome::Exact(solution);
            let mut head = with_provenance(head, &outcome, table, method);
            (head.meta.lambda, head.meta.lambda_scaled) = (None, None);
            head.meta.solver.push_str(", a lambda for each tool by empirical Bayes");
            return Ok(Evidence { fit: Fit { head, outcome }, lambdas, determined, rounds });
        }
        previous = Some(solution);
    }
}

/// One round: each fitted row's λ and γ.
fn step(objective: &Objective<'_>, solution: &Solution) -> Vec<(f64, f64)> {
    let (table, n) = (objective.table(), objective.positions() as f64);
    let width = table.width();
    let curvature = objective.curvature(&solution.weights);
    (0..objective.fitted().len())
        .into_par_iter()
        .map(|row| {
            let positions: Vec<(u32, f64)> = curvature.block(row).collect();
            let largest = positions.iter().map(|(_, weight)| *weight).fold(0.0, f64::max);
            let kept: Vec<(u32, f64)> =
                positions.into_iter().filter(|(_, weight)| *weight > NEGLIGIBLE * largest).collect();
            let mut a = Vec::with_capacity(kept.len() * width);
            for (id, weight) in &kept {
                let scale = (n * weight).sqrt();
                a.extend(table.row(*id).iter().map(|&h| scale * f64::from(h)));
            }
            let alpha = 2.0 * n * objective.row_lambda(row);
            let gamma: f64 =
                eigenvalues(&a, width, kept.len()).iter().map(|&e| e.max(0.0) / (e.max(0.0) + alpha)).sum();
            let at = row * width..(row + 1) * width;
            let square: f64 = (solution.weights[at.clone()].iter().zip(&objective.prior()[at]))
                .map(|(w, w0)| (f64::from(*w) - f64::from(*w0)).powi(2))
                .sum();
            (gamma / square.max(f64::MIN_POSITIVE) / (2.0 * n), gamma)
        })
        .collect()
}

/// The non-zero eigenvalues of A Aᵀ, A `(width, n)` column by column: those of the smaller of A Aᵀ and AᵀA.
fn eigenvalues(a: &[f64], width: usize, n: usize) -> Vec<f64> {
    let a = MatRef::from_column_major_slice(a, width, n);
    let size = width.min(n);
    let mut gram = Mat::<f64>::zeros(size, size);
    let (left, right) = if n < width { (a.transpose(), a) } else { (a, a.transpose()) };
    // The lower half is all that is read.
    let (half, whole) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
    matmul(gram.as_mut(), half, Accum::Replace, left, whole, right, whole, 1.0, Par::Seq);
    // A sum for each thread would make eigenvalues depend on how many there are.
    faer::set_global_parallelism(Par::Seq);
    gram.self_adjoint_eigenvalues(Side::Lower).unwrap_or_default()
}
