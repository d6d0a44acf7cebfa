//! Features ten times as large as the memory that a fit takes: they stay on disk, mapped, and pass through.

#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod letters;

use letters::{Letters, corpus};
use lm::Matrix;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use toolken_head::{
    ExactSettings, Features, Method, MethodName, Outcome, Penalty, Solver, Status, Store, Subset, Table,
    extract, fit,
};

/// Memory of its own that the fitting process may have, in bytes; mapped files are not counted, as the system takes their
/// pages back whenever it wants them. A limit on addresses would not do: the matrix products reserve a gigabyte of them that
/// they never touch.
const MOST: u64 = 96 << 20;
const WIDTH: usize = 1024;
const EXAMPLES: usize = 2600;
/// Set for the process that fits: the store.
const STORE: &str = "TOOLKEN_TEST_STORE";

fn fitted(store: &Path) -> Status {
    let store = Store::open(store).expect("a store");
    let table = Table::new(&store).expect("a table");
    let method = Method {
        penalty: Penalty::Squared { lambda: 1e-2 },
        solver: Solver::Exact(ExactSettings { tolerance: 1e-4, ..ExactSettings::default() }),
        ..Method::named(MethodName::Exact)
    };
    let prior = Matrix::zeros(store.tools().len(), WIDTH);
    let all = Subset::all(store.groups().len());
    match fit(&table, &all, &prior, &method, &mut |_| ()).expect("a fit").outcome {
        Outcome::Exact(solution) => solution.status,
        Outcome::Adam(_) => unreachable!("the method is exact"),
    }
}

/// Resident memory that is no file's, in bytes.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("RssAnon");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("kB") << 10
}

/// The process that fits is this test again.
#[test]
#[cfg(target_os = "linux")]
#[ignore = "writes a gigabyte: just conformance DIR"]
fn a_fit_takes_less_than_a_tenth_of_its_features() {
    if let Some(store) = std::env::var_os(STORE) {
        let done = AtomicBool::new(false);
        let (status, most) = std::thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let mut most = 0;
                while !done.load(Ordering::Relaxed) {
                    most = most.max(anonymous());
                    std::thread::sleep(Duration::from_millis(2));
                }
                most
            });
            let status = fitted(Path::new(&store));
            done.store(true, Ordering::Relaxed);
            (status, watch.join().expect("the watch"))
        });
        assert_eq!(status, Status::Converged);
        assert!(most <= MOST, "{most} bytes of memory, {MOST} are allowed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let lm = Letters::wide("wide", 4000, WIDTH);
    let store = extract(&lm, &corpus(EXAMPLES), folder.path(), &mut |_| ()).expect("extracted");
    let directory = store.directory().to_owned();
    drop(store);
    let sizes = std::fs::read_dir(&directory).expect("a store").map(|file| file.expect("a file").metadata());
    let size: u64 = sizes.map(|data| data.expect("its size").len()).sum();
    assert!(size >= 10 * MOST, "{size} bytes of features");
    let fitting = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "a_fit_takes_less_than_a_tenth_of_its_features", "--ignored"])
        .env(STORE, &directory)
        .output()
        .expect("this program again");
    let said = [fitting.stdout, fitting.stderr].concat();
    assert!(fitting.status.success(), "{}", String::from_utf8_lossy(&said));
}
