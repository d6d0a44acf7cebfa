//! Made-up features for tests.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use toolken_head::{FeatureSet, Position, WORD};

/// What made-up features look like.
#[derive(Clone, Copy)]
pub struct Made {
    pub examples: usize,
    /// Positions an example, at most.
    pub length: usize,
    pub width: usize,
    pub tools: usize,
    /// Share of positions that are calls.
    pub calls: f64,
    /// How far a tool's calls stand from other positions; 0 makes labels pure chance.
    pub signal: f32,
    /// Typical log mass of the words.
    pub words: f32,
    pub seed: u64,
}

impl Default for Made {
    fn default() -> Self {
        Self { examples: 40, length: 12, width: 6, tools: 3, calls: 0.2, signal: 1.0, words: 2.0, seed: 1 }
    }
}

impl Made {
    pub fn features(&self) -> FeatureSet {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut normal = move || (0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0;
        let mut random = ChaCha8Rng::seed_from_u64(self.seed + 1);
        let tools = (0..self.tools).map(|k| format!("tool{k}")).collect();
        let directions: Vec<f32> = (0..self.tools * self.width).map(|_| normal()).collect();
        let mut set = FeatureSet::new(self.width, tools);
        for example in 0..self.examples {
            let example = set.add_example(example as u32);
            for _ in 0..random.random_range(1..=self.length) {
                let tool = random.random_range(0..self.tools);
                let call = random.random_bool(self.calls);
                let mut h: Vec<f32> = (0..self.width).map(|_| normal()).collect();
                if call {
                    let direction = &directions[tool * self.width..(tool + 1) * self.width];
                    h.iter_mut().zip(direction).for_each(|(h, x)| *h += self.signal * x);
                }
                let log_sum_exp = self.words + 0.7 * normal();
                let max = log_sum_exp - random.random_range(0.1..1.5);
                set.push(
                    example,
                    Position {
                        h: &h,
                        log_sum_exp,
                        label_logit: if call { 0.0 } else { max - random.random_range(0.0..3.0) },
                        max,
                        best_word: 0,
                        tool: if call { tool as i32 } else { WORD },
                        word: 1,
                    },
                );
            }
        }
        set
    }
}
