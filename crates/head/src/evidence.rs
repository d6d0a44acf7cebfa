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
use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::{Accum, Mat, MatRef, Par, Side};
use lm::Matrix;
use rayon::prelude::*;

/// Rounds at most; the values settle to a few percent long before.
const ROUNDS: usize = 20;
/// Settled: no λ moves by more than this share.
const SETTLED: f64 = 0.02;
/// λ / mean‖h‖² stays within these.
const RANGE: (f64, f64) = (1e-12, 1e-2);
/// The positions of a block that say least are left out, as many as move γ by no more than this share of it.
const NEGLIGIBLE: f64 = 1e-4;

/// What empirical Bayes found.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The fit with these values.
    pub fit: Fit,
    /// λ by tool, those of the fit; of a tool without calls the value it started from.
    pub lambdas: Vec<f64>,
    /// γ by tool: the directions that the data determine, of d.
    pub determined: Vec<f64>,
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
    let mut round = 0;
    loop {
        round += 1;
        let objective = objective(table, subset, prior, method)?.with_lambdas(&lambdas)?;
        let solution = match &previous {
            Some(previous) => solve_after(previous, &objective, settings, &mut |_| ()),
            None => solve(&objective, objective.prior(), settings, &mut |_| ()),
        };
        let next = step(&objective, &solution);
        let used = lambdas.clone();
        let mut moved = 0.0f64;
        for (&tool, (lambda, gamma)) in objective.fitted().iter().zip(next) {
            let lambda = lambda.clamp(RANGE.0 * scale, RANGE.1 * scale);
            moved = moved.max((lambda / lambdas[tool]).ln().abs());
            (lambdas[tool], determined[tool]) = (lambda, gamma);
        }
        if moved <= SETTLED || round == ROUNDS {
            let head = head_of(&objective, &solution, prior)?;
            let outcome = Outcome::Exact(solution);
            let mut head = with_provenance(head, &outcome, table, method);
            (head.meta.lambda, head.meta.lambda_scaled) = (None, None);
            head.meta.solver.push_str(", a lambda for each tool by empirical Bayes");
            if moved > SETTLED {
                head.meta.solver.push_str(&format!(", not settled after {ROUNDS} rounds"));
            }
            return Ok(Evidence { fit: Fit { head, outcome }, lambdas: used, determined });
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
            let alpha = 2.0 * n * objective.row_lambda(row);
            let positions = telling(curvature.block(row).map(|(id, weight)| (id, n * weight)), table, alpha);
            let mut a = Vec::with_capacity(positions.len() * width);
            for (id, weight) in &positions {
                let scale = weight.sqrt();
                a.extend(table.row(*id).iter().map(|&h| scale * f64::from(h)));
            }
            let gamma = determined(&a, width, positions.len(), alpha);
            let at = row * width..(row + 1) * width;
            let square: f64 = (solution.weights[at.clone()].iter().zip(&objective.prior()[at]))
                .map(|(w, w0)| (f64::from(*w) - f64::from(*w0)).powi(2))
                .sum();
            (gamma / square.max(f64::MIN_POSITIVE) / (2.0 * n), gamma)
        })
        .collect()
}

/// The positions of a block `Σ weight h hᵀ` of trace T without those that γ does not depend on: as γ grows by 1/α at most with
/// the trace, and is T / (T + α) at least, positions whose `weight ‖h‖²` sum up to [`NEGLIGIBLE`]·α T / (T + α) can go.
fn telling(block: impl Iterator<Item = (u32, f64)>, table: &Table<'_>, alpha: f64) -> Vec<(u32, f64)> {
    let square = |id: u32| f64::from(table.norm[id as usize]).powi(2);
    let mut positions: Vec<(u32, f64, f64)> = block
        .filter(|(_, weight)| *weight > 0.0)
        .map(|(id, weight)| (id, weight, weight * square(id)))
        .collect();
    positions.sort_unstable_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
    let trace: f64 = positions.iter().map(|position| position.2).sum();
    let mut room = NEGLIGIBLE * alpha * trace / (trace + alpha);
    while let Some(&(_, _, trace)) = positions.last().filter(|(_, _, trace)| *trace <= room) {
        room -= trace;
        positions.pop();
    }
    positions.into_iter().map(|(id, weight, _)| (id, weight)).collect()
}

/// γ = Σ e / (e + α) over the eigenvalues e of A Aᵀ, A `(width, n)` column by column: with G the smaller of A Aᵀ and AᵀA, m × m,
/// and L its Cholesky factor with α on the diagonal, γ = m − α tr (G + αI)⁻¹ = m − α ‖L⁻¹‖².
fn determined(a: &[f64], width: usize, n: usize, alpha: f64) -> f64 {
    let a = MatRef::from_column_major_slice(a, width, n);
    let size = width.min(n);
    let mut gram = Mat::<f64>::zeros(size, size);
    let (left, right) = if n < width { (a.transpose(), a) } else { (a, a.transpose()) };
    // The lower half is all that is read.
    let (half, whole) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
    matmul(gram.as_mut(), half, Accum::Replace, left, whole, right, whole, 1.0, Par::Seq);
    (0..size).for_each(|i| gram[(i, i)] += alpha);
    // A sum for each thread would make values depend on how many there are.
    faer::set_global_parallelism(Par::Seq);
    let Ok(factor) = gram.llt(Side::Lower) else { return 0.0 };
    let mut inverse = Mat::<f64>::zeros(size, size);
    invert_lower_triangular(inverse.as_mut(), factor.L(), Par::Seq);
    (size as f64 - alpha * inverse.squared_norm_l2()).max(0.0)
}
