//! Element-wise arithmetic on the CPU, compiled for the widest vectors the machine has.

use crate::threads;
use pulp::{Arch, NullaryFnOnce};

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
            row.iter_mut().for_each(|x| *x = exp(*x - max));
            let scale = 1.0 / row.iter().sum::<f32>();
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

/// Scores of one query with each row of `keys`, into `scores`.
pub fn scores(arch: Arch, query: &[f32], keys: Rows<'_>, scale: f32, scores: &mut [f32]) {
    assert!(keys.holds(query.len()));
    wide(
        arch,
        #[inline(always)]
        || {
            for (i, score) in scores.iter_mut().enumerate().take(keys.count) {
                *score = scale * lanes_dot(query, &keys.data[i * keys.stride..][..query.len()]);
            }
        },
    );
}

/// Adds each row of `values`, times its weight, to `out`.
pub fn mix(arch: Arch, weights: &[f32], values: Rows<'_>, out: &mut [f32]) {
    assert!(values.holds(out.len()));
    wide(
        arch,
        #[inline(always)]
        || {
            for (i, &w) in weights.iter().enumerate().take(values.count) {
                for (o, v) in out.iter_mut().zip(&values.data[i * values.stride..]) {
                    *o += w * v;
                }
            }
        },
    );
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

/// c = a · bᵀ for row-major `a` `(m, k)` and `b` `(n, k)`; strides in elements between rows.
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

/// Matrix products on slices, on the calling thread: bounds are checked here, once.
pub struct Product {
    /// Common width k.
    pub inner: usize,
}

impl Product {
    /// `out (m, n; row stride out_stride) = scale · a bᵀ`.
    ///
    /// # Panics
    /// If a slice is too short: a fault of the caller.
    pub fn transposed(&self, a: Rows<'_>, b: Rows<'_>, scale: f32, out: &mut [f32], out_stride: usize) {
        assert!(b.count <= out_stride);
        assert!(a.count == 0 || (a.count - 1) * out_stride + b.count <= out.len());
        // SAFETY: the assertions bound every address that the strides reach.
        unsafe { self.transposed_at(a, b, scale, out.as_mut_ptr(), out_stride) }
    }

    /// As [`Product::transposed`], to a block of a larger matrix.
    ///
    /// # Safety
    /// `a.count` rows of `b.count` elements at `out`, `out_stride` apart, are the caller's.
    ///
    /// # Panics
    /// If a slice is too short: a fault of the caller.
    pub unsafe fn transposed_at(
        &self,
        a: Rows<'_>,
        b: Rows<'_>,
        scale: f32,
        out: *mut f32,
        out_stride: usize,
    ) {
        let k = self.inner;
        assert!(a.holds(k) && b.holds(k));
        // SAFETY: the assertion bounds what is read; the caller's promise what is written.
        unsafe {
            gemm::gemm(
                a.count,
                b.count,
                k,
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
                scale,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }

    /// `out (m, n) += a b` for `a (m, k)`, `b (k, n)`: values under attention weights.
    ///
    /// # Panics
    /// If a slice is too short: a fault of the caller.
    pub fn accumulate(&self, a: Rows<'_>, b: Rows<'_>, width: usize, out: &mut [f32], out_stride: usize) {
        let k = self.inner;
        assert!(a.holds(k) && b.holds(width) && b.count == k && width <= out_stride);
        assert!(a.count == 0 || (a.count - 1) * out_stride + width <= out.len());
        // SAFETY: the assertions bound every address that the strides reach.
        unsafe {
            gemm::gemm(
                a.count,
                width,
                k,
                out.as_mut_ptr(),
                1,
                out_stride as isize,
                true,
                a.data.as_ptr(),
                1,
                a.stride as isize,
                b.data.as_ptr(),
                1,
                b.stride as isize,
                1.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_accurate_over_its_range() {
        for i in -8_700..=8_800 {
            let x = i as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 4e-7, "e^{x}");
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
