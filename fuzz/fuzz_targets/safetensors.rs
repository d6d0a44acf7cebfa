//! A model folder's weights, under a sound configuration and vocabulary.
#![no_main]

use std::sync::LazyLock;
use tempfile::TempDir;

#[allow(dead_code)]
#[path = "../../crates/lm/tests/tiny/mod.rs"]
mod tiny;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    tiny::write(folder.path(), 1);
    folder
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    std::fs::write(FOLDER.path().join("model.safetensors"), bytes).expect("written");
    let _ = lm::load(FOLDER.path(), lm::Device::Cpu);
});
