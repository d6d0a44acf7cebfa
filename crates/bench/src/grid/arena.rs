//! What is fitted on and what is scored on.

use super::Cell;
use crate::BenchError;
use head::{HeadError, Subset, Table};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Folds of a corpus without a test of its own.
const FOLDS: usize = 5;

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

    /// What is scored with one seed: every fold of its cut, or the one test.
    pub fn folds(&self) -> Vec<Option<usize>> {
        match self.test {
            Some(_) => vec![None],
            None => (0..FOLDS).map(Some).collect(),
        }
    }

    /// The parts of a cell.
    ///
    /// # Errors
    /// If there are too few examples, or the cell's fold is none of this arena's.
    pub fn split(&self, cell: &Cell) -> Result<Split<'a>, HeadError> {
        let all = Subset::all(self.train.groups().len());
        let (fit_on, test, score_on) = match (self.test, cell.fold) {
            (Some(test), None) => (all, test, Subset::all(test.groups().len())),
            (None, Some(fold)) if fold < FOLDS => {
                let score_on = all.folds(self.train, FOLDS, cell.seed)?.swap_remove(fold);
                (all.minus(&score_on), self.train, score_on)
            }
            (_, fold) => {
                return Err(HeadError::Setting(format!("the fold {fold:?} is none of {:?}", self.folds())));
            }
        };
        let fit_on = match cell.per_tool {
            Some(count) => few(self.train, &fit_on, count, cell.seed),
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
