//! Llama.cpp by itself, the same build that stands behind `--device llama`: a side of `scripts/bench`, with the protocol of
//! `crates/bench/examples/side.rs`. What `--device llama` costs beyond this is ours.
//!
//! The argument is `{"path": a GGUF file, "threads": a number}`.

use llama_cpp_sys_2 as sys;
use serde_json::{Value, json};
use std::error::Error;
use std::ffi::{CString, c_char, c_void};
use std::io::{BufRead, Write};
use std::time::Instant;

const CONTEXT: u32 = 8192;
const ROWS: usize = 16;
const BATCH: usize = 2048;

struct Bare {
    context: *mut sys::llama_context,
    batch: sys::llama_batch,
    vocab: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let setup: Value =
        serde_json::from_str(&std::env::args().nth(1).ok_or("expected {\"path\", \"threads\"}")?)?;
    let mut bare = Bare::new(&setup)?;
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let ids: Vec<i32> = serde_json::from_value(request["ids"].clone())?;
        let number = |key: &str| request[key].as_u64().ok_or(format!("{key} is missing"));
        let answer = match request["measure"].as_str() {
            Some("decode") => bare.decode(&ids, 1, number("tokens")? as usize)?,
            Some("batch") => bare.decode(&ids, number("rows")? as usize, number("tokens")? as usize)?,
            Some("prefill") => bare.prefill(&ids)?,
            other => return Err(format!("no measurement {other:?}").into()),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

unsafe extern "C" fn quiet(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if level == sys::GGML_LOG_LEVEL_ERROR {
        // SAFETY: llama.cpp gives a string that ends in a zero.
        eprint!("{}", unsafe { std::ffi::CStr::from_ptr(text) }.to_string_lossy());
    }
}

impl Bare {
    fn new(setup: &Value) -> Result<Self, Box<dyn Error>> {
        let path = CString::new(setup["path"].as_str().ok_or("path is missing")?)?;
        let threads = setup["threads"].as_i64().ok_or("threads is missing")? as i32;
        // SAFETY: llama.cpp's own order of calls; null pointers are checked for.
        unsafe {
            sys::llama_log_set(Some(quiet), std::ptr::null_mut());
            sys::llama_backend_init();
            let model = sys::llama_model_load_from_file(path.as_ptr(), sys::llama_model_default_params());
            if model.is_null() {
                return Err("the model does not load".into());
            }
            let mut params = sys::llama_context_default_params();
            (params.n_ctx, params.n_batch, params.n_ubatch) = (CONTEXT, BATCH as u32, 512);
            (params.n_seq_max, params.kv_unified) = (ROWS as u32, true);
            (params.n_threads, params.n_threads_batch) = (threads, threads);
            let context = sys::llama_init_from_model(model, params);
            if context.is_null() {
                return Err("no context".into());
            }
            let vocab = sys::llama_vocab_n_tokens(sys::llama_model_get_vocab(model)) as usize;
            Ok(Self { context, batch: sys::llama_batch_init(BATCH as i32, 0, 1), vocab })
        }
    }

    fn put(&mut self, i: usize, token: i32, position: usize, sequence: usize, words: bool) {
        assert!(i < BATCH);
        // SAFETY: the batch has room for so many tokens.
        unsafe {
            *self.batch.token.add(i) = token;
            *self.batch.pos.add(i) = position as i32;
            *self.batch.n_seq_id.add(i) = 1;
            **self.batch.seq_id.add(i) = sequence as i32;
            *self.batch.logits.add(i) = i8::from(words);
        }
    }

    fn run(&mut self, count: usize) -> Result<(), Box<dyn Error>> {
        self.batch.n_tokens = count as i32;
        // SAFETY: `count` tokens were put into the batch.
        match unsafe { sys::llama_decode(self.context, self.batch) } {
            0 => Ok(()),
            code => Err(format!("llama_decode gave {code}").into()),
        }
    }

    fn best(&self, i: usize) -> i32 {
        // SAFETY: words were asked for at this token.
        let words = unsafe {
            std::slice::from_raw_parts(sys::llama_get_logits_ith(self.context, i as i32), self.vocab)
        };
        let max = words.iter().fold(f32::NEG_INFINITY, |m, &x| if x > m { x } else { m });
        words.iter().position(|&x| x == max).unwrap_or(0) as i32
    }

    fn read(&mut self, ids: &[i32], words: bool) -> Result<(), Box<dyn Error>> {
        // SAFETY: the context is there.
        unsafe { sys::llama_memory_clear(sys::llama_get_memory(self.context), true) };
        for (part, start) in ids.chunks(BATCH).zip((0..).step_by(BATCH)) {
            for (i, &token) in part.iter().enumerate() {
                self.put(i, token, start + i, 0, words && start + i + 1 == ids.len());
            }
            self.run(part.len())?;
        }
        Ok(())
    }

    fn decode(&mut self, ids: &[i32], rows: usize, tokens: usize) -> Result<Value, Box<dyn Error>> {
        self.read(ids, false)?;
        for row in 1..rows {
            // SAFETY: rows are below the context's sequences.
            unsafe { sys::llama_memory_seq_cp(sys::llama_get_memory(self.context), 0, row as i32, -1, -1) };
        }
        let mut next: Vec<i32> = (0..rows).map(|row| ids[row % ids.len()]).collect();
        let start = Instant::now();
        for at in 0..tokens {
            for (row, &token) in next.iter().enumerate() {
                self.put(row, token, ids.len() + at, row, true);
            }
            self.run(rows)?;
            next = (0..rows).map(|row| self.best(row)).collect();
        }
        Ok(json!({ "seconds": start.elapsed().as_secs_f64(), "tokens": tokens * rows, "last": next }))
    }

    fn prefill(&mut self, ids: &[i32]) -> Result<Value, Box<dyn Error>> {
        let start = Instant::now();
        self.read(ids, true)?;
        // SAFETY: the context is there.
        unsafe { sys::llama_synchronize(self.context) };
        Ok(json!({ "seconds": start.elapsed().as_secs_f64(), "tokens": ids.len() }))
    }
}
