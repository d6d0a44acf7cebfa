//! The objective's curvature at a point: products with it, and its diagonal blocks.

use crate::{
    Objective,
    products::{accumulate, scores},
};
use std::ops::Range;

/// Σ ω_i (diag(p_i) − p_i p_iᵀ) ⊗ h_i h_iᵀ + 2λ I at one point, over chosen positions with weights of their own.
pub(crate) struct Curvature<'a> {
    objective: &'a Objective<'a>,
    ids: Vec<u32>,
    /// ω, or what stands for it after thinning.
    weights: Vec<f64>,
    /// p, `(ids, T)`.
    probabilities: Vec<f32>,
    /// The positions' hidden states side by side, where that is worth their memory.
    h: Option<Vec<f32>>,
}

/// Numbers that copied hidden states may take up (32 MB).
const COPIED_NUMBERS: usize = 8 << 20;

impl<'a> Curvature<'a> {
    /// The curvature at `w` `(T, d)`; `positions` are ascending.
    pub fn new(objective: &'a Objective<'a>, w: &[f32], positions: &[(u32, f64)]) -> Self {
        let (ids, weights): (Vec<u32>, Vec<f64>) = positions.iter().copied().unzip();
        let (width, tools) = (objective.table().width(), objective.fitted().len());
        let chunks = objective.table().walk(
            &ids,
            0,
            || (Vec::new(), Vec::new()),
            |(probabilities, logits), _, ids, h| {
                scores(h, w, width, logits);
                for (row, &id) in ids.iter().enumerate() {
                    let row = &mut logits[row * tools..(row + 1) * tools];
                    if objective.softmax(row, id).negligible {
                        row.fill(0.0);
                    } else if let Some(y) = objective.label(id) {
                        row[y] += 1.0;
                    }
                    probabilities.extend_from_slice(row);
                }
            },
        );
        let probabilities = chunks.into_iter().flat_map(|(probabilities, _)| probabilities).collect();
        let copied = ids.len() < objective.rows.len() && ids.len() * width <= COPIED_NUMBERS;
        let mut h = None;
        if copied {
            let scratch = h.insert(Vec::with_capacity(ids.len() * width));
            ids.iter().for_each(|&id| scratch.extend_from_slice(objective.table().row(id)));
        }
        Self { objective, ids, weights, probabilities, h }
    }

    /// The product with a direction `(T, d)`.
    pub fn product(&self, direction: &[f64]) -> Vec<f64> {
        let (objective, size) = (self.objective, direction.len());
        let (width, tools) = (objective.table().width(), objective.fitted().len());
        let v: Vec<f32> = direction.iter().map(|&x| x as f32).collect();
        let chunks = objective.table().walk_stored(
            &self.ids,
            self.h.as_deref(),
            size,
            || (vec![0.0f32; size], Vec::new()),
            |(sum, u), at, ids, h| {
                scores(h, &v, width, u);
                for row in 0..ids.len() {
                    let p = &self.probabilities[(at + row) * tools..(at + row + 1) * tools];
                    let u = &mut u[row * tools..(row + 1) * tools];
                    let mean: f32 = p.iter().zip(&*u).map(|(p, u)| p * u).sum();
                    let weight = self.weights[at + row] as f32;
                    u.iter_mut().zip(p).for_each(|(u, p)| *u = weight * p * (*u - mean));
                }
                accumulate(u, h, width, sum);
            },
        );
        let ridge = |at: usize| 2.0 * objective.row_lambda(at / width);
        let mut product: Vec<f64> = direction.iter().enumerate().map(|(at, x)| ridge(at) * x).collect();
        for (sum, _) in chunks {
            product.iter_mut().zip(sum).for_each(|(total, x)| *total += f64::from(x));
        }
        product
    }

    /// What each position adds to a tool's diagonal block, as `(position, ω p (1 − p))`: the block is
    /// Σ ω p (1 − p) h hᵀ + 2λ I.
    pub fn block(&self, tool: usize) -> impl Iterator<Item = (u32, f64)> {
        let tools = self.objective.fitted().len();
        let weighted = self.ids.iter().zip(&self.weights).enumerate();
        weighted.map(move |(at, (&id, &weight))| {
            let p = f64::from(self.probabilities[at * tools + tool]);
            (id, weight * p * (1.0 - p))
        })
    }

    /// Number of positions it is over.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// A position: which, p `(T)`, and its weight.
    pub fn at(&self, at: usize) -> (u32, &[f32], f64) {
        (self.ids[at], self.probabilities(at..at + 1), self.weights[at])
    }

    /// p of positions, `(n, T)`.
    pub fn probabilities(&self, range: Range<usize>) -> &[f32] {
        let tools = self.objective.fitted().len();
        &self.probabilities[range.start * tools..range.end * tools]
    }

    /// The objective it belongs to.
    pub fn objective(&self) -> &'a Objective<'a> {
        self.objective
    }
}
