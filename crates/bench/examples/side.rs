//! Our side of `scripts/bench`: a process that loads a model once and then makes one measurement for each line that it reads.
//!
//! The argument is a JSON object `{"model", "device"}`; every line is a JSON object whose `measure` names a measurement, the
//! other keys as below; every answer is a JSON object on a line. What is timed is timed here, so the other process of a pair can
//! sit beside it and be asked in turn.

use decode::ToolScores;
use head::Head;
use lm::{FrozenLm, Matrix, Sequence, Specials};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::{Value, json};
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

#[derive(Deserialize)]
struct Setup {
    model: String,
    device: String,
}

#[derive(Deserialize)]
#[serde(tag = "measure", rename_all = "kebab-case")]
enum Measure {
    /// Ids of a text.
    Tokens { text: String },
    /// Reading a prompt, in one piece.
    Prefill { ids: Vec<u32> },
    /// Greedy tokens after a prompt, whose time does not count.
    Decode { ids: Vec<u32>, tokens: usize },
    /// As `Decode`, of several rows that share the prompt and differ from the first token on.
    Batch { ids: Vec<u32>, rows: usize, tokens: usize },
    /// Decoding with so many tools beside the words: the time of a step, and of the tools' scores in it.
    Head { ids: Vec<u32>, tools: usize, tokens: usize },
    /// Greedy decisions of this engine and of another at every position of some texts, of the tools too if there is a head.
    Agreement { texts: Vec<String>, other: String, head: Option<PathBuf> },
    /// From a question to a tool, with a row a tool.
    ChooseByHead { prompt: String, tools: usize },
    /// From a question to a tool, all tools in the prompt: `listing`, then `prompt`, then the name, up to a `(`. With `warm`,
    /// the listing has been read before.
    ChooseInPrompt { listing: String, prompt: String, warm: bool },
}

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let setup = std::env::args().nth(1).ok_or("expected {\"model\", \"device\"}")?;
    let setup: Setup = serde_json::from_str(&setup)?;
    let load = |device: &str| -> Outcome<Box<dyn FrozenLm>> {
        let path = lm::resolve(&setup.model, &mut |line| eprintln!("{line}"))?;
        Ok(lm::load(&path, device.parse()?)?)
    };
    let model = load(&setup.device)?;
    let mut side = Side { model: model.as_ref(), load: &load, kept: None };
    for line in std::io::stdin().lock().lines() {
        let answer = side.measure(serde_json::from_str(&line?)?)?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

struct Side<'a> {
    model: &'a dyn FrozenLm,
    load: &'a dyn Fn(&str) -> Outcome<Box<dyn FrozenLm>>,
    /// A listing that has been read, and its text.
    kept: Option<(String, Sequence)>,
}

impl Side<'_> {
    fn measure(&mut self, measure: Measure) -> Outcome<Value> {
        match measure {
            Measure::Tokens { text } => Ok(json!({ "ids": self.encode(&text)? })),
            Measure::Prefill { ids } => {
                let start = Instant::now();
                self.model.states(&ids)?;
                Ok(json!({ "seconds": start.elapsed().as_secs_f64(), "tokens": ids.len() }))
            }
            Measure::Decode { ids, tokens } => self.decode(&ids, 1, tokens),
            Measure::Batch { ids, rows, tokens } => self.decode(&ids, rows, tokens),
            Measure::Head { ids, tools, tokens } => self.head(&ids, tools, tokens),
            Measure::Agreement { texts, other, head } => self.agreement(&texts, &other, head),
            Measure::ChooseByHead { prompt, tools } => self.choose_by_head(&prompt, tools),
            Measure::ChooseInPrompt { listing, prompt, warm } => {
                self.choose_in_prompt(&listing, &prompt, warm)
            }
        }
    }

    fn encode(&self, text: &str) -> Outcome<Vec<u32>> {
        let mut ids: Vec<u32> = self.model.tokenizer().bos().into_iter().collect();
        ids.extend(self.model.tokenizer().encode(text, Specials::Text)?);
        Ok(ids)
    }

    /// Reads one token a row, and takes each row's best word.
    fn step(&self, rows: &mut [Sequence], next: &[u32]) -> Outcome<(Matrix, Matrix)> {
        let mut batch: Vec<(&mut Sequence, &[u32])> = rows.iter_mut().zip(next.chunks(1)).collect();
        let hidden = self.model.extend(&mut batch)?;
        let words = self.model.logits(&hidden)?;
        Ok((hidden, words))
    }

    fn decode(&self, ids: &[u32], rows: usize, tokens: usize) -> Outcome<Value> {
        let mut prefix = self.model.begin();
        self.model.extend(&mut [(&mut prefix, ids)])?;
        let mut rows: Vec<Sequence> = (0..rows).map(|_| prefix.fork()).collect();
        let mut next: Vec<u32> = (0..rows.len()).map(|row| ids[row % ids.len()]).collect();
        let start = Instant::now();
        for _ in 0..tokens {
            let (_, words) = self.step(&mut rows, &next)?;
            next = (0..words.rows()).map(|row| best(words.row(row)).0).collect();
        }
        Ok(json!({ "seconds": start.elapsed().as_secs_f64(), "tokens": tokens * rows.len(), "last": next }))
    }

    /// Rows of tools at random, as long as half a mean row of the word head.
    fn tools(&self, tools: usize) -> Outcome<Head> {
        let width = self.model.card().width;
        let norm = 0.5 * head::mean_row_norm(self.model)?;
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let reach = norm as f32 * (3.0 / width as f32).sqrt();
        let rows = (0..tools * width).map(|_| rng.random_range(-reach..reach)).collect();
        Ok(Head::new((0..tools).map(|k| format!("t{k}")).collect(), Matrix::new(tools, width, rows))?)
    }

    fn head(&self, ids: &[u32], tools: usize, tokens: usize) -> Outcome<Value> {
        let head = self.tools(tools)?;
        let scorer = ToolScores::new(&head);
        let disabled = vec![false; tools];
        let mut row = [self.model.begin()];
        self.model.extend(&mut [(&mut row[0], ids)])?;
        let mut next = ids[0];
        let (mut step, mut scoring, mut near) = (0.0, 0.0, 0);
        for _ in 0..tokens {
            let start = Instant::now();
            let (hidden, words) = self.step(&mut row, &[next])?;
            let (word, score) = best(words.row(0));
            step += start.elapsed().as_secs_f64();
            let start = Instant::now();
            let scores = scorer.scores(hidden.row(0), 0.0, &disabled, Some(score - 8.0));
            scoring += start.elapsed().as_secs_f64();
            near += scores.iter().filter(|s| **s >= score - 8.0).count();
            next = word;
        }
        Ok(json!({ "step": step / tokens as f64, "scoring": scoring / tokens as f64,
                   "near": near as f64 / tokens as f64 }))
    }

    fn agreement(&self, texts: &[String], other: &str, head: Option<PathBuf>) -> Outcome<Value> {
        let other = (self.load)(other)?;
        let head = head.map(|path| Head::load(&path)).transpose()?;
        let scorer = head.as_ref().map(ToolScores::new);
        let (mut positions, mut equal, mut error) = (0, 0, 0.0_f64);
        let (mut extended, mut tool) = (0, 0);
        let mut margins = Vec::new();
        for text in texts {
            let ids = self.encode(text)?;
            let states = [self.model.states(&ids)?, other.states(&ids)?];
            for i in 0..ids.len() {
                let rows = [states[0].select([i]), states[1].select([i])];
                let words = [self.model.logits(&rows[0])?, other.logits(&rows[1])?];
                let picks = [best(words[0].row(0)), best(words[1].row(0))];
                positions += 1;
                equal += usize::from(picks[0].0 == picks[1].0);
                if picks[0].0 != picks[1].0 {
                    margins.push(picks[1].1 - words[1].row(0)[picks[0].0 as usize]);
                }
                let square = |v: &mut dyn Iterator<Item = f32>| v.map(|x| f64::from(x).powi(2)).sum::<f64>();
                let off = square(&mut rows[0].data().iter().zip(rows[1].data()).map(|(a, b)| a - b));
                error = error.max((off / square(&mut rows[1].data().iter().copied())).sqrt());
                if let Some(scorer) = &scorer {
                    let bias = scorer.head().bias;
                    let off = vec![false; scorer.head().tools.len()];
                    let choice = [0, 1].map(|side| {
                        let scores = scorer.scores(rows[side].row(0), bias, &off, None);
                        let (best_tool, score) = best(&scores);
                        (score > picks[side].1, best_tool)
                    });
                    tool += usize::from(choice[0].1 == choice[1].1);
                    let call = |side: usize| {
                        (choice[side].0, if choice[side].0 { choice[side].1 } else { picks[side].0 })
                    };
                    extended += usize::from(call(0) == call(1));
                }
            }
        }
        margins.sort_by(f32::total_cmp);
        let with_tools = scorer.map(|_| json!({ "decisions": extended, "best tool": tool }));
        Ok(json!({ "positions": positions, "equal": equal, "margins": margins, "largest error of h": error,
                   "with tools": with_tools }))
    }

    fn choose_by_head(&self, prompt: &str, tools: usize) -> Outcome<Value> {
        let head = self.tools(tools)?;
        let (scorer, disabled) = (ToolScores::new(&head), vec![false; tools]);
        let start = Instant::now();
        let ids = self.encode(prompt)?;
        let hidden = self.model.states(&ids)?;
        let last = hidden.select([hidden.rows() - 1]);
        let words = self.model.logits(&last)?;
        let word = best(words.row(0));
        let scores = scorer.scores(last.row(0), 0.0, &disabled, Some(word.1));
        let tool = best(&scores);
        Ok(json!({ "seconds": start.elapsed().as_secs_f64(), "prompt": ids.len(), "tool": tool.0 }))
    }

    fn choose_in_prompt(&mut self, listing: &str, prompt: &str, warm: bool) -> Outcome<Value> {
        let listed = self.encode(listing)?;
        if warm && self.kept.as_ref().is_none_or(|(text, _)| text != listing) {
            let mut sequence = self.model.begin();
            self.model.extend(&mut [(&mut sequence, &listed)])?;
            self.kept = Some((listing.to_owned(), sequence));
        }
        let start = Instant::now();
        let mut sequence = match &self.kept {
            Some((_, kept)) if warm => kept.fork(),
            _ => {
                let mut sequence = self.model.begin();
                let ids = self.encode(listing)?;
                self.model.extend(&mut [(&mut sequence, &ids)])?;
                sequence
            }
        };
        let mut next = self.model.tokenizer().encode_continuation(prompt, Specials::Text)?;
        let asked = next.len();
        let mut name = String::new();
        // A name is over at its bracket; a model that writes none has its choice taken after sixteen tokens.
        for _ in 0..16 {
            let hidden = self.model.extend(&mut [(&mut sequence, &next)])?;
            let words = self.model.logits(&hidden.select([hidden.rows() - 1]))?;
            next = vec![best(words.row(0)).0];
            name += &self.model.tokenizer().token_text(next[0]);
            if name.contains(['(', '\n']) {
                break;
            }
        }
        Ok(json!({ "seconds": start.elapsed().as_secs_f64(), "prompt": listed.len() + asked, "name": name }))
    }
}

fn best(scores: &[f32]) -> (u32, f32) {
    let (chunks, rest) = scores.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane = if x > *lane { x } else { *lane });
    }
    let max = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |m, &x| m.max(x));
    (scores.iter().position(|&x| x == max).unwrap_or(0) as u32, max)
}
