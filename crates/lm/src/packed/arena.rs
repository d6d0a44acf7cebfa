//! Memory for weights that are read from end to end for every token: few large maps, on huge pages where the system has them
//! (every fourth microsecond of a token was spent on address translation without them).

use crate::LmError;
use memmap2::MmapMut;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

/// Bytes of a map, unless one slab needs more.
const MAP: usize = 64 << 20;
/// Slabs start at multiples of this: a cache line.
const LINE: usize = 64;

/// Gives out slabs.
#[derive(Default)]
pub struct Arena {
    /// The map that is being given out, and how much of it is.
    current: Mutex<Option<(Arc<Map>, usize)>>,
}

struct Map {
    /// Never touched again: only keeps the memory.
    _map: MmapMut,
    start: *mut u8,
    len: usize,
}

// SAFETY: a map is plain memory, and each of its bytes belongs to one slab.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

/// Bytes of its own within an arena's map, zero at first, on a cache line's edge.
pub struct Slab {
    map: Arc<Map>,
    at: usize,
    len: usize,
}

impl Arena {
    /// `len` bytes.
    ///
    /// # Errors
    /// No memory.
    pub fn slab(&self, len: usize) -> Result<Slab, LmError> {
        let mut current = self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let fitting = current.take().filter(|(map, used)| len <= map.len - used);
        let (map, used) = match fitting {
            Some(fitting) => fitting,
            None => (Arc::new(Map::new(len.max(MAP))?), 0),
        };
        let next = (used + len).next_multiple_of(LINE).min(map.len);
        *current = Some((map.clone(), next));
        Ok(Slab { map, at: used, len })
    }
}

impl Map {
    fn new(len: usize) -> Result<Self, LmError> {
        let failed =
            |e: std::io::Error| LmError::Unknown(format!("no memory for {} MB of weights: {e}", len >> 20));
        let mut map = MmapMut::map_anon(len).map_err(failed)?;
        #[cfg(target_os = "linux")]
        if let Err(error) = map.advise(memmap2::Advice::HugePage) {
            tracing::debug!("no huge pages: {error}");
        }
        let start = map.as_mut_ptr();
        Ok(Self { _map: map, start, len })
    }
}

impl Deref for Slab {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: within the map, which lives as long as the slab, and no other slab's.
        unsafe { std::slice::from_raw_parts(self.map.start.add(self.at), self.len) }
    }
}

impl DerefMut for Slab {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.map.start.add(self.at), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slabs_are_zero_aligned_and_apart() {
        let arena = Arena::default();
        let mut slabs: Vec<Slab> = [0, 1, 63, 64, 1000, MAP + 1, 5, MAP - 3]
            .iter()
            .map(|&len| arena.slab(len).expect("memory"))
            .collect();
        for (i, slab) in slabs.iter_mut().enumerate() {
            assert_eq!(slab.as_ptr() as usize % LINE, 0);
            assert!(slab.iter().all(|&b| b == 0));
            slab.fill(i as u8 + 1);
        }
        for (i, slab) in slabs.iter().enumerate() {
            assert!(slab.iter().all(|&b| b == i as u8 + 1));
        }
    }
}
