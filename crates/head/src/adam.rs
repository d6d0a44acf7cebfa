//! The references' solver: one example a step, Adam at a constant rate, so many epochs, a seed.
//!
//! ToolkenGPT and TokenLearning minimise the mean cross-entropy of one example's labelled positions at a time, in an
//! order that is shuffled anew each epoch. All rows are trained, those of tools without calls too. The arithmetic is
//! `f32`, as theirs; Adam is PyTorch's, bias-corrected, with β 0.9 / 0.999 and ε 1e-8 (Kingma and Ba 2015).

use crate::{
    HeadError, Subset, Table, WORD,
    products::{accumulate, scores},
    softmax::softmax,
};
use lm::Matrix;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Settings of the references' loop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdamSettings {
    /// The learning rate; 1e-3 for GSM8K-XL and 1e-4 elsewhere in the papers.
    pub rate: f64,
    /// Passes over the examples.
    pub epochs: usize,
    /// Decides the order of the examples.
    pub seed: u64,
    /// Shuffles the examples anew each epoch, as the references do; else they come in order.
    pub shuffle: bool,
}

impl Default for AdamSettings {
    fn default() -> Self {
        Self { rate: 1e-3, epochs: 10, seed: 0, shuffle: true }
    }
}

/// What holds W near W0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Penalty {
    /// Nothing.
    None,
    /// λ‖W − W0‖²_F: the paper's.
    Squared {
        /// λ.
        lambda: f64,
    },
    /// c‖W − W0‖_F over all tools jointly, not squared: the release's. Its gradient is taken as 0 at W = W0.
    UnsquaredJoint {
        /// c.
        coefficient: f64,
    },
}

impl Penalty {
    /// Its value, its gradient added to `gradient`; all of one shape.
    pub fn add(&self, w: &[f32], prior: &[f32], gradient: &mut [f32]) -> f64 {
        let moved = || w.iter().zip(prior).map(|(w, prior)| w - prior);
        let square = || moved().map(|x| f64::from(x).powi(2)).sum::<f64>();
        let (value, factor) = match *self {
            Self::None => return 0.0,
            Self::Squared { lambda } => (lambda * square(), 2.0 * lambda),
            Self::UnsquaredJoint { coefficient } => {
                let norm = square().sqrt();
                (coefficient * norm, if norm > 0.0 { coefficient / norm } else { 0.0 })
            }
        };
        gradient.iter_mut().zip(moved()).for_each(|(g, x)| *g += factor as f32 * x);
        value
    }
}

/// Adam's moments.
struct Adam {
    rate: f64,
    step: i32,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Adam {
    const BETA1: f64 = 0.9;
    const BETA2: f64 = 0.999;
    const EPSILON: f32 = 1e-8;

    fn new(rate: f64, size: usize) -> Self {
        Self { rate, step: 0, first: vec![0.0; size], second: vec![0.0; size] }
    }

    fn update(&mut self, w: &mut [f32], gradient: &[f32]) {
        self.step += 1;
        let size = (self.rate / (1.0 - Self::BETA1.powi(self.step))) as f32;
        let correction = (1.0 - Self::BETA2.powi(self.step)).sqrt() as f32;
        let (beta1, beta2) = (Self::BETA1 as f32, Self::BETA2 as f32);
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((w, &g), (first, second)) in w.iter_mut().zip(gradient).zip(moments) {
            *first = beta1 * *first + (1.0 - Self::BETA1) as f32 * g;
            *second = beta2 * *second + (1.0 - Self::BETA2) as f32 * g * g;
            *w -= size * *first / (second.sqrt() / correction + Self::EPSILON);
        }
    }
}

/// Runs the loop from `prior`, which is also what the penalty holds W to. Returns W `(T, d)` and each epoch's mean loss
/// (cross-entropy, of word labels in full, and penalty), which `progress` sees as they come.
///
/// `calls_only` trains on call positions alone.
///
/// # Errors
/// If a setting is out of range or no example of the subset has a position to train on.
pub fn adam(
    table: &Table<'_>,
    subset: &Subset,
    calls_only: bool,
    prior: &Matrix,
    penalty: Penalty,
    settings: &AdamSettings,
    progress: &mut dyn FnMut(usize, f64),
) -> Result<(Matrix, Vec<f64>), HeadError> {
    if !(settings.rate.is_finite() && settings.rate > 0.0) || settings.epochs == 0 {
        let found = format!("rate {} and {} epochs", settings.rate, settings.epochs);
        return Err(HeadError::Setting(format!(
            "{found}: a positive rate and at least one epoch are needed"
        )));
    }
    if let Penalty::Squared { lambda } = penalty
        && !(lambda.is_finite() && lambda >= 0.0)
    {
        return Err(HeadError::Setting(format!(
            "lambda is {lambda}: a number that is not negative is needed"
        )));
    }
    let mut examples = vec![Vec::new(); table.groups().len()];
    for (id, (&example, &tool)) in table.example.iter().zip(&table.tool).enumerate() {
        if subset.contains(example) && !(calls_only && tool == WORD) {
            examples[example as usize].push(id as u32);
        }
    }
    examples.retain(|positions| !positions.is_empty());
    if examples.is_empty() {
        return Err(HeadError::Features("no labelled positions in the examples to train on".into()));
    }
    let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut w = prior.clone();
    let mut adam = Adam::new(settings.rate, w.data().len());
    let mut losses = Vec::with_capacity(settings.epochs);
    let mut buffers = Buffers { gradient: vec![0.0; w.data().len()], ..Buffers::default() };
    for epoch in 0..settings.epochs {
        if settings.shuffle {
            examples.shuffle(&mut random);
        }
        let mut total = 0.0;
        for positions in &examples {
            total += example_loss(table, positions, w.data(), &mut buffers);
            total += penalty.add(w.data(), prior.data(), &mut buffers.gradient);
            adam.update(w.data_mut(), &buffers.gradient);
        }
        losses.push(total / examples.len() as f64);
        progress(epoch + 1, losses[epoch]);
    }
    Ok((w, losses))
}

#[derive(Default)]
struct Buffers {
    gradient: Vec<f32>,
    logits: Vec<f32>,
    rows: Vec<f32>,
}

/// The mean cross-entropy of an example's positions; its gradient replaces `buffers.gradient`.
fn example_loss(table: &Table<'_>, positions: &[u32], w: &[f32], buffers: &mut Buffers) -> f64 {
    let width = table.width();
    let tools = w.len() / width;
    let h = table.gather(positions, &mut buffers.rows);
    scores(h, w, width, &mut buffers.logits);
    let share = 1.0 / positions.len() as f64;
    let mut total = 0.0;
    for (row, &id) in positions.iter().enumerate() {
        let logits = &mut buffers.logits[row * tools..(row + 1) * tools];
        let at = id as usize;
        let words = f64::from(table.log_sum_exp[at]);
        let position = softmax(logits, words, usize::try_from(table.tool[at]).ok());
        total += position.loss
            + if table.tool[at] == WORD { words - f64::from(table.label_logit[at]) } else { 0.0 };
        if position.negligible {
            logits.fill(0.0);
        }
        logits.iter_mut().for_each(|r| *r *= share as f32);
    }
    buffers.gradient.fill(0.0);
    accumulate(&buffers.logits, h, width, &mut buffers.gradient);
    total * share
}
