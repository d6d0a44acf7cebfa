//! Our side of the learning comparisons of `scripts/bench`: features, fits and paths along λ, timed here.
//!
//! The argument is a JSON object `{"model", "training", "data", "limit"}`: a model by name, a training set, the folder of other
//! people's data if it needs one, how many of its examples. Then a line is answered for each line that is read.

use corpus::{Corpus, Ends, Label, Segment};
use head::{
    ExactSettings, FeatureSet, Features, FitProgress, Method, MethodName, Outcome as Ended, Penalty,
    Position, Search, Solver, Store, Subset, Table, WORD, choose_lambda, extract, fit, objective,
};
use lm::{FrozenLm, Matrix, Specials};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::{Value, json};
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;
use toolken_bench::task::TrainingSet;

#[derive(Deserialize)]
struct Setup {
    model: String,
    training: TrainingSet,
    data: Option<PathBuf>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(tag = "measure", rename_all = "kebab-case")]
enum Measure {
    /// The texts as token ids, with the states that predict a label, its word and its tool.
    Texts,
    /// A large product of f32 matrices.
    Product { size: usize },
    /// From texts to a store, which is thrown away; of the first so many texts.
    Extract { texts: Option<usize> },
    /// The store that fits are made from: where it is.
    Features,
    /// F at the optimum, to a tight tolerance.
    Optimum { lambda: f64 },
    /// A fit, until F is within the target.
    Fit { lambda: f64, target: f64 },
    /// A fit to the solver's own tolerance.
    Once { lambda: f64 },
    /// Eight values of λ in five folds, and the fit with the chosen one.
    Path,
    /// A fit on features at random, of so many positions, tools and dimensions.
    Grown { positions: usize, tools: usize, width: usize, lambda: f64 },
}

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let setup = std::env::args().nth(1).ok_or("expected {\"model\", \"training\", \"data\", \"limit\"}")?;
    let setup: Setup = serde_json::from_str(&setup)?;
    let path = lm::resolve(&setup.model, &mut |line| eprintln!("{line}"))?;
    let model = lm::load(&path, lm::Device::default())?;
    let corpus = setup.training.load(setup.data.as_deref(), setup.limit, 0)?;
    let mut side = Side { model: model.as_ref(), corpus, store: None };
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
    corpus: Corpus,
    store: Option<Store>,
}

impl Side<'_> {
    fn measure(&mut self, measure: Measure) -> Outcome<Value> {
        match measure {
            Measure::Texts => self.texts(),
            Measure::Product { size } => Ok(product(size)),
            Measure::Extract { texts } => self.extract(texts),
            Measure::Features => Ok(json!({
                "features": self.store()?.directory(), "positions": self.store()?.positions(),
                "tools": self.store()?.tools().len(),
            })),
            Measure::Optimum { lambda } => {
                // F is then within 1e-9 of its minimum; `f32` weights come no closer in reasonable time.
                let (_, trace) = self.fit(lambda, 1e-7)?;
                Ok(json!({ "objective": trace.last().ok_or("no fit")?.1 }))
            }
            Measure::Fit { lambda, target } => {
                // The loosest tolerance whose solution is within the target: the solver then stops by its own rule.
                for tolerance in [3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6, 1e-7] {
                    let (seconds, trace) = self.fit(lambda, tolerance)?;
                    let reached = trace.last().ok_or("no fit")?.1;
                    if reached <= target {
                        return Ok(json!({ "seconds": seconds, "objective": reached, "tolerance": tolerance,
                                          "reached": true }));
                    }
                }
                Err("no tolerance brings F within the target".into())
            }
            Measure::Once { lambda } => {
                let (seconds, trace) = self.fit(lambda, ExactSettings::default().tolerance)?;
                Ok(json!({ "seconds": seconds, "objective": trace.last().ok_or("no fit")?.1 }))
            }
            Measure::Path => self.path(),
            Measure::Grown { positions, tools, width, lambda } => grown(positions, tools, width, lambda),
        }
    }

    fn texts(&self) -> Outcome<Value> {
        let tokenizer = self.model.tokenizer();
        let ends = Ends { bos: tokenizer.bos().or(tokenizer.eos()), eos: tokenizer.eos() };
        let encode = |text: &str, segment| match segment {
            Segment::First => tokenizer.encode(text, Specials::Text),
            Segment::Continuation => tokenizer.encode_continuation(text, Specials::Text),
        };
        let place = |tool: &str| self.corpus.tools().iter().position(|name| name == tool);
        let mut texts = Vec::new();
        for example in self.corpus.examples() {
            let labelled = corpus::label(example, place, encode, ends)?;
            let (mut states, mut words, mut tools) = (Vec::new(), Vec::new(), Vec::new());
            for (state, label) in labelled.labels.iter().skip(1).enumerate() {
                let (word, tool) = match *label {
                    Label::None => continue,
                    Label::Tool(tool) => (0, tool as i64),
                    Label::Word(word) => (word, -1),
                };
                states.push(state);
                words.push(word);
                tools.push(tool);
            }
            let read = states.last().map_or(0, |last| last + 1);
            texts.push(
                json!({ "ids": labelled.ids[..read], "states": states, "words": words, "tools": tools }),
            );
        }
        Ok(json!({ "texts": texts, "tools": self.corpus.tools().len() }))
    }

    fn extract(&self, texts: Option<usize>) -> Outcome<Value> {
        let place = std::env::temp_dir().join(format!("toolken-extract-{}", std::process::id()));
        let all = self.corpus.examples();
        let examples = all[..texts.unwrap_or(all.len()).min(all.len())].to_vec();
        let corpus = Corpus::with_tools(examples, self.corpus.tools().to_vec())?;
        let mut tokens = 0;
        let memory = Memory::mark();
        let start = Instant::now();
        let store = extract(self.model, &corpus, &place, &mut |p| tokens = p.tokens);
        let seconds = start.elapsed().as_secs_f64();
        let memory = memory.grown();
        std::fs::remove_dir_all(&place)?;
        Ok(json!({ "seconds": seconds, "tokens": tokens, "positions": store?.positions(), "memory": memory }))
    }

    fn store(&mut self) -> Outcome<&Store> {
        if self.store.is_none() {
            let cache = lm::models_dir().parent().ok_or("no folder above the models")?.join("features");
            self.store = Some(extract(self.model, &self.corpus, &cache, &mut |_| ())?);
        }
        self.store.as_ref().ok_or_else(|| "no store".into())
    }

    /// Seconds of a fit from zero, and F after it, in f64.
    fn fit(&mut self, lambda: f64, tolerance: f64) -> Outcome<(f64, Vec<(f64, f64)>)> {
        let store = self.store()?;
        let table = Table::new(store)?;
        let all = Subset::all(table.groups().len());
        let zero = Matrix::zeros(table.tools().len(), table.width());
        let mut method = Method::named(MethodName::Exact);
        method.penalty = Penalty::Squared { lambda };
        method.solver = Solver::Exact(ExactSettings { tolerance, ..ExactSettings::default() });
        let start = Instant::now();
        let mut trace = Vec::new();
        let found = fit(&table, &all, &zero, &method, &mut |progress| {
            if let FitProgress::Step(step) = progress {
                trace.push((start.elapsed().as_secs_f64(), step.value));
            }
        })?;
        let seconds = start.elapsed().as_secs_f64();
        let f = objective(&table, &all, &zero, &method)?;
        let fitted: Vec<f32> =
            f.fitted().iter().flat_map(|&tool| found.head.weights.row(tool).to_vec()).collect();
        trace.push((seconds, f.value_and_gradient(&fitted).0));
        Ok((seconds, trace))
    }

    fn path(&mut self) -> Outcome<Value> {
        let store = self.store()?;
        let table = Table::new(store)?;
        let all = Subset::all(table.groups().len());
        let zero = Matrix::zeros(table.tools().len(), table.width());
        let start = Instant::now();
        let method = Method::named(MethodName::Exact);
        let found = choose_lambda(&table, &all, &zero, &method, &Search::default(), &mut |_, _| ())?;
        let seconds = start.elapsed().as_secs_f64();
        Ok(
            json!({ "seconds": seconds, "lambda": found.fit.head.meta.lambda, "values": found.curve.points.len() }),
        )
    }
}

/// A fit of features at random: words as at a real model's positions, a call at every fiftieth, each tool's in its direction.
fn grown(positions: usize, tools: usize, width: usize, lambda: f64) -> Outcome<Value> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let noise: Vec<f32> =
        (0..1 << 20).map(|_| (0..4).map(|_| rng.random_range(-0.87..0.87_f32)).sum()).collect();
    let mut some = |factor: f32| -> Vec<f32> {
        let start = rng.random_range(0..noise.len() - width);
        noise[start..start + width].iter().map(|x| factor * x).collect()
    };
    let directions: Vec<Vec<f32>> = (0..tools).map(|_| some(0.5)).collect();
    let mut set = FeatureSet::new(width, (0..tools).map(|k| format!("t{k}")).collect());
    for i in 0..positions {
        let example = if i % 50 == 0 { set.add_example((i / 50) as u32) } else { (i / 50) as u32 };
        let mut h = some(1.0);
        let tool = if i % 50 == 7 { (i / 50 % tools) as i32 } else { WORD };
        if let Ok(tool) = usize::try_from(tool) {
            h.iter_mut().zip(&directions[tool]).for_each(|(h, x)| *h += x);
        }
        let log_sum_exp = 12.0 + h[0];
        set.push(
            example,
            Position {
                h: &h,
                log_sum_exp,
                label_logit: log_sum_exp - 2.0,
                max: log_sum_exp - 0.5,
                best_word: 0,
                tool,
                word: 0,
            },
        );
    }
    let memory = Memory::mark();
    let start = Instant::now();
    let table = Table::new(&set)?;
    let zero = Matrix::zeros(tools, width);
    let mut method = Method::named(MethodName::Exact);
    method.penalty = Penalty::Squared { lambda };
    let found = fit(&table, &Subset::all(table.groups().len()), &zero, &method, &mut |_| ())?;
    let Ended::Exact(solution) = found.outcome else { return Err("the method is exact".into()) };
    Ok(
        json!({ "seconds": start.elapsed().as_secs_f64(), "memory": memory.grown(), "features": 4 * positions * width,
               "steps": solution.steps, "passes": solution.passes, "products": solution.products }),
    )
}

/// By how much this process's resident memory grows at its peak. Linux alone says so; elsewhere nothing is said.
struct Memory(Option<u64>);

impl Memory {
    fn mark() -> Self {
        // Makes the present size the peak.
        let marked = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        Self(marked.then(|| Self::status("VmRSS:")).flatten())
    }

    fn grown(&self) -> Option<u64> {
        Some(Self::status("VmHWM:")?.saturating_sub(self.0?))
    }

    fn status(key: &str) -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
    }
}

fn product(n: usize) -> Value {
    let numbers = |seed: usize| -> Vec<f32> {
        (0..n * n).map(|i| ((i * 2_654_435_761 + seed) % 1000) as f32 / 1000.0 - 0.5).collect()
    };
    let (a, b, mut out) = (numbers(1), numbers(2), vec![0.0; n * n]);
    let (n_i, threads) = (n as isize, gemm::Parallelism::Rayon(0));
    let best = (0..5).map(|_| {
        let start = Instant::now();
        // SAFETY: all three matrices are n × n, row by row, and the strides say so.
        unsafe {
            gemm::gemm(
                n,
                n,
                n,
                out.as_mut_ptr(),
                1,
                n_i,
                false,
                a.as_ptr(),
                1,
                n_i,
                b.as_ptr(),
                1,
                n_i,
                0.0,
                1.0,
                false,
                false,
                false,
                threads,
            );
        }
        std::hint::black_box(&out);
        start.elapsed().as_secs_f64()
    });
    json!({ "seconds": best.fold(f64::INFINITY, f64::min), "flops": 2 * n * n * n })
}
