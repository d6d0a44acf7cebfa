//! Labelled positions: everything the objective, the metrics and the priors need of a corpus.
//!
//! The frozen model is run once; afterwards a corpus is a table with one row a labelled position. [`Features`]
//! is how that table is read, wherever it lives; [`FeatureSet`] is the table in memory.

/// The label of a position that predicts a word: no tool.
pub const WORD: i32 = -1;

/// A stretch of labelled positions, column by column; all columns have the same length n.
#[derive(Clone, Copy, Debug)]
pub struct Positions<'a> {
    /// Final hidden states h that predict the positions, row-major `(n, d)`.
    pub h: &'a [f32],
    /// a = logsumexp(W_v h), the log mass of all words.
    pub log_sum_exp: &'a [f32],
    /// b = (W_v h)\[label\] where the label is a word; 0 where it is a tool.
    pub label_logit: &'a [f32],
    /// m = max(W_v h).
    pub max: &'a [f32],
    /// The word that attains m.
    pub best_word: &'a [u32],
    /// The label: an index into [`Features::tools`], or [`WORD`].
    pub tool: &'a [i32],
    /// The label's id where it is a word; unspecified where it is a tool.
    pub word: &'a [u32],
    /// The example that the position stands in, an index into [`Features::groups`].
    pub example: &'a [u32],
}

impl Positions<'_> {
    /// Number n of positions.
    pub fn len(&self) -> usize {
        self.tool.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tool.is_empty()
    }
}

/// A corpus as the head sees it.
pub trait Features: Sync {
    /// Width d of a hidden state.
    fn width(&self) -> usize;

    /// The tools' names, in the order of their indices.
    fn tools(&self) -> &[String];

    /// The group of every example; examples of one group never stand on both sides of a fold.
    fn groups(&self) -> &[u32];

    /// All positions, in stretches (a memory-mapped store has several). A position's number is its place in
    /// their concatenation; the order never changes.
    fn parts(&self) -> Vec<Positions<'_>>;
}

/// Labelled positions in memory, in one stretch.
///
/// ```
/// use toolken_head::{FeatureSet, Features, Position, WORD};
/// let mut set = FeatureSet::new(2, vec!["add".into()]);
/// let example = set.add_example(0);
/// set.push(example, Position { h: &[1.0, 0.5], log_sum_exp: 3.0, label_logit: 1.0, max: 2.5, best_word: 7, tool: WORD, word: 9 });
/// set.push(example, Position { h: &[0.0, 2.0], log_sum_exp: 3.0, label_logit: 0.0, max: 2.5, best_word: 7, tool: 0, word: 0 });
/// assert_eq!(set.parts()[0].len(), 2);
/// ```
#[derive(Clone, Debug, Default)]
pub struct FeatureSet {
    width: usize,
    tools: Vec<String>,
    groups: Vec<u32>,
    h: Vec<f32>,
    log_sum_exp: Vec<f32>,
    label_logit: Vec<f32>,
    max: Vec<f32>,
    best_word: Vec<u32>,
    tool: Vec<i32>,
    word: Vec<u32>,
    example: Vec<u32>,
}

/// One labelled position; the fields as in [`Positions`].
#[derive(Clone, Copy, Debug)]
pub struct Position<'a> {
    /// The hidden state, `(d)`.
    pub h: &'a [f32],
    /// The log mass of all words.
    pub log_sum_exp: f32,
    /// The word label's logit.
    pub label_logit: f32,
    /// The best word's logit.
    pub max: f32,
    /// The best word.
    pub best_word: u32,
    /// The tool label, or [`WORD`].
    pub tool: i32,
    /// The word label.
    pub word: u32,
}

impl FeatureSet {
    /// An empty set for hidden states of width `width`.
    pub fn new(width: usize, tools: Vec<String>) -> Self {
        Self { width, tools, ..Self::default() }
    }

    /// Adds an example of a group and returns its number.
    pub fn add_example(&mut self, group: u32) -> u32 {
        self.groups.push(group);
        self.groups.len() as u32 - 1
    }

    /// Adds a position to an example.
    ///
    /// # Panics
    /// If the hidden state has another width, or the example was not added: faults of the caller.
    pub fn push(&mut self, example: u32, position: Position<'_>) {
        assert_eq!(position.h.len(), self.width, "width of a hidden state");
        assert!((example as usize) < self.groups.len(), "example {example} was not added");
        self.h.extend_from_slice(position.h);
        self.log_sum_exp.push(position.log_sum_exp);
        self.label_logit.push(position.label_logit);
        self.max.push(position.max);
        self.best_word.push(position.best_word);
        self.tool.push(position.tool);
        self.word.push(position.word);
        self.example.push(example);
    }
}

impl Features for FeatureSet {
    fn width(&self) -> usize {
        self.width
    }

    fn tools(&self) -> &[String] {
        &self.tools
    }

    fn groups(&self) -> &[u32] {
        &self.groups
    }

    fn parts(&self) -> Vec<Positions<'_>> {
        vec![Positions {
            h: &self.h,
            log_sum_exp: &self.log_sum_exp,
            label_logit: &self.label_logit,
            max: &self.max,
            best_word: &self.best_word,
            tool: &self.tool,
            word: &self.word,
            example: &self.example,
        }]
    }
}
