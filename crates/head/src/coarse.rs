//! Moves that tools make together, which a preconditioner by tools misjudges.
//!
//! Where tools compete among themselves and hardly with the words, all of them can move alike and no probability changes. Along
//! such directions g ⊗ v, with a vector g over tools and any v, the curvature is far below its diagonal blocks. The g are the
//! eigenvectors of least eigenvalue of the curvature's traces over the width,
//!
//! ```text
//! K = Σ_i ω_i ‖h_i‖² (diag(p_i) − p_i p_iᵀ) + 2λ d I
//! ```
//!
//! relative to K's own diagonal. The curvature on their span is factored, and its inverse is to be added to the one by tools
//! (an additive two-level method).

use crate::{
    curvature::Curvature,
    precondition::{FLOOR, factor},
    products::accumulate,
    thin::thin,
};
use faer::{
    Mat, MatRef, Side,
    linalg::solvers::{Llt, Solve},
};

/// Vectors over tools at most.
const VECTORS: usize = 3;
/// A relative eigenvalue below which a direction is worth its cost.
const SLOW: f64 = 0.1;
/// Tools at most: the eigenvectors of more cost too much of a step.
const TOOLS: usize = 512;
/// Positions whose probabilities are multiplied at a time.
const CHUNK: usize = 2048;
/// Numbers that the curvature on the span may hold (32 MB).
const NUMBERS: usize = 4 << 20;

/// The inverse of the curvature on a span of common moves.
pub(crate) struct Coarse {
    /// g, `(C, T)`.
    vectors: Vec<Vec<f64>>,
    /// The factor of the curvature on the span, `(C d, C d)`.
    factor: Llt<f64>,
}

impl Coarse {
    /// The span's curvature; nothing where no direction is slow, or memory does not allow one.
    pub fn new(curvature: &Curvature<'_>) -> Option<Self> {
        let objective = curvature.objective();
        let (table, tools) = (objective.table(), objective.fitted().len());
        let width = table.width();
        if tools > TOOLS {
            return None;
        }
        let vectors = slow(curvature, VECTORS.min(NUMBERS.isqrt() / width))?;
        let count = vectors.len();
        let shares: Vec<f64> = (0..curvature.len())
            .map(|at| {
                let (id, p, weight) = curvature.at(at);
                weight * f64::from(table.norm[id as usize]).powi(2) * trace(&covariance(p, &vectors))
            })
            .collect();
        let kept = thin(&shares, 2 * count * width);
        // The curvature is A Aᵀ + ridge: a position's columns are those of √ω R ⊗ h, with R Rᵀ the covariance.
        let mut a: Vec<f64> = Vec::with_capacity(kept.len() * count * count * width);
        for (at, stands_for) in kept {
            let (id, p, weight) = curvature.at(at);
            let Some(root) = root(covariance(p, &vectors)) else { continue };
            let (h, scale) = (table.row(id), (stands_for * weight).sqrt());
            for column in 0..count {
                for row in 0..count {
                    let r = scale * root.L()[(row, column)];
                    a.extend(h.iter().map(|&h| r * f64::from(h)));
                }
            }
        }
        let (rows, total) = (count * width, shares.iter().sum::<f64>());
        let a = MatRef::from_column_major_slice(&a, rows, a.len() / rows);
        let ridge = |g: &Vec<f64>| {
            g.iter().enumerate().map(|(k, g)| 2.0 * objective.row_lambda(k) * g * g).sum::<f64>()
        };
        let least = vectors.iter().map(ridge).fold(f64::INFINITY, f64::min);
        Some(Self { factor: factor(a, least.max(FLOOR * total / rows as f64))?, vectors })
    }

    /// Adds the product with `r` `(T, d)` to `out`.
    pub fn add(&self, r: &[f64], out: &mut [f64]) {
        let width = r.len() / self.vectors[0].len();
        let mut on_span = Mat::<f64>::zeros(self.vectors.len() * width, 1);
        for (c, g) in self.vectors.iter().enumerate() {
            for (r, g) in r.chunks(width).zip(g) {
                r.iter().enumerate().for_each(|(j, x)| on_span[(c * width + j, 0)] += g * x);
            }
        }
        self.factor.solve_in_place(on_span.as_mut());
        for (c, g) in self.vectors.iter().enumerate() {
            for (out, g) in out.chunks_mut(width).zip(g) {
                out.iter_mut().enumerate().for_each(|(j, x)| *x += g * on_span[(c * width + j, 0)]);
            }
        }
    }
}

/// Σ_k p_k g_k g_kᵀ − ḡ ḡᵀ with ḡ = Σ_k p_k g_k, words standing still.
fn covariance(p: &[f32], vectors: &[Vec<f64>]) -> Mat<f64> {
    let mean: Vec<f64> =
        vectors.iter().map(|g| g.iter().zip(p).map(|(g, &p)| g * f64::from(p)).sum()).collect();
    Mat::from_fn(vectors.len(), vectors.len(), |a, b| {
        let both = vectors[a].iter().zip(&vectors[b]).zip(p);
        both.map(|((a, b), &p)| a * b * f64::from(p)).sum::<f64>() - mean[a] * mean[b]
    })
}

fn trace(m: &Mat<f64>) -> f64 {
    (0..m.nrows()).map(|i| m[(i, i)]).sum()
}

/// The root of a covariance, which rounding may have made singular; nothing where it is zero.
fn root(mut m: Mat<f64>) -> Option<Llt<f64>> {
    let least = 1e-9 * trace(&m);
    (0..m.nrows()).for_each(|i| m[(i, i)] += least);
    Llt::new(m.as_ref(), Side::Lower).ok()
}

/// The slow vectors over tools, at most so many, the slowest first.
fn slow(curvature: &Curvature<'_>, most: usize) -> Option<Vec<Vec<f64>>> {
    let objective = curvature.objective();
    let (table, tools) = (objective.table(), objective.fitted().len());
    let (mut alone, mut together) = (vec![0.0; tools], vec![0.0f32; tools * tools]);
    let mut weighted = Vec::new();
    for from in (0..curvature.len()).step_by(CHUNK) {
        let chunk = from..(from + CHUNK).min(curvature.len());
        weighted.clear();
        for at in chunk.clone() {
            let (id, p, weight) = curvature.at(at);
            let share = weight * f64::from(table.norm[id as usize]).powi(2);
            alone.iter_mut().zip(p).for_each(|(sum, &p)| *sum += share * f64::from(p));
            weighted.extend(p.iter().map(|p| share as f32 * p));
        }
        accumulate(&weighted, curvature.probabilities(chunk), tools, &mut together);
    }
    let ridge = |k: usize| 2.0 * objective.row_lambda(k) * table.width() as f64;
    let trace = |k: usize, l: usize| {
        let diagonal = if k == l { alone[k] + ridge(k) } else { 0.0 };
        diagonal - f64::from(together[k * tools + l])
    };
    // A tool without mass or penalty is coupled to none.
    let root: Vec<f64> =
        (0..tools).map(|k| if trace(k, k) > 0.0 { trace(k, k).sqrt() } else { f64::INFINITY }).collect();
    let relative =
        Mat::from_fn(tools, tools, |k, l| if k == l { 1.0 } else { trace(k, l) / root[k] / root[l] });
    // A sum for each thread would make eigenvectors depend on how many there are.
    faer::set_global_parallelism(faer::Par::Seq);
    let eigen = relative.self_adjoint_eigen(Side::Lower).ok()?;
    let vectors: Vec<Vec<f64>> = (0..most.min(tools))
        .take_while(|&c| eigen.S()[c] < SLOW)
        .map(|c| (0..tools).map(|k| eigen.U()[(k, c)] / root[k]).collect())
        .collect();
    (!vectors.is_empty()).then_some(vectors)
}

#[cfg(test)]
mod tests {
    use super::Coarse;
    use crate::{FeatureSet, Objective, Position, Subset, Table, Training, curvature::Curvature};
    use lm::Matrix;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Two kinds of tools that follow each other, as actions and objects do, and words that hardly come.
    #[test]
    fn common_moves_are_found_and_inverted() {
        let mut random = ChaCha8Rng::seed_from_u64(8);
        let (width, kinds, of_a_kind) = (12, 2, 3);
        let tools = kinds * of_a_kind;
        let mut set = FeatureSet::new(width, (0..tools).map(|k| format!("t{k}")).collect());
        for i in 0..40 {
            let example = set.add_example(i);
            // A kind's positions are told by the first number, so that a head can tell the kinds apart.
            let kind = i as usize % kinds;
            let mut h: Vec<f32> = (0..width).map(|_| random.random_range(-0.1..0.1)).collect();
            h[0] = if kind == 0 { 1.0 } else { -1.0 };
            let tool = (kind * of_a_kind + random.random_range(0..of_a_kind)) as i32;
            set.push(
                example,
                Position { h: &h, log_sum_exp: 0.0, label_logit: 0.0, max: 0.0, best_word: 0, tool, word: 0 },
            );
        }
        let table = Table::new(&set).unwrap();
        let weights = Training::default().weights(&table, &Subset::all(40)).unwrap();
        let objective = Objective::new(&table, weights, &Matrix::zeros(tools, width), 1e-12).unwrap();
        let mut w = vec![0.0; tools * width];
        for tool in 0..tools {
            w[tool * width] = if tool < of_a_kind { 3.0 } else { -3.0 };
        }
        let all: Vec<(u32, f64)> = objective.rows.iter().map(|&id| (id, objective.weight(id))).collect();
        let curvature = Curvature::new(&objective, &w, &all);
        let coarse = Coarse::new(&curvature).expect("slow directions");
        assert_eq!(coarse.vectors.len(), kinds, "a vector a kind");
        for vector in &coarse.vectors {
            let of_kinds: Vec<&[f64]> = vector.chunks(of_a_kind).collect();
            let spread = |x: &[f64]| x.iter().fold(0.0, |most: f64, y| most.max((y - x[0]).abs()));
            let size = vector.iter().fold(0.0, |most: f64, y| most.max(y.abs()));
            assert!(
                of_kinds.iter().all(|x| spread(x) < 0.3 * size),
                "tools of a kind move alike: {vector:?}"
            );
        }
        // On the span it undoes the product with the curvature.
        let mut step = vec![0.0; tools * width];
        for g in &coarse.vectors {
            let v: Vec<f64> = (0..width).map(|_| random.random_range(-1.0..1.0)).collect();
            for (at, x) in step.iter_mut().enumerate() {
                *x += g[at / width] * v[at % width];
            }
        }
        let mut back = vec![0.0; tools * width];
        coarse.add(&curvature.product(&step), &mut back);
        let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let error = apart(&step, &back) / apart(&step, &vec![0.0; step.len()]);
        assert!(error < 0.02, "{error}");
    }
}
