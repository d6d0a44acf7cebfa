//! Paired comparisons: two methods on the same questions, or with the same seeds.

use super::interval::{Interval, t_quantile};
use super::{mean, variance};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, StudentsT};

/// A paired t-test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedT {
    /// The mean difference a − b with its interval.
    pub difference: Interval,
    /// The statistic.
    pub t: f64,
    /// The probability of one as far from 0, if there is no difference.
    pub p: f64,
    /// Cohen's d_z: the mean difference over the differences' standard deviation.
    pub d_z: f64,
}

/// Differences that spread by no more than this share of the largest are equal, but for rounding.
const ROUNDING: f64 = 1e-12;

/// The paired t-test of `a` against `b`; p is 1 where all are equal. `None` for fewer than two pairs, lists of different lengths, or
/// differences that are all the same and not 0, of whose spread nothing is known.
pub fn paired_t(a: &[f64], b: &[f64], level: f64) -> Option<PairedT> {
    if a.len() != b.len() {
        return None;
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let (value, n) = (mean(&differences)?, differences.len());
    let deviation = variance(&differences)?.sqrt();
    let error = deviation / (n as f64).sqrt();
    let df = (n - 1) as f64;
    let largest = differences.iter().fold(0.0f64, |largest, d| largest.max(d.abs()));
    if largest > 0.0 && deviation <= ROUNDING * largest {
        return None;
    }
    let t = if error > 0.0 { value / error } else { 0.0 };
    let p = 2.0 * StudentsT::new(0.0, 1.0, df).map_or(0.5, |d| d.cdf(-t.abs()));
    let half = if error > 0.0 { t_quantile(0.5 + level / 2.0, df) * error } else { 0.0 };
    let d_z = if value == 0.0 { 0.0 } else { value / deviation };
    Some(PairedT { difference: Interval { value, low: value - half, high: value + half, n }, t, p, d_z })
}

/// Two methods' right and wrong on the same questions, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paired {
    /// Both right.
    pub both: usize,
    /// The first alone.
    pub first: usize,
    /// The second alone.
    pub second: usize,
    /// Neither.
    pub neither: usize,
}

impl Paired {
    /// Counts pairs.
    pub fn count(pairs: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut counts = Self::default();
        for pair in pairs {
            *match pair {
                (true, true) => &mut counts.both,
                (true, false) => &mut counts.first,
                (false, true) => &mut counts.second,
                (false, false) => &mut counts.neither,
            } += 1;
        }
        counts
    }

    /// Questions.
    pub fn n(&self) -> usize {
        self.both + self.first + self.second + self.neither
    }

    /// The share of the first minus that of the second.
    pub fn difference(&self) -> f64 {
        (self.first as f64 - self.second as f64) / self.n().max(1) as f64
    }

    /// The share of questions on which they differ.
    pub fn discordant(&self) -> f64 {
        (self.first + self.second) as f64 / self.n().max(1) as f64
    }

    /// McNemar's exact p.
    pub fn p(&self) -> f64 {
        mcnemar_exact(self.first, self.second)
    }
}

/// McNemar's exact test: of the questions on which two methods differ, as many go to either as a fair coin would give.
/// `first` and `second` are how many each alone has right; p is twice the smaller tail of Binomial(n, ½), at most 1.
pub fn mcnemar_exact(first: usize, second: usize) -> f64 {
    let n = (first + second) as u64;
    let smaller = first.min(second) as u64;
    if n == 0 {
        return 1.0;
    }
    Binomial::new(0.5, n).map_or(1.0, |coin| (2.0 * coin.cdf(smaller)).min(1.0))
}

/// Pairs whose signs are all tried; of more a sample is.
const ALL_SIGNS: usize = 14;

/// A paired bootstrap, with a test of no difference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BootstrapTest {
    /// The difference with its percentile interval.
    pub difference: Interval,
    /// The share of assignments of signs to the items' differences that come at least as far from 0 as what is seen (Fisher's
    /// randomisation test): where methods are alike either could have got either value. With few items it is exact, where a
    /// bootstrap would reject too often. Of a sample, (k + 1) / (resamples + 1).
    pub p: f64,
}

/// Paired bootstrap over items: each has a value under `a`, one under `b` and a weight, and the statistic is
/// Σ(a − b) / Σ weight. With the weights 1 that is a difference of means; with calls as weights, and items that are
/// questions, a difference of shares of calls that respects that calls of one question belong together.
/// `None` for nothing, or lists of different lengths.
pub fn paired_bootstrap(
    a: &[f64],
    b: &[f64],
    weights: &[f64],
    resamples: usize,
    seed: u64,
    level: f64,
) -> Option<BootstrapTest> {
    if a.len() != b.len() || a.len() != weights.len() {
        return None;
    }
    let statistic = |items: &[usize]| {
        let (difference, weight) =
            items.iter().fold((0.0, 0.0), |(d, w), &i| (d + a[i] - b[i], w + weights[i]));
        difference / weight
    };
    let difference = super::bootstrap(a.len(), resamples, seed, level, statistic)?;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).filter(|d| *d != 0.0).collect();
    Some(BootstrapTest { difference, p: by_signs(&differences, resamples, seed) })
}

/// The two-sided p of a sum, over its terms' signs.
fn by_signs(terms: &[f64], resamples: usize, seed: u64) -> f64 {
    // What rounding makes of equal sums is equal.
    let seen = terms.iter().sum::<f64>().abs() * (1.0 - 1e-12);
    let as_far = |signs: &mut dyn FnMut(usize) -> bool| {
        let sum: f64 = terms.iter().enumerate().map(|(i, term)| if signs(i) { -term } else { *term }).sum();
        sum.abs() >= seen
    };
    if terms.len() <= ALL_SIGNS {
        let all = 1_u32 << terms.len();
        let count = (0..all).filter(|signs| as_far(&mut |i| signs >> i & 1 == 1)).count();
        return count as f64 / f64::from(all);
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let count = (0..resamples).filter(|_| as_far(&mut |_| random.random())).count();
    (count + 1) as f64 / (resamples + 1) as f64
}

/// Cohen's h, the effect size of two shares: 2 asin √a − 2 asin √b.
pub fn cohens_h(a: f64, b: f64) -> f64 {
    2.0 * a.clamp(0.0, 1.0).sqrt().asin() - 2.0 * b.clamp(0.0, 1.0).sqrt().asin()
}

/// Holm's step-down correction: adjusted p-values, in the order given.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest = 0.0f64;
    for (rank, &at) in order.iter().enumerate() {
        largest = largest.max(((p.len() - rank) as f64 * p[at]).min(1.0));
        adjusted[at] = largest;
    }
    adjusted
}

/// Marks of significance: `***` below 0.001, `**` below 0.01, `*` below 0.05.
pub fn stars(p: f64) -> &'static str {
    match p {
        p if p < 0.001 => "***",
        p if p < 0.01 => "**",
        p if p < 0.05 => "*",
        _ => "",
    }
}
