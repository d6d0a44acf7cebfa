//! What W_v says at hidden states, for every engine on the CPU.

use crate::kernels::max_and_sum_exp;
use crate::linear::Linear;
use crate::threads;
use crate::{LmError, Matrix, WordMass};
use pulp::Arch;

/// Positions whose word logits exist at a time.
const MASS_ROWS: usize = 256;
/// Words whose logits exist at a time.
const MASS_WORDS: usize = 4096;

/// Refuses ids that have no row in a vocabulary of `vocab`.
///
/// # Errors
/// [`LmError::UnknownId`] for the first of them.
pub fn check_ids(vocab: usize, ids: &[u32]) -> Result<(), LmError> {
    match ids.iter().find(|&&id| id as usize >= vocab) {
        Some(&id) => Err(LmError::UnknownId { id, vocab }),
        None => Ok(()),
    }
}

/// W_v h: `(rows of hidden, V)`.
pub fn logits(head: &Linear, hidden: &Matrix) -> Matrix {
    let mut logits = vec![0.0; hidden.rows() * head.rows()];
    head.apply(hidden.data(), &mut logits);
    Matrix::new(hidden.rows(), head.rows(), logits)
}

/// The mass of all words at each row of `hidden`, and the logits of the labels that are asked for.
///
/// # Errors
/// [`LmError::UnknownId`] for a label outside the vocabulary.
pub fn word_mass(head: &Linear, hidden: &Matrix, labels: &[Option<u32>]) -> Result<Vec<WordMass>, LmError> {
    let (d, vocab) = (head.width(), head.rows());
    labels.iter().flatten().try_for_each(|&id| check_ids(vocab, &[id]))?;
    let arch = Arch::new();
    let mut out = Vec::with_capacity(labels.len());
    for (rows, labels) in hidden.data().chunks(MASS_ROWS * d).zip(labels.chunks(MASS_ROWS)) {
        // (largest, Σ e^(x − largest), its word, the label's logit) so far
        let mut mass = vec![(f32::NEG_INFINITY, 0.0_f64, 0_u32, 0.0_f32); labels.len()];
        let mut logits = vec![0.0_f32; labels.len() * MASS_WORDS.min(vocab)];
        let input = head.input(rows);
        for first in (0..vocab).step_by(MASS_WORDS) {
            let count = MASS_WORDS.min(vocab - first);
            let logits = &mut logits[..labels.len() * count];
            head.block(&input, first..first + count, logits);
            threads::chunks(&mut mass, 1, true, |i, mass| {
                let (mass, row) = (&mut mass[0], &logits[i * count..(i + 1) * count]);
                let (max, sum) = max_and_sum_exp(arch, row);
                if let Some(id) =
                    labels[i].map(|id| id as usize).filter(|id| (first..first + count).contains(id))
                {
                    mass.3 = row[id - first];
                }
                if max > mass.0 {
                    mass.1 = mass.1 * f64::from(mass.0 - max).exp() + f64::from(sum);
                    mass.0 = max;
                    mass.2 = (first + row.iter().position(|&x| x == max).unwrap_or(0)) as u32;
                } else {
                    mass.1 += f64::from(sum) * f64::from(max - mass.0).exp();
                }
            });
        }
        out.extend(mass.into_iter().map(|(max, sum, argmax, label)| WordMass {
            log_sum_exp: (f64::from(max) + sum.ln()) as f32,
            label,
            max,
            argmax,
        }));
    }
    Ok(out)
}
