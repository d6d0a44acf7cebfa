//! What is read off decisions that were made without having seen their examples: the threshold, and how far to trust a tool
//! that has none.

use crate::fit::Data;
use crate::report::Unseen;
use head::Head;

/// What a call of another tool than the wanted one costs, where one that is not wanted costs 1.
const WRONG: f64 = 0.5;

/// A decision of a head: the best tool, and how far it is from being called.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Decision {
    /// The best tool.
    pub best: usize,
    /// Its logit.
    pub logit: f32,
    /// The best word's.
    pub word: f32,
}

impl Decision {
    /// The decision between tools of these logits, `(tools)`, and the best word.
    pub fn of(logits: &[f32], word: f32) -> Self {
        let best = (0..logits.len()).fold(0, |best, k| if logits[k] > logits[best] { k } else { best });
        Self { best, logit: logits.get(best).copied().unwrap_or(f32::NEG_INFINITY), word }
    }

    /// The tool that is called under a threshold.
    pub fn called(&self, bias: f32) -> Option<usize> {
        (self.logit + bias > self.word).then_some(self.best)
    }
}

/// The choice of the threshold.
pub(crate) struct Threshold;

impl Threshold {
    /// The bias at which held-out decisions earn most: a call of the right tool earns 1, a call where none is wanted costs
    /// `false_call`, a call of another tool than the wanted one half of that. Of equals the one nearest to 0.
    pub fn of(data: &Data, decided: &[Vec<Decision>], false_call: f64) -> f32 {
        let mut steps: Vec<(f32, f64)> = Vec::new();
        for (context, decisions) in data.contexts.iter().zip(decided) {
            for ((_, wanted), decision) in context.points.iter().zip(decisions) {
                let earns = match wanted {
                    Some(tool) if *tool == decision.best => 1.0,
                    Some(_) => -WRONG * false_call,
                    None => -false_call,
                };
                steps.push((decision.word - decision.logit, earns));
            }
        }
        best_threshold(steps)
    }
}

/// Steps are biases above which a decision becomes a call, and what that call earns.
fn best_threshold(mut steps: Vec<(f32, f64)>) -> f32 {
    steps.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut best = (f64::NEG_INFINITY, 0.0f32);
    let mut earned = 0.0;
    for called in 0..=steps.len() {
        if called > 0 {
            earned += steps[called - 1].1;
        }
        let (low, high) = (called.checked_sub(1).map(|i| steps[i].0), steps.get(called).map(|step| step.0));
        let bias = match (low, high) {
            (Some(low), Some(high)) if low == high => continue,
            // Where 0 lies between the two, nothing speaks for anything else.
            (low, high) if low.is_none_or(|low| low < 0.0) && high.is_none_or(|high| high >= 0.0) => 0.0,
            (Some(low), Some(high)) => 0.5 * (low + high),
            (Some(low), None) => low + 1.0,
            (None, Some(high)) => high - 1.0,
            (None, None) => 0.0,
        };
        if earned > best.0 || (earned == best.0 && bias.abs() < best.1.abs()) {
            best = (earned, bias);
        }
    }
    best.1
}

/// How tools fare whose examples were left out, so that only their descriptions speak for them; and what is best added to such
/// a tool's logit.
pub(crate) struct Trust {
    bias: f32,
    tools: usize,
    own: Vec<Turn>,
    others: Vec<Turn>,
}

/// A turn, and the tool whose examples were left out.
#[derive(Clone, Copy)]
struct Turn {
    /// The left-out tool's logit.
    logit: f32,
    /// The best of the other tools'.
    rival: f32,
    /// The best word's.
    word: f32,
    /// What is wanted is what happens without the left-out tool.
    right: bool,
}

impl Trust {
    /// Offsets that are tried.
    const OFFSETS: [f32; 17] =
        [-4.0, -3.0, -2.0, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0];

    pub fn new(bias: f32) -> Self {
        Self { bias, tools: 0, own: Vec::new(), others: Vec::new() }
    }

    /// Adds a tool: `head` was fitted without its examples, `decided` are the held-out decisions with them.
    pub fn add(&mut self, data: &Data, decided: &[Vec<Decision>], head: &Head, tool: usize) {
        self.tools += 1;
        for &context in &data.turns {
            let point = data.contexts[context].judged();
            let (Some(reading), Some(held_out)) =
                (data.readings[context].get(point), decided[context].get(point))
            else {
                continue;
            };
            let logits = head.logits(&reading.h);
            let rivals = logits.iter().enumerate().filter(|(k, _)| *k != tool).map(|(_, logit)| *logit);
            let turn = |right, rival| Turn { logit: logits[tool], rival, word: reading.max, right };
            let rival = rivals.fold(f32::NEG_INFINITY, f32::max);
            let wanted = data.contexts[context].points[point].1;
            match wanted {
                Some(wanted) if wanted == tool => self.own.push(turn(false, rival)),
                // How the others fare is told by fits that have not seen them either.
                _ => self.others.push(turn(held_out.called(self.bias) == wanted, held_out.logit)),
            }
        }
    }

    /// The figures under the offset with the largest gain: own turns decided rightly, less others' that it would spoil, each
    /// as a share. None if no tool was left out.
    pub fn figures(&self) -> Option<Unseen> {
        if self.own.is_empty() {
            return None;
        }
        let share = |turns: &[Turn], hit: &dyn Fn(&Turn) -> bool| {
            turns.iter().filter(|turn| hit(turn)).count() as f64 / turns.len().max(1) as f64
        };
        let first = |offset: f32| move |turn: &Turn| turn.logit + offset > turn.rival;
        let called = |offset: f32| {
            move |turn: &Turn| turn.logit + offset > turn.rival && turn.logit + offset + self.bias > turn.word
        };
        let spoiled = |offset: f32| share(&self.others, &|turn| turn.right && called(offset)(turn));
        let gain = |offset: f32| share(&self.own, &called(offset)) - spoiled(offset);
        let best = Self::OFFSETS.into_iter().fold(
            0.0,
            |best, offset| {
                if gain(offset) > gain(best) { offset } else { best }
            },
        );
        Some(Unseen {
            tools: self.tools,
            examples: self.own.len(),
            choice: share(&self.own, &first(best)),
            recall: share(&self.own, &called(best)),
            spoiled: spoiled(best),
            offset: best,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_earns_most() {
        // Right calls above 1 and 2, a call where none is wanted above 3.
        assert_eq!(best_threshold(vec![(1.0, 1.0), (2.0, 1.0), (3.0, -1.0)]), 2.5);
        assert_eq!(best_threshold(vec![(-2.0, 1.0), (4.0, -1.0)]), 0.0, "0 does as well as any other");
        assert_eq!(best_threshold(vec![(1.0, -1.0)]), 0.0);
        assert_eq!(best_threshold(vec![(-1.0, -1.0)]), -2.0);
        assert_eq!(best_threshold(vec![]), 0.0);
        assert_eq!(
            best_threshold(vec![(1.0, 1.0), (1.0, -0.5), (2.0, -1.0)]),
            1.5,
            "equal steps go together"
        );
    }

    #[test]
    fn an_offset_is_worth_what_it_wins_less_what_it_spoils() {
        let turn = |logit, right| Turn { logit, rival: 0.0, word: 0.0, right };
        let trust =
            |own: Vec<Turn>, others: Vec<Turn>| Trust { bias: 0.0, tools: 1, own, others }.figures().unwrap();
        // Two own turns, of which one needs an offset of more than 1; the other turns are far away.
        let found = trust(vec![turn(1.0, false), turn(-1.0, false)], vec![turn(-20.0, true); 4]);
        assert_eq!((found.offset, found.recall, found.spoiled), (1.5, 1.0, 0.0));
        // All others would be spoiled by it.
        let found =
            trust(vec![turn(1.0, false), turn(-1.0, false)], vec![turn(-1.0, true), turn(-1.0, true)]);
        assert_eq!((found.offset, found.recall, found.spoiled), (0.0, 0.5, 0.0));
        assert!(Trust::new(0.0).figures().is_none());
    }
}
