//! A linear map's weights, in one of two forms, and its products.

use crate::kernels::{Rows, product_transposed};
use crate::packed::{self, Arena, Packed, Prepared, Stored};
use crate::threads::{self, Shared};
use crate::weights::Weights;
use crate::{LmError, Matrix};
use std::ops::Range;

/// How a model's matrices are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// All in f32.
    Dense,
    /// As the file has them, repacked.
    Packed,
}

/// A matrix `(out, in)`.
pub enum Linear {
    /// Row-major.
    Dense {
        /// All rows.
        data: Vec<f32>,
        /// Columns.
        width: usize,
    },
    /// Parts one below the other, each of its own element type.
    Packed(Vec<Packed>),
}

/// One tensor of a file as a part of a matrix.
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: usize,
    /// Its rows are pairs of neighbours in this many heads, and are wanted half a head apart; 0: as they are.
    pub paired_heads: usize,
}

impl Part {
    /// The file's row that becomes row `row`. GGUF stores the rows of Llama's Q and K so that a rotary pair is two
    /// neighbours; everything here keeps a pair half a head apart, as safetensors do: row 2j + i of a head of w rows goes
    /// to row i · w/2 + j.
    fn order(&self, row: usize) -> usize {
        if self.paired_heads == 0 {
            return row;
        }
        let head = self.rows / self.paired_heads;
        let (start, at) = (row / head * head, row % head);
        start + 2 * (at % (head / 2)) + at / (head / 2)
    }
}

/// Reads matrices of a file in one form.
pub struct Reader<'a> {
    /// The file.
    pub weights: &'a Weights,
    /// The form.
    pub form: Form,
    /// Where packed ones lie.
    pub arena: Arena,
}

impl Reader<'_> {
    /// Parts of `width` columns, one below the other.
    ///
    /// # Errors
    /// A tensor that is missing, damaged or of another shape.
    pub fn read(&self, parts: &[Part], width: usize) -> Result<Linear, LmError> {
        match self.form {
            Form::Dense => {
                let mut data = Vec::new();
                for part in parts {
                    let mut rows = self.weights.tensor(&part.name, &[part.rows, width])?;
                    if part.paired_heads > 0 {
                        let order = (0..part.rows).flat_map(|row| &rows[part.order(row) * width..][..width]);
                        rows = order.copied().collect();
                    }
                    if data.is_empty() { data = rows } else { data.append(&mut rows) }
                }
                Ok(Linear::Dense { data, width })
            }
            Form::Packed => {
                let pack = |part: &Part| {
                    let (kind, bytes) = self.weights.stored(&part.name, &[part.rows, width])?;
                    let stored = Stored { kind, bytes: &bytes, rows: part.rows, cols: width };
                    Packed::pack(&self.arena, stored, |row| part.order(row)).map_err(|error| {
                        LmError::file(self.weights.path(), format!("tensor {}: {error}", part.name))
                    })
                };
                Ok(Linear::Packed(parts.iter().map(pack).collect::<Result<_, _>>()?))
            }
        }
    }

    /// One tensor.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn one(&self, name: &str, rows: usize, width: usize) -> Result<Linear, LmError> {
        self.read(&[Part { name: name.into(), rows, paired_heads: 0 }], width)
    }
}

/// Rows to be multiplied by several blocks of one matrix.
pub enum Input<'a> {
    /// For [`Linear::Dense`].
    Dense(&'a [f32]),
    /// For [`Linear::Packed`].
    Packed(Prepared<'a>),
}

impl Linear {
    /// Outputs.
    pub fn rows(&self) -> usize {
        match self {
            Self::Dense { data, width } => data.len() / width,
            Self::Packed(parts) => parts.iter().map(Packed::rows).sum(),
        }
    }

    /// Inputs.
    pub fn width(&self) -> usize {
        match self {
            Self::Dense { width, .. } => *width,
            Self::Packed(parts) => parts.first().map_or(0, Packed::cols),
        }
    }

    /// All rows in f32: `(out · in)`.
    pub fn into_dense(self) -> Vec<f32> {
        match self {
            Self::Dense { data, .. } => data,
            Self::Packed(_) => self.select(0..self.rows()).data().to_vec(),
        }
    }

    /// Copies row `row`.
    pub fn row(&self, mut row: usize, out: &mut [f32]) {
        match self {
            Self::Dense { data, width } => out.copy_from_slice(&data[row * width..(row + 1) * width]),
            Self::Packed(parts) => {
                for part in parts {
                    if row < part.rows() {
                        return part.row(row, out);
                    }
                    row -= part.rows();
                }
                unreachable!("no such row")
            }
        }
    }

    /// Copies some rows.
    pub fn select(&self, rows: impl IntoIterator<Item = usize>) -> Matrix {
        let (mut data, mut count, width) = (Vec::new(), 0, self.width());
        for row in rows {
            data.resize((count + 1) * width, 0.0);
            self.row(row, &mut data[count * width..]);
            count += 1;
        }
        Matrix::new(count, width, data)
    }

    /// `out (n, out) = x Wᵀ` for `x (n, in)`.
    pub fn apply(&self, x: &[f32], out: &mut [f32]) {
        match self {
            Self::Dense { data, width } => dense(x, data, *width, out),
            Self::Packed(parts) => packed::product(&packed::prepare(x, parts), parts, out),
        }
    }

    /// Makes rows ready for [`Linear::block`].
    pub fn input<'x>(&self, x: &'x [f32]) -> Input<'x> {
        match self {
            Self::Dense { .. } => Input::Dense(x),
            Self::Packed(parts) => Input::Packed(packed::prepare(x, parts)),
        }
    }

    /// x (some rows)ᵀ, `(n, rows.len())`, of a matrix that is one tensor; the first row a multiple of sixteen, and the
    /// last too unless it is the matrix' last.
    pub fn block(&self, x: &Input<'_>, rows: Range<usize>, out: &mut [f32]) {
        match (self, x) {
            (Self::Dense { data, width }, Input::Dense(x)) => {
                let w = &data[rows.start * width..rows.end * width];
                dense(x, w, *width, out);
            }
            (Self::Packed(parts), Input::Packed(x)) if parts.len() == 1 => {
                parts[0].product_of(x, rows, out);
            }
            _ => unreachable!("made by `input` of the same matrix"),
        }
    }
}

/// `out (n, outs) = x wᵀ`, every thread with a block of its own.
fn dense(x: &[f32], w: &[f32], width: usize, out: &mut [f32]) {
    let (n, outs) = (x.len() / width, w.len() / width);
    let (high, wide) = blocks(n, outs, threads::count());
    let (tall, broad) = (n.div_ceil(high), outs.div_ceil(wide));
    assert!(out.len() == n * outs);
    let out = Shared::new(out);
    threads::run(high * wide, |i| {
        let (row, column) = (i / wide * tall, i % wide * broad);
        let (tall, broad) = (tall.min(n.saturating_sub(row)), broad.min(outs.saturating_sub(column)));
        if tall == 0 || broad == 0 {
            return;
        }
        let x = Rows::packed(&x[row * width..(row + tall) * width], width);
        let w = Rows::packed(&w[column * width..(column + broad) * width], width);
        // SAFETY: the block ends inside `out`, no two blocks share an element, and each is one task's.
        unsafe {
            let out = out.pointer().add(row * outs + column);
            product_transposed(width, x, w, out, outs);
        }
    });
}

/// How many blocks of rows and of columns a product of `n` rows and `outs` columns is cut into: as few rows of both matrices a
/// block as can be, since each is put in order before it is multiplied.
fn blocks(n: usize, outs: usize, threads: usize) -> (usize, usize) {
    let read = |&high: &usize| n.div_ceil(high) + outs.div_ceil(threads / high);
    let high = (1..=threads.min(n)).filter(|high| threads.is_multiple_of(*high)).min_by_key(read);
    let high = high.unwrap_or(1);
    (high, (threads / high).min(outs.div_ceil(64)).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_paired_heads_go_half_a_head_apart() {
        let part = Part { name: String::new(), rows: 8, paired_heads: 2 };
        let order: Vec<usize> = (0..8).map(|row| part.order(row)).collect();
        assert_eq!(order, [0, 2, 1, 3, 4, 6, 5, 7]);
        let part = Part { paired_heads: 0, ..part };
        assert!((0..8).all(|row| part.order(row) == row));
    }
}
