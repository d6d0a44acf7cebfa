//! Rows kept in 8 bits for a first look: which of many can matter, told with certainty at a quarter of the reading.

use super::pack::Stored;
use super::{Arena, Packed, prepare};
use crate::{LmError, Matrix};
use candle_core::quantized::GgmlDType;
use half::f16;

const BLOCK: usize = 32;

/// Rows `(n, d)` in blocks of 8 bits, and how far their products may be off.
///
/// With ŵ the row as it is kept and h a vector, the product is within `slack · ‖h‖` of w·h. The parts of `slack`:
///
/// - ‖w − ŵ‖ by Cauchy and Schwarz, measured when the rows are made;
/// - activations are cut into 16,256ths of the largest of their 32: by half a step each, at most
///   ½·√32/16,256·‖h‖ in all, times ‖ŵ‖;
/// - f32 sums. Of a block's two terms one is at most 255·s·Σ|h| over the block, the other 128·s·Σ|h|, with s ≤ 2·max|w|/127
///   its scale (the smallest of f16 are coarse, all others far within). As max|w| over a block is at most its norm and Σ|h|
///   at most √32 times its norm, all terms together are at most 6.04·√32·‖w‖·‖h‖; each has at most four roundings of its
///   own, and each of two additions a block rounds at most the sum so far, all by 2⁻²⁴;
/// - the product in f32 that it stands for has its own rounding, at most (d/16 + 20)·2⁻²⁴·‖w‖·‖h‖ in the order of
///   [`dot`](crate::dot).
pub struct CoarseRows {
    packed: Packed,
    /// Columns before padding to whole blocks.
    cols: usize,
    slack: Vec<f32>,
}

impl CoarseRows {
    /// Of rows `(n, d)`.
    ///
    /// # Errors
    /// No rows or columns, a weight that is not finite, no memory.
    pub fn new(rows: &Matrix) -> Result<Self, LmError> {
        let cols = rows.cols();
        let padded = cols.next_multiple_of(BLOCK);
        let mut bytes = Vec::with_capacity(rows.rows() * padded / BLOCK * 34);
        let mut norms = Vec::with_capacity(rows.rows());
        for r in 0..rows.rows() {
            let row = rows.row(r);
            if let Some(at) = row.iter().position(|w| !w.is_finite()) {
                return Err(LmError::Unknown(format!(
                    "row {r}, column {at} is {}: expected a finite number",
                    row[at]
                )));
            }
            for block in row.chunks(BLOCK) {
                let largest = block.iter().fold(0.0_f32, |m, w| m.max(w.abs()));
                let scale = f16::from_f32((largest / 127.0).min(f16::MAX.to_f32()));
                let step = scale.to_f32();
                bytes.extend(scale.to_le_bytes());
                let quant =
                    |w: f32| if step > 0.0 { (w / step).round().clamp(-127.0, 127.0) as i8 } else { 0 };
                bytes.extend((0..BLOCK).map(|i| block.get(i).map_or(0, |&w| quant(w)) as u8));
            }
            norms.push(row.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>().sqrt());
        }
        let stored = Stored { kind: GgmlDType::Q8_0, bytes: &bytes, rows: rows.rows(), cols: padded };
        let packed = Packed::pack(&Arena::default(), stored, |row| row)?;
        let mut kept = vec![0.0_f32; padded];
        let unit = 2.0_f64.powi(-24);
        let groups = (padded / BLOCK) as f64;
        let slack = norms.iter().enumerate().map(|(r, norm)| {
            packed.row(r, &mut kept);
            let off = rows.row(r).iter().zip(&kept).map(|(&w, &k)| (f64::from(w) - f64::from(k)).powi(2));
            let off = off.sum::<f64>().sqrt();
            let cut = 0.5 * 32.0_f64.sqrt() / 16_256.0 * 1.01 * (norm + off);
            let sums = (2.0 * groups + 8.0) * unit * 6.04 * 32.0_f64.sqrt() * (norm + off);
            let own = (cols as f64 / 16.0 + 20.0) * unit * norm;
            ((off + cut + sums + own) * 1.001) as f32
        });
        let slack = slack.collect();
        Ok(Self { packed, cols, slack })
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.slack.len()
    }

    /// For each row what its product with `h`, shape (d), is at most, and about what it is.
    ///
    /// # Panics
    /// If `h` has another width: a fault of the caller.
    pub fn products(&self, h: &[f32]) -> Vec<Coarse> {
        assert_eq!(h.len(), self.cols, "width of a vector");
        let norm = h.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt() as f32 * 1.000_001;
        let mut padded = h.to_vec();
        padded.resize(self.packed.cols(), 0.0);
        let x = prepare(&padded, std::slice::from_ref(&self.packed));
        let mut about = vec![0.0; self.rows()];
        self.packed.product_of(&x, 0..self.rows(), &mut about);
        about
            .iter()
            .zip(&self.slack)
            .map(|(&about, slack)| Coarse { about, at_most: (about + slack * norm).next_up() })
            .collect()
    }
}

/// A product as [`CoarseRows`] knows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coarse {
    /// About what it is.
    pub about: f32,
    /// What it is at most; not a number if `h` has something that is not finite.
    pub at_most: f32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rows and a vector of mixed sizes, the widths odd ones too.
    fn case() -> impl Strategy<Value = (Matrix, Vec<f32>)> {
        (1_usize..70, 1_usize..40, 0..4_i32).prop_flat_map(|(cols, rows, spread)| {
            let value = move || (-1.0_f32..1.0, -spread..=spread).prop_map(|(x, e)| x * 10.0_f32.powi(e));
            (
                prop::collection::vec(value(), rows * cols)
                    .prop_map(move |data| Matrix::new(rows, cols, data)),
                prop::collection::vec(value(), cols),
            )
        })
    }

    proptest! {
        #[test]
        fn no_product_is_above_its_bound_or_far_below((rows, h) in case()) {
            let coarse = CoarseRows::new(&rows).unwrap();
            for (r, coarse) in coarse.products(&h).into_iter().enumerate() {
                let exact: f64 = rows.row(r).iter().zip(&h).map(|(w, h)| f64::from(*w) * f64::from(*h)).sum();
                let single = crate::dot(rows.row(r), &h);
                prop_assert!(f64::from(coarse.at_most) >= exact && coarse.at_most >= single, "{coarse:?} {exact}");
                let norm = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
                // The scale of small weights is a coarse f16: 127 of half its smallest step is what one weight may be off.
                let tiny = 127.0 * 2.0_f64.powi(-25) * (h.len() as f64).sqrt();
                let wide = (0.03 * norm(rows.row(r)) + 2.1 * tiny) * norm(&h) + 1e-30;
                prop_assert!(f64::from(coarse.at_most) - exact <= wide, "{coarse:?} {exact} {wide}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_bounds_nothing() {
        let rows = Matrix::new(2, 3, vec![1.0, 2.0, 3.0, 0.0, 0.0, 0.0]);
        let coarse = CoarseRows::new(&rows).expect("rows");
        for bad in [f32::NAN, f32::INFINITY] {
            for coarse in coarse.products(&[bad, 0.0, 1.0]) {
                assert!(coarse.at_most.is_nan() || coarse.at_most == f32::INFINITY, "{coarse:?}");
            }
        }
        assert!(CoarseRows::new(&Matrix::new(1, 2, vec![1.0, f32::NAN])).is_err());
        assert!(CoarseRows::new(&Matrix::zeros(0, 4)).is_err());
    }
}
