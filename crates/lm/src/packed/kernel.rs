//! The products of panels, written once over [`Lanes`]: sixteen rows at a time, each of them a lane.

use super::activations::Activations;
use super::format::{Format, NEST, ROWS, nest_bytes, nested_at, quants_bytes, scales_bytes};
use std::ops::Range;

/// Sixteen lanes of one kind of machine. What a method reads or writes through a pointer is said by its name; every
/// method is unsafe because its instructions must exist on the machine that runs it.
#[allow(clippy::missing_safety_doc)]
pub trait Lanes {
    /// A quad of columns: 16 rows × 4 bytes.
    type Bytes: Copy;
    /// 16 × f32.
    type Floats: Copy;
    /// Weights of 8 bits are taken less 128, as signed numbers.
    const SIGNED_BYTES: bool;

    /// The eight quads of a group.
    unsafe fn unpack<F: Format>(quants: *const u8) -> [Self::Bytes; 8];
    /// Σ weight · (128 hi + lo) over the given quads; four `hi` lie at `x` for each, the `lo` 32 bytes behind.
    unsafe fn dot<F: Format>(quads: &[Self::Bytes], x: *const i8) -> Self::Floats;
    /// Asks for a cache line, of any address.
    fn prefetch(from: *const u8);
    /// 16 × f32.
    unsafe fn load(from: *const f32) -> Self::Floats;
    /// 16 × f16.
    unsafe fn load_f16(from: *const u8) -> Self::Floats;
    /// 16 × bf16.
    unsafe fn load_bf16(from: *const u8) -> Self::Floats;
    /// 16 × i8.
    unsafe fn load_i8(from: *const u8) -> Self::Floats;
    /// 16 × u8.
    unsafe fn load_u8(from: *const u8) -> Self::Floats;
    /// One number in every lane.
    unsafe fn splat(x: f32) -> Self::Floats;
    /// a · b
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// a · b + c
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// 16 × f32.
    unsafe fn store(to: *mut f32, x: Self::Floats);
}

/// Some panels' products with all rows of activations. Output (row of activations i, panel p) lies at
/// `out + i · stride + (p − panels.start) · 16`.
pub struct Job<'a, X> {
    /// All panels' quants, or elements.
    pub weights: &'a [u8],
    /// All panels' scales.
    pub scales: &'a [u8],
    /// What they are multiplied by.
    pub x: X,
    /// Which of its rows.
    pub columns: Range<usize>,
    /// Which panels.
    pub panels: Range<usize>,
    /// Rows of the matrix: the last panel may have fewer than sixteen.
    pub rows: usize,
    /// Where results go.
    pub out: *mut f32,
    /// From one row of activations to the next.
    pub stride: usize,
}

/// How many groups ahead weights are asked for: the machine by itself asks too late, since a group is soon multiplied.
const AHEAD: usize = 8;

/// Products of quantised panels.
///
/// # Safety
/// The machine has the instructions of `L`; slices hold whole panels; `out` takes what [`Job`] says.
#[inline(always)]
pub unsafe fn blocks<L: Lanes, F: Format>(job: &Job<'_, &Activations>) {
    let groups = job.x.groups;
    for panel in job.panels.clone() {
        let weights = job.weights[panel * groups * quants_bytes::<F>()..].as_ptr();
        let scales = job.scales[panel * scales_bytes::<F>(groups)..].as_ptr();
        let mut row = job.columns.start;
        while row < job.columns.end {
            // SAFETY: the caller's promise; rows are in range by the comparison.
            row += match job.columns.end - row {
                8.. => unsafe { block_columns::<L, F, 8>(job, panel, weights, scales, row) },
                4.. => unsafe { block_columns::<L, F, 4>(job, panel, weights, scales, row) },
                2.. => unsafe { block_columns::<L, F, 2>(job, panel, weights, scales, row) },
                _ => unsafe { block_columns::<L, F, 1>(job, panel, weights, scales, row) },
            };
        }
    }
}

/// One panel by `C` rows of activations from `row` on. Returns C.
#[inline(always)]
unsafe fn block_columns<L: Lanes, F: Format, const C: usize>(
    job: &Job<'_, &Activations>,
    panel: usize,
    weights: *const u8,
    scales: *const u8,
    row: usize,
) -> usize {
    // SAFETY: as of `blocks`.
    unsafe {
        let groups = job.x.groups;
        let quads = job.x.quads[row * groups..(row + C) * groups].as_ptr();
        let scale_of = job.x.scales[row * groups..(row + C) * groups].as_ptr();
        let mut sums = [L::splat(0.0); C];
        for group in 0..groups {
            for line in (0..quants_bytes::<F>()).step_by(64) {
                L::prefetch(weights.wrapping_add((group + AHEAD) * quants_bytes::<F>() + line));
            }
            let bytes = L::unpack::<F>(weights.add(group * quants_bytes::<F>()));
            let (scale, min) = scale_and_min::<L, F>(scales, group);
            for (c, sum) in sums.iter_mut().enumerate() {
                let x = quads.add(c * groups + group).cast::<i8>();
                let by = &*scale_of.add(c * groups + group);
                if F::HALVES == 1 {
                    let dot = L::dot::<F>(&bytes, x);
                    *sum = L::mul_add(dot, L::mul(scale[0], L::splat(by.scale)), *sum);
                    *sum = L::mul_add(min[0], L::splat(by.sum), *sum);
                } else {
                    for (half, (&scale, &min)) in scale.iter().zip(&min).enumerate() {
                        let dot = L::dot::<F>(&bytes[half * 4..half * 4 + 4], x.add(half * 16));
                        *sum = L::mul_add(dot, L::mul(scale, L::splat(by.scale)), *sum);
                        *sum = L::mul_add(min, L::splat(by.halves[half]), *sum);
                    }
                }
            }
        }
        for (c, sum) in sums.into_iter().enumerate() {
            store::<L, _>(job, panel, row + c, sum);
        }
        C
    }
}

/// Scales and mins of a group's one or two parts.
#[inline(always)]
unsafe fn scale_and_min<L: Lanes, F: Format>(
    scales: *const u8,
    group: usize,
) -> ([L::Floats; 2], [L::Floats; 2]) {
    // SAFETY: as of `blocks`.
    unsafe {
        let offset = if F::BITS == 8 && L::SIGNED_BYTES { 0.0 } else { -F::OFFSET };
        if !F::NESTED {
            let at = scales.add(group * 2 * ROWS * (1 + F::MINS as usize));
            let scale = L::load_f16(at);
            let min = if F::MINS { L::load_f16(at.add(2 * ROWS)) } else { L::mul(scale, L::splat(offset)) };
            return ([scale; 2], [min; 2]);
        }
        let nest = scales.add(group / NEST * nest_bytes::<F>());
        let (small, small_min) = nested_at::<F>(group % NEST);
        let d = L::load_f16(nest);
        let first = L::mul(d, L::load_i8(nest.add(small)));
        let second = if F::HALVES == 2 { L::mul(d, L::load_i8(nest.add(small + ROWS))) } else { first };
        if F::MINS {
            let least = L::mul(L::load_f16(nest.add(2 * ROWS)), L::splat(-1.0));
            ([first, second], [L::mul(least, L::load_u8(nest.add(small_min))); 2])
        } else {
            let offset = L::splat(offset);
            ([first, second], [L::mul(first, offset), L::mul(second, offset)])
        }
    }
}

#[inline(always)]
unsafe fn store<L: Lanes, X>(job: &Job<'_, X>, panel: usize, row: usize, sum: L::Floats) {
    // SAFETY: as of `blocks`; a short last panel goes through an array.
    unsafe {
        let out = job.out.add(row * job.stride + (panel - job.panels.start) * ROWS);
        let rows = (job.rows - panel * ROWS).min(ROWS);
        if rows == ROWS {
            L::store(out, sum);
        } else {
            let mut whole = [0.0_f32; ROWS];
            L::store(whole.as_mut_ptr(), sum);
            std::ptr::copy_nonoverlapping(whole.as_ptr(), out, rows);
        }
    }
}

/// One type of floating-point elements.
pub trait Element {
    /// Bytes of an element.
    const BYTES: usize;
    /// Sixteen elements.
    ///
    /// # Safety
    /// As of [`Lanes`].
    unsafe fn load<L: Lanes>(from: *const u8) -> L::Floats;
}

/// f32
pub struct Single;
/// f16
pub struct Half;
/// bf16
pub struct Brain;

impl Element for Single {
    const BYTES: usize = 4;
    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const u8) -> L::Floats {
        // SAFETY: the caller's.
        unsafe { L::load(from.cast()) }
    }
}

impl Element for Half {
    const BYTES: usize = 2;
    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const u8) -> L::Floats {
        // SAFETY: the caller's.
        unsafe { L::load_f16(from) }
    }
}

impl Element for Brain {
    const BYTES: usize = 2;
    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const u8) -> L::Floats {
        // SAFETY: the caller's.
        unsafe { L::load_bf16(from) }
    }
}

/// Rows of f32, `(rows, width)`.
#[derive(Clone, Copy)]
pub struct Plain<'a> {
    /// All rows.
    pub data: &'a [f32],
    /// Elements of a row.
    pub width: usize,
}

/// Products of panels of floating-point elements: `weights` holds, for each panel, sixteen elements a column.
///
/// # Safety
/// As of [`blocks`].
#[inline(always)]
pub unsafe fn elements<L: Lanes, E: Element>(job: &Job<'_, Plain<'_>>) {
    let Plain { data, width } = job.x;
    for panel in job.panels.clone() {
        let weights = &job.weights[panel * width * ROWS * E::BYTES..(panel + 1) * width * ROWS * E::BYTES];
        let mut row = job.columns.start;
        while row < job.columns.end {
            let x = &data[row * width..];
            // SAFETY: the caller's promise.
            row += match job.columns.end - row {
                8.. => unsafe { element_columns::<L, E, 8>(job, panel, weights, x, row) },
                4.. => unsafe { element_columns::<L, E, 4>(job, panel, weights, x, row) },
                _ => unsafe { element_columns::<L, E, 1>(job, panel, weights, x, row) },
            };
        }
    }
}

#[inline(always)]
unsafe fn element_columns<L: Lanes, E: Element, const C: usize>(
    job: &Job<'_, Plain<'_>>,
    panel: usize,
    weights: &[u8],
    x: &[f32],
    row: usize,
) -> usize {
    let width = job.x.width;
    let x = &x[..C * width];
    // SAFETY: as of `blocks`.
    unsafe {
        let mut sums = [L::splat(0.0); C];
        for k in 0..width {
            let w = E::load::<L>(weights.as_ptr().add(k * ROWS * E::BYTES));
            for (c, sum) in sums.iter_mut().enumerate() {
                *sum = L::mul_add(w, L::splat(*x.get_unchecked(c * width + k)), *sum);
            }
        }
        for (c, sum) in sums.into_iter().enumerate() {
            store::<L, _>(job, panel, row + c, sum);
        }
        C
    }
}
