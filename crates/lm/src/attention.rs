//! Causal attention over a paged KV state.

use crate::kernels::{Product, Rows, mix, scores, softmax};
use crate::threads::{self, Shared};
use pulp::Arch;
use std::sync::Arc;

/// Tokens a page.
pub const PAGE: usize = 64;
/// Queries computed together: bounds the scores that exist at a time to `BLOCK × length` a thread.
const BLOCK: usize = 64;

/// Keys and values of a sequence, all layers. Forks share pages until one of them writes.
#[derive(Clone)]
pub struct KvPages {
    pages: Vec<Arc<Vec<f32>>>,
    len: usize,
    layers: usize,
    /// `kv_heads · head_width`
    width: usize,
}

impl KvPages {
    /// An empty state.
    pub fn new(layers: usize, width: usize) -> Self {
        Self { pages: Vec::new(), len: 0, layers, width }
    }

    /// Tokens held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Forgets all but the first `len` tokens.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.pages.truncate(self.len.div_ceil(PAGE));
    }

    /// Makes room for tokens that [`KvPages::write`] will fill, layer by layer, and counts them.
    pub fn reserve(&mut self, tokens: usize) {
        let size = self.layers * 2 * PAGE * self.width;
        if tokens > 0
            && !self.len.is_multiple_of(PAGE)
            && let Some(page) = self.pages.last_mut()
        {
            Arc::make_mut(page);
        }
        self.len += tokens;
        self.pages.resize_with(self.len.div_ceil(PAGE), || Arc::new(vec![0.0; size]));
    }

    /// Stores key and value of the token at `position` in `layer`, after [`KvPages::reserve`].
    pub fn write(&mut self, layer: usize, position: usize, key: &[f32], value: &[f32]) {
        let (at, width) = (self.at(layer, 0) + position % PAGE * self.width, self.width);
        // `reserve` made the page this sequence's own, so nothing is copied here.
        let page = Arc::make_mut(&mut self.pages[position / PAGE]);
        page[at..at + width].copy_from_slice(key);
        page[at + PAGE * width..at + (PAGE + 1) * width].copy_from_slice(value);
    }

    fn at(&self, layer: usize, part: usize) -> usize {
        (layer * 2 + part) * PAGE * self.width
    }

    /// Keys (`part` 0) or values (1) of one head in page `page`, tokens `from..to` of the page.
    fn rows(&self, layer: usize, part: usize, page: usize, head: Heads, from: usize, to: usize) -> Rows<'_> {
        let start = self.at(layer, part) + from * self.width + head.index * head.width;
        let end = self.at(layer, part) + (to - 1) * self.width + (head.index + 1) * head.width;
        Rows { data: &self.pages[page][start..end], stride: self.width, count: to - from }
    }
}

#[derive(Clone, Copy)]
struct Heads {
    index: usize,
    width: usize,
}

/// The constants of one attention call.
pub struct Attention {
    /// Layer whose keys and values are read.
    pub layer: usize,
    /// Query heads.
    pub heads: usize,
    /// Key heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_width: usize,
    /// Scores are multiplied by this.
    pub scale: f32,
    /// A query sees this many positions, itself included.
    pub window: Option<usize>,
}

/// One sequence's share of a packed batch: its state, and its queries' rows.
pub struct Segment<'a> {
    /// Keys and values, the new tokens' included.
    pub state: &'a KvPages,
    /// First row of its queries in the pack.
    pub row: usize,
    /// Number of new tokens.
    pub count: usize,
}

impl Attention {
    /// Attention of all segments: queries are the first `heads · head_width` columns of `rows` (row stride `stride`).
    /// `out` is `(rows, heads · head_width)`, packed.
    pub fn run(&self, segments: &[Segment<'_>], rows: &[f32], stride: usize, out: &mut [f32]) {
        let width = self.heads * self.head_width;
        let mut tasks = Vec::new();
        let mut work = 0;
        for (index, segment) in segments.iter().enumerate() {
            work += segment.count * segment.state.len() * width;
            if segment.count == 1 {
                tasks.extend((0..self.kv_heads).map(|group| (index, 0, group)));
            }
            for from in (0..segment.count).step_by(BLOCK).filter(|_| segment.count > 1) {
                tasks.extend((0..self.heads).map(|head| (index, from, head)));
            }
        }
        let shared = Shared::new(out);
        let one = |task: usize| {
            let (index, from, head) = tasks[task];
            let segment: &Segment<'_> = &segments[index];
            if segment.count == 1 {
                let group = self.heads / self.kv_heads * self.head_width;
                // SAFETY: each segment's row and group of heads is one task's.
                let out = unsafe { shared.slice(segment.row * width + head * group, group) };
                self.single(segment, head, &rows[segment.row * stride + head * group..][..group], out);
                return;
            }
            let block = self.block(segment, from, (from + BLOCK).min(segment.count), head, rows, stride);
            for (i, values) in block.chunks_exact(self.head_width).enumerate() {
                let at = (segment.row + from + i) * width + head * self.head_width;
                // SAFETY: each row and head is one task's.
                unsafe { shared.slice(at, self.head_width) }.copy_from_slice(values);
            }
        };
        // Waking other threads costs more than a short sequence's attention.
        if work < 1 << 15 {
            (0..tasks.len()).for_each(one);
        } else {
            threads::run(tasks.len(), one);
        }
    }

    /// The last position's output for the heads that share key head `group`: `queries` and `out` are theirs, one
    /// behind the other.
    fn single(&self, segment: &Segment<'_>, group: usize, queries: &[f32], out: &mut [f32]) {
        let (w, end) = (self.head_width, segment.state.len());
        let low = self.window.map_or(0, |window| end.saturating_sub(window));
        let keys = end - low;
        let group = Heads { index: group, width: w };
        let pages = (low / PAGE..end.div_ceil(PAGE)).map(|page| {
            let start = low.max(page * PAGE);
            (page, start, end.min((page + 1) * PAGE))
        });
        let arch = Arch::new();
        let mut weights = vec![0.0_f32; queries.len() / w * keys];
        for (page, start, end) in pages.clone() {
            let k = segment.state.rows(self.layer, 0, page, group, start - page * PAGE, end - page * PAGE);
            for (query, weights) in queries.chunks_exact(w).zip(weights.chunks_exact_mut(keys)) {
                scores(arch, query, k, self.scale, &mut weights[start - low..end - low]);
            }
        }
        weights.chunks_exact_mut(keys).for_each(|weights| softmax(arch, weights));
        out.fill(0.0);
        for (page, start, end) in pages {
            let v = segment.state.rows(self.layer, 1, page, group, start - page * PAGE, end - page * PAGE);
            for (out, weights) in out.chunks_exact_mut(w).zip(weights.chunks_exact(keys)) {
                mix(arch, &weights[start - low..end - low], v, out);
            }
        }
    }

    /// One head's output for queries `from..to` of a segment: `(to − from, head_width)`.
    fn block(
        &self,
        segment: &Segment<'_>,
        from: usize,
        to: usize,
        head: usize,
        rows: &[f32],
        stride: usize,
    ) -> Vec<f32> {
        let (w, state) = (self.head_width, segment.state);
        let group = Heads { index: head / (self.heads / self.kv_heads), width: w };
        let first = state.len() - segment.count; // position of the segment's first query
        let seen = |query: usize| {
            let end = first + query + 1;
            (self.window.map_or(0, |window| end.saturating_sub(window)), end)
        };
        let (low, high) = (seen(from).0, seen(to - 1).1);
        let keys = high - low;
        let count = to - from;
        let queries = Rows { data: &rows[(segment.row + from) * stride + head * w..], stride, count };
        let pages = (low / PAGE..high.div_ceil(PAGE)).map(|page| {
            let start = low.max(page * PAGE);
            (page, start, high.min((page + 1) * PAGE))
        });
        let mut scores = vec![0.0_f32; count * keys];
        let product = Product { inner: w };
        for (page, start, end) in pages.clone() {
            let k = state.rows(self.layer, 0, page, group, start - page * PAGE, end - page * PAGE);
            product.transposed(queries, k, self.scale, &mut scores[start - low..], keys);
        }
        let arch = Arch::new();
        for (i, row) in scores.chunks_exact_mut(keys).enumerate() {
            let (start, end) = seen(from + i);
            row[..start - low].fill(0.0);
            softmax(arch, &mut row[start - low..end - low]);
            row[end - low..].fill(0.0);
        }
        let mut out = vec![0.0_f32; count * w];
        for (page, start, end) in pages {
            let v = state.rows(self.layer, 1, page, group, start - page * PAGE, end - page * PAGE);
            let weights = Rows { data: &scores[start - low..], stride: keys, count };
            Product { inner: end - start }.accumulate(weights, v, w, &mut out, w);
        }
        out
    }
}
