//! A start from afar: ridge regression on logits that a fitted head could have.
//!
//! Where a head has no tool mass yet, the objective is nearly linear and Newton's method gropes. Least squares does not:
//!
//! ```text
//! ½ Σ_i ω_i v_i ‖W h_i − t_i‖² + λ ‖W − W0‖²
//! ```
//!
//! with targets t relative to the words' log mass a: the label's logit above it, all others below. The weights v are what
//! p (1 − p) would typically be: more at calls than at words. Any start will do for the optimum; this one saves steps.

use crate::{
    Objective,
    products::{accumulate, scores},
};
use faer::{
    Mat, Side,
    linalg::solvers::{Llt, Solve},
};

/// The label's target at a call, and the other tools' there and at words, in nats relative to a.
const LABEL: f32 = 2.0;
const OTHER_TOOL: f32 = -5.0;
const AT_WORD: f32 = -10.0;
/// v at calls and at words.
const CALL_WEIGHT: f64 = 0.1;
const WORD_WEIGHT: f64 = 0.003;

/// The regression's W `(T, d)`; `None` where its matrix is singular (λ = 0 and too few positions).
pub(crate) fn start(objective: &Objective<'_>) -> Option<Vec<f32>> {
    let table = objective.table();
    let (width, tools) = (table.width(), objective.fitted().len());
    let prior = objective.prior();
    let chunks = table.walk(
        &objective.rows,
        width * (width + tools),
        || (vec![0.0f32; width * width], vec![0.0f32; width * tools], Vec::new(), Vec::new()),
        |(square, rhs, residual, weighted), _, ids, h| {
            scores(h, prior, width, residual);
            weighted.clear();
            for ((z, h), &id) in residual.chunks_mut(tools).zip(h.chunks(width)).zip(ids) {
                let label = objective.label(id);
                let weight = objective.weight(id) * if label.is_some() { CALL_WEIGHT } else { WORD_WEIGHT };
                let words = table.log_sum_exp[id as usize];
                for (k, z) in z.iter_mut().enumerate() {
                    let target = match label {
                        None => AT_WORD,
                        Some(y) if y == k => LABEL,
                        Some(_) => OTHER_TOOL,
                    };
                    *z = weight as f32 * (words + target - *z);
                }
                weighted.extend(h.iter().map(|x| weight as f32 * x));
            }
            accumulate(weighted, h, width, square);
            accumulate(residual, h, width, rhs);
        },
    );
    let sum = |part: &dyn Fn(usize) -> f32| (0..chunks.len()).map(|c| f64::from(part(c))).sum::<f64>();
    let matrix = Mat::from_fn(width, width, |i, j| {
        let ridge = if i == j { 2.0 * objective.lambda } else { 0.0 };
        sum(&|c| chunks[c].0[i * width + j]) + ridge
    });
    let mut moved = Mat::from_fn(width, tools, |i, k| sum(&|c| chunks[c].1[k * width + i]));
    Llt::new(matrix.as_ref(), Side::Lower).ok()?.solve_in_place(moved.as_mut());
    let w: Vec<f32> = (0..prior.len()).map(|at| prior[at] + moved[(at % width, at / width)] as f32).collect();
    w.iter().all(|x| x.is_finite()).then_some(w)
}
