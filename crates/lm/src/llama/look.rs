//! A look at a model before it is used: whether its word logits are W_v h, and whether a pass can end at h.

use super::sequences::Sequences;
use crate::linear::Linear;
use crate::{Gguf, LmError, Matrix, word_head};
use std::path::Path;

/// Tokens that are looked at.
const TOKENS: usize = 8;
/// How far llama.cpp's logits may be from W_v h, relative: it cuts h to 8 bits where W_v is quantised.
const OFF: f64 = 0.03;

/// What a file says about its word logits beside W_v h.
pub struct Terms {
    architecture: String,
    /// A factor on the logits, or what they are divided by, as the architecture has it.
    scale: Option<f32>,
}

impl Terms {
    /// From the metadata.
    ///
    /// # Errors
    /// Logits that are bent, or that a bias is added to: no h has W_v h like them.
    pub fn read(gguf: &Gguf, architecture: &str) -> Result<Self, LmError> {
        let key = |suffix: &str| format!("{architecture}.{suffix}");
        let cap = gguf.opt_f32(&key("final_logit_softcapping"))?.unwrap_or(0.0);
        let found = if cap != 0.0 {
            format!("word logits are capped at {cap} (metadata {:?})", key("final_logit_softcapping"))
        } else if gguf.tensors().contains_key("output.bias") {
            "a bias is added to the word logits (tensor \"output.bias\")".to_owned()
        } else {
            let scale = gguf.opt_f32(&key("logit_scale"))?.filter(|scale| *scale > 0.0);
            return Ok(Self { architecture: architecture.into(), scale });
        };
        Err(LmError::file(
            gguf.path(),
            format!("{found}: a tool's row stands beside W_v only where logits are W_v h; use another model"),
        ))
    }

    /// Compares llama.cpp's logits of a few tokens with W_v h, and sets what follows from it.
    ///
    /// # Errors
    /// A model whose logits are something else.
    pub fn hold(self, path: &Path, sequences: &mut Sequences, head: &Linear) -> Result<(), LmError> {
        let (vocab, width) = (head.rows(), head.width());
        let ids: Vec<u32> = (0..TOKENS).map(|i| (vocab * (2 * i + 1) / (2 * TOKENS)) as u32).collect();
        let (states, theirs) = sequences.look(&ids, true)?;
        let (early, _) = sequences.look(&ids, false)?;
        sequences.ends_early = early.len() == states.len() && relative(&early, &states) < 1e-4;
        if states.len() != TOKENS * width || theirs.len() != TOKENS * vocab {
            return Err(LmError::file(
                path,
                format!("llama.cpp gives no states and words for a {}", self.architecture),
            ));
        }
        if states.iter().chain(&theirs).any(|x| !x.is_finite()) {
            return Err(LmError::file(
                path,
                "states are not finite numbers: its weights are damaged, fetch it again",
            ));
        }
        let ours = word_head::logits(head, &Matrix::new(TOKENS, width, states));
        let product =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        // The factor that brings ours closest to theirs.
        let factor = product(ours.data(), &theirs) / product(ours.data(), ours.data()).max(f64::MIN_POSITIVE);
        let named = self.scale.into_iter().flat_map(|scale| [f64::from(scale), 1.0 / f64::from(scale)]);
        let known = [1.0].into_iter().chain(named).find(|known| (factor / known - 1.0).abs() < OFF);
        let scaled: Vec<f32> = ours.data().iter().map(|x| (f64::from(*x) * factor) as f32).collect();
        let off = relative(&scaled, &theirs);
        match known {
            Some(known) if off < OFF => {
                sequences.scale = known as f32;
                Ok(())
            }
            _ => Err(LmError::file(
                path,
                format!(
                    "word logits of a {} are not W_v h: llama.cpp's are {factor:.3} of it and {:.0} % off; use another model or device",
                    self.architecture,
                    100.0 * off
                ),
            )),
        }
    }
}

/// ‖a − b‖ / ‖b‖
fn relative(a: &[f32], b: &[f32]) -> f64 {
    let square = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>();
    let difference = square(&mut a.iter().zip(b).map(|(a, b)| f64::from(a - b)));
    (difference / square(&mut b.iter().map(|&b| f64::from(b))).max(f64::MIN_POSITIVE)).sqrt()
}
