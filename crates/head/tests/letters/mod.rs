//! A model of a few lines whose hidden states depend on everything read so far, and a corpus for it.

use corpus::{Call, Corpus, Example};
use lm::{FrozenLm, LmError, Matrix, ModelCard, RowSource, Sequence, State, Tokenizer, WordMass};
use serde_json::json;
use std::{
    any::Any,
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

pub const WIDTH: usize = 5;

/// Every letter is a token. A hidden state mixes the whole past with the newest token.
pub struct Letters {
    card: ModelCard,
    pub tokenizer: Tokenizer,
    /// Tokens read so far, by all calls.
    read: AtomicUsize,
}

#[derive(Clone)]
struct Nothing;

impl State for Nothing {
    fn fork(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }
    fn truncate(&mut self, _: usize) {}
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl Letters {
    pub fn new(engine: &str, context: usize) -> Self {
        Self::wide(engine, context, WIDTH)
    }

    /// With hidden states of another width.
    pub fn wide(engine: &str, context: usize, width: usize) -> Self {
        let mut vocab: serde_json::Map<String, serde_json::Value> = "abcdefghijklmnopqrstuvwxyz0123456789=.Ġ"
            .chars()
            .zip(0..)
            .map(|(c, id)| (c.to_string(), json!(id)))
            .collect();
        let special = vocab.len();
        vocab.insert("<|endoftext|>".into(), json!(special));
        let byte_level =
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true});
        let json = json!({
            "version": "1.0",
            "added_tokens": [{"id": special, "content": "<|endoftext|>", "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true}],
            "pre_tokenizer": byte_level,
            "decoder": byte_level,
            "model": {"type": "BPE", "vocab": vocab, "merges": [], "ignore_merges": false},
        });
        let files = tempfile::tempdir().unwrap();
        fs::write(files.path().join("tokenizer.json"), json.to_string()).unwrap();
        let ends = json!({"eos_token": "<|endoftext|>"});
        fs::write(files.path().join("tokenizer_config.json"), ends.to_string()).unwrap();
        let tokenizer = Tokenizer::from_dir(files.path()).unwrap();
        let card = ModelCard {
            name: "letters".into(),
            digest: "0".into(),
            architecture: "llama".into(),
            engine: engine.into(),
            width,
            vocab: special + 1,
            context,
        };
        Self { card, tokenizer, read: AtomicUsize::new(0) }
    }

    pub fn tokens_read(&self) -> usize {
        self.read.swap(0, Ordering::Relaxed)
    }
}

fn row(id: u32, width: usize) -> Vec<f32> {
    (0..width as u32).map(|j| ((id * 7 + j * 3) % 11) as f32 / 5.0 - 1.0).collect()
}

impl FrozenLm for Letters {
    fn card(&self) -> &ModelCard {
        &self.card
    }
    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }
    fn begin(&self) -> Sequence {
        Sequence::new(Box::new(Nothing))
    }
    fn extend(&self, batch: &mut [(&mut Sequence, &[u32])]) -> Result<Matrix, LmError> {
        let (mut data, mut rows) = (Vec::new(), 0);
        for (sequence, new) in batch {
            let (ids, _) = sequence.parts_mut();
            for &id in *new {
                ids.push(id);
                let past: f32 = ids.iter().zip(1..).map(|(&id, i)| id as f32 / i as f32).sum();
                data.extend(
                    row(id, self.card.width).iter().zip(1..).map(|(x, j)| x + (past * j as f32).sin()),
                );
                rows += 1;
            }
        }
        self.read.fetch_add(rows, Ordering::Relaxed);
        Ok(Matrix::new(rows, self.card.width, data))
    }
    fn logits(&self, hidden: &Matrix) -> Result<Matrix, LmError> {
        let rows: Vec<_> = (0..self.card.vocab as u32).map(|id| row(id, self.card.width)).collect();
        let product = |i: usize, id: u32| -> f32 {
            hidden.row(i).iter().zip(&rows[id as usize]).map(|(h, w)| h * w).sum()
        };
        let data = (0..hidden.rows()).flat_map(|i| (0..self.card.vocab as u32).map(move |id| (i, id)));
        Ok(Matrix::new(hidden.rows(), self.card.vocab, data.map(|(i, id)| product(i, id)).collect()))
    }
    fn word_mass(&self, hidden: &Matrix, labels: &[Option<u32>]) -> Result<Vec<WordMass>, LmError> {
        assert_eq!(hidden.rows(), labels.len());
        let logits = self.logits(hidden)?;
        Ok((0..hidden.rows())
            .map(|i| {
                let logits = logits.row(i);
                let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                WordMass {
                    log_sum_exp: max + logits.iter().map(|x| (x - max).exp()).sum::<f32>().ln(),
                    label: labels[i].map_or(0.0, |id| logits[id as usize]),
                    max,
                    argmax: logits.iter().position(|&x| x == max).unwrap() as u32,
                }
            })
            .collect())
    }
    fn rows(&self, _: RowSource, _: &[u32]) -> Result<Matrix, LmError> {
        unimplemented!("extraction asks for no rows")
    }
}

/// Texts of many lengths, some without labels, some with word labels dropped, in several groups.
pub fn corpus(examples: usize) -> Corpus {
    let example = |i: usize| {
        let words = "so many pears ".repeat(i * 37 % 23);
        let (start, result) = (words.len() + 9, format!("{}", i * 13));
        let text = format!("{words}{i:03} sum = {result}.");
        let call = Call {
            tool: format!("tool{}", i % 3),
            start: start + 1,
            end: start + 1 + result.len(),
            args: None,
        };
        Example {
            id: format!("e{i}"),
            text,
            calls: if i % 5 == 4 { vec![] } else { vec![call] },
            only_tools: i % 5 >= 3,
            group: Some(format!("g{}", i % 7)),
            ..Example::default()
        }
    };
    let tools = (0..3).map(|k| format!("tool{k}")).collect();
    Corpus::with_tools((0..examples).map(example).collect(), tools).unwrap()
}
