//! A corpus: checked, read, and labelled byte by byte.
#![no_main]

use corpus::{Ends, label};
use std::convert::Infallible;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    let _ = corpus::check(file.path(), 10);
    let Ok(corpus) = corpus::read(file.path()) else { return };
    for example in corpus.examples() {
        let bytes = |text: &str, _| Ok::<_, Infallible>(text.bytes().map(u32::from).collect());
        let ends = Ends { bos: Some(256), eos: Some(256) };
        let _ = label(example, |tool| corpus.tool_index(tool), bytes, ends);
    }
});
