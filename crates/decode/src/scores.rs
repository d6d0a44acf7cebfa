//! The tools' scores at a hidden state. Of a large head all but the few rows that can matter are looked at in 8 bits.

use head::Head;
use lm::CoarseRows;
use std::borrow::Cow;

/// From how many tools on it is quicker to look at 8 bits first.
const MANY: usize = 1024;

/// A head ready to score hidden states.
pub struct ToolScores<'a> {
    head: Cow<'a, Head>,
    coarse: Option<CoarseRows>,
}

impl<'a> ToolScores<'a> {
    /// Over a head's rows.
    pub fn new(head: &'a Head) -> Self {
        Self::from(Cow::Borrowed(head), MANY)
    }

    /// Over the rows of a head that it keeps.
    pub fn owned(head: Head) -> Self {
        Self::from(Cow::Owned(head), MANY)
    }

    fn from(head: Cow<'a, Head>, many: usize) -> Self {
        let large = head.tools.len() >= many;
        // Without memory for a copy in 8 bits, or of rows that are not finite, every row is computed.
        let coarse = large.then(|| CoarseRows::new(&head.weights).ok()).flatten();
        Self { head, coarse }
    }

    /// The head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Logits with offset and `bias`, shape (T); −∞ where `disabled`.
    ///
    /// With a `floor`, every score that reaches it is exact; any other is below it, and within a few hundredths of
    /// what it stands for. So a decision among those above the floor is the one that all exact scores would make.
    ///
    /// # Panics
    /// If the hidden state has another width than the head: a fault of the caller.
    pub fn scores(&self, hidden: &[f32], bias: f32, disabled: &[bool], floor: Option<f32>) -> Vec<f32> {
        let (Some(coarse), Some(floor)) = (&self.coarse, floor) else {
            let logits = self.head.logits(hidden).into_iter();
            return logits
                .zip(disabled)
                .map(|(logit, &off)| if off { f32::NEG_INFINITY } else { logit + bias })
                .collect();
        };
        let exact = |row: usize| lm::dot(self.head.weights.row(row), hidden) + self.head.offsets[row] + bias;
        let scored = coarse.products(hidden).into_iter().enumerate().map(|(row, product)| {
            if disabled[row] {
                return f32::NEG_INFINITY;
            }
            let offset = self.head.offsets[row];
            // Twice rounded like the exact score, from a product that is no smaller. What is no number may be anything.
            let below = product.at_most + offset + bias < floor;
            if below { product.about + offset + bias } else { exact(row) }
        });
        scored.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lm::Matrix;
    use proptest::prelude::*;

    fn head(rows: usize, cols: usize, data: Vec<f32>) -> Head {
        let names = (0..rows).map(|k| format!("t{k}")).collect();
        Head::new(names, Matrix::new(rows, cols, data)).expect("a head")
    }

    proptest! {
        /// Brute force: every score in f32. What reaches the floor is the same to the bit, what does not stays below it.
        #[test]
        fn decisions_are_those_of_all_exact_scores(
            (cols, rows, data) in (1_usize..80, 1_usize..60).prop_flat_map(|(cols, rows)| {
                (Just(cols), Just(rows), prop::collection::vec(-3.0_f32..3.0, rows * cols))
            }),
            seed in any::<u64>(),
            bias in -2.0_f32..2.0,
            at in 0.0_f64..1.0,
        ) {
            let mut head = head(rows, cols, data);
            let mut state = seed | 1;
            let mut next = move || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / (1 << 23) as f32 - 1.0
            };
            head.offsets.iter_mut().for_each(|o| *o = next());
            let hidden: Vec<f32> = (0..cols).map(|_| 4.0 * next()).collect();
            let disabled: Vec<bool> = (0..rows).map(|_| next() > 0.8).collect();
            let all = ToolScores::from(Cow::Borrowed(&head), usize::MAX).scores(&hidden, bias, &disabled, None);
            // A floor anywhere among the scores, on one of them too.
            let mut sorted: Vec<f32> = all.iter().copied().filter(|s| s.is_finite()).collect();
            sorted.sort_by(f32::total_cmp);
            let floor = sorted.get((at * sorted.len() as f64) as usize).copied().unwrap_or(0.0);
            let scorer = ToolScores::from(Cow::Borrowed(&head), 1);
            prop_assert!(scorer.coarse.is_some());
            let some = scorer.scores(&hidden, bias, &disabled, Some(floor));
            for (k, (all, some)) in all.iter().zip(&some).enumerate() {
                if *all >= floor || *some >= floor || !all.is_finite() {
                    prop_assert_eq!(all, some, "tool {}", k);
                } else {
                    prop_assert!((all - some).abs() < 1.0, "tool {k}: {all} {some}");
                }
            }
            prop_assert_eq!(scorer.scores(&hidden, bias, &disabled, None), all);
        }
    }

    #[test]
    fn twenty_thousand_tools_choose_as_brute_force_does() {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let (rows, cols) = (20_000, 96);
        let head = head(rows, cols, (0..rows * cols).map(|_| rng.random_range(-0.2_f32..0.2)).collect());
        let (exact, quick) = (ToolScores::from(Cow::Borrowed(&head), usize::MAX), ToolScores::new(&head));
        let disabled = vec![false; rows];
        for _ in 0..20 {
            let hidden: Vec<f32> = (0..cols).map(|_| rng.random_range(-5.0_f32..5.0)).collect();
            let all = exact.scores(&hidden, 0.0, &disabled, None);
            let best = all.iter().copied().fold(f32::MIN, f32::max);
            for floor in [best - 8.0, best, best + 1.0] {
                let some = quick.scores(&hidden, 0.0, &disabled, Some(floor));
                let above = |scores: &[f32]| -> Vec<(usize, f32)> {
                    scores.iter().copied().enumerate().filter(|(_, s)| *s >= floor).collect()
                };
                assert_eq!(above(&all), above(&some));
            }
        }
    }

    #[test]
    fn a_hidden_state_that_is_not_finite_is_scored_as_without_a_look() {
        let head = head(2, 3, vec![1.0, 2.0, 3.0, -1.0, 0.0, 1.0]);
        let quick = ToolScores::from(Cow::Borrowed(&head), 1);
        let hidden = [f32::INFINITY, 0.0, 1.0];
        assert_eq!(quick.scores(&hidden, 0.0, &[false; 2], Some(0.0)), [f32::INFINITY, f32::NEG_INFINITY]);
    }
}
