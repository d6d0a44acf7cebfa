//! A pack's `tools.toml`.
#![no_main]

use std::sync::LazyLock;
use tempfile::TempDir;
use tools::Pack;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let pack = Pack::at(FOLDER.path());
    std::fs::write(pack.tools_path(), bytes).expect("written");
    if let Ok(tools) = pack.load_tools() {
        pack.save_tools(&tools).expect("what was read can be written");
        assert_eq!(pack.load_tools().expect("and read again").len(), tools.len());
    }
});
