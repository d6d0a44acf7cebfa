//! What this program computes at some hundred positions, for an engine to be compared with.

use crate::progress;
use ::corpus::Corpus;
use ::export::Card;
use anyhow::{Context, ensure};
use head::{Features, Head, Reading, WORD, readings};
use lm::FrozenLm;
use safetensors::{Dtype, serialize, tensor::TensorView};
use std::collections::BTreeSet;
use std::path::Path;

/// Of the positions, one in this many is one where a tool wins, if there are as many.
const ONE_CALL_IN: usize = 10;

/// Positions of a corpus with their contexts, cached hidden states and the token that wins.
pub struct Reference {
    width: usize,
    /// Tokens of all texts, one text after the other.
    ids: Vec<i32>,
    lengths: Vec<i32>,
    /// Text and index in it of every position.
    text: Vec<i32>,
    state: Vec<i32>,
    /// Hidden states, `(positions, d)`.
    hidden: Vec<f32>,
    /// The id, in the extended vocabulary, that greedy decoding takes.
    choice: Vec<i32>,
}

impl Reference {
    /// Takes `count` positions of a corpus, with as few texts as hold enough calls.
    ///
    /// # Errors
    /// The model's; a corpus with fewer positions.
    pub fn new(
        lm: &dyn FrozenLm,
        corpus: &Corpus,
        features: &Path,
        head: &Head,
        card: &Card,
        count: usize,
    ) -> anyhow::Result<Self> {
        let store = progress::extract(lm, corpus, features)?;
        ensure!(
            store.positions() >= count,
            "the corpus has {} positions, {count} are to be checked",
            store.positions()
        );
        let texts = readings(lm, corpus)?;
        let places = Places::choose(&store, &texts, count);
        let mut found = Self {
            width: store.width(),
            ids: Vec::new(),
            lengths: Vec::new(),
            text: Vec::new(),
            state: Vec::new(),
            hidden: Vec::new(),
            choice: Vec::new(),
        };
        for text in &texts[..places.texts] {
            found.ids.extend(text.ids.iter().map(|&id| id as i32));
            found.lengths.push(text.ids.len() as i32);
        }
        let (mut at, mut place) = (0, Vec::new());
        for (i, text) in texts.iter().enumerate() {
            place.extend(text.states.iter().map(|&state| (i as i32, state as i32)));
        }
        for part in store.parts() {
            for i in 0..part.len() {
                if places.positions.contains(&at) {
                    let h = &part.h[i * found.width..(i + 1) * found.width];
                    let best = best_tool(head, h).filter(|(_, score)| *score > part.max[i]);
                    found.choice.push(best.map_or(part.best_word[i], |(tool, _)| card.tools[tool].id) as i32);
                    found.hidden.extend_from_slice(h);
                    found.text.push(place[at].0);
                    found.state.push(place[at].1);
                }
                at += 1;
            }
        }
        Ok(found)
    }

    /// Writes it as safetensors.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let whole = |numbers: &[i32]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let columns = [
            ("ids", &self.ids),
            ("lengths", &self.lengths),
            ("text", &self.text),
            ("state", &self.state),
            ("choice", &self.choice),
        ]
        .map(|(name, numbers)| (name, whole(numbers), vec![numbers.len()], Dtype::I32));
        let hidden: Vec<u8> = self.hidden.iter().flat_map(|x| x.to_le_bytes()).collect();
        let hidden = ("hidden", hidden, vec![self.text.len(), self.width], Dtype::F32);
        let views: Vec<_> = columns
            .iter()
            .chain([&hidden])
            .map(|(name, bytes, shape, dtype)| Ok((*name, TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect::<anyhow::Result<_>>()?;
        std::fs::write(path, serialize(views, None)?).with_context(|| path.display().to_string())
    }
}

/// The best tool and its logit, with the head's bias.
fn best_tool(head: &Head, h: &[f32]) -> Option<(usize, f32)> {
    head.logits(h).into_iter().map(|logit| logit + head.bias).enumerate().max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Which positions.
struct Places {
    /// The first texts of the corpus hold them all.
    texts: usize,
    positions: BTreeSet<usize>,
}

impl Places {
    fn choose(features: &dyn Features, texts: &[Reading], count: usize) -> Self {
        let labels: Vec<bool> =
            features.parts().iter().flat_map(|part| part.tool.iter().map(|&tool| tool != WORD)).collect();
        let wanted = (count / ONE_CALL_IN).min(labels.iter().filter(|&&call| call).count());
        // The shortest beginning of the corpus that has enough of both.
        let (mut end, mut calls, mut used) = (0, 0, 0);
        while used < texts.len() && (end < count || calls < wanted) {
            let next = end + texts[used].states.len();
            calls += labels[end..next].iter().filter(|&&call| call).count();
            (end, used) = (next, used + 1);
        }
        let spread = |from: &[usize], n: usize| (0..n).map(|i| from[i * from.len() / n]).collect::<Vec<_>>();
        let of = |call: bool| (0..end).filter(|&at| labels[at] == call).collect::<Vec<_>>();
        let (called, words) = (of(true), of(false));
        let called = spread(&called, wanted.min(called.len()).max(count.saturating_sub(words.len())));
        let words = spread(&words, count - called.len());
        Self { texts: used, positions: called.into_iter().chain(words).collect() }
    }
}
