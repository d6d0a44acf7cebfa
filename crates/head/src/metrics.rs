//! Teacher-forced figures, under fixed names.
//!
//! At every labelled position the text so far is the reference's own, and the head is asked what comes next. A tool is
//! called greedily where its logit and the bias beat every word: max_k(s_k) + bias > m. The bias has no part in what is
//! measured by probability.

use crate::{Head, HeadError, Subset, Table, Training, WORD, Weighting, products::scores};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Tools of which each is counted against each.
const MOST_CONFUSED: usize = 1000;

/// The figures of a head on a set of examples. A share over nothing is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Labelled positions.
    pub positions: usize,
    /// Those of them that are calls.
    pub calls: usize,
    /// The bias that greedy figures are with.
    pub bias: f32,
    /// Share of calls at which the right tool is the best of the tools.
    pub choice: Option<f64>,
    /// Share of calls at which it beats every word too (greedy).
    pub recall: Option<f64>,
    /// Share of word positions at which some tool beats every word (greedy).
    pub false_calls: Option<f64>,
    /// Of the greedy calls, the share that is right.
    pub precision: Option<f64>,
    /// The harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// Mean −log P(right tool) at calls, in nats.
    pub call_nll: Option<f64>,
    /// Mean cross-entropy under the weighting, in nats.
    pub cross_entropy: f64,
    /// Mean log(1 + Σexp(s − a)) over word positions: what the tools cost the model's own language, in nats.
    pub tool_tax: Option<f64>,
    /// Greedy figures by tool.
    pub tools: Vec<ToolMetrics>,
    /// Greedy counts: `confusion[label][called]`; the last row and column stand for words. Empty where there are more than
    /// a thousand tools, and in what is kept of a search.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<usize>>,
}

/// One tool's greedy figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolMetrics {
    /// The tool.
    pub tool: String,
    /// Positions labelled with it.
    pub calls: usize,
    /// Positions at which it is called.
    pub called: usize,
    /// Of its calls, those at which it is the best of the tools.
    pub chosen: usize,
    /// Share of `called` that is right.
    pub precision: Option<f64>,
    /// Share of `calls` that is called.
    pub recall: Option<f64>,
    /// The harmonic mean of the two.
    pub f1: Option<f64>,
}

/// The figures of a group of examples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupScores {
    /// Which group of the features.
    pub group: u32,
    /// Its examples.
    pub examples: u32,
    /// Its labelled positions.
    pub positions: u32,
    /// Those of them that are calls.
    pub calls: u32,
    /// Calls at which the right tool is the best of the tools.
    pub chosen: u32,
    /// Calls at which it beats every word too.
    pub recalled: u32,
    /// The sum of its positions' cross-entropy, in nats.
    pub loss: f64,
    /// The sum of its examples' mean cross-entropy.
    pub example_loss: f64,
}

/// What a head says at some positions; from it every figure and the best bias follow.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    ids: Vec<u32>,
    /// The best tool.
    best: Vec<u32>,
    /// Its logit.
    best_logit: Vec<f32>,
    /// log Σ_k exp(s_k).
    mass: Vec<f32>,
    /// The label's logit, where it is a tool.
    label_logit: Vec<f32>,
}

impl Scores {
    /// Scores the positions of a subset in one pass.
    ///
    /// # Errors
    /// If the head has other tools, or another width, than the features.
    pub fn of(head: &Head, table: &Table<'_>, subset: &Subset) -> Result<Self, HeadError> {
        if head.tools != table.tools() || head.width() != table.width() {
            let (found, expected) = (head.tools.len(), table.tools().len());
            return Err(HeadError::Features(format!(
                "the head has {found} tools and width {}, the features {expected} tools in another order or number and width {}: \
                 extract the corpus with the head's tools",
                head.width(),
                table.width()
            )));
        }
        let ids: Vec<u32> =
            (0..table.len() as u32).filter(|&id| subset.contains(table.example[id as usize])).collect();
        let tools = head.tools.len();
        let chunks = table.walk(
            &ids,
            0,
            || (Self::default(), Vec::new()),
            |(part, logits), _, ids, h| {
                scores(h, head.weights.data(), table.width(), logits);
                for (s, &id) in logits.chunks_mut(tools).zip(ids) {
                    s.iter_mut().zip(&head.offsets).for_each(|(s, offset)| *s += offset);
                    let best = (1..tools).fold(0, |best, k| if s[k] > s[best] { k } else { best });
                    let sum: f64 = s.iter().map(|x| f64::from(x - s[best]).exp()).sum();
                    part.best.push(best as u32);
                    part.best_logit.push(s[best]);
                    part.mass.push(s[best] + sum.ln() as f32);
                    part.label_logit.push(usize::try_from(table.tool[id as usize]).map_or(0.0, |k| s[k]));
                }
            },
        );
        let mut all = Self { ids, ..Self::default() };
        for (part, _) in chunks {
            all.best.extend(part.best);
            all.best_logit.extend(part.best_logit);
            all.mass.extend(part.mass);
            all.label_logit.extend(part.label_logit);
        }
        Ok(all)
    }

    /// Adds the scores of other positions: how folds are pooled.
    pub fn extend(&mut self, other: Self) {
        self.ids.extend(other.ids);
        self.best.extend(other.best);
        self.best_logit.extend(other.best_logit);
        self.mass.extend(other.mass);
        self.label_logit.extend(other.label_logit);
    }

    /// Number of positions.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// log(1 + Σexp(s − a)) at the i-th position.
    fn tax(&self, table: &Table<'_>, i: usize) -> f64 {
        let above = f64::from(self.mass[i]) - f64::from(table.log_sum_exp[self.ids[i] as usize]);
        if above > 0.0 { above + (-above).exp().ln_1p() } else { above.exp().ln_1p() }
    }

    /// The cross-entropy at the i-th position.
    fn loss(&self, table: &Table<'_>, i: usize) -> f64 {
        let at = self.ids[i] as usize;
        let words = f64::from(table.log_sum_exp[at]);
        let label = if table.tool[at] == WORD { table.label_logit[at] } else { self.label_logit[i] };
        words + self.tax(table, i) - f64::from(label)
    }

    /// The mean cross-entropy over the positions that a training would train on, weighted as it would. Not a number where there
    /// are none.
    pub fn cross_entropy(&self, table: &Table<'_>, training: Training) -> f64 {
        let trained = |id: u32| !training.calls_only || table.tool[id as usize] != WORD;
        let places = || self.ids.iter().enumerate().filter(|(_, id)| trained(**id));
        if training.weighting == Weighting::PerPosition {
            return places().map(|(i, _)| self.loss(table, i)).sum::<f64>() / places().count() as f64;
        }
        let mut sums = vec![(0.0, 0usize); table.groups().len()];
        for (i, &id) in places() {
            let (sum, count) = &mut sums[table.example[id as usize] as usize];
            *sum += self.loss(table, i);
            *count += 1;
        }
        let means: Vec<f64> = sums.iter().filter(|(_, n)| *n > 0).map(|(sum, n)| sum / *n as f64).collect();
        means.iter().sum::<f64>() / means.len() as f64
    }

    /// What became of each group of examples, greedily with a bias, in the order of their numbers: for comparisons that
    /// respect that the positions of one example, and examples that are near repetitions, belong together.
    pub fn by_group(&self, table: &Table<'_>, bias: f32) -> Vec<GroupScores> {
        let mut all: BTreeMap<u32, GroupScores> = BTreeMap::new();
        let mut lengths: HashMap<u32, f64> = HashMap::new();
        for &id in &self.ids {
            *lengths.entry(table.example[id as usize]).or_default() += 1.0;
        }
        for &example in lengths.keys() {
            let group = table.groups()[example as usize];
            let new = GroupScores { group, ..GroupScores::default() };
            all.entry(group).or_insert(new).examples += 1;
        }
        for (i, &id) in self.ids.iter().enumerate() {
            let at = id as usize;
            let example = table.example[at];
            let Some(scores) = all.get_mut(&table.groups()[example as usize]) else { continue };
            scores.example_loss += self.loss(table, i) / lengths[&example];
            scores.positions += 1;
            scores.loss += self.loss(table, i);
            if table.tool[at] != WORD {
                let chosen = table.tool[at] == self.best[i] as i32;
                scores.calls += 1;
                scores.chosen += u32::from(chosen);
                scores.recalled += u32::from(chosen && self.best_logit[i] + bias > table.max[at]);
            }
        }
        all.into_values().collect()
    }

    /// The figures that are kept with a head: without what grows with the square of its tools.
    pub(crate) fn kept_metrics(&self, table: &Table<'_>, weighting: Weighting, bias: f32) -> Metrics {
        Metrics { confusion: Vec::new(), ..self.metrics(table, weighting, bias) }
    }

    /// All figures, greedy ones with a bias.
    pub fn metrics(&self, table: &Table<'_>, weighting: Weighting, bias: f32) -> Metrics {
        let tools = table.tools().len();
        let kept = if tools <= MOST_CONFUSED { tools + 1 } else { 0 };
        let mut confusion = vec![vec![0; kept]; kept];
        let (mut wanted, mut called_for, mut right) =
            (vec![0; tools + 1], vec![0; tools + 1], vec![0; tools + 1]);
        let mut chosen = vec![0; tools];
        let (mut nll, mut tax) = (0.0, 0.0);
        for (i, &id) in self.ids.iter().enumerate() {
            let at = id as usize;
            let label = usize::try_from(table.tool[at]).unwrap_or(tools);
            let best = self.best[i] as usize;
            let called = if self.best_logit[i] + bias > table.max[at] { best } else { tools };
            if kept > 0 {
                confusion[label][called] += 1;
            }
            wanted[label] += 1;
            called_for[called] += 1;
            right[label] += usize::from(label == called);
            if label == tools {
                tax += self.tax(table, i);
            } else {
                nll += self.loss(table, i);
                chosen[label] += usize::from(best == label);
            }
        }
        let words = wanted[tools];
        let calls = self.len() - words;
        let greedy_calls = self.len() - called_for[tools];
        let by_tool = (table.tools().iter().enumerate())
            .map(|(k, tool)| ToolMetrics {
                tool: tool.clone(),
                calls: wanted[k],
                called: called_for[k],
                chosen: chosen[k],
                precision: share(right[k], called_for[k]),
                recall: share(right[k], wanted[k]),
                f1: f1(right[k], called_for[k], wanted[k]),
            })
            .collect();
        let quiet = right[tools];
        let right: usize = right[..tools].iter().sum();
        Metrics {
            positions: self.len(),
            calls,
            bias,
            choice: share(chosen.iter().sum(), calls),
            recall: share(right, calls),
            false_calls: share(words - quiet, words),
            precision: share(right, greedy_calls),
            f1: f1(right, greedy_calls, calls),
            call_nll: (calls > 0).then(|| nll / calls as f64),
            cross_entropy: self.cross_entropy(table, Training { weighting, calls_only: false }),
            tool_tax: (words > 0).then(|| tax / words as f64),
            tools: by_tool,
            confusion,
        }
    }

    /// The bias with the highest greedy F1, and that F1. Of equals the one nearest to 0; between two positions' thresholds
    /// the middle is taken.
    pub fn best_bias(&self, table: &Table<'_>) -> (f32, f64) {
        // Position i calls where bias > m_i − best_i.
        let mut thresholds: Vec<(f32, bool)> = (self.ids.iter().zip(&self.best).zip(&self.best_logit))
            .map(|((&id, &best), logit)| {
                (table.max[id as usize] - logit, table.tool[id as usize] == best as i32)
            })
            .collect();
        thresholds.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let calls = self.ids.iter().filter(|&&id| table.tool[id as usize] != WORD).count();
        let (mut right, mut best) = (0, (0.0f32, -1.0f64));
        for called in 0..=thresholds.len() {
            if called > 0 {
                right += usize::from(thresholds[called - 1].1);
            }
            let below = called.checked_sub(1).map(|i| thresholds[i].0);
            let above = thresholds.get(called).map(|t| t.0);
            let bias = match (below, above) {
                (Some(below), Some(above)) if below == above => continue,
                (Some(below), Some(above)) if below < 0.0 && above >= 0.0 => 0.0,
                (Some(below), Some(above)) => 0.5 * (below + above),
                (Some(below), None) => (below + 1.0).max(0.0),
                (None, Some(above)) => (above - 1.0).min(0.0),
                (None, None) => 0.0,
            };
            let value = f1(right, called, calls).unwrap_or(0.0);
            if value > best.1 || (value == best.1 && bias.abs() < best.0.abs()) {
                best = (bias, value);
            }
        }
        best
    }
}

impl Metrics {
    /// The figures of a head, with its own bias.
    ///
    /// # Errors
    /// As [`Scores::of`].
    pub fn of(
        head: &Head,
        table: &Table<'_>,
        subset: &Subset,
        weighting: Weighting,
    ) -> Result<Self, HeadError> {
        Ok(Scores::of(head, table, subset)?.metrics(table, weighting, head.bias))
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn f1(right: usize, called: usize, calls: usize) -> Option<f64> {
    share(2 * right, called + calls)
}
