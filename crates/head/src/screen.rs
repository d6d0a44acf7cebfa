//! Screening: which positions have to be visited to look at a point near one where all were.
//!
//! Most words are far from every tool: the tools' probability there is tiny and hardly moves. After a pass over all
//! positions at a reference point, such positions are *frozen*: their loss is replaced by its tangent there. How wrong
//! that makes the gradient is bounded. Where no row of W is further than `reach` from the reference, no logit of
//! position i has moved by more than δ = reach·‖h_i‖, so that with tool probability P at the reference
//!
//! ```text
//! ‖p(W) − p(ref)‖₁ ≤ P ( e^δ / (1 − P + P e^−δ) − 1 )      the gradient's error ≤ Σ_i ω_i ‖h_i‖ ‖p(W) − p(ref)‖₁
//! ```
//!
//! (the numerator of each p_k grows by at most e^δ, the sum over classes shrinks to no less than 1 − P + P e^−δ).
//! As many positions are frozen as keep this sum within a budget. A solver's last look is at all positions, so that
//! screening never changes what it accepts as a solution.

use crate::Objective;

/// Positions to visit, ascending: all calls, and the words that could disturb the gradient by more than `budget` together.
///
/// `mass` is the tools' total probability at each of the objective's rows.
pub(crate) fn active(objective: &Objective<'_>, mass: &[f32], reach: f64, budget: f64) -> Vec<u32> {
    let mut active = Vec::new();
    let mut words: Vec<(f64, u32)> = Vec::new();
    for (&id, &mass) in objective.rows.iter().zip(mass) {
        let bound = disturbance(objective, id, f64::from(mass), reach);
        if objective.is_word(id) && bound <= budget {
            words.push((bound, id));
        } else {
            active.push(id);
        }
    }
    words.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut spent = 0.0;
    for (bound, id) in words {
        spent += bound;
        if spent > budget {
            active.push(id);
        }
    }
    active.sort_unstable();
    active
}

fn disturbance(objective: &Objective<'_>, id: u32, mass: f64, reach: f64) -> f64 {
    let norm = f64::from(objective.table().norm[id as usize]);
    let growth = (reach * norm).exp();
    // Probabilities change by at most 2 in total, however large the growth.
    let change = (mass * (growth / (1.0 - mass + mass / growth) - 1.0)).clamp(0.0, 2.0);
    objective.weight(id) * norm * if change.is_finite() { change } else { 2.0 }
}

#[cfg(test)]
mod tests {
    use super::active;
    use crate::{FeatureSet, Objective, Position, Subset, Table, Training, WORD, newton::norm};
    use lm::Matrix;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn frozen_positions_disturb_the_gradient_by_less_than_the_budget() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let (width, tools) = (8, 3);
        let mut set = FeatureSet::new(width, vec!["a".into(), "b".into(), "c".into()]);
        for i in 0..400 {
            let example = set.add_example(i);
            let h: Vec<f32> = (0..width).map(|_| random.random_range(-2.0..2.0)).collect();
            let tool = if i % 40 == 0 { (i / 40) as i32 % 3 } else { WORD };
            let log_sum_exp = random.random_range(0.0..20.0);
            set.push(
                example,
                Position { h: &h, log_sum_exp, label_logit: 0.0, max: 0.0, best_word: 0, tool, word: 0 },
            );
        }
        let table = Table::new(&set).unwrap();
        let weights = Training::default().weights(&table, &Subset::all(400)).unwrap();
        let objective = Objective::new(&table, weights, &Matrix::zeros(tools, width), 0.0).unwrap();
        let from: Vec<f32> = (0..tools * width).map(|_| random.random_range(-0.5..0.5)).collect();
        let reference = objective.data_term::<f64>(&from, &objective.rows);
        for reach in [1e-3, 0.1, 1.0] {
            for budget in [1e-6, 1e-3, 0.1] {
                let active = active(&objective, &reference.mass, reach, budget);
                let frozen: Vec<u32> =
                    objective.rows.iter().copied().filter(|id| active.binary_search(id).is_err()).collect();
                assert!(
                    active.iter().is_sorted() && (0..10).all(|k| active.contains(&(k * 40))),
                    "all calls"
                );
                assert!(
                    !frozen.is_empty() || reach * budget < 1e-3,
                    "reach {reach}, budget {budget}: none frozen"
                );
                let before = objective.data_term::<f64>(&from, &frozen).gradient;
                for _ in 0..20 {
                    // Every row moves as far as it may, in a random direction.
                    let mut w = from.clone();
                    for row in w.chunks_mut(width) {
                        let step: Vec<f64> = (0..width).map(|_| random.random_range(-1.0..1.0)).collect();
                        let scale = reach / norm(&step);
                        row.iter_mut().zip(&step).for_each(|(w, s)| *w += (scale * s) as f32);
                    }
                    let after = objective.data_term::<f64>(&w, &frozen).gradient;
                    let change: Vec<f64> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
                    assert!(norm(&change) <= budget, "reach {reach}: {} over {budget}", norm(&change));
                }
            }
        }
    }
}
