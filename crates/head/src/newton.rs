//! A Newton step within a trust region, by preconditioned conjugate gradients (Steihaug 1983).
//!
//! The region is a ball in the preconditioner's metric, ‖s‖² = s·Ps with P near the curvature: there it measures how far
//! logits move where that matters, and not how far weights do, which may be far along directions that the data leave open.

use crate::{curvature::Curvature, precondition::Preconditioner};

/// A step, and what the quadratic model says of it.
pub(crate) struct Step {
    /// `(T, d)`.
    pub direction: Vec<f64>,
    /// By how much the model g·s + ½ s·Hs falls.
    pub predicted: f64,
    /// Its length in the preconditioner's metric.
    pub length: f64,
    /// Whether the trust region cut it short.
    pub cut: bool,
    /// Products with the curvature that it took.
    pub products: usize,
}

/// When a step is good enough.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Length at most, in the preconditioner's metric.
    pub radius: f64,
    /// The residual's norm, relative to the gradient's, at which to stop.
    pub forcing: f64,
    /// Products at most.
    pub products: usize,
}

/// Minimises g·s + ½ s·Hs within the limits.
pub(crate) fn step(
    curvature: &Curvature<'_>,
    preconditioner: &Preconditioner,
    gradient: &[f64],
    limits: Limits,
) -> Step {
    let mut s = vec![0.0; gradient.len()];
    let mut hs = vec![0.0; gradient.len()];
    let mut residual: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut z = preconditioner.apply(curvature.objective(), &residual);
    let mut direction = z.clone();
    let mut rz = dot(&residual, &z);
    // Of s and the direction d in the preconditioner's metric: ‖s‖², ⟨s, d⟩ and ‖d‖² follow from what is known.
    let (mut ss, mut sd, mut dd) = (0.0, 0.0, rz);
    let goal = limits.forcing * norm(gradient);
    let (mut cut, mut products) = (false, 0);
    while products < limits.products && norm(&residual) > goal && rz > 0.0 {
        let hd = curvature.product(&direction);
        products += 1;
        let bend = dot(&direction, &hd);
        let to_edge = distance_to_edge(ss, sd, dd, limits.radius);
        let length = if bend > 0.0 { (rz / bend).min(to_edge) } else { to_edge };
        if !length.is_finite() {
            break;
        }
        cut = length == to_edge;
        add(&mut s, length, &direction);
        add(&mut hs, length, &hd);
        add(&mut residual, -length, &hd);
        ss += length * (2.0 * sd + length * dd);
        if cut {
            break;
        }
        z = preconditioner.apply(curvature.objective(), &residual);
        let next = dot(&residual, &z);
        let ratio = next / rz;
        direction.iter_mut().zip(&z).for_each(|(d, z)| *d = z + ratio * *d);
        sd = ratio * (sd + length * dd);
        dd = next + ratio * ratio * dd;
        rz = next;
    }
    let predicted = -dot(gradient, &s) - 0.5 * dot(&s, &hs);
    Step { direction: s, predicted, length: ss.max(0.0).sqrt(), cut, products }
}

/// The t ≥ 0 at which s + t·d leaves the ball, by ‖s‖², ⟨s, d⟩ and ‖d‖².
fn distance_to_edge(ss: f64, sd: f64, dd: f64, radius: f64) -> f64 {
    if radius.is_infinite() || dd <= 0.0 {
        return f64::INFINITY;
    }
    let room = (radius * radius - ss).max(0.0);
    let root = (sd * sd + dd * room).sqrt();
    // The form without cancellation, by the sign of ⟨s, d⟩.
    if sd > 0.0 { room / (sd + root) } else { (root - sd) / dd }
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(crate) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn add(a: &mut [f64], factor: f64, b: &[f64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += factor * b);
}
