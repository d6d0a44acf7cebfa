//! Llama.cpp's model and context: the only place that calls it.

use super::log;
use llama_cpp_sys_2 as sys;
use std::ffi::{CStr, CString, c_void};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The node of every computation that holds the states after the last norm.
const HIDDEN: &CStr = c"result_norm";

/// A loaded file.
pub struct Weights(NonNull<sys::llama_model>);

// SAFETY: a model is not changed after it was loaded; contexts are made one at a time, under the engine's lock.
unsafe impl Send for Weights {}
// SAFETY: as above.
unsafe impl Sync for Weights {}

/// Sizes as llama.cpp reads them from the file.
pub struct Facts {
    /// Width of a state.
    pub width: usize,
    /// Rows of the vocabulary.
    pub vocab: usize,
    /// Bytes of keys and values for each token.
    pub token_bytes: usize,
    /// It reads token after token, and has no encoder.
    pub decoder: bool,
    /// A part of it keeps one state for all tokens, of which the last can't be forgotten.
    pub recurrent: bool,
}

impl Weights {
    /// Loads a GGUF file, with so many layers on accelerators.
    ///
    /// # Errors
    /// What llama.cpp complains of.
    pub fn load(path: &Path, layers: u32) -> Result<Self, String> {
        log::start();
        let path = path.to_str().and_then(|path| CString::new(path).ok());
        let path = path.ok_or("llama.cpp takes paths of Unicode text only: rename it")?;
        let _ = log::complaint();
        // SAFETY: the path ends in a zero; the parameters are llama.cpp's own.
        let model = unsafe {
            let mut params = sys::llama_model_default_params();
            params.n_gpu_layers = i32::try_from(layers).unwrap_or(i32::MAX);
            sys::llama_model_load_from_file(path.as_ptr(), params)
        };
        NonNull::new(model).map(Self).ok_or_else(log::complaint)
    }

    /// Its sizes.
    pub fn facts(&self) -> Facts {
        let model = self.0.as_ptr();
        // SAFETY: the model is there until it is dropped.
        unsafe {
            let size = |n: i32| usize::try_from(n).unwrap_or(0);
            let (width, heads) = (size(sys::llama_model_n_embd(model)), size(sys::llama_model_n_head(model)));
            let row = width / heads.max(1) * size(sys::llama_model_n_head_kv(model)).max(1);
            Facts {
                width: size(sys::llama_model_n_embd_out(model)),
                vocab: size(sys::llama_vocab_n_tokens(sys::llama_model_get_vocab(model))),
                token_bytes: 2 * 2 * row * size(sys::llama_model_n_layer(model)),
                decoder: sys::llama_model_has_decoder(model) && !sys::llama_model_has_encoder(model),
                recurrent: sys::llama_model_is_recurrent(model) || sys::llama_model_is_hybrid(model),
            }
        }
    }
}

impl Drop for Weights {
    fn drop(&mut self) {
        // SAFETY: contexts hold the model alive, so none is left.
        unsafe { sys::llama_model_free(self.0.as_ptr()) }
    }
}

/// What a context has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Tokens whose keys and values are kept.
    pub cells: usize,
    /// Sequences.
    pub sequences: usize,
    /// Tokens of one pass.
    pub pass: usize,
    /// Threads.
    pub threads: usize,
    /// Keys, values and large products go to accelerators.
    pub offload: bool,
}

/// One token to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// Tokens before it.
    pub position: usize,
    /// Its sequence.
    pub sequence: i32,
}

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There are no cells for it.
    Full,
    /// Something else.
    Other(String),
}

/// Keys and values of some sequences, and the results of the last pass.
pub struct Context {
    context: NonNull<sys::llama_context>,
    batch: sys::llama_batch,
    room: Room,
    facts: Facts,
    /// The pass ends at the hidden states. Llama.cpp's threads read it.
    stop: Box<AtomicBool>,
    /// Tokens of the last pass.
    count: usize,
    /// Kept for as long as the context.
    _weights: Arc<Weights>,
}

// SAFETY: a context belongs to no thread; what it points to is its own.
unsafe impl Send for Context {}

impl Context {
    /// An empty context.
    ///
    /// # Errors
    /// What llama.cpp complains of: no memory, most likely.
    pub fn new(weights: &Arc<Weights>, room: Room) -> Result<Self, String> {
        let stop = Box::new(AtomicBool::new(false));
        let number = |n: usize| u32::try_from(n).map_err(|_| format!("{n} is too much for llama.cpp"));
        let threads = i32::try_from(room.threads).unwrap_or(1);
        let _ = log::complaint();
        // SAFETY: model and callback data live as long as the context, which is dropped first.
        let context = unsafe {
            let mut params = sys::llama_context_default_params();
            params.n_ctx = number(room.cells)?;
            params.n_batch = number(room.pass)?;
            params.n_ubatch = params.n_batch;
            params.n_seq_max = number(room.sequences)?;
            params.n_outputs_max_per_seq = 0;
            (params.n_threads, params.n_threads_batch) = (threads, threads);
            params.pooling_type = sys::LLAMA_POOLING_TYPE_NONE;
            params.attention_type = sys::LLAMA_ATTENTION_TYPE_CAUSAL;
            params.embeddings = true;
            params.kv_unified = true;
            // Sequences are cut back over more than a window's length.
            params.swa_full = true;
            (params.offload_kqv, params.op_offload) = (room.offload, room.offload);
            params.cb_eval = Some(heed);
            params.cb_eval_user_data = std::ptr::from_ref(&*stop).cast_mut().cast();
            sys::llama_init_from_model(weights.0.as_ptr(), params)
        };
        let context = NonNull::new(context).ok_or_else(log::complaint)?;
        // SAFETY: the context was made just now.
        if unsafe { sys::llama_get_memory(context.as_ptr()) }.is_null() {
            // SAFETY: as above; nobody else knows it.
            unsafe { sys::llama_free(context.as_ptr()) };
            return Err(
                "it keeps no keys and values, so it is not a model that text is continued with".into()
            );
        }
        let most = i32::try_from(room.pass).map_err(|_| "a pass of too many tokens".to_owned())?;
        // SAFETY: freed with the context.
        let batch = unsafe { sys::llama_batch_init(most, 0, 1) };
        let facts = weights.facts();
        Ok(Self { context, batch, room, facts, stop, count: 0, _weights: weights.clone() })
    }

    /// Reads tokens, those of a sequence in order. With `words`, their logits are computed too.
    ///
    /// # Errors
    /// If nothing could be read.
    ///
    /// # Panics
    /// If there are more tokens than a pass has: a fault of the caller.
    pub fn read(&mut self, tokens: &[Token], words: bool) -> Result<(), Failure> {
        assert!(tokens.len() <= self.room.pass, "more tokens than a pass has");
        self.count = 0;
        for (i, token) in tokens.iter().enumerate() {
            // SAFETY: `i` is below the number of tokens that the batch was made for, each with room for one sequence.
            unsafe {
                *self.batch.token.add(i) = token.id as i32;
                *self.batch.pos.add(i) = token.position as i32;
                *self.batch.n_seq_id.add(i) = 1;
                **self.batch.seq_id.add(i) = token.sequence;
                *self.batch.logits.add(i) = 1;
            }
        }
        self.batch.n_tokens = tokens.len() as i32;
        self.stop.store(!words, Ordering::Relaxed);
        let _ = log::complaint();
        // SAFETY: the batch is filled; ids, positions and sequences are checked by llama.cpp, too.
        match unsafe { sys::llama_decode(self.context.as_ptr(), self.batch) } {
            0 => {
                self.count = tokens.len();
                Ok(())
            }
            1 => Err(Failure::Full),
            _ => Err(Failure::Other(log::complaint())),
        }
    }

    /// Hidden states of the last pass, `(tokens, d)`, in the order of its tokens.
    pub fn hidden(&mut self) -> &[f32] {
        // SAFETY: every token of the pass was marked as an output, so there are so many rows.
        unsafe { rows(sys::llama_get_embeddings(self.context.as_ptr()), self.count * self.facts.width) }
    }

    /// Word logits of the last pass, `(tokens, V)`, if they were asked for.
    pub fn words(&mut self) -> &[f32] {
        // SAFETY: as above.
        unsafe { rows(sys::llama_get_logits(self.context.as_ptr()), self.count * self.facts.vocab) }
    }

    /// Sequence `to`, which must be empty, becomes a copy of `from`.
    pub fn copy(&mut self, from: i32, to: i32) {
        // SAFETY: both are numbers below the context's sequences.
        unsafe { sys::llama_memory_seq_cp(sys::llama_get_memory(self.context.as_ptr()), from, to, -1, -1) }
    }

    /// Forgets a sequence from position `len` on; `false` if this model can't, and nothing was forgotten.
    pub fn truncate(&mut self, sequence: i32, len: usize) -> bool {
        let len = i32::try_from(len).unwrap_or(i32::MAX);
        // SAFETY: as above.
        unsafe { sys::llama_memory_seq_rm(sys::llama_get_memory(self.context.as_ptr()), sequence, len, -1) }
    }

    /// Forgets all sequences.
    pub fn clear(&mut self) {
        // SAFETY: the context is there.
        unsafe { sys::llama_memory_clear(sys::llama_get_memory(self.context.as_ptr()), false) }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: both were made by `new`, and nobody else knows them.
        unsafe {
            sys::llama_batch_free(self.batch);
            sys::llama_free(self.context.as_ptr());
        }
    }
}

/// # Safety
/// `data` is null or has `len` elements, which stay as they are for as long as the result is held.
unsafe fn rows<'a>(data: *const f32, len: usize) -> &'a [f32] {
    if data.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: the caller's.
    unsafe { std::slice::from_raw_parts(data, len) }
}

/// Asked before every node whether its result is wanted, and after one that is, whether to go on: no, so that the words, which are
/// computed last, are not.
unsafe extern "C" fn heed(tensor: *mut sys::ggml_tensor, before: bool, stop: *mut c_void) -> bool {
    // SAFETY: `stop` is the context's own.
    let stop = unsafe { &*stop.cast_const().cast::<AtomicBool>() };
    // SAFETY: a tensor's name ends in a zero.
    before && stop.load(Ordering::Relaxed) && unsafe { CStr::from_ptr(sys::ggml_get_name(tensor)) } == HIDDEN
}
