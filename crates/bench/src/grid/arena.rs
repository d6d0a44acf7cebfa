//! What is fitted on and what is scored on.

use crate::BenchError;
use head::{HeadError, Subset, Table};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Folds of a corpus without a test of its own.
const FOLDS: u64 = 5;

/// Features to fit on, and features to score on.
pub struct Arena<'a> {
    train: &'a Table<'a>,
    test: Option<&'a Table<'a>>,
    /// The learning rate and epochs that ToolkenGPT's authors used on this corpus.
    pub published: (f64, usize),
}

/// One seed's parts.
pub struct Split<'a> {
    /// The table to fit on.
    pub train: &'a Table<'a>,
    /// Its examples that are fitted on.
    pub fit_on: Subset,
    /// The table to score on.
    pub test: &'a Table<'a>,
    /// Its examples that are scored.
    pub score_on: Subset,
}

impl<'a> Arena<'a> {
    /// An arena; without `test` the training features are cut into folds.
    ///
    /// # Errors
    /// If the tools of the two parts differ.
    pub fn new(
        train: &'a Table<'a>,
        test: Option<&'a Table<'a>>,
        published: (f64, usize),
    ) -> Result<Self, BenchError> {
        if let Some(test) = test.filter(|test| test.tools() != train.tools() || test.width() != train.width())
        {
            return Err(BenchError::Setting(format!(
                "the test's features are of {} tools, width {}, the training's of {} tools, width {}: extract both with \
                 the same model and tools",
                test.tools().len(),
                test.width(),
                train.tools().len(),
                train.width()
            )));
        }
        Ok(Self { train, test, published })
    }

    /// The tools.
    pub fn tools(&self) -> &'a [String] {
        self.train.tools()
    }

    /// Features to fit on.
    pub fn train(&self) -> &'a Table<'a> {
        self.train
    }

    /// Whether the seed decides what is scored.
    pub fn has_folds(&self) -> bool {
        self.test.is_none()
    }

    /// The parts of a seed; at most `per_tool` examples a tool are fitted on.
    ///
    /// # Errors
    /// If there are too few examples.
    pub fn split(&self, seed: u64, per_tool: Option<usize>) -> Result<Split<'a>, HeadError> {
        let all = Subset::all(self.train.groups().len());
        let (fit_on, test, score_on) = match self.test {
            Some(test) => (all, test, Subset::all(test.groups().len())),
            None => {
                let folds = all.folds(self.train, FOLDS as usize, seed / FOLDS)?;
                let score_on = folds[(seed % FOLDS) as usize].clone();
                (all.minus(&score_on), self.train, score_on)
            }
        };
        let fit_on = match per_tool {
            Some(count) => few(self.train, &fit_on, count, seed),
            None => fit_on,
        };
        Ok(Split { train: self.train, fit_on, test, score_on })
    }
}

/// At most `count` examples of each tool's first calls, drawn by the seed. An example counts for the tool it calls first.
fn few(table: &Table<'_>, subset: &Subset, count: usize, seed: u64) -> Subset {
    let first = first_calls(table);
    let mut order: Vec<u32> = (0..first.len() as u32).filter(|&e| subset.contains(e)).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let mut taken = vec![0; table.tools().len()];
    let mut kept = vec![false; first.len()];
    for example in order {
        if let Some(tool) = first[example as usize].filter(|&tool| taken[tool] < count) {
            taken[tool] += 1;
            kept[example as usize] = true;
        }
    }
    Subset::of(first.len(), |example| kept[example as usize])
}

/// The tool that each example calls first.
fn first_calls(table: &Table<'_>) -> Vec<Option<usize>> {
    let mut first = vec![None; table.groups().len()];
    for (tool, example) in table.labels() {
        let slot = &mut first[example as usize];
        *slot = slot.or(usize::try_from(tool).ok());
    }
    first
}
