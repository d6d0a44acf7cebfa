//! What weights are multiplied by: rows of f32, for products of whole numbers cut into groups of 15-bit whole numbers.
//!
//! Eight bits, as other engines take, change about one greedy decision in a hundred. Fifteen, as two planes of eight, change
//! next to none, and cost nothing where a product waits for its weights.

use super::format::GROUP;
use crate::threads;

/// The largest whole number: 127 · 128 + 63 is the largest that two planes hold, and this keeps `hi` within ±127.
const LARGEST: f32 = 16_256.0;

/// Rows as groups of 32: `x ≈ scale · (128 hi + lo)`, `hi` within ±127 and `lo` within −64..64.
pub struct Activations {
    /// Groups of a row.
    pub groups: usize,
    /// For each row and group 32 × `hi` and 32 × `lo`: a cache line.
    pub quads: Vec<[i8; 64]>,
    /// For each row and group.
    pub scales: Vec<Scale>,
}

/// A group's scale and sums.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Scale {
    /// What a whole number stands for.
    pub scale: f32,
    /// Sum of the group's numbers, times scale.
    pub sum: f32,
    /// The sums of its two halves.
    pub halves: [f32; 2],
}

impl Activations {
    /// Of rows `(n, width)`; `width` a multiple of 32.
    pub fn new(x: &[f32], width: usize) -> Self {
        let (rows, groups) = (x.len() / width, width / GROUP);
        let mut quads = vec![[0_i8; 64]; rows * groups];
        let mut scales = vec![Scale::default(); rows * groups];
        let out = crate::threads::Shared::new(&mut scales);
        threads::chunks(&mut quads, groups, rows > 8, |row, quads| {
            let x = &x[row * width..(row + 1) * width];
            // SAFETY: each row's part is taken once.
            let scales = unsafe { out.slice(row * groups, groups) };
            crate::kernels::wide(
                pulp::Arch::new(),
                #[inline(always)]
                || {
                    for ((x, quads), scale) in
                        x.as_chunks::<GROUP>().0.iter().zip(quads.iter_mut()).zip(scales.iter_mut())
                    {
                        *scale = cut(x, quads);
                    }
                },
            );
        });
        Self { groups, quads, scales }
    }
}

#[inline(always)]
#[allow(clippy::manual_clamp, reason = "clamp keeps what is no number; max and min put it in range")]
fn cut(x: &[f32; GROUP], quads: &mut [i8; 64]) -> Scale {
    let mut lanes = [0.0_f32; 8];
    for part in x.as_chunks::<8>().0 {
        for (lane, x) in lanes.iter_mut().zip(part) {
            *lane = if x.abs() > *lane { x.abs() } else { *lane };
        }
    }
    let largest = lanes.iter().fold(0.0_f32, |a, &b| if b > a { b } else { a });
    let scale = largest / LARGEST;
    // Nothing is left of a group whose numbers are all smaller than the smallest normal scale: about 1e-34.
    let inverse = if scale >= f32::MIN_POSITIVE { 1.0 / scale } else { 0.0 };
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2^23: adding it rounds to a whole number
    let mut whole = [0_i32; GROUP];
    for (w, x) in whole.iter_mut().zip(x) {
        // The low bits of the sum are the whole number.
        let bounded = (x * inverse).max(-LARGEST).min(LARGEST);
        *w = (bounded + ROUND).to_bits() as i32 - ROUND.to_bits() as i32;
    }
    let mut sums = [0_i32; 2];
    for (sum, part) in sums.iter_mut().zip(whole.as_chunks::<16>().0) {
        *sum = part.iter().sum();
    }
    let (hi, lo) = quads.split_at_mut(GROUP);
    for ((w, hi), lo) in whole.iter().zip(hi).zip(lo) {
        let high = (w + 64) >> 7;
        *hi = high as i8;
        *lo = (w - (high << 7)) as i8;
    }
    let halves = [sums[0] as f32 * scale, sums[1] as f32 * scale];
    Scale { scale, sum: (sums[0] + sums[1]) as f32 * scale, halves }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn back(a: &Activations, group: usize) -> Vec<f32> {
        let (quads, scale) = (&a.quads[group], a.scales[group].scale);
        (0..GROUP).map(|i| scale * (128.0 * f32::from(quads[i]) + f32::from(quads[GROUP + i]))).collect()
    }

    proptest! {
        #[test]
        fn every_number_comes_back_within_half_a_step(x in prop::collection::vec(-1e6_f32..1e6, 3 * GROUP)) {
            let a = Activations::new(&x, 3 * GROUP);
            for (g, x) in x.chunks(GROUP).enumerate() {
                let largest = x.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
                for (x, y) in x.iter().zip(back(&a, g)) {
                    prop_assert!((x - y).abs() <= largest / LARGEST * 0.504, "{x} {y}");
                }
                let sum: f64 = back(&a, g).iter().map(|&y| f64::from(y)).sum();
                prop_assert!((f64::from(a.scales[g].sum) - sum).abs() <= f64::from(largest) * 1e-5);
                let halves = a.scales[g].halves;
                prop_assert!((halves[0] + halves[1] - a.scales[g].sum).abs() <= largest * 1e-5);
            }
        }
    }

    #[test]
    fn extremes_neither_panic_nor_leave_their_range() {
        for value in [0.0, f32::MIN_POSITIVE, 1e-44, -1e-38, f32::MAX, -f32::MAX, f32::INFINITY, f32::NAN] {
            let mut x = [0.5_f32; GROUP];
            x[7] = value;
            let a = Activations::new(&x, GROUP);
            assert!(a.quads[0].iter().all(|&q| q > i8::MIN), "{value}");
            let x = [value; GROUP];
            Activations::new(&x, GROUP);
        }
        let tiny = Activations::new(&[1e-40; GROUP], GROUP);
        assert!(tiny.quads[0].iter().all(|&q| q == 0));
    }
}
