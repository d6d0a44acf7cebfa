//! The prior W0: `scale(pool(source(text)))`, every choice a value of an enum.

use crate::{
    HeadError, Subset, Table,
    name::{bare_name, words_of_name},
};
use lm::{FrozenLm, Matrix, RowSource, Specials};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Where a fit starts, and what its penalty holds W to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prior {
    /// All zeros.
    Zero,
    /// Elements uniform on (−1/√d, 1/√d): a linear layer's start, ToolkenGPT's.
    Uniform {
        /// The seed.
        seed: u64,
    },
    /// The mean hidden state just before the tool's calls in the training examples.
    Contexts {
        /// The scale.
        scale: Scale,
    },
    /// The sum of others: what their sources say, together.
    Sum(Vec<Prior>),
    /// From a text about the tool.
    Text {
        /// Which text.
        text: Text,
        /// What its tokens are turned into.
        source: Source,
        /// How tokens become one row.
        pool: Pool,
        /// The scale.
        scale: Scale,
    },
}

/// The text about a tool that a prior is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Text {
    /// The name, as words ([`words_of_name`]).
    Name,
    /// The name without its brackets, otherwise as it is.
    BareName,
    /// The description.
    Description,
    /// Words that have nothing to do with the tool: the control of every experiment on priors.
    Unrelated {
        /// Which words.
        seed: u64,
    },
}

/// What a text's tokens are turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Their rows of W_v.
    HeadRows,
    /// Their rows of the input embedding.
    InputRows,
    /// Final hidden states of the text run by itself.
    HiddenStates {
        /// After the vocabulary's start token, whose own state is not pooled.
        bos: bool,
    },
}

/// How tokens' vectors become one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pool {
    /// Their mean.
    Mean,
    /// Their maximum, element by element.
    Max,
}

/// The scale of a prior's rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// As they come.
    AsIs,
    /// Unit rows times `factor`·ρ, ρ the mean row norm of W_v.
    Unit {
        /// s.
        factor: f64,
        /// Subtracts the tools' mean row first.
        centred: bool,
    },
    /// Unit rows divided by √5120, whatever the model's width: the authors' release.
    Released,
}

/// A tool as a prior sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolText {
    /// Its name.
    pub name: String,
    /// Its description; empty if there is none.
    pub description: String,
}

impl Prior {
    /// Whether it is made of training examples, and so has to be made anew for every part of them.
    pub fn needs_examples(&self) -> bool {
        match self {
            Self::Contexts { .. } => true,
            Self::Sum(parts) => parts.iter().any(Self::needs_examples),
            Self::Zero | Self::Uniform { .. } | Self::Text { .. } => false,
        }
    }

    /// Whether it is made of texts about the tools.
    pub fn reads_texts(&self) -> bool {
        match self {
            Self::Text { text, .. } => !matches!(text, Text::Unrelated { .. }),
            Self::Sum(parts) => parts.iter().any(Self::reads_texts),
            Self::Zero | Self::Uniform { .. } | Self::Contexts { .. } => false,
        }
    }

    /// Builds W0 `(tools, d)`. `examples` are what [`Prior::Contexts`] takes its calls from.
    ///
    /// # Errors
    /// [`HeadError::Prior`] names a tool whose text is empty or unknown to the tokenizer, or whose row vanishes so that it cannot be scaled to unit norm; the model's errors.
    pub fn build(
        &self,
        lm: &dyn FrozenLm,
        tools: &[ToolText],
        examples: Option<(&Table<'_>, &Subset)>,
    ) -> Result<Matrix, HeadError> {
        let width = lm.card().width;
        match self {
            Self::Zero => Ok(Matrix::zeros(tools.len(), width)),
            Self::Uniform { seed } => Ok(uniform(tools.len(), width, *seed)),
            Self::Sum(parts) => {
                let mut sum = Matrix::zeros(tools.len(), width);
                for part in parts {
                    let rows = part.build(lm, tools, examples)?;
                    sum.data_mut().iter_mut().zip(rows.data()).for_each(|(sum, x)| *sum += x);
                }
                Ok(sum)
            }
            Self::Contexts { scale } => {
                let (table, subset) = examples.ok_or_else(|| {
                    HeadError::Setting("a prior of example contexts needs extracted examples".into())
                })?;
                context_rows(lm, table, subset, *scale)
            }
            Self::Text { text, source, pool, scale } => {
                let mut rows = Matrix::zeros(tools.len(), width);
                for (k, tool) in tools.iter().enumerate() {
                    let vectors = source.vectors(lm, tool, &text.of(tool, k))?;
                    rows.row_mut(k).copy_from_slice(&pool.apply(&vectors));
                }
                let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
                scale.of(lm, rows, &names)
            }
        }
    }
}

impl Text {
    /// The text about the `index`-th tool.
    fn of(self, tool: &ToolText, index: usize) -> String {
        match self {
            Self::Name => words_of_name(&tool.name),
            Self::BareName => bare_name(&tool.name),
            Self::Description => tool.description.trim().to_string(),
            Self::Unrelated { seed } => unrelated_words(index, seed),
        }
    }
}

impl Source {
    /// One vector a token of the text, `(tokens, d)`.
    fn vectors(self, lm: &dyn FrozenLm, tool: &ToolText, text: &str) -> Result<Matrix, HeadError> {
        let fault = |message: String| HeadError::Prior { tool: tool.name.clone(), message };
        if text.is_empty() {
            return Err(fault(
                "its text is empty: give the tool a name or description, or choose another prior".into(),
            ));
        }
        let tokenizer = lm.tokenizer();
        let ids = tokenizer
            .encode(text, Specials::Text)
            .map_err(|e| fault(format!("`{text}` has no tokens: {e}")))?;
        let unknown = |id: &u32| tokenizer.is_control(*id) || Some(*id) == tokenizer.id("<unk>");
        if ids.iter().all(unknown) {
            return Err(fault(format!(
                "the vocabulary knows nothing of `{text}`: describe the tool in words it knows"
            )));
        }
        match self {
            Self::HeadRows => Ok(lm.rows(RowSource::Head, &ids)?),
            Self::InputRows => Ok(lm.rows(RowSource::Input, &ids)?),
            Self::HiddenStates { bos } => {
                let start = tokenizer.bos().filter(|_| bos);
                let all: Vec<u32> = start.into_iter().chain(ids.iter().copied()).collect();
                let states = lm.states(&all)?;
                Ok(states.select(all.len() - ids.len()..all.len()))
            }
        }
    }
}

impl Pool {
    /// One row from at least one.
    fn apply(self, vectors: &Matrix) -> Vec<f32> {
        let mut row = vectors.row(0).to_vec();
        for i in 1..vectors.rows() {
            row.iter_mut().zip(vectors.row(i)).for_each(|(all, &x)| match self {
                Self::Mean => *all += x,
                Self::Max => *all = all.max(x),
            });
        }
        if self == Self::Mean {
            row.iter_mut().for_each(|x| *x /= vectors.rows() as f32);
        }
        row
    }
}

impl Scale {
    /// Scales `(tools, d)` rows beside the model's own.
    fn of(self, lm: &dyn FrozenLm, rows: Matrix, names: &[&str]) -> Result<Matrix, HeadError> {
        let norm = if matches!(self, Self::Unit { .. }) { mean_row_norm(lm)? } else { 1.0 };
        self.apply(rows, norm, names)
    }

    /// Scales `(tools, d)` rows; `norm` is ρ.
    fn apply(self, mut rows: Matrix, norm: f64, names: &[&str]) -> Result<Matrix, HeadError> {
        let length = match self {
            Self::AsIs => return Ok(rows),
            Self::Unit { factor, .. } if !factor.is_finite() => {
                return Err(HeadError::Setting(format!("the prior's factor is {factor}, expected a number")));
            }
            Self::Unit { factor, .. } => factor * norm,
            Self::Released => 1.0 / 5120f64.sqrt(),
        };
        if let Self::Unit { centred: true, .. } = self {
            let mean = Pool::Mean.apply(&rows);
            (0..rows.rows())
                .for_each(|k| rows.row_mut(k).iter_mut().zip(&mean).for_each(|(x, mean)| *x -= mean));
        }
        for (k, name) in names.iter().enumerate() {
            let own = rows.row(k).iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            if own <= 1e-12 {
                let message =
                    "its row is zero and cannot be scaled: a centred prior needs tools with different texts";
                return Err(HeadError::Prior { tool: (*name).into(), message: message.into() });
            }
            rows.row_mut(k).iter_mut().for_each(|x| *x = (f64::from(*x) * length / own) as f32);
        }
        Ok(rows)
    }
}

/// Elements uniform on (−1/√d, 1/√d).
pub fn uniform(tools: usize, width: usize, seed: u64) -> Matrix {
    let bound = 1.0 / (width as f32).sqrt();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    Matrix::new(tools, width, (0..tools * width).map(|_| random.random_range(-bound..bound)).collect())
}

/// Each tool's mean hidden state at the positions that its calls are predicted from. Centring and scale are of the tools
/// that have calls; a tool without any has a row of zeros, which says nothing.
fn context_rows(
    lm: &dyn FrozenLm,
    table: &Table<'_>,
    subset: &Subset,
    scale: Scale,
) -> Result<Matrix, HeadError> {
    let (tools, width) = (table.tools(), table.width());
    let mut sums = Matrix::zeros(tools.len(), width);
    let mut counts = vec![0usize; tools.len()];
    let mut scratch = Vec::new();
    for id in 0..table.len() as u32 {
        let Ok(tool) = usize::try_from(table.tool[id as usize]) else {
            continue;
        };
        if subset.contains(table.example[id as usize]) {
            let h = table.gather(&[id], &mut scratch);
            sums.row_mut(tool).iter_mut().zip(h).for_each(|(sum, h)| *sum += h);
            counts[tool] += 1;
        }
    }
    let called: Vec<usize> = (0..tools.len()).filter(|&k| counts[k] > 0).collect();
    if called.is_empty() {
        return Err(HeadError::Setting(
            "no training example has a call: choose a prior made of names or descriptions".into(),
        ));
    }
    let mut means = Matrix::zeros(called.len(), width);
    for (i, &k) in called.iter().enumerate() {
        let mean = sums.row(k).iter().map(|sum| sum / counts[k] as f32);
        means.row_mut(i).iter_mut().zip(mean).for_each(|(to, mean)| *to = mean);
    }
    let names: Vec<&str> = called.iter().map(|&k| tools[k].as_str()).collect();
    let means = scale.of(lm, means, &names)?;
    let mut rows = Matrix::zeros(tools.len(), width);
    called.iter().enumerate().for_each(|(i, &k)| rows.row_mut(k).copy_from_slice(means.row(i)));
    Ok(rows)
}

/// ρ, the mean norm of W_v's rows.
///
/// # Errors
/// The model's.
pub fn mean_row_norm(lm: &dyn FrozenLm) -> Result<f64, HeadError> {
    let vocab = lm.card().vocab as u32;
    let ids: Vec<u32> = (0..vocab).collect();
    let mut total = 0.0;
    for ids in ids.chunks(4096) {
        let rows = lm.rows(RowSource::Head, ids)?;
        total += (0..rows.rows())
            .map(|i| rows.row(i).iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt())
            .sum::<f64>();
    }
    Ok(total / f64::from(vocab.max(1)))
}

/// Two common words for the `index`-th tool; different for every tool as long as there are pairs left.
fn unrelated_words(index: usize, seed: u64) -> String {
    const WORDS: [&str; 40] = [
        "river", "candle", "garden", "winter", "yellow", "kitchen", "mountain", "paper", "window", "silver",
        "forest", "button", "island", "butter", "carpet", "thunder", "pocket", "orange", "ladder", "blanket",
        "castle", "feather", "harbour", "mirror", "pepper", "ribbon", "saddle", "shadow", "tunnel", "velvet",
        "wagon", "basket", "copper", "engine", "flower", "hammer", "jacket", "lantern", "meadow", "needle",
    ];
    let mut order: Vec<usize> = (0..WORDS.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let first = index % WORDS.len();
    let second = (first + 1 + index / WORDS.len() % (WORDS.len() - 1)) % WORDS.len();
    format!("{} {}", WORDS[order[first]], WORDS[order[second]])
}
