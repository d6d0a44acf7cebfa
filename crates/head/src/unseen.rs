//! Tools without calls: they are not fitted, their rows stay at the prior, and an offset keeps them from calling where
//! they should not.

use crate::{Table, products::scores};

/// The share of word positions at which an unfitted tool may beat every word.
pub const UNSEEN_FALSE_CALLS: f64 = 1e-4;

/// The largest offset with which the row `w` `(d)` beats every word at no more than a share `rate` of the given word
/// positions: minus a quantile of w·h − m.
pub(crate) fn offset(table: &Table<'_>, words: &[u32], w: &[f32], rate: f64) -> f32 {
    let chunks = table.walk(
        words,
        0,
        || (Vec::new(), Vec::new()),
        |(margins, logits), _, ids, h| {
            scores(h, w, table.width(), logits);
            margins.extend(logits.iter().zip(ids).map(|(logit, &id)| logit - table.max[id as usize]));
        },
    );
    let mut margins: Vec<f32> = chunks.into_iter().flat_map(|(margins, _)| margins).collect();
    if margins.is_empty() {
        return 0.0;
    }
    let allowed = ((rate * margins.len() as f64) as usize).min(margins.len() - 1);
    // A tie with the best word is no call, so that the quantile itself may sit at the edge.
    -*margins.select_nth_unstable_by(allowed, |a, b| b.total_cmp(a)).1
}
