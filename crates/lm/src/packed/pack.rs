//! From a file's bytes to panels, and back to rows of f32.

use super::arena::{Arena, Slab};
use super::format::{
    Block, Format, GROUP, Kind, NEST, ROWS, nest_bytes, nested_at, quants_bytes, scales_bytes, with_format,
};
use super::{Elements, Packed};
use crate::LmError;
use candle_core::quantized::GgmlDType;
use half::{bf16, f16};
use rayon::prelude::*;

/// A matrix as a file has it: row-major.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    /// The elements' type.
    pub kind: GgmlDType,
    /// All rows.
    pub bytes: &'a [u8],
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub cols: usize,
}

impl Packed {
    /// Packs a matrix; its row r is row `order(r)` of the file's.
    ///
    /// # Errors
    /// An element or scale that is not a finite number, a size that is not the type's: said in words, for the caller to
    /// name the tensor.
    pub fn pack(
        arena: &Arena,
        stored: Stored<'_>,
        order: impl Fn(usize) -> usize + Sync,
    ) -> Result<Self, LmError> {
        let Stored { kind, bytes, rows, cols } = stored;
        let elements = match Kind::of(kind) {
            Some(kind) => Elements::Blocks(kind),
            None if kind == GgmlDType::F16 => Elements::Half,
            None if kind == GgmlDType::BF16 => Elements::Brain,
            None if kind == GgmlDType::F32 => Elements::Single,
            None => return Err(LmError::Unknown(format!("elements of type {kind:?} are not known"))),
        };
        let row_bytes = elements.row_bytes(cols);
        if row_bytes.and_then(|n| n.checked_mul(rows)) != Some(bytes.len()) || rows == 0 || cols == 0 {
            let message = format!("{} bytes for {rows} × {cols} elements of type {kind:?}", bytes.len());
            return Err(LmError::Unknown(message));
        }
        let (weight_bytes, scale_bytes) = elements.panel_bytes(cols);
        let panels = rows.div_ceil(ROWS);
        let mut packed = Self {
            rows,
            cols,
            elements,
            weights: arena.slab(panels * weight_bytes)?,
            scales: arena.slab(panels * scale_bytes)?,
        };
        let row_bytes = bytes.len() / rows;
        let source = |row: usize| &bytes[order(row) * row_bytes..][..row_bytes];
        let (weights, scales) = (&mut packed.weights, &mut packed.scales);
        fn parts(slab: &mut Slab, bytes: usize, panels: usize) -> Vec<&mut [u8]> {
            if bytes == 0 {
                (0..panels).map(|_| [].as_mut_slice()).collect()
            } else {
                slab.chunks_mut(bytes).collect()
            }
        }
        let weights = parts(weights, weight_bytes, panels);
        let scales = parts(scales, scale_bytes, panels);
        weights.into_par_iter().zip(scales).enumerate().try_for_each(|(panel, (weights, scales))| {
            (panel * ROWS..((panel + 1) * ROWS).min(rows)).try_for_each(|row| {
                let lane = row % ROWS;
                let done = match elements {
                    Elements::Blocks(kind) => {
                        with_format!(kind, F => place_blocks::<F>(kind, source(row), lane, weights, scales))
                    }
                    elements => place_elements(elements, source(row), lane, weights),
                };
                done.map_err(|at| {
                    let element = order(row) * cols + at;
                    let what = format!("element {element} is not a finite number");
                    LmError::Unknown(format!("{what}: the file is damaged, fetch it again"))
                })
            })
        })?;
        Ok(packed)
    }

    /// Row `row` in f32, as the file's type defines it.
    ///
    /// # Panics
    /// If there is no such row or `out` is not as long as one: a fault of the caller.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.cols);
        let (weight_bytes, scale_bytes) = self.elements.panel_bytes(self.cols);
        let (panel, lane) = (row / ROWS, row % ROWS);
        let weights = &self.weights[panel * weight_bytes..(panel + 1) * weight_bytes];
        let scales = &self.scales[panel * scale_bytes..(panel + 1) * scale_bytes];
        match self.elements {
            Elements::Blocks(kind) => with_format!(kind, F => read_blocks::<F>(weights, scales, lane, out)),
            elements => {
                let size = elements.element_bytes();
                for (k, x) in out.iter_mut().enumerate() {
                    *x = elements.value(&weights[(k * ROWS + lane) * size..][..size]);
                }
            }
        }
    }
}

impl Elements {
    fn element_bytes(self) -> usize {
        if self == Self::Single { 4 } else { 2 }
    }

    fn value(self, bytes: &[u8]) -> f32 {
        match self {
            Self::Single => f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            Self::Half => f16::from_le_bytes([bytes[0], bytes[1]]).to_f32(),
            _ => bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32(),
        }
    }

    /// Bytes of a row in the file, if its columns are whole blocks.
    fn row_bytes(self, cols: usize) -> Option<usize> {
        match self {
            Self::Blocks(kind) => {
                let (columns, bytes) = kind.block();
                cols.is_multiple_of(columns).then_some(())?;
                (cols / columns).checked_mul(bytes)
            }
            _ => cols.checked_mul(self.element_bytes()),
        }
    }

    /// Bytes of a panel's quants or elements, and of its scales.
    fn panel_bytes(self, cols: usize) -> (usize, usize) {
        match self {
            Self::Blocks(kind) => {
                let groups = cols / GROUP;
                with_format!(kind, F => (groups * quants_bytes::<F>(), scales_bytes::<F>(groups)))
            }
            _ => (cols * ROWS * self.element_bytes(), 0),
        }
    }
}

/// Puts a row of floating-point elements into its lane; the error is the column of one that is not finite.
fn place_elements(elements: Elements, row: &[u8], lane: usize, weights: &mut [u8]) -> Result<(), usize> {
    let size = elements.element_bytes();
    for (k, bytes) in row.chunks_exact(size).enumerate() {
        if !elements.value(bytes).is_finite() {
            return Err(k);
        }
        weights[(k * ROWS + lane) * size..][..size].copy_from_slice(bytes);
    }
    Ok(())
}

/// Puts a row of blocks into its lane; the error is the first column of one with a scale that is not finite.
fn place_blocks<F: Format>(
    kind: Kind,
    row: &[u8],
    lane: usize,
    weights: &mut [u8],
    scales: &mut [u8],
) -> Result<(), usize> {
    let (columns, bytes) = kind.block();
    for (at, block) in row.chunks_exact(bytes).enumerate() {
        let block = Block::read(kind, block);
        if !block.scale.is_finite() || !block.min.is_finite() {
            return Err(at * columns);
        }
        let fixed = 2 * ROWS * (1 + usize::from(F::MINS));
        let base = if F::NESTED { at * nest_bytes::<F>() } else { at * fixed };
        let scales = &mut scales[base..];
        scales[2 * lane..2 * lane + 2].copy_from_slice(&block.scale.to_le_bytes());
        if F::MINS {
            scales[2 * (ROWS + lane)..2 * (ROWS + lane) + 2].copy_from_slice(&block.min.to_le_bytes());
        }
        if F::NESTED {
            for group in 0..NEST {
                let (small, min) = nested_at::<F>(group);
                for half in 0..F::HALVES {
                    scales[small + half * ROWS + lane] = block.scales[group * F::HALVES + half] as u8;
                }
                if F::MINS {
                    scales[min + lane] = block.mins[group];
                }
            }
        }
        for (group, quants) in block.quants[..columns].as_chunks::<GROUP>().0.iter().enumerate() {
            let start = (at * columns / GROUP + group) * quants_bytes::<F>();
            place_group::<F>(quants, lane, &mut weights[start..start + quants_bytes::<F>()]);
        }
    }
    Ok(())
}

/// A group's 32 numbers of one row into their places, which are zero so far.
fn place_group<F: Format>(quants: &[u8; GROUP], lane: usize, out: &mut [u8]) {
    for (column, &q) in quants.iter().enumerate() {
        let (quad, byte) = (column / 4, 4 * lane + column % 4);
        if F::BITS == 8 {
            out[64 * quad + byte] = q;
            continue;
        }
        out[64 * (quad / 2) + byte] |= (q & 15) << (4 * (quad % 2));
        for plane in 0..F::BITS - 4 {
            out[256 + 64 * plane + 8 * quad + byte / 8] |= (q >> (4 + plane) & 1) << (byte % 8);
        }
    }
}

/// A row's numbers, multiplied out in the order that GGUF's own conversion to f32 has.
fn read_blocks<F: Format>(weights: &[u8], scales: &[u8], lane: usize, out: &mut [f32]) {
    for (group, out) in out.as_chunks_mut::<GROUP>().0.iter_mut().enumerate() {
        let quants = &weights[group * quants_bytes::<F>()..][..quants_bytes::<F>()];
        let fixed = 2 * ROWS * (1 + usize::from(F::MINS));
        let base = if F::NESTED { group / NEST * nest_bytes::<F>() } else { group * fixed };
        let scales = &scales[base..];
        let half = |at: usize| f16::from_le_bytes([scales[at], scales[at + 1]]).to_f32();
        let d = half(2 * lane);
        let min = if F::MINS { half(2 * (ROWS + lane)) } else { 0.0 };
        for (column, out) in out.iter_mut().enumerate() {
            let (quad, byte) = (column / 4, 4 * lane + column % 4);
            let q = if F::BITS == 8 {
                quants[64 * quad + byte]
            } else {
                let nibble = quants[64 * (quad / 2) + byte] >> (4 * (quad % 2)) & 15;
                (0..F::BITS - 4).fold(nibble, |q, plane| {
                    q | (quants[256 + 64 * plane + 8 * quad + byte / 8] >> (byte % 8) & 1) << (4 + plane)
                })
            };
            let q = f32::from(q) - F::OFFSET;
            *out = if F::NESTED {
                let (small, small_min) = nested_at::<F>(group % NEST);
                let part = if F::HALVES == 2 { column / 16 } else { 0 };
                let scale = d * f32::from(scales[small + part * ROWS + lane] as i8);
                let least = if F::MINS { min * f32::from(scales[small_min + lane]) } else { 0.0 };
                scale * q - least
            } else {
                q * d + min
            };
        }
    }
}
