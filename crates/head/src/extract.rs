//! Extraction: the frozen model reads a corpus once, and its labelled positions go to a [`Store`].

use crate::{
    Features, HeadError, Positions, Store, StoreKey, WORD,
    store::{Manifest, part_bytes, part_name, parts_found, write_whole},
};
use corpus::{Corpus, Ends, Label, Segment};
use lm::{FrozenLm, Specials};
use std::{
    collections::HashMap,
    fs,
    ops::Range,
    path::Path,
    time::{Duration, Instant},
};

/// Version of the store's format; [`PART_TOKENS`] is part of it.
const FORMAT: u32 = 1;
/// Version of the rules in [`corpus::label`].
const LABEL_RULES: u32 = 1;
/// Tokens of a part, unless one example alone has more: what an interruption loses at most.
const PART_TOKENS: usize = 4096;
/// Tokens that go through the model at once, unless one example alone has more.
const PACK_TOKENS: usize = 2048;

/// How far an extraction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtractProgress {
    /// Tokens whose parts are in the store.
    pub tokens: usize,
    /// Tokens of the corpus.
    pub total_tokens: usize,
    /// Of `tokens`, those found in the store; the rate is `(tokens − kept_tokens) / elapsed`.
    pub kept_tokens: usize,
    /// Labelled positions in the store.
    pub positions: usize,
    /// Labelled positions of the corpus.
    pub total_positions: usize,
    /// Time since the start.
    pub elapsed: Duration,
}

/// Keeps a file of a store under its name.
type Put<'a> = dyn FnMut(&str, Vec<u8>) -> Result<(), HeadError> + 'a;

/// An example as the model reads it.
struct Text {
    /// Number of tokens, the unread ones included.
    len: usize,
    /// The tokens up to the last hidden state that predicts a label.
    read: Vec<u32>,
    /// The labelled positions.
    labels: Vec<Labelled>,
}

/// A labelled position.
struct Labelled {
    /// The state that predicts it: position i's label is predicted from state i − 1.
    state: usize,
    /// The tool, or [`WORD`].
    tool: i32,
    /// The word, unless the label is a tool.
    word: Option<u32>,
}

/// The features of a corpus, from its store in `cache_dir`: what is there is kept, what is missing is computed.
///
/// The store's directory is `cache_dir/`[address](StoreKey::address). A run that was killed is resumed by the same call.
/// Where the store is finished, the model is not asked for anything and `progress` is not called.
///
/// # Errors
/// [`HeadError::Features`] names an example that cannot be labelled or read; [`HeadError::File`] a file of the store that
/// is damaged or belongs to another one, and what to do; the model's and the system's errors.
pub fn extract(
    lm: &dyn FrozenLm,
    corpus: &Corpus,
    cache_dir: &Path,
    progress: &mut dyn FnMut(ExtractProgress),
) -> Result<Store, HeadError> {
    let key = key(lm, corpus);
    let directory = cache_dir.join(key.address());
    if Store::is_finished(&directory) {
        let store = Store::open(&directory)?;
        if *store.key() == key && store.tools() == corpus.tools() && store.groups() == groups(corpus) {
            return Ok(store);
        }
        let message =
            "this feature store was made of another model or corpus: delete the directory and extract again";
        return Err(HeadError::file(&directory, message));
    }

    let start = Instant::now();
    let plan = Plan::new(lm, corpus)?;
    fs::create_dir_all(&directory).map_err(|e| HeadError::io(&directory, e))?;
    let found = parts_found(&directory, plan.manifest())?;
    let all: Vec<usize> = (0..found.len()).collect();
    let mut put = |name: &str, bytes: Vec<u8>| write_whole(&directory.join(name), &bytes);
    plan.run(lm, corpus, &all, |part| found[part], &mut put, start, progress)?;
    Store::finish(&directory, plan.manifest)
}

/// An example as the model reads it, without running the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The tokens up to the last hidden state that predicts a label.
    pub ids: Vec<u32>,
    /// The hidden state of each labelled position, as an index into `ids`, in the order of the [`Features`]' positions.
    pub states: Vec<usize>,
}

/// How the model reads every example of a corpus: the contexts of the positions that [`extract`] keeps, in their order.
///
/// # Errors
/// [`HeadError::Features`] names an example that cannot be labelled or read.
pub fn readings(lm: &dyn FrozenLm, corpus: &Corpus) -> Result<Vec<Reading>, HeadError> {
    let texts = read_texts(lm, corpus, ends(lm))?;
    let states = |labels: &[Labelled]| labels.iter().map(|labelled| labelled.state).collect();
    Ok(texts.into_iter().map(|text| Reading { states: states(&text.labels), ids: text.read }).collect())
}

/// The tokens that open and end every text.
fn ends(lm: &dyn FrozenLm) -> Ends {
    let tokenizer = lm.tokenizer();
    Ends { bos: tokenizer.bos().or(tokenizer.eos()), eos: tokenizer.eos() }
}

fn key(lm: &dyn FrozenLm, corpus: &Corpus) -> StoreKey {
    let (card, ends) = (lm.card(), ends(lm));
    StoreKey {
        format: FORMAT,
        label_rules: LABEL_RULES,
        model: card.digest.clone(),
        engine: card.engine.clone(),
        tokenizer: lm.tokenizer().digest().to_owned(),
        bos: ends.bos,
        eos: ends.eos,
        corpus: corpus.digest(),
    }
}

/// A corpus cut into the parts of its store. The cut depends on the corpus and the tokenizer alone.
pub(crate) struct Plan {
    manifest: Manifest,
    texts: Vec<Text>,
    /// The examples of every part.
    parts: Vec<Range<usize>>,
}

impl Plan {
    /// Tokenises and cuts the corpus; the model computes nothing.
    pub fn new(lm: &dyn FrozenLm, corpus: &Corpus) -> Result<Self, HeadError> {
        let texts = read_texts(lm, corpus, ends(lm))?;
        let parts = cut(&texts, PART_TOKENS, |text| text.len);
        let key = key(lm, corpus);
        let positions = |part: &Range<usize>| texts[part.clone()].iter().map(|text| text.labels.len()).sum();
        let manifest = Manifest {
            address: key.address(),
            key,
            width: lm.card().width,
            tools: corpus.tools().to_vec(),
            groups: groups(corpus),
            parts: parts.iter().map(positions).collect(),
        };
        Ok(Self { manifest, texts, parts })
    }

    /// What the finished store will say of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Computes those of `parts` that are not there, and has `put` keep each file under its name.
    #[expect(clippy::too_many_arguments, reason = "a private loop under two public functions")]
    pub fn run(
        &self,
        lm: &dyn FrozenLm,
        corpus: &Corpus,
        parts: &[usize],
        is_there: impl Fn(usize) -> bool,
        put: &mut Put<'_>,
        start: Instant,
        progress: &mut dyn FnMut(ExtractProgress),
    ) -> Result<(), HeadError> {
        let tokens =
            |part: usize| self.texts[self.parts[part].clone()].iter().map(|text| text.len).sum::<usize>();
        let positions = &self.manifest.parts;
        let mut done = ExtractProgress {
            tokens: 0,
            total_tokens: parts.iter().map(|&part| tokens(part)).sum(),
            kept_tokens: 0,
            positions: 0,
            total_positions: parts.iter().map(|&part| positions[part]).sum(),
            elapsed: start.elapsed(),
        };
        for &part in parts {
            if is_there(part) {
                done.kept_tokens += tokens(part);
            } else {
                put(&part_name(part), self.compute(lm, corpus, part)?)?;
            }
            done.tokens += tokens(part);
            done.positions += positions[part];
            done.elapsed = start.elapsed();
            progress(done);
        }
        Ok(())
    }

    /// A part's file.
    fn compute(&self, lm: &dyn FrozenLm, corpus: &Corpus, part: usize) -> Result<Vec<u8>, HeadError> {
        let examples = self.parts[part].clone();
        let mut columns = Columns::default();
        for pack in cut(&self.texts[examples.clone()], PACK_TOKENS, |text| text.read.len()) {
            let pack = examples.start + pack.start..examples.start + pack.end;
            columns.read(lm, corpus, &self.texts, pack)?;
        }
        part_bytes(&self.manifest, part, &columns.positions())
    }
}

/// Tokenises and labels every example, before the model computes anything.
fn read_texts(lm: &dyn FrozenLm, corpus: &Corpus, ends: Ends) -> Result<Vec<Text>, HeadError> {
    let tools: HashMap<&str, usize> =
        corpus.tools().iter().enumerate().map(|(i, tool)| (tool.as_str(), i)).collect();
    let encode = |text: &str, segment| match segment {
        Segment::First => lm.tokenizer().encode(text, Specials::Text),
        Segment::Continuation => lm.tokenizer().encode_continuation(text, Specials::Text),
    };
    let mut texts = Vec::with_capacity(corpus.examples().len());
    for example in corpus.examples() {
        let labelled = corpus::label(example, |tool| tools.get(tool).copied(), encode, ends)
            .map_err(|e| HeadError::Features(e.to_string()))?;
        let labels: Vec<Labelled> = (0..)
            .zip(labelled.labels.iter().skip(1))
            .filter_map(|(state, &label)| match label {
                Label::None => None,
                Label::Tool(tool) => Some(Labelled { state, tool: tool as i32, word: None }),
                Label::Word(word) => Some(Labelled { state, tool: WORD, word: Some(word) }),
            })
            .collect();
        let (len, mut read) = (labelled.ids.len(), labelled.ids);
        read.truncate(labels.last().map_or(0, |last| last.state + 1));
        let max = lm.card().context;
        if read.len() > max {
            let error = lm::LmError::ContextTooLong { len: read.len(), max };
            return Err(HeadError::Features(format!("example `{}`: {error}", example.id)));
        }
        texts.push(Text { len, read, labels });
    }
    Ok(texts)
}

/// The number of every example's group, in the order of their first examples.
fn groups(corpus: &Corpus) -> Vec<u32> {
    let mut numbers = HashMap::new();
    corpus
        .examples()
        .iter()
        .map(|example| {
            let next = numbers.len() as u32;
            *numbers.entry(example.group()).or_insert(next)
        })
        .collect()
}

/// Cuts texts into runs of at most `limit` tokens; a longer text is a run of its own.
fn cut(texts: &[Text], limit: usize, tokens: impl Fn(&Text) -> usize) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut sum = 0;
    for (i, text) in texts.iter().enumerate() {
        let tokens = tokens(text);
        match runs.last_mut() {
            Some(run) if sum + tokens <= limit => {
                run.end = i + 1;
                sum += tokens;
            }
            _ => {
                runs.push(i..i + 1);
                sum = tokens;
            }
        }
    }
    runs
}

/// A part as it grows: [`Positions`], owned.
#[derive(Default)]
struct Columns {
    h: Vec<f32>,
    log_sum_exp: Vec<f32>,
    label_logit: Vec<f32>,
    max: Vec<f32>,
    best_word: Vec<u32>,
    tool: Vec<i32>,
    word: Vec<u32>,
    example: Vec<u32>,
}

impl Columns {
    /// Runs the model on a pack of examples and appends their labelled positions.
    fn read(
        &mut self,
        lm: &dyn FrozenLm,
        corpus: &Corpus,
        texts: &[Text],
        pack: Range<usize>,
    ) -> Result<(), HeadError> {
        // An example without labels has nothing to read.
        let examples: Vec<usize> = pack.filter(|&i| !texts[i].labels.is_empty()).collect();
        if examples.is_empty() {
            return Ok(());
        }
        let mut sequences: Vec<_> = examples.iter().map(|_| lm.begin()).collect();
        let mut batch: Vec<_> = sequences
            .iter_mut()
            .zip(&examples)
            .map(|(sequence, &i)| (sequence, texts[i].read.as_slice()))
            .collect();
        let states = lm.extend(&mut batch)?;

        let (mut rows, mut labels, mut first) = (Vec::new(), Vec::new(), 0);
        for &i in &examples {
            for &Labelled { state, tool, word } in &texts[i].labels {
                rows.push(first + state);
                labels.push(word);
                self.tool.push(tool);
                self.word.push(word.unwrap_or(0));
                self.example.push(i as u32);
            }
            first += texts[i].read.len();
        }
        let hidden = states.select(rows);
        let from = self.log_sum_exp.len();
        for (at, mass) in lm.word_mass(&hidden, &labels)?.into_iter().enumerate() {
            let numbers = [mass.log_sum_exp, mass.label, mass.max];
            if numbers.iter().chain(hidden.row(at)).any(|x| !x.is_finite()) {
                let id = &corpus.examples()[self.example[from + at] as usize].id;
                return Err(HeadError::Features(format!(
                    "example `{id}`: the model computes a number that is not finite; use f32 arithmetic, or leave the example out"
                )));
            }
            self.log_sum_exp.push(mass.log_sum_exp);
            self.label_logit.push(mass.label);
            self.max.push(mass.max);
            self.best_word.push(mass.argmax);
        }
        self.h.extend_from_slice(hidden.data());
        Ok(())
    }

    fn positions(&self) -> Positions<'_> {
        Positions {
            h: &self.h,
            log_sum_exp: &self.log_sum_exp,
            label_logit: &self.label_logit,
            max: &self.max,
            best_word: &self.best_word,
            tool: &self.tool,
            word: &self.word,
            example: &self.example,
        }
    }
}
