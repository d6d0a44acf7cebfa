//! A head's file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = head::Head::from_bytes(bytes);
});
