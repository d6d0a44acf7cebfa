//! Confidence intervals.

use super::{mean, variance};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// An estimate with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How many values it is of.
    pub n: usize,
}

/// The mean of independent values and Student's t interval: x̄ ± t_{(1+level)/2, n−1} · s/√n. With one value the interval
/// is that value, since nothing is known of the spread; `None` of nothing.
pub fn mean_t(values: &[f64], level: f64) -> Option<Interval> {
    let (value, n) = (mean(values)?, values.len());
    let half = match variance(values) {
        Some(variance) if variance > 0.0 => {
            t_quantile(0.5 + level / 2.0, (n - 1) as f64) * (variance / n as f64).sqrt()
        }
        _ => 0.0,
    };
    Some(Interval { value, low: value - half, high: value + half, n })
}

/// A share and its Wilson score interval (Wilson 1927). `None` of nothing.
pub fn wilson(successes: usize, n: usize, level: f64) -> Option<Interval> {
    (n > 0).then(|| wilson_of(successes as f64 / n as f64, n, n as f64, z_quantile(0.5 + level / 2.0)))
}

/// A share of items that come in clusters, each `(successes, items)`: Wilson's interval for as many independent items as
/// would know the share so well, n over the design effect (Kish 1965; never taken to be below 1), with the quantile of Student's t,
/// since a few clusters say little of how alike their items are. Where all items fare alike nothing shows that effect, and a
/// cluster counts as one item. `None` of nothing; of one cluster anything is possible.
pub fn wilson_clustered(clusters: &[(usize, usize)], level: f64) -> Option<Interval> {
    let (successes, n) =
        clusters.iter().fold((0, 0), |(s, n), &(successes, items)| (s + successes, n + items));
    if n == 0 {
        return None;
    }
    let (share, count) =
        (successes as f64 / n as f64, clusters.iter().filter(|(_, items)| *items > 0).count() as f64);
    let between: f64 =
        clusters.iter().map(|&(successes, items)| (successes as f64 - share * items as f64).powi(2)).sum();
    let independent = share * (1.0 - share) / (n as f64 - 1.0);
    let known = if between > 0.0 && count > 1.0 {
        let variance = count / (count - 1.0) * between / (n as f64).powi(2);
        n as f64 / (variance / independent).max(1.0)
    } else {
        count
    };
    if count < 2.0 {
        return Some(Interval { value: share, low: 0.0, high: 1.0, n });
    }
    Some(wilson_of(share, n, known, t_quantile(0.5 + level / 2.0, count - 1.0)))
}

/// Σ value / Σ weight over clusters `(value, weight)`, and its interval: the ratio estimator's linearised variance (Cochran 1977),
/// Student's t with one degree of freedom fewer than clusters. Of one cluster the interval is the value; `None` without weight.
pub fn ratio_clustered(clusters: &[(f64, f64)], level: f64) -> Option<Interval> {
    let (sum, weight) = clusters.iter().fold((0.0, 0.0), |(s, w), &(x, of)| (s + x, w + of));
    if weight.is_nan() || weight <= 0.0 {
        return None;
    }
    let (value, n) = (sum / weight, clusters.len());
    let count = n as f64;
    let residuals: f64 = clusters.iter().map(|&(x, of)| (x - value * of).powi(2)).sum();
    let half = match n {
        1 => 0.0,
        _ => t_quantile(0.5 + level / 2.0, count - 1.0) * (count / (count - 1.0) * residuals).sqrt() / weight,
    };
    Some(Interval { value, low: value - half, high: value + half, n })
}

/// Wilson's interval of a share of `n` items that is known as of `count` independent ones, `z` standard errors wide.
fn wilson_of(share: f64, n: usize, count: f64, z: f64) -> Interval {
    let denominator = 1.0 + z * z / count;
    let centre = (share + z * z / (2.0 * count)) / denominator;
    let half = z / denominator * (share * (1.0 - share) / count + z * z / (4.0 * count * count)).sqrt();
    Interval { value: share, low: (centre - half).max(0.0), high: (centre + half).min(1.0), n }
}

/// A statistic of `n` items and its percentile bootstrap interval: `statistic` gets the indices of a resample, drawn with
/// replacement. Resamples on which it is not finite are left out; `None` if it is not finite on the items themselves.
pub fn bootstrap(
    n: usize,
    resamples: usize,
    seed: u64,
    level: f64,
    statistic: impl Fn(&[usize]) -> f64,
) -> Option<Interval> {
    let all: Vec<usize> = (0..n).collect();
    let value = statistic(&all);
    if n == 0 || !value.is_finite() {
        return None;
    }
    let mut values = resampled(n, resamples, seed, statistic);
    values.retain(|x| x.is_finite());
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    let (low, high) =
        (quantile(&values, tail).unwrap_or(value), quantile(&values, 1.0 - tail).unwrap_or(value));
    Some(Interval { value, low, high, n })
}

/// The statistic on every resample.
fn resampled(n: usize, resamples: usize, seed: u64, statistic: impl Fn(&[usize]) -> f64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = vec![0; n];
    (0..resamples)
        .map(|_| {
            drawn.iter_mut().for_each(|i| *i = random.random_range(0..n));
            statistic(&drawn)
        })
        .collect()
}

/// A quantile of sorted values, linear between neighbours.
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = q * last as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(below + (above - below) * at.fract())
}

/// The q-quantile of the standard normal distribution.
pub(super) fn z_quantile(q: f64) -> f64 {
    Normal::standard().inverse_cdf(q)
}

/// The q-quantile of Student's t; infinite without degrees of freedom.
pub(super) fn t_quantile(q: f64, df: f64) -> f64 {
    StudentsT::new(0.0, 1.0, df).map_or(f64::INFINITY, |t| t.inverse_cdf(q))
}
