//! One position's softmax over the words, taken together, and the tools.

use crate::products::Real;

/// A word position whose best tool is this many nats below the words is taken to have no tool mass: 4e-18 a tool.
const NEGLIGIBLE: f64 = 40.0;

/// What the softmax says of a position besides the residual.
pub(crate) struct Softmax {
    /// The cross-entropy; of a word label only the part that tools add, log(1 + Σexp(s − a)).
    pub loss: f64,
    /// The tools' total probability.
    pub mass: f64,
    /// 1 − the largest class probability, words being one class.
    pub doubt: f64,
    /// Whether the tools have no mass worth computing with; the logits are then left as they are.
    pub negligible: bool,
}

/// Turns tool logits s into the residual p − y, in place. `words` is a = logsumexp(W_v h), `label` the tool, or `None`
/// for a word.
pub(crate) fn softmax<R: Real>(logits: &mut [R], words: f64, label: Option<usize>) -> Softmax {
    let best = logits.iter().fold(logits[0], |best, &x| if x > best { x } else { best }).to_f64();
    if label.is_none() && best < words - NEGLIGIBLE {
        return Softmax { loss: 0.0, mass: 0.0, doubt: 0.0, negligible: true };
    }
    let top = best.max(words);
    let words_part = (words - top).exp();
    let gap = label.map(|y| logits[y].to_f64() - top);
    let (mut tools_part, mut largest) = (0.0, words_part);
    for x in logits.iter_mut() {
        let part = (x.to_f64() - top).exp();
        tools_part += part;
        largest = largest.max(part);
        *x = R::from_f64(part);
    }
    let total = words_part + tools_part;
    let loss = match (label, gap) {
        (Some(y), Some(gap)) => {
            // What is not the label is summed by itself: 1 − p would lose it where p is nearly 1.
            let others = logits.iter().enumerate().filter(|&(k, _)| k != y);
            let rest = words_part + others.map(|(_, x)| x.to_f64()).sum::<f64>();
            logits[y] = R::from_f64(-rest);
            if gap == 0.0 { rest.ln_1p() } else { total.ln() - gap }
        }
        _ if words_part == 1.0 => tools_part.ln_1p(),
        _ => total.ln() + (top - words),
    };
    logits.iter_mut().for_each(|x| *x = R::from_f64(x.to_f64() / total));
    Softmax { loss, mass: tools_part / total, doubt: (total - largest).max(0.0) / total, negligible: false }
}

#[cfg(test)]
mod tests {
    use super::softmax;

    #[test]
    fn extreme_logits_stay_finite_and_exact() {
        // A call won by 60 nats: the loss is the words' e^-60, which 1 − p could not hold.
        let mut logits = [70.0f64, -20.0];
        let call = softmax(&mut logits, 10.0, Some(0));
        assert!((call.loss / (-60f64).exp() - 1.0).abs() < 1e-4, "{}", call.loss);
        assert!((logits[0] / -(-60f64).exp() - 1.0).abs() < 1e-4);
        // A word lost by 900 nats.
        let mut logits = [910.0f64];
        let word = softmax(&mut logits, 10.0, None);
        assert_eq!((word.loss, word.mass), (900.0, 1.0));
        // A call lost by 900 nats.
        let mut logits = [-890.0f64];
        let call = softmax(&mut logits, 10.0, Some(0));
        assert_eq!((call.loss, logits[0]), (900.0, -1.0));
    }
}
