//! What a token was chosen against, as far as an engine tells.

use super::Completion;
use crate::trace::{Alternative, Token};
use std::collections::BTreeMap;

/// The best tokens of a position after bias, and the share of the tools among them.
pub(super) struct Chances {
    /// By id, best first.
    best: Vec<(u32, f32)>,
    /// P(tool), of those tools that are among the tokens told of.
    pub tools: f32,
}

impl Chances {
    /// From log probabilities before bias. What a bias does to tokens that were not told of is not known, and left out: it is
    /// little, since they are improbable.
    pub fn new(top: &[(u32, f32)], wanted: &Completion<'_>) -> Self {
        let bias: BTreeMap<u32, f32> = wanted.bias.iter().copied().collect();
        let mut total = 1.0f64;
        let mut best: Vec<(u32, f32)> = Vec::with_capacity(top.len());
        for &(id, logprob) in top {
            let before = f64::from(logprob).exp();
            let after = before * bias.get(&id).map_or(1.0, |&bias| f64::from(bias).exp());
            total += after - before;
            best.push((id, after as f32));
        }
        // All that is told of may be forbidden.
        let total = total.max(best.iter().map(|(_, p)| f64::from(*p)).sum()).max(f64::MIN_POSITIVE);
        best.iter_mut().for_each(|(_, p)| *p = (f64::from(*p) / total) as f32);
        best.retain(|(_, p)| *p > 0.0 && p.is_finite());
        best.sort_by(|a, b| b.1.total_cmp(&a.1));
        let is_tool = |id: u32| wanted.stop_tokens.contains(&id);
        let tools = best.iter().filter(|(id, _)| is_tool(*id)).map(|(_, p)| p).sum::<f32>().min(1.0);
        Self { best, tools }
    }

    /// The `count` best tokens.
    pub fn alternatives(&self, count: usize, token: impl Fn(u32) -> Token) -> Vec<Alternative> {
        self.best.iter().take(count).map(|&(id, p)| Alternative { token: token(id), p }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: four tokens of probability 1/2, 1/4, 1/8, 1/8; the second is lifted to twice its mass, the third forbidden.
    #[test]
    fn a_bias_moves_the_mass_of_what_it_is_added_to() {
        let wanted = Completion {
            prompt: &[],
            max_tokens: 1,
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
            bias: &[(2, 2f32.ln()), (3, f32::NEG_INFINITY)],
            stop_tokens: &[2],
            stop: &[],
            schema: None,
            top: 3,
        };
        let told = [(1, 0.5f32.ln()), (2, 0.25f32.ln()), (3, 0.125f32.ln())];
        let chances = Chances::new(&told, &wanted);
        // 1/2, 1/2, 0 and the eighth that was not told of: 9/8 in all.
        let expected = [(1, 4.0 / 9.0), (2, 4.0 / 9.0)];
        assert_eq!(chances.best.len(), 2);
        for ((id, p), (expected_id, expected)) in chances.best.iter().zip(expected) {
            assert_eq!(*id, expected_id);
            assert!((p - expected).abs() < 1e-6, "{p}");
        }
        assert!((chances.tools - 4.0 / 9.0).abs() < 1e-6);
        assert!(Chances::new(&[(3, 0.0)], &wanted).best.is_empty());
    }
}
