//! The words whose rows of W_v lie nearest to a tool's row: what a row has come to mean.

use crate::{HeadError, products::scores};
use lm::{FrozenLm, Matrix, RowSource};
use serde::Serialize;

/// Words whose rows are looked at together.
const WORDS: u32 = 4096;

/// A word near a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Neighbour {
    /// The word's id.
    pub id: u32,
    /// Its text.
    pub text: String,
    /// The cosine between its row of W_v and the row asked for.
    pub cosine: f64,
}

/// For every row of `rows` `(n, d)` the `count` words with the largest cosine, nearest first; none for a row of zeros.
/// Control tokens are left out.
///
/// # Errors
/// The model's.
pub fn nearest_words(
    lm: &dyn FrozenLm,
    rows: &Matrix,
    count: usize,
) -> Result<Vec<Vec<Neighbour>>, HeadError> {
    let (vocab, width) = (lm.card().vocab as u32, lm.card().width);
    if rows.cols() != width {
        let message = format!("rows of width {} against a model of width {width}", rows.cols());
        return Err(HeadError::Setting(message));
    }
    let norm = |row: &[f32]| row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let norms: Vec<f64> = (0..rows.rows()).map(|k| norm(rows.row(k))).collect();
    let mut near: Vec<Vec<(f64, u32)>> = vec![Vec::new(); rows.rows()];
    let mut products = Vec::new();
    for first in (0..vocab).step_by(WORDS as usize) {
        let ids: Vec<u32> = (first..vocab.min(first + WORDS)).collect();
        let words = lm.rows(RowSource::Head, &ids)?;
        scores(words.data(), rows.data(), width, &mut products); // (words, n)
        for (i, &id) in ids.iter().enumerate() {
            let length = norm(words.row(i));
            if length == 0.0 || lm.tokenizer().is_control(id) {
                continue;
            }
            for (k, near) in near.iter_mut().enumerate().filter(|(k, _)| norms[*k] > 0.0) {
                near.push((f64::from(products[i * rows.rows() + k]) / (length * norms[k]), id));
            }
        }
        for near in &mut near {
            near.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            near.truncate(count);
        }
    }
    let named = |(cosine, id)| Neighbour { id, text: lm.tokenizer().token_text(id).into_owned(), cosine };
    Ok(near.into_iter().map(|near| near.into_iter().map(named).collect()).collect())
}
