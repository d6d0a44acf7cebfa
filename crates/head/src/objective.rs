//! The objective: its value, gradient and curvature.
//!
//! # Contract
//!
//! ```text
//! F(W)    = Σ_i ω_i CE_i(W) + λ ‖W − W0‖²_F
//! CE_i(W) = log( exp(a_i) + Σ_k exp(w_k·h_i) ) − ( b_i  or  w_label·h_i )
//! ```
//!
//! - The weights ω sum to 1 over the positions trained on ([`Training::weights`]): F is a mean, whatever the corpus' size.
//! - λ multiplies the squared Frobenius norm as it stands: no ½, no 1/N, no scale of h.
//! - W, W0 and the gradient are row-major `(T, d)` over the *fitted* tools, those with a call among the positions
//!   trained on. A tool without calls takes no part: it adds nothing to the sum over k.
//! - W is `f32`, as it is kept in a head. Logits are computed in `f32` or `f64`; everything summed over positions is `f64`.

use crate::{
    HeadError, Subset, Table, WORD,
    curvature::Curvature,
    products::{Real, accumulate, scores},
    softmax::{Softmax, softmax},
};
use lm::Matrix;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How positions are averaged. λ only means something together with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weighting {
    /// The mean over all positions.
    #[default]
    PerPosition,
    /// The mean over examples of the mean over an example's positions: what one-example steps do.
    PerExample,
}

impl fmt::Display for Weighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PerPosition => "per-position",
            Self::PerExample => "per-example",
        })
    }
}

/// Which positions are trained on, and how they are averaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Training {
    /// The average.
    pub weighting: Weighting,
    /// Trains on calls alone (`only_functoken` in the references); nothing then teaches the head not to call.
    pub calls_only: bool,
}

impl Training {
    /// The weight ω_i of every position of the table; 0 outside the subset. They sum to 1.
    ///
    /// # Errors
    /// If no position is left.
    pub fn weights(&self, table: &Table<'_>, subset: &Subset) -> Result<Vec<f64>, HeadError> {
        let taken =
            |i: usize| subset.contains(table.example[i]) && !(self.calls_only && table.tool[i] == WORD);
        let mut count = vec![0usize; table.groups().len()];
        (0..table.len()).filter(|&i| taken(i)).for_each(|i| count[table.example[i] as usize] += 1);
        let positions: usize = count.iter().sum();
        if positions == 0 {
            let of = if self.calls_only { "calls" } else { "labelled positions" };
            return Err(HeadError::Features(format!("no {of} in the {} examples to train on", subset.len())));
        }
        let examples = count.iter().filter(|&&n| n > 0).count();
        let weight = |i: usize| match self.weighting {
            Weighting::PerPosition => 1.0 / positions as f64,
            Weighting::PerExample => 1.0 / (examples as f64 * count[table.example[i] as usize] as f64),
        };
        Ok((0..table.len()).map(|i| if taken(i) { weight(i) } else { 0.0 }).collect())
    }
}

/// F on one set of weighted positions, with its prior and λ.
#[derive(Clone)]
pub struct Objective<'a> {
    table: &'a Table<'a>,
    /// ω by position.
    weight: Vec<f64>,
    /// Positions with ω > 0, ascending.
    pub(crate) rows: Vec<u32>,
    /// Indices of the fitted tools, ascending: row r of W belongs to tool `fitted[r]`.
    fitted: Vec<usize>,
    /// The row of W that each tool has, or [`WORD`] for an unfitted tool.
    row_of: Vec<i32>,
    /// W0, `(fitted, d)`.
    pub(crate) prior: Vec<f32>,
    /// λ, the largest where tools differ in it.
    pub(crate) lambda: f64,
    /// What λ is multiplied by, by row of W: 1 unless tools have values of their own.
    relative: Vec<f64>,
}

/// What a pass over some positions gives; the penalty is not in it.
pub(crate) struct DataTerm {
    /// Σ ω CE. Of a word label only the part that depends on W is counted, log(1 + Σexp(w·h − a)).
    pub value: f64,
    /// Its gradient, `(T, d)`.
    pub gradient: Vec<f64>,
    /// The total probability of the tools, by position of the pass.
    pub mass: Vec<f32>,
    /// 1 − the largest class probability, words being one class.
    pub doubt: Vec<f32>,
}

impl<'a> Objective<'a> {
    /// The objective over positions weighted by ω ([`Training::weights`]), with `prior` `(all tools, d)`.
    ///
    /// # Errors
    /// If the prior has another shape or is not finite, λ is negative or not finite, or there is no call to learn from.
    pub fn new(
        table: &'a Table<'a>,
        weight: Vec<f64>,
        prior: &Matrix,
        lambda: f64,
    ) -> Result<Self, HeadError> {
        let (tools, width) = (table.tools().len(), table.width());
        if (prior.rows(), prior.cols()) != (tools, width) {
            let found = format!("the prior is {} x {}", prior.rows(), prior.cols());
            return Err(HeadError::Setting(format!("{found}, expected {tools} tools x {width}")));
        }
        if let Some(k) = (0..tools).find(|&k| prior.row(k).iter().any(|x| !x.is_finite())) {
            let message = "a number is not finite".into();
            return Err(HeadError::Prior { tool: table.tools()[k].clone(), message });
        }
        if !(lambda.is_finite() && lambda >= 0.0) {
            return Err(HeadError::Setting(format!("lambda is {lambda}, expected a number of at least 0")));
        }
        assert_eq!(weight.len(), table.len(), "one weight a position");
        let rows: Vec<u32> = (0..table.len() as u32).filter(|&i| weight[i as usize] > 0.0).collect();
        let mut called = vec![false; tools];
        rows.iter()
            .filter_map(|&i| usize::try_from(table.tool[i as usize]).ok())
            .for_each(|k| called[k] = true);
        let fitted: Vec<usize> = (0..tools).filter(|&k| called[k]).collect();
        if fitted.is_empty() {
            return Err(HeadError::Features(
                "not one call in the examples to train on: nothing to learn".into(),
            ));
        }
        let mut row_of = vec![WORD; tools];
        fitted.iter().enumerate().for_each(|(row, &k)| row_of[k] = row as i32);
        let prior = prior.select(fitted.iter().copied()).data().to_vec();
        let relative = vec![1.0; fitted.len()];
        Ok(Self { table, weight, rows, fitted, row_of, prior, lambda, relative })
    }

    /// The same objective with a λ for each tool, by tool index: Σ_k λ_k ‖w_k − w0_k‖² is its penalty.
    ///
    /// # Errors
    /// If there is not one for each tool, or one of a fitted tool is not positive.
    pub fn with_lambdas(mut self, lambdas: &[f64]) -> Result<Self, HeadError> {
        let tools = self.table.tools().len();
        if lambdas.len() != tools {
            let message = format!("{} values of lambda for {tools} tools", lambdas.len());
            return Err(HeadError::Setting(message));
        }
        let own: Vec<f64> = self.fitted.iter().map(|&tool| lambdas[tool]).collect();
        if let Some(lambda) = own.iter().find(|lambda| !(lambda.is_finite() && **lambda > 0.0)) {
            return Err(HeadError::Setting(format!(
                "lambda is {lambda} for a tool, expected a positive number"
            )));
        }
        self.lambda = own.iter().copied().fold(0.0, f64::max);
        self.relative = own.iter().map(|lambda| lambda / self.lambda).collect();
        Ok(self)
    }

    /// λ of a row of W.
    pub(crate) fn row_lambda(&self, row: usize) -> f64 {
        self.lambda * self.relative[row]
    }

    /// The smallest λ of any row: F is 2λ-strongly convex with it.
    pub(crate) fn least_lambda(&self) -> f64 {
        self.lambda * self.relative.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The same objective with another λ.
    pub(crate) fn set_lambda(&mut self, lambda: f64) {
        self.lambda = lambda;
    }

    /// An estimate of this objective from all calls and every eighth word, where that is a real saving: near its
    /// optimum is a good place to start from.
    pub(crate) fn coarser(&self) -> Option<Self> {
        const STRIDE: usize = 8;
        let words = self.rows.iter().filter(|&&id| self.is_word(id)).count();
        if words < 2 * (self.rows.len() - words) || words < 1024 * STRIDE {
            return None;
        }
        let mut weight = vec![0.0; self.weight.len()];
        let mut seen = 0;
        for &id in &self.rows {
            if !self.is_word(id) {
                weight[id as usize] = self.weight(id);
                continue;
            }
            if seen % STRIDE == STRIDE / 2 {
                weight[id as usize] = STRIDE as f64 * self.weight(id);
            }
            seen += 1;
        }
        let rows = self.rows.iter().copied().filter(|&id| weight[id as usize] > 0.0).collect();
        let (fitted, row_of, prior) = (self.fitted.clone(), self.row_of.clone(), self.prior.clone());
        let relative = self.relative.clone();
        Some(Self { table: self.table, weight, rows, fitted, row_of, prior, lambda: self.lambda, relative })
    }

    /// The table it is over.
    pub fn table(&self) -> &'a Table<'a> {
        self.table
    }

    /// Indices of the fitted tools, in the order of W's rows.
    pub fn fitted(&self) -> &[usize] {
        &self.fitted
    }

    /// W0 of the fitted tools, `(T, d)`.
    pub fn prior(&self) -> &[f32] {
        &self.prior
    }

    /// ω of a position.
    pub(crate) fn weight(&self, id: u32) -> f64 {
        self.weight[id as usize]
    }

    /// Number of positions with weight.
    pub(crate) fn positions(&self) -> usize {
        self.rows.len()
    }

    /// The curvature at `w` `(T, d)`, over all positions.
    pub(crate) fn curvature(&self, w: &[f32]) -> Curvature<'_> {
        let all: Vec<(u32, f64)> = self.rows.iter().map(|&id| (id, self.weight(id))).collect();
        Curvature::new(self, w, &all)
    }

    /// Whether a position's label is a word.
    pub(crate) fn is_word(&self, id: u32) -> bool {
        self.table.tool[id as usize] == WORD
    }

    /// F(W) and ∇F(W), `(T, d)`, with every logit in `f64`.
    pub fn value_and_gradient(&self, w: &[f32]) -> (f64, Vec<f64>) {
        let mut term = self.data_term::<f64>(w, &self.rows);
        let value = self.word_term() + term.value + self.penalty(w, &mut term.gradient);
        (value, term.gradient)
    }

    /// Σ ω (a − b) over word labels: what no head changes.
    pub fn word_term(&self) -> f64 {
        let loss = |i: usize| f64::from(self.table.log_sum_exp[i]) - f64::from(self.table.label_logit[i]);
        self.rows.iter().filter(|&&i| self.is_word(i)).map(|&i| self.weight(i) * loss(i as usize)).sum()
    }

    /// ‖Σ ω_i h_i e_labelᵀ‖_F over the calls: the data term's gradient for a head without tool mass.
    pub(crate) fn pull(&self) -> f64 {
        let calls: Vec<u32> = self.rows.iter().copied().filter(|&i| !self.is_word(i)).collect();
        let size = self.prior.len();
        let width = self.table.width();
        let chunks = self.table.walk(
            &calls,
            size,
            || vec![0.0; size],
            |sum, _, ids, h| {
                for (h, &id) in h.chunks(width).zip(ids) {
                    let Some(row) = self.label(id) else { continue };
                    let weight = self.weight(id);
                    sum[row * width..(row + 1) * width]
                        .iter_mut()
                        .zip(h)
                        .for_each(|(s, &h)| *s += weight * f64::from(h));
                }
            },
        );
        (0..size).map(|at| chunks.iter().map(|chunk| chunk[at]).sum::<f64>().powi(2)).sum::<f64>().sqrt()
    }

    /// max |v_k·h_i| over the rows of V and all weighted positions: how far a move of W by V changes a logit.
    pub(crate) fn largest_move(&self, direction: &[f64]) -> f64 {
        let width = self.table.width();
        let v: Vec<f32> = direction.iter().map(|&x| x as f32).collect();
        let chunks = self.table.walk(
            &self.rows,
            0,
            || (0.0f32, Vec::new()),
            |(largest, moves), _, _, h| {
                scores(h, &v, width, moves);
                *largest = moves.iter().fold(*largest, |m, x| m.max(x.abs()));
            },
        );
        chunks.into_iter().fold(0.0, |m, (largest, _)| m.max(f64::from(largest)))
    }

    /// Σ_k λ_k ‖w_k − w0_k‖², its gradient added to `gradient`.
    pub(crate) fn penalty(&self, w: &[f32], gradient: &mut [f64]) -> f64 {
        let width = self.table.width();
        let mut value = 0.0;
        let rows = gradient.chunks_mut(width).zip(w.chunks(width)).zip(self.prior.chunks(width));
        for (row, ((gradient, w), prior)) in rows.enumerate() {
            let lambda = self.row_lambda(row);
            let mut square = 0.0;
            for ((g, &w), &prior) in gradient.iter_mut().zip(w).zip(prior) {
                let moved = f64::from(w) - f64::from(prior);
                square += moved * moved;
                *g += 2.0 * lambda * moved;
            }
            value += lambda * square;
        }
        value
    }

    /// One pass over some positions, with logits in the precision `R`.
    pub(crate) fn data_term<R: Real>(&self, w: &[f32], ids: &[u32]) -> DataTerm {
        struct Chunk<R> {
            value: f64,
            gradient: Vec<f64>,
            mass: Vec<f32>,
            doubt: Vec<f32>,
            partial: Vec<R>,
            logits: Vec<R>,
            converted: Vec<R>,
            kept: Vec<usize>,
            live: Vec<R>,
        }
        let (size, width, tools) = (w.len(), self.table.width(), self.fitted.len());
        let w: Vec<R> = w.iter().map(|&x| R::from_f64(f64::from(x))).collect();
        let chunks = self.table.walk(
            ids,
            size,
            || Chunk::<R> {
                value: 0.0,
                gradient: vec![0.0; size],
                mass: Vec::new(),
                doubt: Vec::new(),
                partial: vec![R::ZERO; size],
                logits: Vec::new(),
                converted: Vec::new(),
                kept: Vec::new(),
                live: Vec::new(),
            },
            |chunk, _, ids, h| {
                let h = R::block(h, &mut chunk.converted);
                scores(h, &w, width, &mut chunk.logits);
                // Rows with tool mass are moved to the front: the second product skips the rest.
                chunk.kept.clear();
                for (row, &id) in ids.iter().enumerate() {
                    let logits = &mut chunk.logits[row * tools..(row + 1) * tools];
                    let class = self.softmax(logits, id);
                    chunk.mass.push(class.mass as f32);
                    chunk.doubt.push(class.doubt as f32);
                    if class.negligible {
                        continue;
                    }
                    let weight = self.weight(id);
                    chunk.value += weight * class.loss;
                    logits.iter_mut().for_each(|r| *r = R::from_f64(r.to_f64() * weight));
                    chunk.logits.copy_within(row * tools..(row + 1) * tools, chunk.kept.len() * tools);
                    chunk.kept.push(row);
                }
                let kept = chunk.kept.len();
                if kept > 0 {
                    let live = if kept == ids.len() {
                        h
                    } else {
                        chunk.live.clear();
                        (chunk.kept.iter())
                            .for_each(|row| chunk.live.extend_from_slice(&h[row * width..][..width]));
                        &chunk.live
                    };
                    chunk.partial.fill(R::ZERO);
                    accumulate(&chunk.logits[..kept * tools], live, width, &mut chunk.partial);
                    chunk.gradient.iter_mut().zip(&chunk.partial).for_each(|(g, p)| *g += p.to_f64());
                }
            },
        );
        let mut sum = DataTerm { value: 0.0, gradient: vec![0.0; size], mass: Vec::new(), doubt: Vec::new() };
        for chunk in chunks {
            sum.value += chunk.value;
            sum.gradient.iter_mut().zip(&chunk.gradient).for_each(|(g, c)| *g += c);
            sum.mass.extend(chunk.mass);
            sum.doubt.extend(chunk.doubt);
        }
        sum
    }

    /// Turns a position's tool logits into the residual p − y, in place.
    pub(crate) fn softmax<R: Real>(&self, logits: &mut [R], id: u32) -> Softmax {
        softmax(logits, f64::from(self.table.log_sum_exp[id as usize]), self.label(id))
    }

    /// The row of W that a position's label has; `None` for a word.
    pub(crate) fn label(&self, id: u32) -> Option<usize> {
        let tool = usize::try_from(self.table.tool[id as usize]).ok()?;
        usize::try_from(self.row_of[tool]).ok()
    }

    /// ∇²F(W) V: `w` and `direction` are `(T, d)`. For checks; solvers keep a curvature for many directions.
    pub fn hessian_product(&self, w: &[f32], direction: &[f64]) -> Vec<f64> {
        self.curvature(w).product(direction)
    }
}
