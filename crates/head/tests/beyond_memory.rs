//! Features ten times as large as the memory that a fit may have: they stay on disk, mapped, and pass through.

#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod letters;

use letters::{Letters, corpus};
use lm::Matrix;
use std::path::{Path, PathBuf};
use std::process::Command;
use toolken_head::{
    ExactSettings, Features, Head, Method, MethodName, Penalty, Solver, Store, Subset, Table, extract, fit,
};

/// Memory that the limited process may allocate, in bytes; mapped files are not counted, as the system takes their pages
/// back whenever it wants them.
const LIMIT: usize = 96 << 20;
const WIDTH: usize = 1024;
const EXAMPLES: usize = 2000;
/// Set for the limited process: the store, and the head to write.
const STORE: &str = "TOOLKEN_TEST_STORE";
const HEAD: &str = "TOOLKEN_TEST_HEAD";

fn fitted(store: &Path) -> Head {
    let store = Store::open(store).expect("a store");
    let table = Table::new(&store).expect("a table");
    let method = Method {
        penalty: Penalty::Squared { lambda: 1e-2 },
        solver: Solver::Exact(ExactSettings { tolerance: 1e-4, ..ExactSettings::default() }),
        ..Method::named(MethodName::Exact)
    };
    let prior = Matrix::zeros(store.tools().len(), WIDTH);
    let all = Subset::all(store.groups().len());
    fit(&table, &all, &prior, &method, &mut |_| ()).expect("a fit").head
}

/// The limited process is this test again, in a shell's `ulimit -d`.
#[test]
#[cfg(target_os = "linux")]
#[ignore = "writes a gigabyte: just conformance DIR"]
fn a_fit_has_the_same_optimum_within_a_tenth_of_its_features() {
    if let (Some(store), Some(head)) = (std::env::var_os(STORE), std::env::var_os(HEAD)) {
        let mut more = Vec::<u8>::new();
        let refused = std::hint::black_box(&mut more).try_reserve_exact(LIMIT).is_err();
        assert!(refused, "the limit holds");
        fitted(&PathBuf::from(store)).save(&PathBuf::from(head)).expect("written");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let lm = Letters::wide("wide", 4000, WIDTH);
    let store = extract(&lm, &corpus(EXAMPLES), folder.path(), &mut |_| ()).expect("extracted");
    let directory = store.directory().to_owned();
    drop(store);
    let sizes = std::fs::read_dir(&directory).expect("a store").map(|file| file.expect("a file").metadata());
    let size: u64 = sizes.map(|data| data.expect("its size").len()).sum();
    assert!(size >= 10 * LIMIT as u64, "{size} bytes of features");

    let head = folder.path().join("limited.safetensors");
    let limited = Command::new("sh")
        .args(["-c", "ulimit -d \"$1\" && shift && exec \"$@\"", "sh", &(LIMIT >> 10).to_string()])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "a_fit_has_the_same_optimum_within_a_tenth_of_its_features", "--ignored"])
        .env(STORE, &directory)
        .env(HEAD, &head)
        .output()
        .expect("a shell");
    let said = [limited.stdout, limited.stderr].concat();
    assert!(limited.status.success(), "{}", String::from_utf8_lossy(&said));
    let (limited, free) = (Head::load(&head).expect("a head"), fitted(&directory));
    assert_eq!(limited.weights, free.weights);
    assert!(free.weights.data().iter().any(|w| *w != 0.0));
}
