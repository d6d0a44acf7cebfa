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
    ExactSettings, FeatureSet, Features, Method, MethodName, Outcome, Penalty, Position, Solver, Status,
    Store, Subset, Table, extract, fit,
};

/// Memory of its own that the fitting process may have, in bytes; mapped files are not counted, as the system takes their
/// pages back whenever it wants them. A limit on addresses would not do: the matrix products reserve a gigabyte of them that
/// they never touch. `scripts/beyond-memory` sets it as a limit of the system's, which counts the files' pages too.
const MOST: u64 = 96 << 20;
const WIDTH: usize = 1024;
const EXAMPLES: usize = 2600;
/// Set for the process that fits: the store.
const STORE: &str = "TOOLKEN_TEST_STORE";
/// A control group that the process that fits enters, if it is to.
const GROUP: &str = "TOOLKEN_TEST_CGROUP";

/// The tools' rows.
fn fitted(features: &dyn Features) -> Matrix {
    let table = Table::new(features).expect("a table");
    let method = Method {
        penalty: Penalty::Squared { lambda: 1e-2 },
        solver: Solver::Exact(ExactSettings { tolerance: 1e-4, ..ExactSettings::default() }),
        ..Method::named(MethodName::Exact)
    };
    let prior = Matrix::zeros(features.tools().len(), WIDTH);
    let all = Subset::all(features.groups().len());
    let fit = fit(&table, &all, &prior, &method, &mut |_| ()).expect("a fit");
    match fit.outcome {
        Outcome::Exact(solution) => assert_eq!(solution.status, Status::Converged),
        Outcome::Adam(_) => unreachable!("the method is exact"),
    }
    fit.head.weights
}

/// All of a store in memory.
fn in_memory(store: &Store) -> FeatureSet {
    let mut set = FeatureSet::new(store.width(), store.tools().to_vec());
    for &group in store.groups() {
        set.add_example(group);
    }
    for part in store.parts() {
        for (i, h) in part.h.chunks(store.width()).enumerate() {
            let position = Position {
                h,
                log_sum_exp: part.log_sum_exp[i],
                label_logit: part.label_logit[i],
                max: part.max[i],
                best_word: part.best_word[i],
                tool: part.tool[i],
                word: part.word[i],
            };
            set.push(part.example[i], position);
        }
    }
    set
}

/// Resident memory that is no file's, in bytes.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("RssAnon");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("kB") << 10
}

/// The process that fits: within the limit, to the rows, which it writes beside the store.
fn fits(store: &Path) {
    if let Some(group) = std::env::var_os(GROUP) {
        let entered = std::fs::write(Path::new(&group).join("cgroup.procs"), std::process::id().to_string());
        entered.expect("entering the control group");
    }
    let done = AtomicBool::new(false);
    let (rows, most) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(anonymous());
                std::thread::sleep(Duration::from_millis(2));
            }
            most
        });
        let rows = fitted(&Store::open(store).expect("a store"));
        done.store(true, Ordering::Relaxed);
        (rows, watch.join().expect("the watch"))
    });
    assert!(most <= MOST, "{most} bytes of memory, {MOST} are allowed");
    let bytes: Vec<u8> = rows.data().iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(store.with_extension("rows"), bytes).expect("the rows written");
}

/// The process that fits is this test again.
#[test]
#[cfg(target_os = "linux")]
#[ignore = "writes a gigabyte: just conformance DIR"]
fn a_fit_in_less_than_a_tenth_of_its_features_finds_the_same_optimum() {
    if let Some(store) = std::env::var_os(STORE) {
        return fits(Path::new(&store));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let lm = Letters::wide("wide", 4000, WIDTH);
    let store = extract(&lm, &corpus(EXAMPLES), folder.path(), &mut |_| ()).expect("extracted");
    let directory = store.directory().to_owned();
    let sizes = std::fs::read_dir(&directory).expect("a store").map(|file| file.expect("a file").metadata());
    let size: u64 = sizes.map(|data| data.expect("its size").len()).sum();
    assert!(size >= 10 * MOST, "{size} bytes of features");
    let fitting = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "a_fit_in_less_than_a_tenth_of_its_features_finds_the_same_optimum", "--ignored"])
        .env(STORE, &directory)
        .output()
        .expect("this program again");
    let said = [fitting.stdout, fitting.stderr].concat();
    assert!(fitting.status.success(), "{}", String::from_utf8_lossy(&said));

    let here = fitted(&in_memory(&store));
    let bytes = std::fs::read(directory.with_extension("rows")).expect("the rows");
    let there: Vec<f32> = bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().expect("four"))).collect();
    assert_eq!(there.len(), here.data().len());
    assert!(there.iter().any(|&x| x != 0.0));
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>();
    let away = square(&mut there.iter().zip(here.data()).map(|(a, b)| a - b));
    let norm = square(&mut here.data().iter().copied());
    assert!(away <= 1e-8 * norm, "rows differ by {} of their norm", (away / norm).sqrt());
}
