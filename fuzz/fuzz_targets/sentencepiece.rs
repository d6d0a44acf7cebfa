//! A SentencePiece vocabulary.
#![no_main]

use std::path::Path;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(tokenizer) = lm::Tokenizer::from_sentencepiece_bytes(bytes, Path::new("fuzzed")) {
        let _ = tokenizer.encode("One 2 three.", lm::Specials::Parse).map(|ids| tokenizer.decode(&ids));
    }
});
