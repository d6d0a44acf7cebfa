//! Two kinds of rows against each other: over seeds, and over the groups of examples that are scored.

use crate::grid::{Row, by_seed};
use crate::stats::{
    BootstrapTest, Interval, LEVEL, PairedT, RESAMPLES, detectable, mean, mean_t, paired_bootstrap, paired_t,
    ratio_clustered,
};
use head::Weighting;
use std::collections::{BTreeMap, BTreeSet};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Share of calls at which the right tool is the best of the tools.
    Choice,
    /// Share of calls at which it beats every word too, without a bias.
    Recall,
    /// Cross-entropy, in nats a position.
    CrossEntropy,
}

impl Figure {
    /// The figure of a row.
    pub fn of(self, row: &Row) -> Option<f64> {
        match self {
            Self::Choice => row.metrics.choice,
            Self::Recall => row.metrics.recall,
            Self::CrossEntropy => Some(row.metrics.cross_entropy),
        }
    }

    /// A group's share in the figure, and its weight.
    fn of_group(self, scores: &head::GroupScores, weighting: Weighting) -> (f64, f64) {
        match self {
            Self::CrossEntropy if weighting == Weighting::PerExample => {
                (scores.example_loss, scores.examples.into())
            }
            Self::Choice => (scores.chosen.into(), scores.calls.into()),
            Self::Recall => (scores.recalled.into(), scores.calls.into()),
            Self::CrossEntropy => (scores.loss, scores.positions.into()),
        }
    }
}

/// A comparison of a with b.
#[derive(Clone, Debug, PartialEq)]
pub struct Contrast {
    /// The figure of a and of b, over what both scored.
    pub means: (f64, f64),
    /// The paired t-test over seeds; where one of them depends on no seed, its one value stands for all.
    pub seeds: Option<PairedT>,
    /// The paired bootstrap over groups of examples.
    pub groups: Option<BootstrapTest>,
    /// The smallest difference that the groups would show with probability 0.8.
    pub detectable: Option<f64>,
}

/// Compares rows of two kinds, paired by seed and by group of examples; nothing if they share none.
///
/// Where a seed decides the folds, only the folds that both have are compared: others are other training examples.
pub fn contrast(a: &[&Row], b: &[&Row], figure: Figure) -> Option<Contrast> {
    let (a, b) = (&of_shared_seeds(a, b), &of_shared_seeds(b, a));
    let of = |rows: &[&Row]| by_seed(rows.iter().copied(), |row| figure.of(row));
    let (values_a, values_b) = (of(a), of(b));
    let means_over_seeds = (mean(&values(&values_a))?, mean(&values(&values_b))?);
    let (pairs_a, pairs_b): (Vec<f64>, Vec<f64>) = paired(&values_a, &values_b).into_iter().unzip();
    let (of_a, of_b) = (by_group(a, figure), by_group(b, figure));
    let shared: Vec<(f64, f64, f64)> = of_a
        .iter()
        .filter_map(|(group, &(x, weight))| Some((x, of_b.get(group)?.0, weight)))
        .filter(|(_, _, weight)| *weight > 0.0)
        .collect();
    let column = |of: fn(&(f64, f64, f64)) -> f64| shared.iter().map(of).collect::<Vec<f64>>();
    let weights = column(|s| s.2);
    let groups = paired_bootstrap(&column(|s| s.0), &column(|s| s.1), &weights, RESAMPLES, 0, LEVEL);
    let all: f64 = weights.iter().sum();
    let of_all = |of: fn(&(f64, f64, f64)) -> f64| column(of).iter().sum::<f64>() / all;
    let means = if all > 0.0 { (of_all(|s| s.0), of_all(|s| s.1)) } else { means_over_seeds };
    let share = all / weights.len().max(1) as f64;
    let differences: Vec<f64> = shared.iter().map(|(a, b, _)| (a - b) / share).collect();
    let detectable = detectable(&differences);
    let seeds = paired_t(&pairs_a, &pairs_b, LEVEL);
    Some(Contrast { means, seeds, groups, detectable })
}

impl Contrast {
    /// The p-value that tables correct: over groups of examples, else over seeds.
    pub fn p(&self) -> f64 {
        self.groups.map(|test| test.p).or(self.seeds.map(|test| test.p)).unwrap_or(1.0)
    }
}

/// Those of `rows` whose seed and fold the others have too; all, where a seed changes nothing on one of the sides.
fn of_shared_seeds<'r>(rows: &[&'r Row], others: &[&Row]) -> Vec<&'r Row> {
    let place = |row: &Row| (row.unit.cell.seed, row.unit.cell.fold);
    let there: BTreeSet<_> = others.iter().map(|row| place(row)).collect();
    let fixed = others.iter().all(|row| !row.unit.depends_on_seed());
    let shared = |row: &&Row| fixed || !row.unit.depends_on_seed() || there.contains(&place(row));
    rows.iter().copied().filter(shared).collect()
}

/// The mean over seeds of a figure of rows, with Student's interval.
pub fn over_seeds<'r>(
    rows: impl IntoIterator<Item = &'r Row>,
    value: impl Fn(&Row) -> Option<f64>,
) -> Option<Interval> {
    mean_t(&values(&by_seed(rows, value)), LEVEL)
}

/// A figure with the interval that a band shows: Student's over seeds; where there is one seed, or none changes anything, that
/// of the ratio over groups of examples.
pub fn band<'r>(rows: impl IntoIterator<Item = &'r Row>, figure: Figure) -> Option<Interval> {
    let rows: Vec<&Row> = rows.into_iter().collect();
    let seeds = over_seeds(rows.iter().copied(), |row| figure.of(row))?;
    if seeds.n > 1 {
        return Some(seeds);
    }
    let groups: Vec<(f64, f64)> = by_group(&rows, figure).into_values().collect();
    let over_groups = ratio_clustered(&groups, LEVEL)?;
    let half = over_groups.high - over_groups.value;
    Some(Interval { low: seeds.value - half, high: seeds.value + half, ..seeds })
}

fn values(of: &BTreeMap<u64, f64>) -> Vec<f64> {
    of.values().copied().collect()
}

fn paired(a: &BTreeMap<u64, f64>, b: &BTreeMap<u64, f64>) -> Vec<(f64, f64)> {
    match (a.len(), b.len()) {
        (1, _) => a.values().flat_map(|&a| b.values().map(move |&b| (a, b))).collect(),
        (_, 1) => b.values().flat_map(|&b| a.values().map(move |&a| (a, b))).collect(),
        _ => a.iter().filter_map(|(seed, &a)| Some((a, *b.get(seed)?))).collect(),
    }
}

/// Every scored group's mean over the seeds that scored it.
pub fn by_group(rows: &[&Row], figure: Figure) -> BTreeMap<u32, (f64, f64)> {
    let mut sums: BTreeMap<u32, (f64, f64, BTreeSet<u64>)> = BTreeMap::new();
    for row in rows {
        for scores in &row.groups {
            let (value, weight) = figure.of_group(scores, row.unit.cell.weighting);
            let sum = sums.entry(scores.group).or_default();
            (sum.0, sum.1) = (sum.0 + value, sum.1 + weight);
            sum.2.insert(row.unit.cell.seed);
        }
    }
    let mean = |(value, weight, seeds): (f64, f64, BTreeSet<u64>)| {
        let n = seeds.len() as f64;
        (value / n, weight / n)
    };
    sums.into_iter().map(|(group, sum)| (group, mean(sum))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Cell, Kind, Lambda, Names, Unit};
    use head::{GroupScores, MethodName, Metrics, Prior, Weighting};

    /// A row of one fold that scores ten groups of a call each, the first `right` of them rightly.
    fn row(seed: u64, right: u32) -> Row {
        let cell = Cell {
            method: MethodName::Exact,
            prior: Prior::Zero,
            names: Names::Own,
            weighting: Weighting::PerPosition,
            adam: None,
            per_tool: None,
            seed,
            fold: Some(0),
        };
        let group = |at| GroupScores {
            group: at,
            positions: 1,
            calls: 1,
            chosen: (at < right).into(),
            ..GroupScores::default()
        };
        Row {
            unit: Unit { kind: Kind::Auto, cell },
            lambda: Lambda::Auto,
            value: None,
            scaled: None,
            by_tool: Vec::new(),
            chosen_rate: None,
            chosen_prior: None,
            solver: "converged".into(),
            metrics: Metrics { choice: Some(f64::from(right) / 10.0), ..Metrics::default() },
            chosen_bias: None,
            along_bias: Vec::new(),
            groups: (0..10).map(group).collect(),
            seconds: 0.0,
        }
    }

    /// The rows of a whole cut.
    fn cut(seed: u64, right: u32) -> Vec<Row> {
        let fold = |at| {
            let mut row = row(seed, right);
            row.unit.cell.fold = Some(at);
            row
        };
        (0..5).map(fold).collect()
    }

    #[test]
    fn a_cut_into_folds_is_compared_with_the_same_cut() {
        // The second cut is easier for both; one of them was tried on the first alone.
        let (first, second, other) = (cut(0, 6), cut(1, 10), cut(0, 6));
        let other: Vec<&Row> = other.iter().collect();
        let both: Vec<&Row> = first.iter().chain(&second).collect();
        let found = contrast(&both, &other, Figure::Choice).unwrap();
        assert_eq!(found.means, (0.6, 0.6));
        assert_eq!(found.groups.unwrap().difference.value, 0.0);
        let second: Vec<&Row> = second.iter().collect();
        assert!(contrast(&second, &other, Figure::Choice).is_none(), "no cut in common");
        assert!(band(other[..4].to_vec(), Figure::Choice).is_none(), "a part of a cut is none");
    }

    #[test]
    fn one_seed_of_what_is_random_does_not_stand_for_all() {
        let random = |seed, right| {
            let mut row = row(seed, right);
            row.unit.cell.fold = None;
            row.unit.cell.adam = Some(crate::grid::Adam { rate: 1e-3, epochs: 1 });
            row
        };
        let (first, second, once) = (random(0, 6), random(1, 10), random(0, 5));
        let found = contrast(&[&first, &second], &[&once], Figure::Choice).unwrap();
        assert_eq!(found.means, (0.6, 0.5), "the seed that both have");
        assert!(found.seeds.is_none());
        let mut fixed = random(0, 5);
        (fixed.unit.kind, fixed.unit.cell.adam) = (Kind::Path, None);
        let found = contrast(&[&first, &second], &[&fixed], Figure::Choice).unwrap();
        assert_eq!(found.means, (0.8, 0.5), "what depends on no seed stands for all");
        assert!(found.seeds.is_some());
    }

    #[test]
    fn a_band_is_over_groups_where_no_seed_changes_anything() {
        let (first, second) = (cut(0, 6), cut(1, 6));
        let one = band(&first, Figure::Choice).unwrap();
        assert!(one.low < 0.4 && one.high > 0.8 && one.value == 0.6, "{one:?}");
        let two = band(first.iter().chain(&second), Figure::Choice).unwrap();
        assert_eq!((two.low, two.high), (0.6, 0.6));
    }
}
