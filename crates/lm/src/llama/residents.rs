//! Which sequences' keys and values are in the context: a cache, for every sequence can be read again from its tokens.
//!
//! Llama.cpp knows sequences by small numbers, and keeps keys and values in cells; a copy of a sequence shares the cells of what
//! it was copied from. Here stands who holds which, so that it is known beforehand what fits.

use std::collections::HashSet;

/// A sequence's claim to a number. It lapses when the number is given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    number: usize,
    generation: u64,
}

impl Claim {
    /// What llama.cpp knows the sequence by.
    pub fn number(self) -> i32 {
        self.number as i32
    }
}

#[derive(Default)]
struct Slot {
    generation: u64,
    taken: bool,
    /// When it was last read or copied.
    used: u64,
    /// A cell for each token.
    cells: Vec<u32>,
}

/// All numbers and cells of one context.
pub struct Residents {
    slots: Vec<Slot>,
    /// How many sequences hold a cell.
    holders: Vec<u32>,
    free: Vec<u32>,
    now: u64,
}

impl Residents {
    /// An empty context.
    pub fn new(sequences: usize, cells: usize) -> Self {
        Self {
            slots: (0..sequences).map(|_| Slot::default()).collect(),
            holders: vec![0; cells],
            free: (0..cells as u32).rev().collect(),
            now: 0,
        }
    }

    /// All claims lapse; there are `cells` empty cells.
    pub fn reset(&mut self, cells: usize) {
        (0..self.slots.len()).for_each(|number| self.free(number));
        self.holders = vec![0; cells];
        self.free = (0..cells as u32).rev().collect();
    }

    /// Cells that hold something.
    pub fn held(&self) -> usize {
        self.holders.len() - self.free.len()
    }

    /// Cells in all.
    pub fn cells(&self) -> usize {
        self.holders.len()
    }

    /// Tokens of a sequence that are here; `None` if its claim has lapsed.
    pub fn len(&self, claim: Claim) -> Option<usize> {
        self.valid(claim).then(|| self.slots[claim.number].cells.len())
    }

    /// A number for a new sequence, if there is one.
    pub fn claim(&mut self) -> Option<Claim> {
        let number = self.slots.iter().position(|slot| !slot.taken)?;
        self.now += 1;
        let slot = &mut self.slots[number];
        (slot.taken, slot.used) = (true, self.now);
        Some(Claim { number, generation: slot.generation })
    }

    /// A number for a copy of a sequence, if there is one.
    pub fn copy(&mut self, claim: Claim) -> Option<Claim> {
        if !self.valid(claim) {
            return None;
        }
        let copy = self.claim()?;
        self.touch(claim);
        let cells = self.slots[claim.number].cells.clone();
        cells.iter().for_each(|&cell| self.holders[cell as usize] += 1);
        self.slots[copy.number].cells = cells;
        Some(copy)
    }

    /// The sequence is in use.
    pub fn touch(&mut self, claim: Claim) {
        if self.valid(claim) {
            self.now += 1;
            self.slots[claim.number].used = self.now;
        }
    }

    /// The sequence has read `count` more tokens, for which there must be empty cells.
    pub fn append(&mut self, claim: Claim, count: usize) {
        assert!(self.valid(claim) && count <= self.free.len(), "room was made before");
        for cell in self.free.drain(self.free.len() - count..).rev() {
            self.holders[cell as usize] = 1;
            self.slots[claim.number].cells.push(cell);
        }
    }

    /// The sequence has forgotten all but its first `len` tokens.
    pub fn truncate(&mut self, claim: Claim, len: usize) {
        if self.valid(claim) {
            let slot = &mut self.slots[claim.number];
            let dropped = slot.cells.split_off(len.min(slot.cells.len()));
            self.let_go(dropped);
        }
    }

    /// The claim lapses.
    pub fn release(&mut self, claim: Claim) {
        if self.valid(claim) {
            self.free(claim.number);
        }
    }

    /// The sequence that has not been used for the longest, but for some.
    pub fn oldest(&self, but: &[Claim]) -> Option<Claim> {
        let slots = self.slots.iter().enumerate();
        let others = slots.filter(|(n, slot)| slot.taken && !but.iter().any(|claim| claim.number == *n));
        let (number, slot) = others.min_by_key(|(_, slot)| slot.used)?;
        Some(Claim { number, generation: slot.generation })
    }

    /// Cells that some sequences hold together.
    pub fn held_by(&self, claims: &[Claim]) -> usize {
        let cells = claims.iter().filter(|&&claim| self.valid(claim));
        cells.flat_map(|claim| &self.slots[claim.number].cells).collect::<HashSet<_>>().len()
    }

    fn valid(&self, claim: Claim) -> bool {
        let slot = &self.slots[claim.number];
        slot.taken && slot.generation == claim.generation
    }

    fn free(&mut self, number: usize) {
        let slot = &mut self.slots[number];
        slot.taken = false;
        slot.generation += 1;
        let cells = std::mem::take(&mut slot.cells);
        self.let_go(cells);
    }

    fn let_go(&mut self, cells: Vec<u32>) {
        for cell in cells {
            self.holders[cell as usize] -= 1;
            if self.holders[cell as usize] == 0 {
                self.free.push(cell);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_shares_cells_until_it_reads_on() {
        let mut residents = Residents::new(3, 10);
        let first = residents.claim().expect("a number");
        residents.append(first, 4);
        let copy = residents.copy(first).expect("a number");
        assert_eq!((residents.held(), residents.len(copy)), (4, Some(4)));
        residents.append(copy, 2);
        residents.truncate(first, 1);
        // The copy still holds all four of the shared ones.
        assert_eq!(
            (residents.held(), residents.held_by(&[first, copy]), residents.held_by(&[first])),
            (6, 6, 1)
        );
        residents.release(copy);
        assert_eq!((residents.held(), residents.len(copy), residents.len(first)), (1, None, Some(1)));
    }

    #[test]
    fn a_claim_lapses_when_its_number_goes_to_another() {
        let mut residents = Residents::new(2, 4);
        let (a, b) = (residents.claim().expect("a number"), residents.claim().expect("a number"));
        assert_eq!((residents.claim(), residents.copy(a)), (None, None));
        residents.touch(a);
        assert_eq!((residents.oldest(&[]), residents.oldest(&[b])), (Some(b), Some(a)));
        residents.release(b);
        let c = residents.claim().expect("a number");
        assert_eq!(c.number(), b.number());
        residents.append(c, 3);
        residents.truncate(b, 0);
        residents.release(b);
        assert_eq!((residents.len(b), residents.len(c)), (None, Some(3)));
        residents.reset(8);
        assert_eq!(
            (residents.held(), residents.cells(), residents.len(c), residents.len(a)),
            (0, 8, None, None)
        );
    }
}
