//! Matrices that stay as their file has them while the model runs: quantised blocks, f16, bf16, or f32, repacked into panels of
//! sixteen rows ([`format`]) and multiplied by kernels for the machine at hand ([`kernel`]).
//!
//! A decoded token reads every weight once, so its time is the bytes of the weights: 5 bits a weight of Q4_1 for the 32 of
//! f32. Products of blocks are of whole numbers, exact but for the 15 bits that [`activations`] have; a row of a batch has the
//! same bits as the same row alone.

mod activations;
mod arena;
mod coarse;
mod format;
mod kernel;
mod pack;
mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;

use crate::threads::{self, Shared};
use activations::Activations;
pub use arena::Arena;
use arena::Slab;
pub use coarse::{Coarse, CoarseRows};
use format::{Format, GROUP, Kind, ROWS, with_format};
use kernel::{Brain, Half, Job, Plain, Single};
pub use pack::Stored;
use std::ops::Range;
use std::sync::OnceLock;

/// What a packed matrix is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Elements {
    Blocks(Kind),
    Single,
    Half,
    Brain,
}

/// A matrix in panels.
pub struct Packed {
    /// Rows: outputs.
    rows: usize,
    /// Columns: inputs.
    cols: usize,
    elements: Elements,
    weights: Slab,
    scales: Slab,
}

/// Which instructions products use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Plain,
}

impl Path {
    /// All that this machine has, best first.
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let has_avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            if has_avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vnni")
            {
                all.push(Self::Avx512);
            }
            if has_avx2 {
                all.push(Self::Avx2);
            }
        }
        all.push(Self::Plain);
        all
    }

    fn best() -> Self {
        static BEST: OnceLock<Path> = OnceLock::new();
        *BEST.get_or_init(|| Self::all()[0])
    }
}

/// Rows of f32 ready to be multiplied: as they are, and cut into whole numbers if blocks need it.
pub struct Prepared<'a> {
    plain: Plain<'a>,
    whole: Option<Activations>,
}

impl Prepared<'_> {
    /// Rows.
    pub fn rows(&self) -> usize {
        self.plain.data.len() / self.plain.width
    }
}

/// Makes rows `(n, width)` ready for some matrices.
pub fn prepare<'a>(x: &'a [f32], parts: &[Packed]) -> Prepared<'a> {
    let width = parts.first().map_or(1, |part| part.cols);
    let blocks = parts.iter().any(|part| matches!(part.elements, Elements::Blocks(_)));
    Prepared { plain: Plain { data: x, width }, whole: blocks.then(|| Activations::new(x, width)) }
}

/// Bytes of activations that are multiplied by some panels before the next: half of a usual second-level cache.
const NEAR: usize = 512 << 10;
/// Jobs for each thread, so that one which starts late or is interrupted has less to do.
const SHARES: usize = 4;

/// `out (n, all rows of all parts) = x partsᵀ`, the parts one below the other.
pub fn product(x: &Prepared<'_>, parts: &[Packed], out: &mut [f32]) {
    let stride: usize = parts.iter().map(|part| part.rows).sum();
    assert_eq!(out.len(), x.rows() * stride);
    let panels: usize = parts.iter().map(Packed::panels).sum();
    let share = panels.div_ceil(threads::count() * SHARES).max(1);
    let (mut jobs, mut first) = (Vec::new(), 0);
    for part in parts {
        let all = part.panels();
        let starts = (0..all).step_by(share);
        jobs.extend(starts.map(|start| (part, first, start..(start + share).min(all))));
        first += part.rows;
    }
    let out = Shared::new(out);
    threads::run(jobs.len(), |i| {
        let (part, first, panels) = &jobs[i];
        // SAFETY: a job's columns of `out` are its own; see `Packed::run`.
        unsafe { part.run(Path::best(), x, panels.clone(), &out, first + panels.start * ROWS, stride) };
    });
}

impl Packed {
    /// Rows of the matrix.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of the matrix.
    pub fn cols(&self) -> usize {
        self.cols
    }

    fn panels(&self) -> usize {
        self.rows.div_ceil(ROWS)
    }

    /// `out (n, rows.len()) = x (these rows)ᵀ`; the first must be a multiple of sixteen.
    pub fn product_of(&self, x: &Prepared<'_>, rows: Range<usize>, out: &mut [f32]) {
        assert!(
            rows.start.is_multiple_of(ROWS) && rows.end <= self.rows && out.len() == x.rows() * rows.len()
        );
        assert!(rows.end == self.rows || rows.end.is_multiple_of(ROWS));
        let (stride, start, end) = (rows.len(), rows.start / ROWS, rows.end.div_ceil(ROWS));
        let share = (end - start).div_ceil(threads::count() * SHARES).max(1);
        let out = Shared::new(out);
        threads::run((end - start).div_ceil(share), |i| {
            let first = start + i * share;
            let panels = first..(first + share).min(end);
            // SAFETY: as in `product`.
            unsafe { self.run(Path::best(), x, panels, &out, (first - start) * ROWS, stride) };
        });
    }

    /// Products of some panels, to `out[i · stride + first..]` for row i of x.
    ///
    /// # Safety
    /// Nobody else touches those columns of `out`.
    unsafe fn run(
        &self,
        path: Path,
        x: &Prepared<'_>,
        panels: Range<usize>,
        out: &Shared<'_, f32>,
        first: usize,
        stride: usize,
    ) {
        let count = x.rows();
        if count == 0 || panels.is_empty() {
            return;
        }
        let width = (panels.end * ROWS).min(self.rows) - panels.start * ROWS;
        assert!(x.plain.width == self.cols && panels.end <= self.panels());
        assert!(first + width <= stride && (count - 1) * stride + first + width <= out.len);
        let bytes = match self.elements {
            Elements::Blocks(_) => self.cols / GROUP * (64 + size_of::<activations::Scale>()),
            _ => self.cols * 4,
        };
        let near = (NEAR / bytes).next_multiple_of(8);
        for start in (0..count).step_by(near) {
            let columns = start..(start + near).min(count);
            // SAFETY: the assertions bound what is written.
            let out = unsafe { out.pointer().add(first) };
            let (weights, scales, rows) = (&*self.weights, &*self.scales, self.rows);
            let panels = panels.clone();
            macro_rules! job {
                ($x:expr) => {
                    Job { weights, scales, x: $x, columns, panels, rows, out, stride }
                };
            }
            // SAFETY: `path` exists here, and weights and scales hold whole panels: `pack` made them.
            unsafe {
                match (self.elements, &x.whole) {
                    (Elements::Blocks(kind), Some(whole)) => {
                        with_format!(kind, F => blocks::<F>(path, &job!(whole)))
                    }
                    (Elements::Blocks(_), None) => unreachable!("`prepare` cut them"),
                    (Elements::Single, _) => elements::<Single>(path, &job!(x.plain)),
                    (Elements::Half, _) => elements::<Half>(path, &job!(x.plain)),
                    (Elements::Brain, _) => elements::<Brain>(path, &job!(x.plain)),
                }
            }
        }
    }
}

/// # Safety
/// As of [`kernel::blocks`].
unsafe fn blocks<F: Format>(path: Path, job: &Job<'_, &Activations>) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma,f16c")]
        unsafe fn avx512<F: Format>(job: &Job<'_, &Activations>) {
            // SAFETY: the caller's.
            unsafe { kernel::blocks::<x86::Avx512, F>(job) }
        }
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn avx2<F: Format>(job: &Job<'_, &Activations>) {
            // SAFETY: the caller's.
            unsafe { kernel::blocks::<x86::Avx2, F>(job) }
        }
        // SAFETY: a path is only ever one that the machine has.
        match path {
            Path::Avx512 => return unsafe { avx512::<F>(job) },
            Path::Avx2 => return unsafe { avx2::<F>(job) },
            Path::Plain => {}
        }
    }
    let _ = path;
    // SAFETY: the caller's.
    unsafe { kernel::blocks::<plain::Plain, F>(job) }
}

/// # Safety
/// As of [`kernel::elements`].
unsafe fn elements<E: kernel::Element>(path: Path, job: &Job<'_, Plain<'_>>) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx2,fma,f16c")]
        unsafe fn avx512<E: kernel::Element>(job: &Job<'_, Plain<'_>>) {
            // SAFETY: the caller's.
            unsafe { kernel::elements::<x86::Avx512, E>(job) }
        }
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn avx2<E: kernel::Element>(job: &Job<'_, Plain<'_>>) {
            // SAFETY: the caller's.
            unsafe { kernel::elements::<x86::Avx2, E>(job) }
        }
        // SAFETY: a path is only ever one that the machine has.
        match path {
            Path::Avx512 => return unsafe { avx512::<E>(job) },
            Path::Avx2 => return unsafe { avx2::<E>(job) },
            Path::Plain => {}
        }
    }
    let _ = path;
    // SAFETY: the caller's.
    unsafe { kernel::elements::<plain::Plain, E>(job) }
}
