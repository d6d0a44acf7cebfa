//! Features made ready for passes: checked once, addressed by position number, walked in parallel blocks.

use crate::{Features, HeadError, Positions, Subset, WORD};
use rayon::prelude::*;

/// Positions a block has at most: its hidden states and logits stay in a core's cache.
const BLOCK: usize = 256;
/// Neighbours from which on a block is read where it lies instead of being copied together with others.
const RUN: usize = 32;
/// Numbers that all chunks' partial sums may hold together (32 MB in f64).
const PARTIAL_SUMS: usize = 4 << 20;

/// A view of [`Features`] that every algorithm of this crate starts from.
///
/// Building it reads all hidden states once, for their norms, and checks every rule the algorithms rely on.
pub struct Table<'a> {
    width: usize,
    tools: &'a [String],
    groups: &'a [u32],
    parts: Vec<Positions<'a>>,
    /// Where each part starts; one more entry for the end.
    starts: Vec<usize>,
    pub(crate) log_sum_exp: Vec<f32>,
    pub(crate) label_logit: Vec<f32>,
    pub(crate) max: Vec<f32>,
    pub(crate) tool: Vec<i32>,
    pub(crate) example: Vec<u32>,
    /// ‖h_i‖.
    pub(crate) norm: Vec<f32>,
}

impl<'a> Table<'a> {
    /// Reads and checks the features.
    ///
    /// # Errors
    /// If columns differ in length, a label or an example is out of range, or a number is not finite; the message
    /// names the position.
    pub fn new(features: &'a dyn Features) -> Result<Self, HeadError> {
        let parts = features.parts();
        let mut table = Self {
            width: features.width(),
            tools: features.tools(),
            groups: features.groups(),
            starts: vec![0],
            log_sum_exp: Vec::new(),
            label_logit: Vec::new(),
            max: Vec::new(),
            tool: Vec::new(),
            example: Vec::new(),
            norm: Vec::new(),
            parts: Vec::new(),
        };
        if table.width == 0 || table.tools.is_empty() {
            let found = format!("{} tools, hidden states of width {}", table.tools.len(), table.width);
            return Err(HeadError::Features(format!("{found}: at least one tool and one column are needed")));
        }
        for part in parts {
            table.append(part)?;
        }
        if table.is_empty() {
            return Err(HeadError::Features("no labelled positions: is the corpus empty?".into()));
        }
        Ok(table)
    }

    fn append(&mut self, part: Positions<'a>) -> Result<(), HeadError> {
        let (n, start) = (part.len(), self.len());
        let columns = [
            ("log_sum_exp", part.log_sum_exp.len()),
            ("label_logit", part.label_logit.len()),
            ("max", part.max.len()),
            ("best_word", part.best_word.len()),
            ("word", part.word.len()),
            ("example", part.example.len()),
        ];
        if let Some((column, len)) = columns.into_iter().find(|&(_, len)| len != n) {
            return Err(HeadError::Features(format!("column `{column}` has {len} entries, `tool` has {n}")));
        }
        if Some(part.h.len()) != n.checked_mul(self.width) {
            return Err(HeadError::Features(format!(
                "{} numbers in `h`, expected {n} x {}",
                part.h.len(),
                self.width
            )));
        }
        if start + n > u32::MAX as usize {
            return Err(HeadError::Features("more than four billion positions: split the corpus".into()));
        }
        let norm: Vec<f32> = part
            .h
            .par_chunks_exact(self.width)
            .map(|h| h.iter().map(|x| x * x).sum::<f32>().sqrt())
            .collect();
        for (i, norm) in norm.iter().enumerate() {
            let fault = |what: String| Err(HeadError::Features(format!("position {}: {what}", start + i)));
            if part.tool[i] < WORD || part.tool[i] >= self.tools.len() as i32 {
                return fault(format!("tool index {} among {} tools", part.tool[i], self.tools.len()));
            }
            if part.example[i] as usize >= self.groups.len() {
                return fault(format!("example {} among {}", part.example[i], self.groups.len()));
            }
            if !(part.log_sum_exp[i].is_finite()
                && part.label_logit[i].is_finite()
                && part.max[i].is_finite())
            {
                return fault("a word mass that is not finite".into());
            }
            if !norm.is_finite() {
                return fault("a hidden state that is not finite, or too large to square".into());
            }
        }
        self.log_sum_exp.extend_from_slice(part.log_sum_exp);
        self.label_logit.extend_from_slice(part.label_logit);
        self.max.extend_from_slice(part.max);
        self.tool.extend_from_slice(part.tool);
        self.example.extend_from_slice(part.example);
        self.norm.extend(norm);
        self.starts.push(start + n);
        self.parts.push(part);
        Ok(())
    }

    /// Number of positions.
    pub fn len(&self) -> usize {
        self.tool.len()
    }

    /// Whether there are none; never true of a table that was built.
    pub fn is_empty(&self) -> bool {
        self.tool.is_empty()
    }

    /// Width d of a hidden state.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The tools' names.
    pub fn tools(&self) -> &'a [String] {
        self.tools
    }

    /// The group of every example.
    pub fn groups(&self) -> &'a [u32] {
        self.groups
    }

    /// The label of every position, a tool's index or [`WORD`], with its example.
    pub fn labels(&self) -> impl Iterator<Item = (i32, u32)> {
        self.tool.iter().copied().zip(self.example.iter().copied())
    }

    /// The mean of ‖h‖² over all positions: the scale that makes λ comparable between models.
    pub fn mean_square_norm(&self) -> f64 {
        self.norm.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / self.len() as f64
    }

    /// The same over the positions of some examples: what a search may know that leaves the others out.
    pub fn mean_square_norm_of(&self, subset: &Subset) -> f64 {
        let of = self.norm.iter().zip(&self.example).filter(|(_, example)| subset.contains(**example));
        let (sum, n) = of.fold((0.0, 0_u64), |(sum, n), (&x, _)| (sum + f64::from(x).powi(2), n + 1));
        sum / n as f64
    }

    /// The mean of ‖h‖ over all positions.
    pub fn mean_norm(&self) -> f64 {
        self.norm.iter().map(|&x| f64::from(x)).sum::<f64>() / self.len() as f64
    }

    /// The hidden states of some positions, in ascending order: as they are stored where they are neighbours, else
    /// copied into `scratch`.
    pub(crate) fn gather<'s>(&'s self, ids: &[u32], scratch: &'s mut Vec<f32>) -> &'s [f32] {
        let (Some(&first), Some(&last)) = (ids.first(), ids.last()) else {
            return &[];
        };
        let mut part = self.starts.partition_point(|&start| start <= first as usize) - 1;
        if (last - first) as usize + 1 == ids.len() && (last as usize) < self.starts[part + 1] {
            let from = first as usize - self.starts[part];
            return &self.parts[part].h[from * self.width..(from + ids.len()) * self.width];
        }
        scratch.clear();
        for &id in ids {
            while id as usize >= self.starts[part + 1] {
                part += 1;
            }
            let from = id as usize - self.starts[part];
            scratch.extend_from_slice(&self.parts[part].h[from * self.width..(from + 1) * self.width]);
        }
        scratch
    }

    /// The hidden state of a position, `(d)`.
    pub(crate) fn row(&self, id: u32) -> &[f32] {
        let part = self.starts.partition_point(|&start| start <= id as usize) - 1;
        &self.parts[part].h[(id as usize - self.starts[part]) * self.width..][..self.width]
    }

    /// Walks positions in blocks, in parallel, and returns each chunk's state in the order of `ids`.
    ///
    /// `sums` is how many numbers a chunk's state holds. How `ids` is cut depends on that and on their number
    /// alone, never on the number of threads: sums over chunks are the same on every machine.
    ///
    /// `work(state, at, ids, h)`: a block of positions, the place of its first in the whole list, and its hidden states.
    pub(crate) fn walk<S: Send>(
        &self,
        ids: &[u32],
        sums: usize,
        new: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, usize, &[u32], &[f32]) + Sync,
    ) -> Vec<S> {
        self.walk_stored(ids, None, sums, new, work)
    }

    /// As [`Table::walk`], with the hidden states of `ids` already side by side in `stored`, where given.
    pub(crate) fn walk_stored<S: Send>(
        &self,
        ids: &[u32],
        stored: Option<&[f32]>,
        sums: usize,
        new: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, usize, &[u32], &[f32]) + Sync,
    ) -> Vec<S> {
        let chunks = (PARTIAL_SUMS / sums.max(1)).clamp(4, 64);
        let size = ids.len().div_ceil(chunks).next_multiple_of(BLOCK / 4);
        ids.par_chunks(size.max(1))
            .enumerate()
            .map(|(chunk, ids)| {
                let mut state = new();
                let mut scratch = Vec::new();
                let mut at = 0;
                while at < ids.len() {
                    let start = chunk * size + at;
                    if let Some(stored) = stored {
                        let block = &ids[at..ids.len().min(at + BLOCK)];
                        work(
                            &mut state,
                            start,
                            block,
                            &stored[start * self.width..][..block.len() * self.width],
                        );
                        at += block.len();
                    } else {
                        let block = &ids[at..at + block_length(&ids[at..])];
                        work(&mut state, start, block, self.gather(block, &mut scratch));
                        at += block.len();
                    }
                }
                state
            })
            .collect()
    }
}

/// How many of the next positions make a block: a run of neighbours if it is long, else all up to the next long run.
fn block_length(ids: &[u32]) -> usize {
    let run = |from: usize| {
        let same_run = |i: &usize| ids[from + i] == ids[from] + *i as u32;
        (1..BLOCK.min(ids.len() - from)).take_while(same_run).count() + 1
    };
    let mut length = run(0);
    if length >= RUN {
        return length;
    }
    while length < BLOCK.min(ids.len()) {
        let next = run(length);
        if next >= RUN {
            break;
        }
        length += next;
    }
    length.min(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::block_length;

    #[test]
    fn blocks_are_long_runs_or_what_lies_between_them() {
        let run = |from: u32, n: u32| (from..from + n).collect::<Vec<u32>>();
        assert_eq!(block_length(&run(5, 1000)), 256);
        assert_eq!(block_length(&[run(5, 40), run(100, 40)].concat()), 40);
        assert_eq!(block_length(&[run(5, 4), run(20, 3), run(100, 40)].concat()), 7);
        assert_eq!(block_length(&(0..900).map(|i| 2 * i).collect::<Vec<u32>>()), 256);
        assert_eq!(block_length(&[7]), 1);
    }
}
