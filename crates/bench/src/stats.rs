//! Statistics of comparisons: intervals, paired tests, effect sizes, correction for many tests, and what a test could see.
//!
//! Everything is two-sided. What is random is seeded. Nothing here knows what was measured.

mod interval;
mod paired;
mod power;

pub use interval::{Interval, bootstrap, mean_t, ratio_clustered, wilson, wilson_clustered};
pub use paired::{
    BootstrapTest, Paired, PairedT, cohens_h, holm, mcnemar_exact, paired_bootstrap, paired_t, stars,
};
pub use power::{detectable, minimal_detectable_difference, minimal_detectable_shift};

/// The level of every interval, unless said otherwise.
pub const LEVEL: f64 = 0.95;
/// Resamples of a bootstrap, unless said otherwise.
pub const RESAMPLES: usize = 10_000;

/// The mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample variance (over n − 1); `None` of fewer than two values.
pub fn variance(values: &[f64]) -> Option<f64> {
    let centre = mean(values).filter(|_| values.len() > 1)?;
    Some(values.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / (values.len() - 1) as f64)
}
