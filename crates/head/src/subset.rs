//! Which examples a fit or a measurement is over, and how examples are cut into folds.

use crate::{HeadError, Table};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// A set of examples of one corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subset(Vec<bool>);

impl Subset {
    /// All of `examples` examples.
    pub fn all(examples: usize) -> Self {
        Self(vec![true; examples])
    }

    /// The examples that `member` accepts, of `examples`.
    pub fn of(examples: usize, member: impl Fn(u32) -> bool) -> Self {
        Self((0..examples as u32).map(member).collect())
    }

    /// Whether an example is in it.
    pub fn contains(&self, example: u32) -> bool {
        self.0.get(example as usize).copied().unwrap_or(false)
    }

    /// Number of examples in it.
    pub fn len(&self) -> usize {
        self.0.iter().filter(|&&member| member).count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The examples of `self` that are not in `other`.
    pub fn minus(&self, other: &Subset) -> Self {
        Self::of(self.0.len(), |example| self.contains(example) && !other.contains(example))
    }

    /// Cuts the set into `k` folds of whole groups, the groups shuffled by the seed; fold sizes differ by as little
    /// as whole groups dealt out in turn allow.
    ///
    /// # Errors
    /// If there are fewer than two folds, or fewer groups than folds.
    pub fn folds(&self, table: &Table<'_>, k: usize, seed: u64) -> Result<Vec<Subset>, HeadError> {
        let groups = table.groups();
        let mut present: Vec<u32> =
            groups.iter().enumerate().filter(|&(e, _)| self.contains(e as u32)).map(|(_, &g)| g).collect();
        present.sort_unstable();
        present.dedup();
        if k < 2 || present.len() < k {
            let found = format!("{k} folds of {} groups of examples", present.len());
            return Err(HeadError::Setting(format!(
                "{found}: at least 2 folds and a group for each are needed"
            )));
        }
        present.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let mut fold_of: Vec<(u32, usize)> =
            present.iter().enumerate().map(|(i, &group)| (group, i % k)).collect();
        fold_of.sort_unstable();
        let fold = |example: u32| {
            let at = fold_of.binary_search_by_key(&groups[example as usize], |&(group, _)| group).ok()?;
            Some(fold_of[at].1)
        };
        let part = |f| Self::of(groups.len(), |example| self.contains(example) && fold(example) == Some(f));
        Ok((0..k).map(part).collect())
    }
}
