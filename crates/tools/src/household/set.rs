//! A set of numbers that is walked through in CPython's order.
//!
//! Where the original takes the first of several nodes, it takes the first of a Python set. To take the same one, the set's
//! table is kept as CPython keeps it (`Objects/setobject.c`, 3.7 and later): open addressing, ten linear probes and then a
//! perturbed jump, removed entries that stay as holes until a key comes that way or the table is rebuilt.

/// Entries looked at in a row before jumping, after the first.
const LINEAR_PROBES: usize = 9;
const PERTURB_SHIFT: u32 = 5;
const SMALLEST: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Entry {
    Free,
    Removed,
    Key(u32),
}

/// The set.
#[derive(Debug)]
pub(super) struct OrderedSet {
    /// A power of two long.
    table: Vec<Entry>,
    /// Entries that are not free.
    filled: usize,
    used: usize,
}

impl OrderedSet {
    pub fn new() -> Self {
        Self { table: vec![Entry::Free; SMALLEST], filled: 0, used: 0 }
    }

    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.table.iter().filter_map(|entry| match entry {
            Entry::Key(key) => Some(*key),
            Entry::Free | Entry::Removed => None,
        })
    }

    /// Where a key is, or else the free entry that ends the search for it, and the last hole on the way.
    fn find(&self, key: u32) -> (usize, Option<usize>) {
        let mask = self.table.len() - 1;
        let (mut at, mut perturb) = (key as usize & mask, key as usize);
        let mut hole = None;
        loop {
            let probes = if at + LINEAR_PROBES <= mask { LINEAR_PROBES } else { 0 };
            for probe in at..=at + probes {
                match self.table[probe] {
                    Entry::Free => return (probe, hole),
                    Entry::Key(found) if found == key => return (probe, None),
                    Entry::Key(_) => {}
                    Entry::Removed => hole = Some(probe),
                }
            }
            perturb >>= PERTURB_SHIFT;
            at = at.wrapping_mul(5).wrapping_add(1).wrapping_add(perturb) & mask;
        }
    }

    pub fn insert(&mut self, key: u32) {
        let (at, hole) = self.find(key);
        if self.table[at] != Entry::Free {
            return;
        }
        self.used += 1;
        if let Some(hole) = hole {
            self.table[hole] = Entry::Key(key);
            return;
        }
        self.table[at] = Entry::Key(key);
        self.filled += 1;
        if self.filled * 5 >= (self.table.len() - 1) * 3 {
            self.rebuild();
        }
    }

    pub fn remove(&mut self, key: u32) {
        let (at, _) = self.find(key);
        if self.table[at] != Entry::Free {
            self.table[at] = Entry::Removed;
            self.used -= 1;
        }
    }

    /// Removes many, and the holes that they leave if there are more than a quarter.
    pub fn remove_all(&mut self, keys: impl Iterator<Item = u32>) {
        keys.for_each(|key| self.remove(key));
        if self.filled - self.used > (self.table.len() - 1) / 4 {
            self.rebuild();
        }
    }

    fn rebuild(&mut self) {
        let mut size = SMALLEST;
        while size <= self.used * 4 {
            size *= 2;
        }
        let old = std::mem::replace(&mut self.table, vec![Entry::Free; size]);
        self.filled = self.used;
        for entry in old {
            if let Entry::Key(key) = entry {
                let (at, _) = self.find(key);
                self.table[at] = entry;
            }
        }
    }
}

/// A copy is filled anew, as Python's `deepcopy` does: its order may be another.
impl Clone for OrderedSet {
    fn clone(&self) -> Self {
        self.iter().collect()
    }
}

impl FromIterator<u32> for OrderedSet {
    fn from_iter<I: IntoIterator<Item = u32>>(keys: I) -> Self {
        let mut set = Self::new();
        keys.into_iter().for_each(|key| set.insert(key));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_filled_again() {
        let mut set: OrderedSet = [65, 1, 9].into_iter().collect();
        [65, 1].into_iter().for_each(|key| set.remove(key));
        [385, 352, 2].into_iter().for_each(|key| set.insert(key));
        assert_eq!(set.iter().collect::<Vec<_>>(), [352, 385, 2, 9]);
    }

    /// What CPython 3.11 prints for the same operations.
    #[test]
    fn is_walked_through_as_in_cpython() {
        let set: OrderedSet = [65, 1, 9, 17, 319].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), PYTHON_FIVE);
        let mut many: OrderedSet = (0..40).map(|i| i * 37 % 1009).collect();
        many.remove_all((0..40).filter(|i| i % 3 > 0).map(|i| i * 37 % 1009));
        many.insert(2000);
        assert_eq!(many.iter().collect::<Vec<_>>(), PYTHON_MANY);
        assert_eq!(many.clone().iter().collect::<Vec<_>>(), PYTHON_COPY);
    }

    const PYTHON_FIVE: [u32; 5] = [65, 1, 9, 17, 319];
    const PYTHON_MANY: [u32; 15] = [0, 777, 666, 555, 434, 444, 323, 333, 2000, 212, 222, 101, 999, 111, 888];
    const PYTHON_COPY: [u32; 15] = [0, 323, 101, 999, 777, 555, 333, 111, 2000, 434, 212, 888, 666, 444, 222];
}
