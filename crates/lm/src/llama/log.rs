//! What llama.cpp says goes to `tracing`; its last complaint is kept for the error that follows.

use llama_cpp_sys_2 as sys;
use std::ffi::{CStr, c_char, c_void};
use std::sync::{Mutex, Once, PoisonError};

static COMPLAINT: Mutex<String> = Mutex::new(String::new());

/// Starts llama.cpp, once in a process.
pub fn start() {
    static START: Once = Once::new();
    START.call_once(|| {
        // SAFETY: the function lives as long as the process, and both calls are made once.
        unsafe {
            sys::llama_log_set(Some(listen), std::ptr::null_mut());
            sys::llama_backend_init();
        }
    });
}

/// What llama.cpp complained of since the last time this was asked.
pub fn complaint() -> String {
    let said = std::mem::take(&mut *COMPLAINT.lock().unwrap_or_else(PoisonError::into_inner));
    match said.trim() {
        "" => "it does not say why".into(),
        said => said.into(),
    }
}

unsafe extern "C" fn listen(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp gives a string that ends in a zero, for the time of this call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let text = text.trim_end();
    match level {
        sys::GGML_LOG_LEVEL_ERROR => {
            tracing::debug!(target: "llama.cpp", "{text}");
            // The first says what went wrong, those after it what failed in consequence.
            let mut complaint = COMPLAINT.lock().unwrap_or_else(PoisonError::into_inner);
            if complaint.is_empty() {
                text.clone_into(&mut complaint);
            }
        }
        sys::GGML_LOG_LEVEL_WARN => tracing::debug!(target: "llama.cpp", "{text}"),
        _ => tracing::trace!(target: "llama.cpp", "{text}"),
    }
}
