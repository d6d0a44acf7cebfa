//! A preconditioner for the curvature: the inverses of its tools' diagonal blocks.
//!
//! Tool k's block is B = A Aᵀ + 2λ I, the columns of A being √(ω p (1 − p)) h over positions. Where the factors of all blocks
//! fit into a bounded memory, B is summed from as many columns as its width and factored. Elsewhere, and for a tool with few
//! columns, it is inverted by way of their Gram matrix (Woodbury), which is small whatever the width:
//!
//! ```text
//! B⁻¹ r = ( r − A (2λ I + AᵀA)⁻¹ Aᵀ r ) / 2λ
//! ```
//!
//! More columns than are kept are thinned ([`crate::thin`]). Tools are coupled by −p_k p_l alone: small, but for
//! [moves that many make together](crate::coarse).

use crate::{Objective, coarse::Coarse, curvature::Curvature, thin::thin};
use faer::{
    Accum, Mat, MatRef, Par, Side,
    linalg::{
        matmul::triangular::{BlockStructure, matmul},
        solvers::{Llt, Solve},
    },
};
use rayon::prelude::*;

/// Columns a block keeps at most where no whole factors are kept.
const COLUMNS: usize = 448;
/// Numbers that all Gram matrices may hold together (64 MB).
const GRAM_NUMBERS: usize = 8 << 20;
/// Numbers that whole factors may hold together (96 MB).
const FACTOR_NUMBERS: usize = 24 << 20;
/// A block whose trace is below this share of 2λ is taken to be 2λ I.
const FLAT: f64 = 0.05;
/// What stands for 2λ where it is smaller than this share of a block's mean diagonal.
pub(crate) const FLOOR: f64 = 1e-6;

/// Approximate inverses of the diagonal blocks, and of what tools do together.
pub(crate) struct Preconditioner {
    blocks: Vec<Block>,
    coarse: Option<Coarse>,
}

enum Block {
    /// 2λ I.
    Flat(f64),
    Thin(Thin),
    /// B's Cholesky factor, row by row, each up to its diagonal.
    Whole(Vec<f32>),
}

struct Thin {
    ids: Vec<u32>,
    /// √(ω p (1 − p)) after thinning.
    scale: Vec<f64>,
    /// 2λ, or its floor.
    ridge: f64,
    /// The factor of ridge I + AᵀA.
    factor: Llt<f64>,
}

impl Preconditioner {
    /// Factors the blocks of a curvature.
    pub fn new(curvature: &Curvature<'_>) -> Self {
        let tools = curvature.objective().fitted().len();
        let width = curvature.objective().table().width();
        let whole = tools * width * (width + 1) / 2 <= FACTOR_NUMBERS;
        let columns = if whole { width } else { COLUMNS.min((GRAM_NUMBERS / tools).isqrt()) };
        let block = |tool| Block::new(curvature, tool, columns, whole);
        Self { blocks: (0..tools).into_par_iter().map(block).collect(), coarse: Coarse::new(curvature) }
    }

    /// The approximate inverse's product with `r` `(T, d)`.
    pub fn apply(&self, objective: &Objective<'_>, r: &[f64]) -> Vec<f64> {
        let width = objective.table().width();
        let rows = self.blocks.par_iter().zip(r.par_chunks(width));
        let mut out: Vec<f64> = rows.flat_map_iter(|(block, r)| block.apply(objective, r)).collect();
        if let Some(coarse) = &self.coarse {
            coarse.add(r, &mut out);
        }
        out
    }
}

impl Block {
    fn new(curvature: &Curvature<'_>, tool: usize, columns: usize, whole: bool) -> Self {
        let objective = curvature.objective();
        let (table, lambda) = (objective.table(), objective.row_lambda(tool));
        let (positions, weights): (Vec<u32>, Vec<f64>) = curvature.block(tool).unzip();
        let shares: Vec<f64> = positions
            .iter()
            .zip(&weights)
            .map(|(&id, w)| w * f64::from(table.norm[id as usize]).powi(2))
            .collect();
        let trace: f64 = shares.iter().sum();
        let ridge = (2.0 * lambda).max(FLOOR * trace / table.width() as f64).max(f64::MIN_POSITIVE);
        if trace <= FLAT * ridge {
            return Self::Flat(ridge);
        }
        let kept = thin(&shares, columns);
        let ids: Vec<u32> = kept.iter().map(|&(at, _)| positions[at]).collect();
        let scale: Vec<f64> =
            kept.iter().map(|&(at, stands_for)| (stands_for * weights[at]).sqrt()).collect();
        let (width, n) = (table.width(), ids.len());
        let mut scratch = Vec::new();
        let h = table.gather(&ids, &mut scratch);
        let a: Vec<f64> = h.iter().enumerate().map(|(at, &x)| scale[at / width] * f64::from(x)).collect();
        let a = MatRef::from_column_major_slice(&a, width, n);
        // Below half the width two products with A cost less than two with the factor.
        let block = if whole && 2 * n > width {
            factor(a, ridge).map(|factor| Self::Whole(rows_of(factor.L())))
        } else {
            factor(a.transpose(), ridge).map(|factor| Self::Thin(Thin { ids, scale, ridge, factor }))
        };
        // Positive definite but for rounding; a flat block is still a preconditioner.
        block.unwrap_or(Self::Flat(ridge))
    }

    fn apply(&self, objective: &Objective<'_>, r: &[f64]) -> Vec<f64> {
        match self {
            Self::Flat(ridge) => r.iter().map(|x| x / ridge).collect(),
            Self::Thin(thin) => thin.apply(objective, r),
            Self::Whole(factor) => solve(factor, r),
        }
    }
}

/// The factor of A Aᵀ + ridge I.
pub(crate) fn factor(a: MatRef<'_, f64>, ridge: f64) -> Option<Llt<f64>> {
    let n = a.nrows();
    let mut gram = Mat::<f64>::zeros(n, n);
    let (lower, whole) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
    matmul(gram.as_mut(), lower, Accum::Replace, a, whole, a.transpose(), whole, 1.0, Par::Seq);
    (0..n).for_each(|i| gram[(i, i)] += ridge);
    Llt::new(gram.as_ref(), Side::Lower).ok()
}

/// The rows of a triangle, each up to its diagonal.
fn rows_of(l: MatRef<'_, f64>) -> Vec<f32> {
    (0..l.nrows()).flat_map(|i| (0..=i).map(move |j| l[(i, j)] as f32)).collect()
}

/// (L Lᵀ)⁻¹ r, L given by [`rows_of`].
fn solve(factor: &[f32], r: &[f64]) -> Vec<f64> {
    let mut out = r.to_vec();
    let row = |i: usize| (&factor[i * (i + 1) / 2..][..i], f64::from(factor[i * (i + 1) / 2 + i]));
    for i in 0..r.len() {
        let (before, diagonal) = row(i);
        out[i] = (out[i] - dot(before, &out[..i])) / diagonal;
    }
    for i in (0..r.len()).rev() {
        let (before, diagonal) = row(i);
        out[i] /= diagonal;
        let this = out[i];
        out.iter_mut().zip(before).for_each(|(x, &l)| *x -= this * f64::from(l));
    }
    out
}

impl Thin {
    fn apply(&self, objective: &Objective<'_>, r: &[f64]) -> Vec<f64> {
        let table = objective.table();
        let mut s = Mat::<f64>::zeros(self.ids.len(), 1);
        for (at, &id) in self.ids.iter().enumerate() {
            s[(at, 0)] = self.scale[at] * dot(table.row(id), r);
        }
        self.factor.solve_in_place(s.as_mut());
        let mut out = r.to_vec();
        for (at, &id) in self.ids.iter().enumerate() {
            let s = self.scale[at] * s[(at, 0)];
            out.iter_mut().zip(table.row(id)).for_each(|(out, &h)| *out -= s * f64::from(h));
        }
        out.iter_mut().for_each(|x| *x /= self.ridge);
        out
    }
}

/// h·r in `f64`, in lanes that the compiler can compute side by side.
fn dot(h: &[f32], r: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [0.0; LANES];
    let (h, h_rest) = h.as_chunks::<LANES>();
    let (r, r_rest) = r.as_chunks::<LANES>();
    for (h, r) in h.iter().zip(r) {
        (0..LANES).for_each(|lane| lanes[lane] += f64::from(h[lane]) * r[lane]);
    }
    let rest: f64 = h_rest.iter().zip(r_rest).map(|(&h, r)| f64::from(h) * r).sum();
    lanes.iter().sum::<f64>() + rest
}
