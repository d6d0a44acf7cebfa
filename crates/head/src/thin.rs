//! Thinning: a weighted few stand for the many in a sum of non-negative terms.

/// Keeps about `keep` of the items, each with probability min(1, size / τ), by systematic sampling along their order:
/// nothing random in it. Returns `(item, weight)` with weights 1 / probability, so that sums keep their size.
///
/// The large are kept as they are; the many small are represented by evenly spaced ones.
pub(crate) fn thin(sizes: &[f64], keep: usize) -> Vec<(usize, f64)> {
    thin_from(0.5, sizes, keep)
}

/// The same with another of the possible choices, by a number in 0..1.
pub(crate) fn thin_from(phase: f64, sizes: &[f64], keep: usize) -> Vec<(usize, f64)> {
    let positive = sizes.iter().filter(|&&size| size > 0.0).count();
    if positive <= keep {
        return sizes.iter().enumerate().filter(|&(_, &size)| size > 0.0).map(|(at, _)| (at, 1.0)).collect();
    }
    let threshold = threshold(sizes, keep);
    let mut due = phase;
    let mut kept = Vec::with_capacity(keep + 1);
    for (at, &size) in sizes.iter().enumerate() {
        let probability = (size / threshold).min(1.0);
        if probability >= 1.0 {
            kept.push((at, 1.0));
            continue;
        }
        due += probability;
        if due >= 1.0 {
            due -= 1.0;
            kept.push((at, 1.0 / probability));
        }
    }
    kept
}

/// τ with Σ min(1, size / τ) = keep, for more positive sizes than `keep`.
fn threshold(sizes: &[f64], keep: usize) -> f64 {
    let mut threshold = sizes.iter().sum::<f64>() / keep as f64;
    // Each pass lowers τ towards its fixed point from above; a few suffice, as an approximate count is good enough.
    for _ in 0..8 {
        let large = sizes.iter().filter(|&&size| size >= threshold).count();
        let small: f64 = sizes.iter().filter(|&&size| size < threshold).sum();
        if large >= keep {
            break;
        }
        threshold = small / (keep - large) as f64;
    }
    threshold
}

#[cfg(test)]
mod tests {
    use super::thin;

    #[test]
    fn sums_keep_their_size() {
        // A few large terms over a long tail, the shape of curvature shares.
        let sizes: Vec<f64> = (0..20_000).map(|i| 1.0 / (1.0 + f64::from((i * 7919) % 20_000))).collect();
        let kept = thin(&sizes, 500);
        assert!((450..=550).contains(&kept.len()), "{} kept", kept.len());
        let total: f64 = sizes.iter().sum();
        let stands_for: f64 = kept.iter().map(|&(at, weight)| weight * sizes[at]).sum();
        assert!((stands_for / total - 1.0).abs() < 0.01, "{stands_for} for {total}");
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn few_items_are_all_kept() {
        assert_eq!(thin(&[1.0, 0.0, 3.0], 5), [(0, 1.0), (2, 1.0)]);
    }
}
