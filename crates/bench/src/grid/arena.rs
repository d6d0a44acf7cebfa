//! What is fitted on and what is scored on.

use super::Cell;
use crate::BenchError;
use crate::task::of_each;
use head::{HeadError, Subset, Table, ToolText};
use std::collections::HashSet;

/// Folds of a corpus without a test of its own.
pub const FOLDS: usize = 5;

/// Features to fit on, and features to score on.
pub struct Arena<'a> {
    train: &'a Table<'a>,
    test: Option<&'a Table<'a>>,
    /// What priors know of the tools, in their order.
    texts: Vec<ToolText>,
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
    /// If the tools of the two parts differ, or not all are described.
    pub fn new(
        train: &'a Table<'a>,
        test: Option<&'a Table<'a>>,
        texts: Vec<ToolText>,
        published: (f64, usize),
    ) -> Result<Self, BenchError> {
        if texts.len() != train.tools().len() {
            return Err(BenchError::Setting(format!(
                "{} tools are described, the features are of {}",
                texts.len(),
                train.tools().len()
            )));
        }
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
        Ok(Self { train, test, texts, published })
    }

    /// The tools.
    pub fn tools(&self) -> &'a [String] {
        self.train.tools()
    }

    /// What priors know of the tools.
    pub fn texts(&self) -> &[ToolText] {
        &self.texts
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
            // Of few examples a tool, all others are scored, but for those that nearly repeat one of the few.
            (None, None) if cell.per_tool.is_some() => (all.clone(), self.train, all),
            (_, fold) => {
                return Err(HeadError::Setting(format!("the fold {fold:?} is none of {:?}", self.folds())));
            }
        };
        let fit_on = match cell.per_tool {
            Some(count) => few(self.train, &fit_on, count, cell.seed),
            None => fit_on,
        };
        let rest = self.test.is_none() && cell.fold.is_none();
        let score_on = if rest { of_other_groups(self.train, &fit_on) } else { score_on };
        if score_on.is_empty() {
            let message = "no example is left to score: fit on fewer a tool, or bring a test of its own";
            return Err(HeadError::Setting(message.into()));
        }
        Ok(Split { train: self.train, fit_on, test, score_on })
    }
}

/// The examples of groups that none of these is of.
fn of_other_groups(table: &Table<'_>, these: &Subset) -> Subset {
    let groups = table.groups();
    let taken: HashSet<u32> =
        (0..).zip(groups).filter(|(e, _)| these.contains(*e)).map(|(_, &g)| g).collect();
    Subset::of(groups.len(), |example| !taken.contains(&groups[example as usize]))
}

/// At most `count` examples of each tool's first calls, drawn by the seed. An example counts for the tool it calls first.
fn few(table: &Table<'_>, subset: &Subset, count: usize, seed: u64) -> Subset {
    let first = first_calls(table);
    let there = first.iter().copied().enumerate().filter(|(example, _)| subset.contains(*example as u32));
    let kept: HashSet<usize> = of_each(there, count, seed).into_iter().collect();
    Subset::of(first.len(), |example| kept.contains(&(example as usize)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Names;
    use head::{FeatureSet, MethodName, Position, Prior, WORD, Weighting};

    /// Of few examples a tool, exactly those are fitted on, and all others are scored, none twice.
    #[test]
    fn few_examples_and_the_rest_are_all() {
        let tools = ["a", "b", "c"].map(str::to_owned).to_vec();
        let mut set = FeatureSet::new(1, tools.clone());
        for (n, tool) in [0, 1, 0, 2, 0, 1, 0, 0].into_iter().enumerate() {
            let example = set.add_example(n as u32);
            for tool in [WORD, tool] {
                let words = Position {
                    h: &[1.0],
                    log_sum_exp: 1.0,
                    label_logit: 0.0,
                    max: 0.5,
                    best_word: 0,
                    tool,
                    word: 0,
                };
                set.push(example, words);
            }
        }
        let table = Table::new(&set).unwrap();
        let text = |name: &String| ToolText { name: name.clone(), description: String::new() };
        let arena = Arena::new(&table, None, tools.iter().map(text).collect(), (1e-3, 1)).unwrap();
        assert!(Arena::new(&table, None, Vec::new(), (1e-3, 1)).is_err(), "tools that are not described");
        let cell = |per_tool, fold, seed| Cell {
            method: MethodName::Exact,
            prior: Prior::Zero,
            names: Names::Own,
            weighting: Weighting::PerPosition,
            adam: None,
            per_tool,
            seed,
            fold,
        };
        for (count, fitted) in [(1, 3), (2, 5)] {
            for seed in 0..4 {
                let split = arena.split(&cell(Some(count), None, seed)).unwrap();
                assert_eq!((split.fit_on.len(), split.score_on.len()), (fitted, 8 - fitted));
                assert!((0..8).all(|e| split.fit_on.contains(e) != split.score_on.contains(e)));
            }
        }
        for per_tool in [None, Some(9)] {
            assert!(arena.split(&cell(per_tool, None, 0)).is_err(), "all examples, and none to score");
        }
        let folded = arena.split(&cell(Some(1), Some(0), 0)).unwrap();
        assert!((0..8).all(|e| !(folded.fit_on.contains(e) && folded.score_on.contains(e))));
    }
}
