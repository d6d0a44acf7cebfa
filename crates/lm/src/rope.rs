//! Rotary position embeddings: cosine and sine of every position, for the half-split layout.

use crate::config::RopeScaling;
use std::f64::consts::PI;

/// The angular frequencies of one kind of layer, and the factor on cosine and sine.
pub struct Rope {
    /// One frequency a pair of dimensions: `(head_width / 2)`.
    frequencies: Vec<f64>,
    amplitude: f64,
}

impl Rope {
    /// θ_j = base^(−2j / head_width), scaled; `divisors` are a GGUF's `rope_freqs.weight`.
    pub fn new(head_width: usize, base: f64, scaling: &RopeScaling, divisors: Option<&[f32]>) -> Self {
        let plain = |j: usize| base.powf(-2.0 * j as f64 / head_width as f64);
        let mut amplitude = 1.0;
        let frequencies = (0..head_width / 2)
            .map(|j| match *scaling {
                RopeScaling::None => plain(j),
                RopeScaling::Linear(factor) => plain(j) / factor,
                RopeScaling::Llama3 { factor, low, high, original } => {
                    let wave = 2.0 * PI / plain(j);
                    let keep = ((original / wave - low) / (high - low)).clamp(0.0, 1.0);
                    plain(j) * (keep + (1.0 - keep) / factor)
                }
                RopeScaling::Yarn { factor, original, beta_fast, beta_slow } => {
                    amplitude = 0.1 * factor.ln() + 1.0;
                    // The dimension that turns `rotations` times over the original context.
                    let dimension = |rotations: f64| {
                        head_width as f64 * (original / (rotations * 2.0 * PI)).ln() / (2.0 * base.ln())
                    };
                    let low = dimension(beta_fast).floor().max(0.0);
                    let high = dimension(beta_slow).ceil().min(head_width as f64 - 1.0);
                    let ramp = ((j as f64 - low) / (high - low).max(1e-3)).clamp(0.0, 1.0);
                    plain(j) * (1.0 - ramp + ramp / factor)
                }
            })
            .enumerate()
            .map(|(j, f)| divisors.map_or(f, |d| f / f64::from(d[j])))
            .collect();
        Self { frequencies, amplitude }
    }

    /// Cosines and sines of the given positions, each row-major `(positions, head_width / 2)`.
    pub fn table(&self, positions: &[usize]) -> (Vec<f32>, Vec<f32>) {
        let angles = positions.iter().flat_map(|&p| self.frequencies.iter().map(move |f| p as f64 * f));
        angles.map(|a| ((a.cos() * self.amplitude) as f32, (a.sin() * self.amplitude) as f32)).unzip()
    }
}
