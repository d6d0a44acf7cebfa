//! A model of a few lines: what it says next is looked up by how the text so far ends.
//!
//! Its hidden state *is* the score of every token, words first, then tools; W_v and the head pick their part of it. Tokens
//! are single characters and a few longer pieces. It has no merges: the longer pieces are never read, only said.

use crate::elsewhere::same_elsewhere;
use head::Head;
use lm::{FrozenLm, LmError, Matrix, ModelCard, RowSource, Sequence, State, Tokenizer, WordMass};
use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use toolken_decode::{Engine, Generation, Prompt, Request, Settings};
use tools::{Tool, ToolSet};

const PIECES: [&str; 6] = ["42", ".5", ")=", "\n\n", "\nQ", "no"];

pub struct Mock {
    card: ModelCard,
    tokenizer: Tokenizer,
    tools: Vec<String>,
    /// After a text that ends so: the scores that differ from −10. The longest ending decides.
    rules: Vec<(String, Vec<(usize, f32)>)>,
    /// A word that it cannot read.
    pub fails_on: Option<u32>,
    /// Tokens read.
    pub read: AtomicUsize,
    /// The most sequences read in one batch.
    pub widest: AtomicUsize,
}

impl Mock {
    /// A model with these tools, that ends every text at once.
    pub fn new(tools: &[&str]) -> Self {
        let tokenizer = tokenizer();
        let vocab = tokenizer.vocab_size();
        Self {
            card: ModelCard {
                name: "mock".into(),
                digest: "0".into(),
                architecture: "llama".into(),
                engine: "script".into(),
                width: vocab + tools.len(),
                vocab,
                context: 1000,
            },
            tokenizer,
            tools: tools.iter().map(|name| (*name).to_string()).collect(),
            rules: Vec::new(),
            fails_on: None,
            read: AtomicUsize::new(0),
            widest: AtomicUsize::new(0),
        }
    }

    pub fn context(mut self, tokens: usize) -> Self {
        self.card.context = tokens;
        self
    }

    /// After a text that ends in `after`, these scores; a tool is `@name`, a word is as it is written.
    pub fn scores(mut self, after: &str, scores: &[(&str, f32)]) -> Self {
        let scores = scores.iter().map(|(token, score)| (self.place(token), *score)).collect();
        self.rules.push((after.to_string(), scores));
        self
    }

    /// After a text that ends in `after`, says `text` character by character.
    pub fn says(mut self, after: &str, text: &str) -> Self {
        for (at, next) in text.char_indices() {
            self = self.scores(&format!("{after}{}", &text[..at]), &[(&next.to_string(), 5.0)]);
        }
        self
    }

    pub fn word(&self, text: &str) -> u32 {
        let spelling: String = text.chars().map(spelled).collect();
        self.tokenizer.id(&spelling).unwrap_or_else(|| panic!("no token {text:?}"))
    }

    fn place(&self, token: &str) -> usize {
        match token.strip_prefix('@') {
            Some(tool) => {
                self.card.vocab + self.tools.iter().position(|name| name == tool).expect("a tool of the mock")
            }
            None => self.word(token) as usize,
        }
    }

    pub fn head(&self) -> Head {
        let mut weights = Matrix::zeros(self.tools.len(), self.card.width);
        for k in 0..self.tools.len() {
            weights.row_mut(k)[self.card.vocab + k] = 1.0;
        }
        Head::new(self.tools.clone(), weights).unwrap()
    }

    pub fn hidden(&self, ids: &[u32]) -> Vec<f32> {
        let text: Vec<u8> = ids.iter().flat_map(|&id| self.tokenizer.token_bytes(id)).copied().collect();
        let text = String::from_utf8(text).unwrap();
        let rule =
            self.rules.iter().filter(|(after, _)| text.ends_with(after)).max_by_key(|(after, _)| after.len());
        let mut hidden = vec![-10.0; self.card.width];
        hidden[self.word("</s>") as usize] = 0.0;
        for &(place, score) in rule.map_or(&[][..], |(_, scores)| scores) {
            hidden[place] = score;
        }
        hidden
    }

    pub fn tokens_read(&self) -> usize {
        self.read.swap(0, Ordering::Relaxed)
    }

    /// Runs one request with the built-in tools.
    pub fn run(&self, request: Request) -> Generation {
        self.run_all(&[request]).remove(0)
    }

    pub fn run_all(&self, requests: &[Request]) -> Vec<Generation> {
        let (head, tools) = (self.head(), self.tool_set());
        let generations = Engine::new(self, &head, &tools).unwrap().run(requests).unwrap();
        same_elsewhere(self, requests, &generations);
        generations
    }

    /// Another of the same rules.
    pub fn copy(&self) -> Self {
        Self {
            card: self.card.clone(),
            tokenizer: tokenizer(),
            tools: self.tools.clone(),
            rules: self.rules.clone(),
            fails_on: self.fails_on,
            read: AtomicUsize::new(0),
            widest: AtomicUsize::new(0),
        }
    }

    pub fn tool_names(&self) -> &[String] {
        &self.tools
    }

    /// Whether its context is shorter than a mock's usually is.
    pub fn is_short(&self) -> bool {
        self.card.context < 1000
    }

    pub fn vocab(&self) -> usize {
        self.card.vocab
    }

    pub fn bytes(&self, id: u32) -> &[u8] {
        self.tokenizer.token_bytes(id)
    }

    /// The built-in tools, and those with brackets in their names as literal ones.
    pub fn tool_set(&self) -> ToolSet {
        let literal =
            self.tools.iter().filter(|name| name.starts_with(['[', '<'])).map(|name| Tool::literal(name, ""));
        ToolSet::new(ToolSet::arithmetic().iter().cloned().chain(literal).collect()).unwrap()
    }
}

pub fn ask(prompt: &str) -> Request {
    Request::new(Prompt::Raw(prompt.into()))
}

pub fn ask_with(prompt: &str, settings: Settings) -> Request {
    Request { settings, ..ask(prompt) }
}

/// Without the times, which differ from run to run.
pub fn timeless(mut generation: Generation) -> Generation {
    generation.micros = 0;
    for attempt in generation.decisions.iter_mut().flat_map(|decision| &mut decision.attempts) {
        attempt.micros = 0;
    }
    generation
}

/// What the mock has read: the engine's own record must agree with it whatever is forked and undone.
#[derive(Clone)]
struct Read(Vec<u32>);

impl State for Read {
    fn fork(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }
    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl FrozenLm for Mock {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn begin(&self) -> Sequence {
        Sequence::new(Box::new(Read(Vec::new())))
    }

    fn extend(&self, batch: &mut [(&mut Sequence, &[u32])]) -> Result<Matrix, LmError> {
        if batch.iter().any(|(_, new)| new.iter().any(|id| Some(*id) == self.fails_on)) {
            return Err(LmError::Tokenizer("a word that cannot be read".into()));
        }
        self.widest.fetch_max(batch.len(), Ordering::Relaxed);
        let mut rows = Vec::new();
        for (sequence, new) in batch {
            let (ids, state) = sequence.parts_mut();
            let read = &mut state.as_any_mut().downcast_mut::<Read>().unwrap().0;
            assert_eq!(read, ids, "the state and the sequence have read different tokens");
            assert!(!new.is_empty(), "nothing to read");
            assert!(read.len() + new.len() <= self.card.context, "more than fits the context");
            for &id in *new {
                read.push(id);
                ids.push(id);
                rows.push(self.hidden(read));
            }
        }
        self.read.fetch_add(rows.len(), Ordering::Relaxed);
        Ok(Matrix::new(rows.len(), self.card.width, rows.concat()))
    }

    fn logits(&self, hidden: &Matrix) -> Result<Matrix, LmError> {
        let words: Vec<f32> =
            (0..hidden.rows()).flat_map(|i| &hidden.row(i)[..self.card.vocab]).copied().collect();
        Ok(Matrix::new(hidden.rows(), self.card.vocab, words))
    }

    fn word_mass(&self, _: &Matrix, _: &[Option<u32>]) -> Result<Vec<WordMass>, LmError> {
        unreachable!("decoding needs no word mass")
    }

    fn rows(&self, _: RowSource, _: &[u32]) -> Result<Matrix, LmError> {
        unreachable!("decoding needs no rows")
    }
}

/// As byte-level vocabularies spell a character.
fn spelled(c: char) -> char {
    match c {
        ' ' => 'Ġ',
        '\n' => 'Ċ',
        c => c,
    }
}

fn tokenizer() -> Tokenizer {
    let characters = (' '..='~').chain(['\n']).map(|c| spelled(c).to_string());
    let pieces = PIECES.iter().map(|piece| piece.chars().map(spelled).collect());
    let vocab: serde_json::Map<_, _> =
        characters.chain(pieces).enumerate().map(|(id, token)| (token, serde_json::json!(id))).collect();
    let added: Vec<_> = ["<s>", "</s>", "<|mark|>"]
        .iter()
        .enumerate()
        .map(|(i, token)| serde_json::json!({"id": vocab.len() + i, "content": token, "special": true}))
        .collect();
    let json = serde_json::json!({
        "added_tokens": added,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    });
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    std::fs::write(&path, json.to_string()).unwrap();
    std::fs::write(
        path.with_file_name("tokenizer_config.json"),
        r#"{"bos_token": "<s>", "eos_token": "</s>"}"#,
    )
    .unwrap();
    Tokenizer::from_json_file(path).unwrap()
}
