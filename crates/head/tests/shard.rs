//! Shards, on a model of a few lines: whoever computes the parts, and however often, the store is the same.

#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod letters;

use letters::{Letters, WIDTH, corpus};
use lm::FrozenLm;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use toolken_head::{Depot, Features, Folder, HeadError, Shard, extract, extract_shard, merge, readings};

/// Every file of a folder with its bytes.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

struct Bench {
    lm: Letters,
    corpus: corpus::Corpus,
    folder: TempDir,
}

impl Bench {
    fn new(examples: usize) -> Self {
        Self {
            lm: Letters::new("test", 4000),
            corpus: corpus(examples),
            folder: tempfile::tempdir().unwrap(),
        }
    }
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn shard(&self, depot: &dyn Depot, index: usize, count: usize) -> Result<String, HeadError> {
        extract_shard(&self.lm, &self.corpus, Shard::new(index, count)?, depot, &mut |_| ())
    }
    /// What one process writes.
    fn single(&self) -> Vec<(String, Vec<u8>)> {
        let store = extract(&self.lm, &self.corpus, &self.at("single"), &mut |_| ()).unwrap();
        self.lm.tokens_read();
        files(store.directory())
    }
}

/// A depot whose worker dies at its n-th put: before the file is there, or just after.
struct Dying<'a> {
    depot: &'a Folder,
    left: Cell<usize>,
    put_first: bool,
}

impl Depot for Dying<'_> {
    fn stores(&self) -> Result<BTreeSet<String>, HeadError> {
        self.depot.stores()
    }
    fn files(&self, store: &str) -> Result<BTreeSet<String>, HeadError> {
        self.depot.files(store)
    }
    fn get(&self, store: &str, name: &str) -> Result<Vec<u8>, HeadError> {
        self.depot.get(store, name)
    }
    fn put(&self, store: &str, name: &str, bytes: Vec<u8>) -> Result<(), HeadError> {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        if left > 0 || self.put_first {
            self.depot.put(store, name, bytes)?;
        }
        match left {
            0 => Err(HeadError::Setting("killed".into())),
            _ => Ok(()),
        }
    }
    fn place(&self) -> PathBuf {
        self.depot.place()
    }
}

#[test]
fn shards_in_any_order_and_number_make_the_store_of_one_process() {
    let bench = Bench::new(150);
    let single = bench.single();
    assert!(single.len() > 4, "{} files", single.len());
    for count in [1, 2, 3, 8, 40] {
        let depot = Folder(bench.at(&format!("depot{count}")));
        for index in (0..count).rev() {
            bench.shard(&depot, index, count).unwrap();
        }
        bench.lm.tokens_read();
        // A shard that is there is not computed again, whoever had it.
        bench.shard(&depot, 0, 1).unwrap();
        assert_eq!(bench.lm.tokens_read(), 0);
        let store = merge(&depot, None, &bench.at(&format!("merged{count}")), &mut |_, _| ()).unwrap();
        assert_eq!(files(store.directory()), single, "{count} shards");
        // In its own place too, and again.
        for _ in 0..2 {
            let address = store.key().address();
            let merged = merge(&depot, Some(&address), &depot.0, &mut |_, _| ()).unwrap();
            assert_eq!(files(merged.directory()), single, "{count} shards, in place");
        }
    }
}

#[test]
fn a_worker_that_dies_at_any_file_is_succeeded_by_another() {
    let bench = Bench::new(150);
    let single = bench.single();
    for (left, put_first) in (0..4).flat_map(|left| [(left, false), (left, true)]) {
        let depot = Folder(bench.at(&format!("depot{left}{put_first}")));
        let dying = Dying { depot: &depot, left: Cell::new(left), put_first };
        assert!(bench.shard(&dying, 0, 1).unwrap_err().to_string().contains("killed"));
        // Two take it up at once: each computes what it does not find.
        for index in [0, 1, 0, 1] {
            bench.shard(&depot, index, 2).unwrap();
        }
        let store =
            merge(&depot, None, &bench.at(&format!("merged{left}{put_first}")), &mut |_, _| ()).unwrap();
        assert_eq!(files(store.directory()), single, "died at put {left}");
    }
}

#[test]
fn what_is_missing_damaged_or_foreign_is_named() {
    let bench = Bench::new(150);
    let depot = Folder(bench.at("depot"));
    let merged = bench.at("merged");
    let refused = |parts: &[&str]| {
        let error = merge(&depot, None, &merged, &mut |_, _| ()).unwrap_err().to_string();
        parts.iter().for_each(|part| assert!(error.contains(part), "{part:?} is not in {error}"));
    };
    refused(&["holds no store"]);
    let address = bench.shard(&depot, 1, 3).unwrap();
    refused(&["parts are missing (0, 2, 3", "p mod N"]);
    bench.shard(&depot, 0, 3).unwrap();
    bench.shard(&depot, 2, 3).unwrap();

    let part = depot.0.join(&address).join("part-00001.safetensors");
    let good = fs::read(&part).unwrap();
    for bad in [&good[..good.len() - 1], &good[..20], b"", &[&good[..], b"x"].concat()] {
        fs::write(&part, bad).unwrap();
        refused(&["part-00001.safetensors", "damaged", "run the shard again that has part 1"]);
    }
    fs::copy(depot.0.join(&address).join("part-00002.safetensors"), &part).unwrap();
    refused(&["part 2 of the store", "expected part 1"]);
    fs::write(&part, &good).unwrap();

    let plan = depot.0.join(&address).join("plan.json");
    let text = fs::read_to_string(&plan).unwrap();
    for bad in [&text[..text.len() / 2], "", &text.replace("\"engine\":\"test\"", "\"engine\":\"fast\"")] {
        fs::write(&plan, bad).unwrap();
        refused(&["plan.json", "run a shard again"]);
        assert!(bench.shard(&depot, 0, 3).unwrap_err().to_string().contains("plan of another extraction"));
    }
    fs::write(&plan, &text).unwrap();

    // Another engine's store in the same depot.
    let other = Letters::new("other", 4000);
    extract_shard(&other, &bench.corpus, Shard::new(0, 1).unwrap(), &depot, &mut |_| ()).unwrap();
    refused(&["holds 2 stores", "--store", &address]);
    merge(&depot, Some(&address), &merged, &mut |_, _| ()).unwrap();
    let error = merge(&depot, Some("none"), &merged, &mut |_, _| ()).unwrap_err().to_string();
    assert!(error.contains("no plan.json"), "{error}");
}

#[test]
fn an_empty_corpus_is_merged_to_an_empty_store() {
    let bench = Bench::new(0);
    let depot = Folder(bench.at("depot"));
    bench.shard(&depot, 3, 8).unwrap();
    let store = merge(&depot, None, &bench.at("merged"), &mut |_, _| ()).unwrap();
    assert_eq!(files(store.directory()), bench.single());
}

/// The contexts that the store's hidden states came from, run by themselves.
#[test]
fn readings_are_the_contexts_of_the_stores_positions() {
    let bench = Bench::new(40);
    let store = extract(&bench.lm, &bench.corpus, &bench.at("store"), &mut |_| ()).unwrap();
    let stored: Vec<f32> = store.parts().iter().flat_map(|part| part.h).copied().collect();
    let mut found = Vec::new();
    for reading in readings(&bench.lm, &bench.corpus).unwrap() {
        if !reading.states.is_empty() {
            let states = (&bench.lm as &dyn FrozenLm).states(&reading.ids).unwrap();
            reading.states.iter().for_each(|&state| found.extend_from_slice(states.row(state)));
        }
    }
    assert_eq!((found.len() / WIDTH, found), (store.positions(), stored));
}
