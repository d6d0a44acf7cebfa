//! Tools without calls: they are not fitted, their rows stay at the prior, and an offset keeps them from calling where
//! they should not.

use crate::{Table, products::scores};
use lm::Matrix;

/// The share of word positions at which an unfitted tool may beat every word.
pub const UNSEEN_FALSE_CALLS: f64 = 1e-4;

/// Tools that are looked at in one pass over the positions.
const AT_ONCE: usize = 64;

/// For each of these tools the largest offset with which its row of `rows` `(T, d)` beats every word at no more than a share
/// `rate` of the given word positions: minus a quantile of w·h − m.
pub(crate) fn offsets(
    table: &Table<'_>,
    words: &[u32],
    rows: &Matrix,
    tools: &[usize],
    rate: f64,
) -> Vec<f32> {
    let of = |tools: &[usize]| -> Vec<f32> {
        let w: Vec<f32> = tools.iter().flat_map(|&tool| rows.row(tool).iter().copied()).collect();
        let chunks = table.walk(
            words,
            0,
            || (Vec::new(), Vec::new()),
            |(margins, logits), _, ids, h| {
                scores(h, &w, table.width(), logits);
                for (logits, &id) in logits.chunks_exact(tools.len()).zip(ids) {
                    margins.extend(logits.iter().map(|logit| logit - table.max[id as usize]));
                }
            },
        );
        let margins: Vec<f32> = chunks.into_iter().flat_map(|(margins, _)| margins).collect();
        let margins = &margins;
        let one =
            |tool: usize| offset(margins.iter().skip(tool).step_by(tools.len()).copied().collect(), rate);
        (0..tools.len()).map(one).collect()
    };
    tools.chunks(AT_ONCE).flat_map(of).collect()
}

fn offset(mut margins: Vec<f32>, rate: f64) -> f32 {
    if margins.is_empty() {
        return 0.0;
    }
    let allowed = ((rate * margins.len() as f64) as usize).min(margins.len() - 1);
    // A tie with the best word is no call, so that the quantile itself may sit at the edge.
    -*margins.select_nth_unstable_by(allowed, |a, b| b.total_cmp(a)).1
}
