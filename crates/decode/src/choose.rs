//! Choosing a token of the extended vocabulary: words and tools together.
//!
//! Scores are logits, for tools with bias and offset added; a disabled token's is −∞ and no bias lifts it. One decision
//! is one pass over the words, or two or three for a draw; nothing of the vocabulary's size is allocated.

use crate::settings::Settings;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A token of the extended vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    Word(u32),
    /// A row of the head.
    Tool(usize),
}

/// A decision with its second thoughts: the tools to try in turn, and the word to take if all of them fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ballot {
    pub tools: std::collections::VecDeque<usize>,
    pub word: u32,
}

/// The scores at one position.
#[derive(Clone, Copy)]
pub(crate) struct Scores<'a> {
    /// (V)
    words: &'a [f32],
    /// (T)
    tools: &'a [f32],
    best_word: (u32, f32),
}

impl<'a> Scores<'a> {
    /// Scores of the words, shape (V), with the best of them, and of the tools, shape (T).
    pub fn beside(words: &'a [f32], (id, score): (usize, f32), tools: &'a [f32]) -> Self {
        Self { words, tools, best_word: (id as u32, score) }
    }

    /// As [`Scores::beside`]; `None` if no word has a finite score.
    pub fn new(words: &'a [f32], tools: &'a [f32]) -> Option<Self> {
        Some(Self::beside(words, best(words)?, tools))
    }

    /// Ranks the tokens of one position. A token that fails is as if disabled for the next choice; after
    /// `1 + max_backtracks` tools only words are left.
    ///
    /// Greedy takes the best score, and a tie goes to the word. A draw is from softmax(scores / temperature) cut to
    /// `top_p`, made anew without the tools that failed. With `forced` the tools stand before all words, best first.
    pub fn ballot(self, settings: &Settings, forced: bool, rng: &mut ChaCha8Rng) -> Ballot {
        let draws = settings.temperature > 0.0;
        let mut tools = self.tools.to_vec();
        let mut order = std::collections::VecDeque::new();
        loop {
            if order.len() > settings.max_backtracks {
                tools.fill(f32::NEG_INFINITY);
            }
            let best_tool = best(&tools);
            let pick = match best_tool {
                Some((tool, _)) if forced => Pick::Tool(tool),
                _ if draws => Scores { tools: &tools, ..self }.draw(settings, rng),
                Some((tool, score)) if score > self.best_word.1 => Pick::Tool(tool),
                _ => Pick::Word(self.best_word.0),
            };
            match pick {
                Pick::Word(word) => return Ballot { tools: order, word },
                Pick::Tool(tool) => {
                    order.push_back(tool);
                    tools[tool] = f32::NEG_INFINITY;
                }
            }
        }
    }

    /// One draw from softmax(scores / temperature), cut to the smallest set of best tokens that holds `top_p`.
    fn draw(self, settings: &Settings, rng: &mut ChaCha8Rng) -> Pick {
        let max = self.max();
        let weight = |score: f32| f64::from((score - max) / settings.temperature).exp();
        let total: f64 = self.all().map(|(_, score)| weight(score)).sum();
        let u: f64 = rng.random();
        if settings.top_p >= 1.0 {
            return self.nth(self.all().map(|(pick, score)| (pick, weight(score))), u * total);
        }
        let share = f64::from(settings.top_p) * total;
        // From a member of the set on, the sorted tokens hold more than total − share, and the member is the largest of them.
        let floor = (total - share) / (self.words.len() + self.tools.len()) as f64;
        let mut set: Vec<(Pick, f64)> = self
            .all()
            .map(|(pick, score)| (pick, weight(score)))
            .filter(|(_, weight)| *weight >= floor)
            .collect();
        set.sort_by(|a, b| b.1.total_cmp(&a.1)); // stable: equals stay in the order of their ids
        let mut held = 0.0;
        let mut size = 0;
        while size < set.len() && held < share {
            held += set[size].1;
            size += 1;
        }
        self.nth(set[..size].iter().copied(), u * held)
    }

    /// Words, then tools; those that are enabled and sound.
    fn all(self) -> impl Iterator<Item = (Pick, f32)> {
        let words = self.words.iter().enumerate().map(|(id, &score)| (Pick::Word(id as u32), score));
        let tools = self.tools.iter().enumerate().map(|(row, &score)| (Pick::Tool(row), score));
        words.chain(tools).filter(|(_, score)| score.is_finite())
    }

    fn max(self) -> f32 {
        best(self.tools).map_or(self.best_word.1, |(_, tool)| tool.max(self.best_word.1))
    }

    /// The item in which the running sum of weights passes `target`; the last one if rounding keeps it from passing.
    fn nth(self, weighted: impl Iterator<Item = (Pick, f64)>, mut target: f64) -> Pick {
        let mut last = Pick::Word(self.best_word.0);
        for (pick, weight) in weighted {
            last = pick;
            if target < weight {
                break;
            }
            target -= weight;
        }
        last
    }

    /// Whether P(tool) can reach `least`, told without the words' log-sum-exp: the best word alone bounds their mass.
    pub fn tools_may_reach(self, least: f32) -> bool {
        let finite = self.tools.iter().filter(|score| score.is_finite());
        let odds: f64 = finite.map(|score| f64::from(score - self.best_word.1).exp()).sum();
        1.0 / (1.0 + 1.0 / odds) >= f64::from(least)
    }

    /// P(tool), and the `count` best tokens with their probabilities, best first (equals: words first, then by id).
    pub fn distribution(self, count: usize) -> (f32, Vec<(Pick, f32)>) {
        let max = self.max();
        let (mut words, mut tools) = (0.0f64, 0.0f64);
        let mut top: Vec<(Pick, f32)> = Vec::with_capacity(count + 1);
        for (pick, score) in self.all() {
            let mass = f64::from(score - max).exp();
            match pick {
                Pick::Word(_) => words += mass,
                Pick::Tool(_) => tools += mass,
            }
            if top.len() < count || top.last().is_some_and(|(_, least)| score > *least) {
                let place = top.partition_point(|(_, other)| *other >= score);
                top.insert(place, (pick, score));
                top.truncate(count);
            }
        }
        let total = words + tools;
        for (_, score) in &mut top {
            *score = (f64::from(*score - max).exp() / total) as f32;
        }
        ((tools / total) as f32, top)
    }
}

impl Scores<'_> {
    /// The log of everyone's mass together, words and tools.
    pub fn log_sum_exp(self) -> f64 {
        let max = self.max();
        let sum: f64 = self.all().map(|(_, score)| f64::from(score - max).exp()).sum();
        f64::from(max) + sum.ln()
    }

    /// The score of a word.
    pub fn word(self, id: u32) -> f32 {
        self.words[id as usize]
    }

    /// The `count` best tools with their probabilities, best first.
    pub fn best_tools(self, count: usize) -> Vec<(Pick, f32)> {
        if count == 0 || self.tools.is_empty() {
            return Vec::new();
        }
        let total = self.log_sum_exp();
        let mut tools: Vec<(Pick, f32)> = (self.tools.iter().enumerate())
            .filter(|(_, score)| score.is_finite())
            .map(|(row, &score)| (Pick::Tool(row), (f64::from(score) - total).exp() as f32))
            .collect();
        tools.sort_by(|a, b| b.1.total_cmp(&a.1));
        tools.truncate(count);
        tools
    }
}

/// The highest finite score (the lowest index of equals).
pub(crate) fn best(scores: &[f32]) -> Option<(usize, f32)> {
    let sound = |x: f32| if x < f32::INFINITY { x } else { f32::NEG_INFINITY }; // of no number neither
    let (chunks, rest) = scores.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = if sound(x) > *lane { sound(x) } else { *lane };
        }
    }
    let max = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |max, &x| max.max(sound(x)));
    if max == f32::NEG_INFINITY {
        return None;
    }
    scores.iter().position(|&x| x == max).map(|at| (at, scores[at]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const OFF: f32 = f32::NEG_INFINITY;

    fn ballot(words: &[f32], tools: &[f32], settings: &Settings, forced: bool) -> Ballot {
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        Scores::new(words, tools).unwrap().ballot(settings, forced, &mut rng)
    }

    #[test]
    fn greedy_ranks_the_tools_above_the_best_word_and_a_tie_goes_to_the_word() {
        let settings = Settings::default();
        let ranked = ballot(&[0.0, 2.0, 1.0], &[3.0, 2.0, 5.0, 1.5], &settings, false);
        assert_eq!(ranked, Ballot { tools: [2, 0].into(), word: 1 });
    }

    #[test]
    fn the_limit_counts_the_tools_after_the_first() {
        let settings = Settings { max_backtracks: 1, ..Settings::default() };
        assert_eq!(ballot(&[0.0], &[3.0, 4.0, 5.0], &settings, false).tools, [2, 1]);
        let settings = Settings { max_backtracks: 0, ..Settings::default() };
        assert_eq!(ballot(&[0.0], &[3.0, 4.0, 5.0], &settings, false).tools, [2]);
    }

    #[test]
    fn a_forced_call_passes_over_the_words_but_not_over_disabled_tools() {
        let ranked = ballot(&[0.0, 9.0], &[1.0, OFF, 2.0], &Settings::default(), true);
        assert_eq!(ranked, Ballot { tools: [2, 0].into(), word: 1 });
    }

    #[test]
    fn without_a_finite_word_there_is_no_ballot() {
        for words in [&[OFF, OFF][..], &[f32::NAN], &[]] {
            assert!(Scores::new(words, &[1.0]).is_none());
        }
    }

    #[test]
    fn the_best_is_the_first_highest_finite_score() {
        let mut scores = vec![f32::NAN; 100];
        assert_eq!(best(&scores), None);
        for (at, x) in [(3, -7.0), (40, OFF), (41, f32::INFINITY), (70, -2.0), (97, -2.0)] {
            scores[at] = x;
        }
        assert_eq!(best(&scores), Some((70, -2.0)));
        scores[99] = -1.0;
        assert_eq!(best(&scores), Some((99, -1.0)));
        assert_eq!(best(&[0.0, -0.0, 0.0]), Some((0, 0.0)));
        assert_eq!(best(&[]), None);
    }

    /// The frequencies of many draws against the softmax, worked out here by hand.
    #[test]
    fn draws_follow_the_tempered_softmax_over_words_and_tools() {
        let settings = Settings { temperature: 2.0, ..Settings::default() };
        let scores = Scores::new(&[0.0, 2.0, OFF], &[4.0, OFF]).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut counts = [0.0f64; 3];
        for _ in 0..20_000 {
            match scores.draw(&settings, &mut rng) {
                Pick::Word(0) => counts[0] += 1.0,
                Pick::Word(1) => counts[1] += 1.0,
                Pick::Tool(0) => counts[2] += 1.0,
                other => panic!("{other:?} is disabled"),
            }
        }
        let e = std::f64::consts::E;
        let total = 1.0 + e + e * e; // exp(0/2), exp(2/2), exp(4/2)
        for (count, expected) in counts.iter().zip([1.0 / total, e / total, e * e / total]) {
            assert!((count / 20_000.0 - expected).abs() < 0.015, "{counts:?}");
        }
    }

    #[test]
    fn top_p_keeps_the_smallest_set_that_holds_it() {
        // Probabilities 0.5, 0.3, 0.15, 0.05.
        let words = [0.15f32.ln(), 0.5f32.ln(), 0.05f32.ln()];
        let tools = [0.3f32.ln()];
        let kept = |top_p: f32| {
            let settings = Settings { temperature: 1.0, top_p, ..Settings::default() };
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let mut seen = [false; 4];
            for _ in 0..2_000 {
                match Scores::new(&words, &tools).unwrap().draw(&settings, &mut rng) {
                    Pick::Word(id) => seen[id as usize] = true,
                    Pick::Tool(_) => seen[3] = true,
                }
            }
            seen
        };
        assert_eq!(kept(0.4), [false, true, false, false]);
        assert_eq!(kept(0.7), [false, true, false, true]);
        assert_eq!(kept(0.9), [true, true, false, true]);
        assert_eq!(kept(1.0), [true, true, true, true]);
        assert_eq!(kept(1e-6), [false, true, false, false]);
    }

    #[test]
    fn probabilities_are_those_of_the_extended_softmax() {
        let words = [1f32.ln(), 4f32.ln(), OFF, 2f32.ln()];
        let tools = [2f32.ln(), 1f32.ln()];
        let scores = Scores::new(&words, &tools).unwrap();
        let (p_tool, top) = scores.distribution(3);
        assert!((p_tool - 0.3).abs() < 1e-6);
        let picks: Vec<Pick> = top.iter().map(|(pick, _)| *pick).collect();
        assert_eq!(picks, [Pick::Word(1), Pick::Word(3), Pick::Tool(0)]);
        for ((_, p), expected) in top.iter().zip([0.4, 0.2, 0.2]) {
            assert!((p - expected).abs() < 1e-6);
        }
        assert_eq!(scores.distribution(0).1, []);
    }

    /// The bound may only say "no" where P(tool) is truly below.
    #[test]
    fn the_cheap_bound_never_hides_a_decision() {
        let words = [0.3, -1.0, 2.0, 1.9];
        for tool in [-8.0f32, -1.0, 0.0, 1.0, 3.0, 9.0, OFF] {
            let tools = [tool, -0.5];
            let scores = Scores::new(&words, &tools).unwrap();
            let (p_tool, _) = scores.distribution(0);
            for least in [0.0, 1e-4, 0.01, 0.1, 0.5, 0.9, 1.0] {
                assert!(p_tool < least || scores.tools_may_reach(least), "{tool} {least} {p_tool}");
            }
        }
    }
}
