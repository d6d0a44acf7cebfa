//! The two matrices that grow: rows of words in a file, and rows of tools behind them.

use crate::ExportError;
use crate::piece::{Piece, Place};
use crate::rows::{decode, encode, row_bytes};
use candle_core::quantized::GgmlDType;
use std::ops::Range;

/// A matrix `(rows, width)` in a file, one row a token.
#[derive(Clone, Debug)]
pub(crate) struct WordRows {
    pub name: String,
    pub place: Place,
    pub kind: GgmlDType,
    pub rows: usize,
    pub width: usize,
}

/// A matrix of the new file.
#[derive(Debug, PartialEq)]
pub(crate) struct Extended {
    pub kind: GgmlDType,
    pub rows: usize,
    pub pieces: Vec<Piece>,
}

impl WordRows {
    /// # Errors
    /// A shape that is no matrix of `width` columns, or that the type's blocks do not fit.
    pub fn new(
        name: &str,
        place: Place,
        kind: GgmlDType,
        shape: &[usize],
        width: usize,
    ) -> Result<Self, ExportError> {
        let rows = match *shape {
            [rows, found] if found == width => rows,
            _ => {
                return Err(ExportError::file(
                    &place.file,
                    format!(
                        "tensor {name:?}: shape {shape:?}, expected rows of {width} numbers, the head's width"
                    ),
                ));
            }
        };
        if row_bytes(kind, width).is_none_or(|row| (rows * row) as u64 != place.bytes) || rows == 0 {
            return Err(ExportError::file(
                &place.file,
                format!(
                    "tensor {name:?}: {} bytes for {rows} rows of {width} {kind:?}: fetch the model again",
                    place.bytes
                ),
            ));
        }
        Ok(Self { name: name.to_owned(), place, kind, rows, width })
    }

    fn row_bytes(&self) -> u64 {
        row_bytes(self.kind, self.width).unwrap_or(0) as u64
    }

    fn part(&self, rows: Range<usize>) -> Place {
        self.place.part(rows.start as u64 * self.row_bytes(), rows.len() as u64 * self.row_bytes())
    }

    /// One row, as numbers.
    ///
    /// # Errors
    /// A row that is not there, or has a number that is not finite; the system's.
    pub fn row(&self, id: u32) -> Result<Vec<f32>, ExportError> {
        let at = id as usize;
        if at >= self.rows {
            let message = format!("tensor {:?}: token {id} has no row among {}", self.name, self.rows);
            return Err(ExportError::file(&self.place.file, message));
        }
        let row = decode(self.kind, &self.part(at..at + 1).read()?, self.width)?;
        match row.iter().all(|x| x.is_finite()) {
            true => Ok(row),
            false => Err(ExportError::file(
                &self.place.file,
                format!("tensor {:?}: row {at} is not finite: fetch the model again", self.name),
            )),
        }
    }

    /// This matrix in the type `to`, with `made` `(T, width)` as its rows from `first` on.
    ///
    /// Rows before `first` that the file does not have are copies of its last row: a spare token, if any is, and so one
    /// that never wins. Rows of the file behind the made ones stay.
    ///
    /// # Errors
    /// A width that blocks of `to` do not fit; the system's.
    pub fn extended(&self, to: GgmlDType, first: usize, made: &[f32]) -> Result<Extended, ExportError> {
        let tools = made.len() / self.width;
        let words = |rows: Range<usize>| {
            let place = self.part(rows);
            match self.kind == to {
                true => Piece::Copy(place),
                false => Piece::Recast { place, width: self.width, from: self.kind, to },
            }
        };
        let mut pieces = vec![words(0..self.rows.min(first))];
        pieces.extend((self.rows..first).map(|_| words(self.rows - 1..self.rows)));
        pieces.push(Piece::Made(encode(to, made, self.width)?));
        let behind = first + tools;
        if behind < self.rows {
            pieces.push(words(behind..self.rows));
        }
        Ok(Extended { kind: to, rows: self.rows.max(behind), pieces })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Five words of width 2 in f32: row i is (i, i + 0.5).
    fn words(folder: &Path) -> WordRows {
        let file = folder.join("words");
        let numbers: Vec<f32> = (0..5).flat_map(|i| [i as f32, i as f32 + 0.5]).collect();
        let bytes = encode(GgmlDType::F32, &numbers, 2).unwrap();
        std::fs::write(&file, &bytes).unwrap();
        let place = Place { file, from: 0, bytes: bytes.len() as u64 };
        WordRows::new("words", place, GgmlDType::F32, &[5, 2], 2).unwrap()
    }

    fn numbers(extended: &Extended) -> Vec<f32> {
        let mut bytes = Vec::new();
        for piece in &extended.pieces {
            piece.write(&mut bytes, Path::new("out"), &mut |_| ()).unwrap();
        }
        decode(extended.kind, &bytes, 2).unwrap()
    }

    #[test]
    fn tools_follow_the_words_fill_spare_rows_and_leave_no_gap() {
        let folder = tempfile::tempdir().unwrap();
        let words = words(folder.path());
        let made = [9.0, 8.0, 7.0, 6.0];
        for (first, expected) in [
            (5, vec![0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 9.0, 8.0, 7.0, 6.0]),
            (2, vec![0.0, 0.5, 1.0, 1.5, 9.0, 8.0, 7.0, 6.0, 4.0, 4.5]),
            (4, vec![0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 9.0, 8.0, 7.0, 6.0]),
            (
                7,
                vec![
                    0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 4.0, 4.5, 4.0, 4.5, 9.0, 8.0, 7.0, 6.0,
                ],
            ),
        ] {
            for to in [GgmlDType::F32, GgmlDType::F16] {
                let extended = words.extended(to, first, &made).unwrap();
                assert_eq!((extended.kind, extended.rows), (to, expected.len() / 2));
                assert_eq!(numbers(&extended), expected, "tools from {first} on");
            }
        }
        assert_eq!(words.row(3).unwrap(), [3.0, 3.5]);
        assert!(words.row(5).unwrap_err().to_string().contains("no row among 5"));
    }

    #[test]
    fn a_matrix_of_another_shape_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let place = words(folder.path()).place;
        for shape in [&[5, 3][..], &[4, 2], &[10], &[0, 2]] {
            assert!(WordRows::new("words", place.clone(), GgmlDType::F32, shape, 2).is_err(), "{shape:?}");
        }
    }
}
