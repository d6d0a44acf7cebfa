//! The exact solver: F is convex, so it is minimised, to a stated tolerance, with nothing random in it.
//!
//! A trust-region Newton method. Each step solves for a direction by preconditioned conjugate gradients
//! ([`crate::newton`], [`crate::precondition`]) with a curvature that is thinned while a rough one will do
//! ([`crate::thin`]), and looks at the trial point with positions screened where that pays ([`crate::look`]). What is
//! accepted as the solution has a gradient within the tolerance over *all* positions, every logit computed in `f64`.

use crate::{
    Objective,
    curvature::Curvature,
    look::{Look, Viewer},
    newton::{self, Limits, norm},
    precondition::Preconditioner,
    regression,
    thin::thin_from,
};
use serde::{Deserialize, Serialize};

/// Settings of the exact solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExactSettings {
    /// Stops when ‖∇F‖_F ≤ tolerance · ‖Σ ω_i h_i e_labelᵀ‖_F over the calls, which is the data term's gradient for a head
    /// without tool mass: a scale that belongs to the data, not to the start. From 1e-4 on `f32` logits are enough for it.
    pub tolerance: f64,
    /// At most so many Newton steps.
    pub max_steps: usize,
    /// Screens positions whose tool mass is negligible; the result is the same without.
    pub screening: bool,
}

impl Default for ExactSettings {
    fn default() -> Self {
        Self { tolerance: 1e-6, max_steps: 1000, screening: true }
    }
}

/// How a solver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The gradient is within the tolerance.
    Converged,
    /// λ = 0 and the loss falls for ever: the data are separable, there is no optimum. The last point is given.
    Unbounded,
    /// `f32` weights cannot come closer: the tolerance is beyond their precision. The gradient reached is given.
    PrecisionLimit,
    /// The number of steps ran out.
    StepLimit,
}

/// The solver's account of a fit.
#[derive(Clone, Debug)]
pub struct Solution {
    /// W of the fitted tools, `(T, d)`.
    pub weights: Vec<f32>,
    /// F(W), every logit in `f64`.
    pub objective: f64,
    /// ‖∇F(W)‖_F over all positions, every logit in `f64`.
    pub gradient_norm: f64,
    /// ‖∇F(W)‖² / 4λ ≥ F(W) − min F, as F is 2λ-strongly convex; infinite at λ = 0.
    pub gap: f64,
    /// How it ended.
    pub status: Status,
    /// Newton steps tried.
    pub steps: usize,
    /// Products with the curvature.
    pub products: usize,
    /// Passes over all positions.
    pub passes: usize,
    /// The trust region's radius at the end, and the positions its curvature took.
    warmth: (f64, usize),
}

/// What a solver says while it works.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Newton steps tried so far.
    pub step: usize,
    /// The objective, without what no head changes.
    pub value: f64,
    /// ‖∇F‖_F relative to the tolerance's scale.
    pub gradient: f64,
    /// Positions that the step's curvature was over.
    pub curved: usize,
    /// Products with the curvature in this step.
    pub products: usize,
    /// The trust region's radius.
    pub radius: f64,
}

/// A tolerance that `f32` logits are good enough for.
const ROUGH_TOLERANCE: f64 = 1e-4;
/// A start whose gradient is above this, relative to the tolerance's scale, is approached by regression and a coarser objective.
const FAR: f64 = 0.1;
/// How well, in the same scale, and in how many steps, the coarser objective is solved.
const APPROACH_TOLERANCE: f64 = 0.02;
const APPROACH_STEPS: usize = 60;
/// λ / mean‖h‖² of the penalties on the way to none.
const SMALL_PENALTIES: [f64; 4] = [1e-6, 1e-8, 1e-10, 1e-12];
/// The share of the gradient that frozen positions may disturb, at most.
const FROZEN_ERROR: f64 = 0.05;
/// Products in one Newton step.
const MAX_PRODUCTS: usize = 250;
/// After so many products a new preconditioner costs less than the old one's age does.
const PRODUCTS_A_PRECONDITIONER: usize = 15;
/// Positions that the first curvatures are thinned to.
const ROUGH_CURVATURE: usize = 4096;
/// Probabilities that a curvature may hold (32 MB); and where tools are so many that these are few positions a tool, so many
/// positions a tool, up to as many probabilities (256 MB).
const CURVATURE_NUMBERS: usize = 8 << 20;
const POSITIONS_A_TOOL: usize = 32;
const MOST_CURVATURE_NUMBERS: usize = 64 << 20;
/// An uncut step that leaves more than this share of the gradient calls for a finer curvature.
const POOR_STEP: f64 = 0.25;
/// Steps rejected for rounding after which `f32` logits are taken to be too coarse, and `f64` ones the weights.
const MAX_REJECTED: usize = 6;
/// At λ = 0, a Newton step that still moves some logit so far when the gradient has vanished shows that there is no optimum.
const RUNAWAY: f64 = 0.1;

/// Minimises the objective from `start` `(T, d)`.
///
/// The optimum does not depend on `start` for λ > 0; the time does. `progress` is called once a step.
///
/// # Panics
/// If `start` has another length than the prior: a fault of the caller.
pub fn solve(
    objective: &Objective<'_>,
    start: &[f32],
    settings: &ExactSettings,
    progress: &mut dyn FnMut(Progress),
) -> Solution {
    assert_eq!(start.len(), objective.prior.len(), "shape of the start");
    let mut solver = Solver::new(objective, start, settings);
    if objective.lambda == 0.0 {
        solver.descend_to_zero(progress);
    }
    solver.run(progress)
}

/// Minimises the objective from the solution of a similar one (the next λ of a path) over the same tools.
///
/// # Panics
/// If the solution is over other tools: a fault of the caller.
pub fn solve_after(
    previous: &Solution,
    objective: &Objective<'_>,
    settings: &ExactSettings,
    progress: &mut dyn FnMut(Progress),
) -> Solution {
    assert_eq!(previous.weights.len(), objective.prior.len(), "shape of the start");
    let mut solver = Solver::new(objective, &previous.weights, settings);
    (solver.radius, solver.keep) = previous.warmth;
    solver.run(progress)
}

struct Solver<'a, 'b> {
    objective: &'b Objective<'a>,
    settings: &'b ExactSettings,
    /// The tolerance's scale.
    scale: f64,
    viewer: Viewer<'a, 'b>,
    w: Vec<f32>,
    /// The trust region's radius, in the preconditioner's metric.
    radius: f64,
    /// Positions that the curvature is thinned to.
    keep: usize,
    /// Which of the possible positions it is thinned to.
    choice: usize,
    preconditioner: Option<Preconditioner>,
    /// Products with the preconditioner's help.
    products_since: usize,
    steps: usize,
    products: usize,
}

/// What became of a step.
#[derive(Clone, Copy, PartialEq)]
enum Trial {
    Taken,
    /// Rejected: it went further than the model holds.
    TooFar,
    /// Rejected: what it promised cannot be told from rounding.
    Drowned,
}

impl<'a, 'b> Solver<'a, 'b> {
    fn new(objective: &'b Objective<'a>, start: &[f32], settings: &'b ExactSettings) -> Self {
        Self {
            objective,
            settings,
            scale: objective.pull(),
            viewer: Viewer::new(objective, settings.screening),
            w: start.to_vec(),
            radius: f64::INFINITY,
            keep: ROUGH_CURVATURE,
            choice: 0,
            preconditioner: None,
            products_since: 0,
            steps: 0,
            products: 0,
        }
    }

    fn run(mut self, progress: &mut dyn FnMut(Progress)) -> Solution {
        let goal = self.settings.tolerance * self.scale;
        let mut look = self.viewer.complete(&self.w);
        if norm(&look.gradient) > FAR * self.scale {
            look = self.approach(look.value, progress);
        }
        let mut rejected = 0;
        let status = loop {
            let done = norm(&look.gradient) <= goal || rejected == MAX_REJECTED;
            if done && (self.viewer.precise || self.settings.tolerance >= ROUGH_TOLERANCE) && look.complete {
                break match rejected {
                    MAX_REJECTED => Status::PrecisionLimit,
                    _ if self.runs_away(&look) => Status::Unbounded,
                    _ => Status::Converged,
                };
            }
            if done {
                self.viewer.precise = self.settings.tolerance < ROUGH_TOLERANCE;
                look = self.viewer.complete(&self.w);
                rejected = 0;
                continue;
            }
            if self.steps >= self.settings.max_steps {
                break Status::StepLimit;
            }
            match self.step(&mut look, progress) {
                Trial::Taken => rejected = 0,
                Trial::TooFar => (),
                Trial::Drowned => rejected += 1,
            }
        };
        let precise_enough = self.viewer.precise || self.settings.tolerance >= ROUGH_TOLERANCE;
        if !(precise_enough && look.complete) {
            self.viewer.precise |= !precise_enough;
            look = self.viewer.complete(&self.w);
        }
        let gradient_norm = norm(&look.gradient);
        Solution {
            objective: look.value + self.objective.word_term(),
            gradient_norm,
            gap: match self.objective.least_lambda() {
                0.0 => f64::INFINITY,
                lambda => gradient_norm * gradient_norm / (4.0 * lambda),
            },
            weights: self.w,
            status,
            steps: self.steps,
            products: self.products,
            passes: self.viewer.passes,
            warmth: (self.radius, (self.keep / 4).max(ROUGH_CURVATURE)),
        }
    }

    /// Without a penalty the way may be long, to where the loss levels out: small penalties show it.
    fn descend_to_zero(&mut self, progress: &mut dyn FnMut(Progress)) {
        let mut objective = self.objective.clone();
        let settings =
            ExactSettings { tolerance: APPROACH_TOLERANCE, max_steps: APPROACH_STEPS, ..*self.settings };
        for share in SMALL_PENALTIES {
            objective.set_lambda(share * objective.table().mean_square_norm());
            let mut solver = Solver::new(&objective, &self.w, &settings);
            (solver.radius, solver.keep) = (self.radius, self.keep);
            let solution = solver.run(progress);
            self.steps += solution.steps;
            self.products += solution.products;
            (self.radius, self.keep) = solution.warmth;
            self.w = solution.weights;
        }
    }

    /// From afar: near the optimum by regression, where that is better than here, and a coarser objective.
    fn approach(&mut self, here: f64, progress: &mut dyn FnMut(Progress)) -> Look {
        let coarse = self.objective.coarser();
        let objective = coarse.as_ref().unwrap_or(self.objective);
        let settings = ExactSettings { tolerance: APPROACH_TOLERANCE, ..*self.settings };
        let mut solver = Solver::new(objective, &self.w, &settings);
        solver.radius = self.radius;
        let mut look = solver.viewer.complete(&self.w);
        if let Some(start) = regression::start(objective) {
            let by_regression = solver.viewer.complete(&start);
            if by_regression.value < look.value {
                (solver.w, look) = (start, by_regression);
            }
        }
        while coarse.is_some()
            && norm(&look.gradient) > APPROACH_TOLERANCE * solver.scale
            && solver.steps < APPROACH_STEPS
        {
            solver.step(&mut look, progress);
        }
        let there = self.viewer.complete(&solver.w);
        if there.value < here {
            (self.w, self.radius) = (solver.w, solver.radius);
            (self.steps, self.products) = (solver.steps, solver.products);
            return there;
        }
        self.viewer.complete(&self.w)
    }

    /// One Newton step.
    fn step(&mut self, look: &mut Look, progress: &mut dyn FnMut(Progress)) -> Trial {
        let size = norm(&look.gradient);
        let positions = self.curved(look);
        let curvature = Curvature::new(self.objective, &self.w, &positions);
        if self.products_since >= PRODUCTS_A_PRECONDITIONER {
            self.preconditioner = None;
        }
        let preconditioner = self.preconditioner.get_or_insert_with(|| {
            self.products_since = 0;
            Preconditioner::new(&curvature)
        });
        // Superlinear in the end, but no better than the tolerance asks for.
        let enough = 0.3 * self.settings.tolerance * self.scale / size;
        let forcing = (size / self.scale).sqrt().clamp(0.02, 0.3).max(enough.min(0.3));
        let limits = Limits { radius: self.radius, forcing, products: MAX_PRODUCTS };
        let step = newton::step(&curvature, preconditioner, &look.gradient, limits);
        self.steps += 1;
        self.products += step.products;
        self.products_since += step.products;

        let next: Vec<f32> =
            self.w.iter().zip(&step.direction).map(|(&w, s)| (f64::from(w) + s) as f32).collect();
        let trial = self.viewer.near(&next, FROZEN_ERROR * size);
        let ratio = agreement(look, &trial, step.predicted);
        if ratio < 0.25 {
            self.radius = 0.25 * step.length;
        } else if ratio > 0.75 && step.cut {
            self.radius *= 3.0;
        }
        if ratio < 0.25 || (!step.cut && norm(&trial.gradient) > POOR_STEP * size) {
            // Other positions too: the same ones would misjudge the same directions again.
            (self.keep, self.choice) = (self.keep.saturating_mul(2), self.choice + 1);
        }
        let outcome = match ratio {
            _ if ratio > 1e-4 => Trial::Taken,
            _ if drowned(look, step.predicted) => Trial::Drowned,
            _ => Trial::TooFar,
        };
        if outcome == Trial::Taken {
            self.w = next;
            *look = trial;
        } else if !look.complete {
            *look = self.viewer.complete(&self.w);
        }
        progress(Progress {
            step: self.steps,
            value: look.value,
            gradient: norm(&look.gradient) / self.scale,
            curved: positions.len(),
            products: step.products,
            radius: self.radius,
        });
        outcome
    }

    /// The positions that stand for the curvature, with their weights.
    fn curved(&self, look: &Look) -> Vec<(u32, f64)> {
        let (objective, norms) = (self.objective, &self.objective.table().norm);
        let shares: Vec<f64> = (objective.rows.iter().zip(&look.doubt))
            .map(|(&id, &doubt)| {
                objective.weight(id) * f64::from(doubt) * f64::from(norms[id as usize]).powi(2)
            })
            .collect();
        let tools = objective.fitted().len();
        let most =
            (CURVATURE_NUMBERS / tools).max((POSITIONS_A_TOOL * tools).min(MOST_CURVATURE_NUMBERS / tools));
        let keep = self.keep.min(most);
        // Multiples of the golden ratio: each choice is far from those before.
        let phase = (0.5 + 0.618_033_988_749_895 * self.choice as f64).fract();
        let kept = thin_from(phase, &shares, keep).into_iter();
        kept.map(|(at, stands_for)| (objective.rows[at], stands_for * objective.weight(objective.rows[at])))
            .collect()
    }

    /// Whether the loss still falls without end where the gradient has vanished.
    fn runs_away(&self, look: &Look) -> bool {
        if self.objective.lambda > 0.0 {
            return false;
        }
        let positions = self.curved(look);
        let curvature = Curvature::new(self.objective, &self.w, &positions);
        let limits = Limits { radius: f64::INFINITY, forcing: 1e-3, products: MAX_PRODUCTS };
        let step = newton::step(&curvature, &Preconditioner::new(&curvature), &look.gradient, limits);
        self.objective.largest_move(&step.direction) > RUNAWAY
    }
}

/// Actual over predicted decrease. Where both drown in rounding, a smaller gradient decides.
fn agreement(look: &Look, trial: &Look, predicted: f64) -> f64 {
    if !trial.value.is_finite() {
        return f64::NEG_INFINITY;
    }
    if drowned(look, predicted) {
        let smaller = norm(&trial.gradient) < norm(&look.gradient);
        return if smaller { 0.5 } else { f64::NEG_INFINITY };
    }
    (look.value - trial.value) / predicted
}

/// Whether a decrease is too small to be seen in values that `f32` logits give.
fn drowned(look: &Look, predicted: f64) -> bool {
    predicted <= 1e-7 * look.value.abs()
}
