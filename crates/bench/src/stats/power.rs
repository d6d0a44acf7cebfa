//! What a comparison could have seen.

use super::interval::{t_quantile, z_quantile};
use super::variance;

/// The smallest difference of two shares that McNemar's test on `n` questions finds at level `alpha` with probability
/// `power`, when the methods differ on a share `discordant` of them: the δ with
/// √n·δ = z_{1−α/2} √ψ + z_{power} √(ψ − δ²) (Connor 1987). Methods that differ by δ differ on a share δ of questions at least,
/// so that where ψ is less it is taken to be δ: that two methods never differed on few questions does not say that any
/// difference would have been seen. `None` if so few questions show none.
pub fn minimal_detectable_difference(n: usize, discordant: f64, alpha: f64, power: f64) -> Option<f64> {
    let (z_alpha, z_power) = (z_quantile(1.0 - alpha / 2.0), z_quantile(power));
    let lacking = |delta: f64| {
        let discordant = discordant.max(delta);
        z_alpha * discordant.sqrt() + z_power * (discordant - delta * delta).max(0.0).sqrt()
            - (n as f64).sqrt() * delta
    };
    // `lacking` is above 0 up to one δ, and below from there on.
    let (mut low, mut high) = (0.0, 1.0);
    if lacking(high) > 0.0 {
        return None;
    }
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if lacking(middle) > 0.0 { low = middle } else { high = middle }
    }
    Some(high)
}

/// The smallest mean difference that a paired t-test over `n` pairs finds, from the differences' standard deviation:
/// (t_{1−α/2, n−1} + t_{power, n−1}) · s/√n, the usual approximation. `None` for fewer than two pairs.
pub fn minimal_detectable_shift(n: usize, deviation: f64, alpha: f64, power: f64) -> Option<f64> {
    let df = n.checked_sub(1).filter(|&df| df > 0)? as f64;
    Some((t_quantile(1.0 - alpha / 2.0, df) + t_quantile(power, df)) * deviation / (n as f64).sqrt())
}

/// The mean shift that differences so spread show at level 0.05 with probability 0.8 ([`minimal_detectable_shift`]).
pub fn detectable(differences: &[f64]) -> Option<f64> {
    minimal_detectable_shift(differences.len(), variance(differences)?.sqrt(), 0.05, 0.8)
}
