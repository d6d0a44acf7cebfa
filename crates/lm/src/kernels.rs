//! Element-wise arithmetic on the CPU, compiled for the widest vectors the machine has.

use crate::threads;
use pulp::{Arch, NullaryFnOnce, Scalar, Simd, WithSimd};

/// Elements of work below which other cores are left alone.
const WORTH: usize = 1 << 14;

/// Runs a loop compiled for the machine's widest vectors: a closure marked `#[inline(always)]`.
///
/// [`Arch::dispatch`] alone calls most closures through a shim for `FnOnce`, which the compiler need not inline, and then they
/// are compiled for the oldest machine.
#[inline(always)]
pub fn wide<R>(arch: Arch, work: impl FnMut() -> R) -> R {
    struct Inlined<F>(F);
    impl<R, F: FnMut() -> R> NullaryFnOnce for Inlined<F> {
        type Output = R;
        #[inline(always)]
        fn call(mut self) -> R {
            (self.0)()
        }
    }
    arch.dispatch(Inlined(work))
}

/// e^x by range reduction and a polynomial (Cephes `expf`): within 2 units in the last place on [−87, 88],
/// clamped outside. Branch-free, so that loops over it become vector code.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2^23: adding it rounds to a whole number
    let rounded = x * std::f32::consts::LOG2_E + ROUND; // its low bits are that number
    let n = rounded - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4_f32;
    for c in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p * r + c;
    }
    (p * r * r + r + 1.0) * f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23))
}

/// The largest element of `row` and Σ e^(x − largest).
pub fn max_and_sum_exp(arch: Arch, row: &[f32]) -> (f32, f32) {
    wide(
        arch,
        #[inline(always)]
        || {
            let max = largest(row);
            let mut sums = [0.0_f32; 16];
            let chunks = row.chunks_exact(16);
            let rest: f32 = chunks.remainder().iter().map(|x| exp(x - max)).sum();
            for chunk in chunks {
                for (s, x) in sums.iter_mut().zip(chunk) {
                    *s += exp(x - max);
                }
            }
            (max, sums.iter().sum::<f32>() + rest)
        },
    )
}

#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let chunks = row.chunks_exact(16);
    let rest = chunks.remainder().iter().fold(f32::NEG_INFINITY, |m, &x| m.max(x));
    for chunk in chunks {
        for (m, &x) in lanes.iter_mut().zip(chunk) {
            *m = if x > *m { x } else { *m };
        }
    }
    lanes.iter().fold(rest, |m, &x| m.max(x))
}

/// Softmax of `row` in place.
pub fn softmax(arch: Arch, row: &mut [f32]) {
    wide(
        arch,
        #[inline(always)]
        || {
            let max = largest(row);
            let mut sums = [0.0_f32; 16];
            for chunk in row.chunks_mut(16) {
                for (sum, x) in sums.iter_mut().zip(chunk) {
                    *x = exp(*x - max);
                    *sum += *x;
                }
            }
            let scale = 1.0 / sums.iter().sum::<f32>();
            row.iter_mut().for_each(|x| *x *= scale);
        },
    );
}

/// The gate of a feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x · sigmoid(x)
    Silu,
    /// The tanh form of GELU
    Gelu,
}

/// `len` numbers of `buffer` to be overwritten: what was in it before may still be there. The memory of large buffers costs as
/// much to come by as it does to fill, so that one pass through a model has each only once.
pub fn sized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        *buffer = vec![0.0; len];
    }
    &mut buffer[..len]
}

/// act(gate) · up of rows that hold gate and up side by side: `(n, 2w)` to `out (n, w)`.
pub fn gated(activation: Activation, rows: &[f32], width: usize, out: &mut [f32]) {
    let arch = Arch::new();
    threads::chunks(out, width, rows.len() > WORTH, |i, out| {
        let (gate, up) = rows[2 * i * width..2 * (i + 1) * width].split_at(width);
        wide(
            arch,
            #[inline(always)]
            || match activation {
                Activation::Silu => {
                    for ((o, &g), &u) in out.iter_mut().zip(gate).zip(up) {
                        *o = g / (1.0 + exp(-g)) * u;
                    }
                }
                Activation::Gelu => {
                    for ((o, &g), &u) in out.iter_mut().zip(gate).zip(up) {
                        // ½(1 + tanh z) = 1 / (1 + e^(−2z))
                        let z = 0.797_884_6 * (g + 0.044_715 * g * g * g);
                        *o = g / (1.0 + exp(-2.0 * z)) * u;
                    }
                }
            },
        );
    });
}

/// w · x / rms(x) of every row, RMS over the row's width.
pub fn rms_norm(rows: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    let width = weight.len();
    let arch = Arch::new();
    threads::chunks(out, width, rows.len() > WORTH, |i, out| {
        norm_row(arch, out, &rows[i * width..(i + 1) * width], weight, epsilon);
    });
}

fn norm_row(arch: Arch, out: &mut [f32], row: &[f32], weight: &[f32], epsilon: f32) {
    wide(
        arch,
        #[inline(always)]
        || {
            let mut lanes = [0.0_f64; 16];
            let (chunks, rest) = row.as_chunks::<16>();
            for chunk in chunks {
                for (s, &x) in lanes.iter_mut().zip(chunk) {
                    *s += f64::from(x) * f64::from(x);
                }
            }
            let square =
                lanes.iter().chain(&[rest.iter().map(|&x| f64::from(x) * f64::from(x)).sum()]).sum::<f64>();
            let scale = 1.0 / ((square / row.len() as f64) as f32 + epsilon).sqrt();
            for ((o, &x), &w) in out.iter_mut().zip(row).zip(weight) {
                *o = x * scale * w;
            }
        },
    );
}

/// Σ a b in f32, in sixteen lanes: the same on every machine.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    wide(
        Arch::new(),
        #[inline(always)]
        || lanes_dot(a, b),
    )
}

#[inline(always)]
fn lanes_dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for ((s, x), y) in lanes.iter_mut().zip(a).zip(b) {
            *s += x * y;
        }
    }
    lanes.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum::<f32>()
}

/// `out (m, width) += factors (m, n) · rows (n, width)` for a few rows of factors: what a product of whole matrices would lose in
/// putting them in order. Every element is summed in the order of `rows`, whatever stands beside it.
///
/// # Panics
/// If a slice is too short: a fault of the caller.
pub fn combine(arch: Arch, factors: Rows<'_>, rows: Rows<'_>, width: usize, out: &mut [f32]) {
    assert!(factors.holds(rows.count) && rows.holds(width) && out.len() == factors.count * width);
    arch.dispatch(Combine { factors, rows, width, out });
}

struct Combine<'a, 'o> {
    factors: Rows<'a>,
    rows: Rows<'a>,
    width: usize,
    out: &'o mut [f32],
}

impl WithSimd for Combine<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut first = 0;
        while first < self.factors.count {
            first += match self.factors.count - first {
                4.. => self.rows_of::<S, 4>(simd, first),
                3 => self.rows_of::<S, 3>(simd, first),
                2 => self.rows_of::<S, 2>(simd, first),
                _ => self.rows_of::<S, 1>(simd, first),
            };
        }
    }
}

impl Combine<'_, '_> {
    /// M rows of `out` from `first` on. Columns are taken two vectors, one vector and then one number at a time, so that sums
    /// stay in registers.
    #[inline(always)]
    fn rows_of<S: Simd, const M: usize>(&mut self, simd: S, first: usize) -> usize {
        let mut column = 0;
        while column < self.width {
            column += match (self.width - column) / S::F32_LANES {
                2.. => self.vectors::<S, M, 2>(simd, first, column),
                1 => self.vectors::<S, M, 1>(simd, first, column),
                _ => self.vectors::<Scalar, M, 1>(Scalar::new(), first, column),
            };
        }
        M
    }

    /// M rows and C vectors of `out`.
    #[inline(always)]
    fn vectors<S: Simd, const M: usize, const C: usize>(
        &mut self,
        simd: S,
        first: usize,
        column: usize,
    ) -> usize {
        let Self { factors, rows, width, out } = self;
        let columns = C * S::F32_LANES;
        let factors: [&[f32]; M] =
            std::array::from_fn(|m| &factors.data[(first + m) * factors.stride..][..rows.count]);
        let mut sums = [[simd.splat_f32s(0.0); C]; M];
        for (m, sums) in sums.iter_mut().enumerate() {
            sums.copy_from_slice(S::as_simd_f32s(&out[(first + m) * *width + column..][..columns]).0);
        }
        for i in 0..rows.count {
            let row = S::as_simd_f32s(&rows.data[i * rows.stride + column..][..columns]).0;
            for (sums, factors) in sums.iter_mut().zip(&factors) {
                let factor = simd.splat_f32s(factors[i]);
                for (sum, x) in sums.iter_mut().zip(row) {
                    *sum = simd.mul_add_e_f32s(factor, *x, *sum);
                }
            }
        }
        for (m, sums) in sums.iter().enumerate() {
            S::as_mut_simd_f32s(&mut out[(first + m) * *width + column..][..columns]).0.copy_from_slice(sums);
        }
        columns
    }
}

/// Turns one head's pairs (j, j + half) by the given cosines and sines, in place.
pub fn rotate(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (a, b) = head.split_at_mut(cos.len());
    for (((a, b), &c), &s) in a.iter_mut().zip(b).zip(cos).zip(sin) {
        (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
    }
}

/// As [`rms_norm`], of one head in place.
pub fn norm_in_place(head: &mut [f32], weight: &[f32], epsilon: f32) {
    let row = head.to_vec();
    norm_row(Arch::new(), head, &row, weight, epsilon);
}

/// A row-major matrix, or a part of one.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// The elements, from the first row's first.
    pub data: &'a [f32],
    /// Elements from one row to the next.
    pub stride: usize,
    /// Number of rows.
    pub count: usize,
}

impl<'a> Rows<'a> {
    /// Rows without gaps.
    pub fn packed(data: &'a [f32], width: usize) -> Self {
        Self { data, stride: width, count: data.len() / width }
    }

    fn holds(&self, width: usize) -> bool {
        width <= self.stride && (self.count == 0 || (self.count - 1) * self.stride + width <= self.data.len())
    }
}

/// `out (m, n; row stride out_stride) = a bᵀ` for `a (m, width)` and `b (n, width)`, to a block of a larger matrix; on the calling
/// thread.
///
/// # Safety
/// `a.count` rows of `b.count` elements at `out`, `out_stride` apart, are the caller's.
///
/// # Panics
/// If a slice is too short: a fault of the caller.
pub unsafe fn product_transposed(width: usize, a: Rows<'_>, b: Rows<'_>, out: *mut f32, out_stride: usize) {
    assert!(a.holds(width) && b.holds(width));
    // SAFETY: the assertion bounds what is read; the caller's promise what is written.
    unsafe {
        gemm::gemm(
            a.count,
            b.count,
            width,
            out,
            1,
            out_stride as isize,
            false,
            a.data.as_ptr(),
            1,
            a.stride as isize,
            b.data.as_ptr(),
            b.stride as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// `out (m, n; row stride out_stride) = scale · a b` for `a (m, k)`, `b (k, n)`, or `+=` that; on the calling thread.
///
/// # Panics
/// If a slice is too short: a fault of the caller.
pub fn product(
    a: Rows<'_>,
    b: Rows<'_>,
    n: usize,
    scale: f32,
    add: bool,
    out: &mut [f32],
    out_stride: usize,
) {
    assert!(a.holds(b.count) && b.holds(n) && n <= out_stride);
    assert!(a.count == 0 || (a.count - 1) * out_stride + n <= out.len());
    // SAFETY: the assertions bound every address that the strides reach.
    unsafe {
        gemm::gemm(
            a.count,
            n,
            b.count,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            add,
            a.data.as_ptr(),
            1,
            a.stride as isize,
            b.data.as_ptr(),
            1,
            b.stride as isize,
            f32::from(u8::from(add)),
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exp_is_accurate_over_its_range() {
        for i in -8_700..=8_800 {
            let x = i as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 4e-7, "e^{x}");
        }
    }

    proptest! {
        /// A few rows times a matrix, of any width and stride, is what plain loops find; and no row depends on the others.
        #[test]
        fn rows_are_combined_as_by_plain_loops(m in 0usize..9, n in 0usize..40, width in 1usize..100, gap in 0usize..3, seed in 0u32..1000) {
            let some = |len: usize, by: u32| -> Vec<f32> {
                (0..len as u32).map(|i| ((i * 7919 + seed * by) % 2003) as f32 / 1001.5 - 1.0).collect()
            };
            let (factors, rows) = (some(m * (n + gap), 31), some(n * (width + gap), 57));
            let factors = Rows { data: &factors, stride: n + gap, count: m };
            let rows = Rows { data: &rows, stride: width + gap, count: n };
            let start = some(m * width, 91);
            let mut out = start.clone();
            combine(Arch::new(), factors, rows, width, &mut out);
            for i in 0..m {
                for j in 0..width {
                    let sum: f64 = (0..n)
                        .map(|k| f64::from(factors.data[i * (n + gap) + k]) * f64::from(rows.data[k * (width + gap) + j]))
                        .sum();
                    prop_assert!((f64::from(out[i * width + j]) - f64::from(start[i * width + j]) - sum).abs() < 1e-4);
                }
                let mut alone = start[i * width..(i + 1) * width].to_vec();
                let factors = Rows { data: &factors.data[i * (n + gap)..][..n], stride: n + gap, count: 1 };
                combine(Arch::new(), factors, rows, width, &mut alone);
                prop_assert_eq!(&alone, &out[i * width..(i + 1) * width]);
            }
        }
    }

    #[test]
    fn sum_of_exponentials_matches_a_plain_loop() {
        let row: Vec<f32> = (0..1001).map(|i| ((i * 7919) % 1000) as f32 / 50.0 - 10.0).collect();
        let (max, sum) = max_and_sum_exp(Arch::new(), &row);
        let plain: f64 = row.iter().map(|&x| f64::from(x - max).exp()).sum();
        assert_eq!(max, row.iter().copied().fold(f32::MIN, f32::max));
        assert!((f64::from(sum) / plain - 1.0).abs() < 1e-5);
    }
}
