//! The feature store, on a model of a few lines whose hidden states depend on everything read so far.

mod letters;

use corpus::{Corpus, Ends, Label, Segment, label};
use letters::{Letters, WIDTH, corpus};
use lm::{FrozenLm, Specials};
use std::{
    fs,
    path::{Path, PathBuf},
};
use toolken_head::{ExtractProgress, Features, HeadError, Positions, Store, WORD, extract};

/// One position: h, (a, b, m), (best word, tool, word, example).
type Row = (Vec<f32>, [f32; 3], (u32, i32, u32, u32));

fn rows(parts: &[Positions<'_>]) -> Vec<Row> {
    let row = |p: &Positions<'_>, i: usize| {
        let h = p.h[i * WIDTH..(i + 1) * WIDTH].to_vec();
        let word = if p.tool[i] == WORD { p.word[i] } else { 0 };
        (h, [p.log_sum_exp[i], p.label_logit[i], p.max[i]], (p.best_word[i], p.tool[i], word, p.example[i]))
    };
    parts.iter().flat_map(|p| (0..p.len()).map(move |i| row(p, i))).collect()
}

/// The same, each example run whole and alone.
fn directly(lm: &Letters, corpus: &Corpus) -> Vec<Row> {
    let encode = |text: &str, segment| match segment {
        Segment::First => lm.tokenizer.encode(text, Specials::Text),
        Segment::Continuation => lm.tokenizer.encode_continuation(text, Specials::Text),
    };
    let eos = lm.tokenizer.eos();
    assert!(eos.is_some() && lm.tokenizer.bos().or(eos) == eos);
    let mut rows = Vec::new();
    for (e, example) in corpus.examples().iter().enumerate() {
        let labelled =
            label(example, |tool| corpus.tool_index(tool), encode, Ends { bos: eos, eos }).unwrap();
        let states = (lm as &dyn FrozenLm).states(&labelled.ids).unwrap();
        for (i, label) in labelled.labels.iter().enumerate() {
            let (tool, word) = match *label {
                Label::None => continue,
                Label::Tool(tool) => (tool as i32, None),
                Label::Word(word) => (WORD, Some(word)),
            };
            let hidden = states.select([i - 1]);
            let mass = lm.word_mass(&hidden, &[word]).unwrap()[0];
            let numbers = [mass.log_sum_exp, mass.label, mass.max];
            rows.push((hidden.data().to_vec(), numbers, (mass.argmax, tool, word.unwrap_or(0), e as u32)));
        }
    }
    lm.tokens_read();
    rows
}

struct Bench {
    lm: Letters,
    corpus: Corpus,
    cache: tempfile::TempDir,
}

impl Bench {
    fn new(examples: usize) -> Self {
        Self { lm: Letters::new("test", 4000), corpus: corpus(examples), cache: tempfile::tempdir().unwrap() }
    }
    fn run(&self) -> Result<Store, HeadError> {
        extract(&self.lm, &self.corpus, self.cache.path(), &mut |_| ())
    }
    /// Every file of the store with its bytes.
    fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    }
}

fn part(directory: &Path, i: usize) -> PathBuf {
    directory.join(format!("part-{i:05}.safetensors"))
}

fn refused(result: Result<Store, HeadError>, file: &Path, says: &str) {
    let message = result.unwrap_err().to_string();
    assert!(message.contains(file.to_str().unwrap()), "{message}");
    assert!(message.contains(says), "{message}");
    assert!(message.to_lowercase().contains("delete this file and extract again"), "{message}");
}

#[test]
fn a_store_holds_what_examples_give_one_by_one() {
    let bench = Bench::new(150);
    let expected = directly(&bench.lm, &bench.corpus);
    let mut steps: Vec<ExtractProgress> = Vec::new();
    let store = extract(&bench.lm, &bench.corpus, bench.cache.path(), &mut |p| steps.push(p)).unwrap();
    let parts = store.parts();
    assert!(parts.len() > 3, "{} parts", parts.len());
    assert_eq!(rows(&parts), expected);
    assert_eq!(store.positions(), expected.len());
    assert_eq!((store.width(), store.tools()), (WIDTH, bench.corpus.tools()));
    assert_eq!(store.groups(), (0..150).map(|i| i % 7).collect::<Vec<u32>>());

    let last = steps.last().unwrap();
    assert_eq!((steps.len(), last.tokens, last.positions), (parts.len(), last.total_tokens, expected.len()));
    assert_eq!((last.kept_tokens, last.total_positions), (0, expected.len()));
    assert!(
        steps.windows(2).all(|two| two[0].tokens < two[1].tokens && two[1].tokens - two[0].tokens <= 4096)
    );

    let again = Store::open(store.directory()).unwrap();
    assert_eq!(rows(&again.parts()), expected);
}

#[test]
fn a_second_run_asks_the_model_for_nothing() {
    let bench = Bench::new(60);
    let first = rows(&bench.run().unwrap().parts());
    assert!(bench.lm.tokens_read() > 0);
    assert_eq!(rows(&bench.run().unwrap().parts()), first);
    assert_eq!(bench.lm.tokens_read(), 0);
}

#[test]
fn an_interrupted_run_is_resumed_to_the_same_bytes() {
    let bench = Bench::new(150);
    let directory = bench.run().unwrap().directory().to_owned();
    let (whole, all) = (Bench::files(&directory), bench.lm.tokens_read());
    // What a killed run leaves: some parts, no manifest, an unfinished file.
    for lost in [part(&directory, 1), part(&directory, 3), directory.join("manifest.json")] {
        fs::remove_file(lost).unwrap();
    }
    fs::write(directory.join(".unfinished-x"), b"half").unwrap();
    let mut kept = 0;
    extract(&bench.lm, &bench.corpus, bench.cache.path(), &mut |p| kept = p.kept_tokens).unwrap();
    let again = bench.lm.tokens_read();
    assert!(kept > 0 && again > 0 && again < all, "{again} of {all} tokens, {kept} kept");
    fs::remove_file(directory.join(".unfinished-x")).unwrap();
    assert_eq!(Bench::files(&directory), whole);

    // A part that was deleted from a finished store is made again too.
    fs::remove_file(part(&directory, 2)).unwrap();
    assert!(
        matches!(Store::open(&directory), Err(HeadError::Io { path, .. }) if path == part(&directory, 2))
    );
    bench.run().unwrap();
    assert_eq!(Bench::files(&directory), whole);
}

#[test]
fn damaged_parts_are_refused_by_finished_and_unfinished_stores() {
    let bench = Bench::new(60);
    let directory = bench.run().unwrap().directory().to_owned();
    let path = part(&directory, 0);
    let good = fs::read(&path).unwrap();
    let manifest = fs::read(directory.join("manifest.json")).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for (bad, says) in [
        (&flipped[..], "damaged"),
        (&good[..good.len() - 1], "damaged"),
        (&good[..good.len() / 3], "damaged"),
        (&good[..5], "damaged"),
        (b"", "damaged"),
        (b"not a part at all, whatever its name may be", "damaged"),
    ] {
        fs::write(&path, bad).unwrap();
        fs::write(directory.join("manifest.json"), &manifest).unwrap();
        refused(bench.run(), &path, says);
        refused(Store::open(&directory), &path, says);
        bench.lm.tokens_read();
        fs::remove_file(directory.join("manifest.json")).unwrap();
        refused(bench.run(), &path, says);
        assert_eq!(bench.lm.tokens_read(), 0, "refused before anything is computed");
    }
    fs::remove_file(&path).unwrap();
    bench.run().unwrap();
    assert_eq!(fs::read(&path).unwrap(), good);
}

#[test]
fn a_changed_byte_anywhere_in_a_part_is_noticed() {
    let bench = Bench::new(4);
    let store = bench.run().unwrap();
    let (path, expected) = (part(store.directory(), 0), rows(&store.parts()));
    let good = fs::read(&path).unwrap();
    // Every byte of the header, and one in 101 of the tensors.
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    for i in (0..header).chain((header..good.len()).step_by(101)) {
        let mut bad = good.clone();
        bad[i] ^= 0x21;
        fs::write(&path, &bad).unwrap();
        if let Ok(store) = Store::open(store.directory()) {
            // Spaces of JSON, or a key that nobody reads: the numbers must be the same.
            assert_eq!(rows(&store.parts()), expected, "byte {i}");
        }
    }
}

#[test]
fn unaligned_tensors_are_refused() {
    let bench = Bench::new(4);
    let directory = bench.run().unwrap().directory().to_owned();
    let path = part(&directory, 0);
    let good = fs::read(&path).unwrap();
    let header = u64::from_le_bytes(good[..8].try_into().unwrap());
    let mut bad = (header + 1).to_le_bytes().to_vec();
    bad.extend(&good[8..8 + header as usize]);
    bad.push(b' ');
    bad.extend(&good[8 + header as usize..]);
    fs::write(&path, bad).unwrap();
    refused(bench.run(), &path, "not aligned");
}

#[test]
fn files_of_other_stores_and_broken_manifests_are_refused() {
    let bench = Bench::new(60);
    let directory = bench.run().unwrap().directory().to_owned();
    let other =
        extract(&Letters::new("other", 4000), &bench.corpus, bench.cache.path(), &mut |_| ()).unwrap();
    let good = fs::read(part(&directory, 0)).unwrap();
    fs::copy(part(other.directory(), 0), part(&directory, 0)).unwrap();
    refused(bench.run(), &part(&directory, 0), &other.key().address());
    fs::copy(part(&directory, 1), part(&directory, 0)).unwrap();
    refused(bench.run(), &part(&directory, 0), "part 1 of the store");
    fs::write(part(&directory, 0), good).unwrap();

    let manifest = directory.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    for bad in
        [&text[..text.len() / 2], "", "{}", &text.replace("\"engine\":\"test\"", "\"engine\":\"fast\"")]
    {
        fs::write(&manifest, bad).unwrap();
        refused(bench.run(), &manifest, "manifest");
    }
    for bad in
        [fs::read_to_string(other.directory().join("manifest.json")).unwrap(), text.replace("tool1", "tool9")]
    {
        fs::write(&manifest, bad).unwrap();
        assert!(matches!(bench.run(), Err(HeadError::File { .. })));
    }
    fs::remove_file(&manifest).unwrap();
    bench.run().unwrap();
    assert_eq!(fs::read_to_string(&manifest).unwrap(), text);
}

#[test]
fn another_corpus_or_engine_has_another_directory() {
    let bench = Bench::new(20);
    let directory = bench.run().unwrap().directory().to_owned();
    let of = |lm: &Letters, corpus: &Corpus| {
        extract(lm, corpus, bench.cache.path(), &mut |_| ()).unwrap().directory().to_owned()
    };
    assert_eq!(of(&bench.lm, &corpus(20)), directory);
    let mut examples = bench.corpus.examples().to_vec();
    examples[3].text.push('x');
    let changed = Corpus::with_tools(examples, bench.corpus.tools().to_vec()).unwrap();
    let three = [directory, of(&bench.lm, &changed), of(&Letters::new("f16", 4000), &bench.corpus)];
    assert!(three[0] != three[1] && three[0] != three[2] && three[1] != three[2]);
}

#[test]
fn an_empty_corpus_has_an_empty_store() {
    let bench = Bench::new(0);
    for _ in 0..2 {
        let store = bench.run().unwrap();
        assert_eq!((store.positions(), store.parts().len(), store.groups().len()), (0, 0, 0));
        assert_eq!((store.width(), store.tools().len()), (WIDTH, 3));
    }
}

#[test]
fn a_text_longer_than_the_context_is_named_before_anything_is_read() {
    let bench = Bench { lm: Letters::new("test", 100), ..Bench::new(20) };
    let message = bench.run().unwrap_err().to_string();
    assert!(message.contains("example `e1`") && message.contains("100"), "{message}");
    assert_eq!(bench.lm.tokens_read(), 0);
}
