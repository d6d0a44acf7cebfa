//! Causal attention over a paged KV state.

use crate::kernels::{Rows, combine, product, softmax};
use crate::threads::{self, Shared};
use pulp::Arch;
use std::sync::Arc;

/// Tokens a page.
pub const PAGE: usize = 64;
/// The widest vector there is, in numbers; a page is made of whole ones.
const VECTOR: usize = 16;
/// Queries computed together: bounds the scores that exist at a time to `BLOCK × length` a thread.
const BLOCK: usize = 64;

/// Keys and values of a sequence, all layers. Forks share pages until one of them writes.
///
/// A page has for each layer its keys column by column, a column's tokens side by side, so that a query's scores need no sum across
/// a vector; then its values token by token.
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

    /// Stores keys and values, rows of `stride` with a key at `key` and its value behind it, of tokens from `position` on in
    /// `layer`, after [`KvPages::reserve`].
    pub fn write(&mut self, layer: usize, position: usize, rows: &[f32], stride: usize, key: usize) {
        let (keys, values, width) = (self.at(layer, 0), self.at(layer, 1), self.width);
        let (mut rows, mut position) = (rows, position);
        while !rows.is_empty() {
            // `reserve` made the page this sequence's own, so nothing is copied here.
            let page = Arc::make_mut(&mut self.pages[position / PAGE]);
            let token = position % PAGE;
            let (here, rest) = rows.split_at(rows.len().min((PAGE - token) * stride));
            for (column, places) in page[keys..][..PAGE * width].chunks_exact_mut(PAGE).enumerate() {
                for (place, row) in places[token..].iter_mut().zip(here.chunks_exact(stride)) {
                    *place = row[key + column];
                }
            }
            let places = page[values..][..PAGE * width].chunks_exact_mut(width).skip(token);
            for (place, row) in places.zip(here.chunks_exact(stride)) {
                place.copy_from_slice(&row[key + width..][..width]);
            }
            position += here.len() / stride;
            rows = rest;
        }
    }

    fn at(&self, layer: usize, part: usize) -> usize {
        (layer * 2 + part) * PAGE * self.width
    }

    /// The keys of one head in page `page`, tokens `from..` of the page: a row a column, `(head width, tokens)`.
    fn keys(&self, layer: usize, page: usize, head: Heads, from: usize) -> Rows<'_> {
        let start = self.at(layer, 0) + head.index * head.width * PAGE;
        Rows {
            data: &self.pages[page][start + from..start + head.width * PAGE],
            stride: PAGE,
            count: head.width,
        }
    }

    /// The values of one head in page `page`, tokens `from..to` of the page, `(tokens, head width)`.
    fn values(&self, layer: usize, page: usize, head: Heads, from: usize, to: usize) -> Rows<'_> {
        let start = self.at(layer, 1) + from * self.width + head.index * head.width;
        let end = self.at(layer, 1) + (to - 1) * self.width + (head.index + 1) * head.width;
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
        let heads = queries.len() / w;
        let queries = Rows::packed(queries, w);
        let mut weights = vec![0.0_f32; heads * keys];
        let mut scores = vec![0.0_f32; heads * PAGE];
        for (page, start, end) in pages.clone() {
            // Whole vectors of tokens: the rest of a page may be far away.
            let tokens = (end - page * PAGE).next_multiple_of(VECTOR);
            let scores = &mut scores[..heads * tokens];
            scores.fill(0.0);
            combine(arch, queries, segment.state.keys(self.layer, page, group, 0), tokens, scores);
            for (weights, scores) in weights.chunks_exact_mut(keys).zip(scores.chunks_exact(tokens)) {
                let seen = &scores[start - page * PAGE..end - page * PAGE];
                weights[start - low..end - low].iter_mut().zip(seen).for_each(|(w, s)| *w = self.scale * s);
            }
        }
        weights.chunks_exact_mut(keys).for_each(|weights| softmax(arch, weights));
        out.fill(0.0);
        for (page, start, end) in pages {
            let v = segment.state.values(self.layer, page, group, start - page * PAGE, end - page * PAGE);
            let weights = Rows { data: &weights[start - low..], stride: keys, count: heads };
            combine(arch, weights, v, w, out);
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
        for (page, start, end) in pages.clone() {
            let k = state.keys(self.layer, page, group, start - page * PAGE);
            product(queries, k, end - start, self.scale, false, &mut scores[start - low..], keys);
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
            let v = state.values(self.layer, page, group, start - page * PAGE, end - page * PAGE);
            let weights = Rows { data: &scores[start - low..], stride: keys, count };
            product(weights, v, w, 1.0, true, &mut out, w);
        }
        out
    }
}
