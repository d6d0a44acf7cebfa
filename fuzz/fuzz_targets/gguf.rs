//! A model file: its header, and the tokenizer in it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(gguf) = lm::Gguf::from_bytes(bytes)
        && let Ok(tokenizer) = lm::Tokenizer::from_gguf(&gguf)
    {
        let _ = tokenizer.encode("One 2 three.", lm::Specials::Parse);
    }
});
