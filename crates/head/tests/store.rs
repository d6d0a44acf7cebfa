//! The feature store, on a model of a few lines whose hidden states depend on everything read so far.

use corpus::{Call, Corpus, Ends, Example, Label, Segment, label};
use lm::{FrozenLm, LmError, Matrix, ModelCard, RowSource, Sequence, Specials, State, Tokenizer, WordMass};
use serde_json::json;
use std::{
    any::Any,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};
use toolken_head::{ExtractProgress, Features, HeadError, Positions, Store, WORD, extract};

const WIDTH: usize = 5;

/// Every letter is a token. A hidden state mixes the whole past with the newest token.
struct Letters {
    card: ModelCard,
    tokenizer: Tokenizer,
    /// Tokens read so far, by all calls.
    read: AtomicUsize,
}

#[derive(Clone)]
struct Nothing;

impl State for Nothing {
    fn fork(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }
    fn truncate(&mut self, _: usize) {}
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl Letters {
    fn new(engine: &str, context: usize) -> Self {
        let mut vocab: serde_json::Map<String, serde_json::Value> = "abcdefghijklmnopqrstuvwxyz0123456789=.Ġ"
            .chars()
            .zip(0..)
            .map(|(c, id)| (c.to_string(), json!(id)))
            .collect();
        let special = vocab.len();
        vocab.insert("<|endoftext|>".into(), json!(special));
        let byte_level =
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true});
        let json = json!({
            "version": "1.0",
            "added_tokens": [{"id": special, "content": "<|endoftext|>", "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true}],
            "pre_tokenizer": byte_level,
            "decoder": byte_level,
            "model": {"type": "BPE", "vocab": vocab, "merges": [], "ignore_merges": false},
        });
        let files = tempfile::tempdir().unwrap();
        fs::write(files.path().join("tokenizer.json"), json.to_string()).unwrap();
        let ends = json!({"eos_token": "<|endoftext|>"});
        fs::write(files.path().join("tokenizer_config.json"), ends.to_string()).unwrap();
        let tokenizer = Tokenizer::from_dir(files.path()).unwrap();
        let card = ModelCard {
            name: "letters".into(),
            digest: "0".into(),
            architecture: "llama".into(),
            engine: engine.into(),
            width: WIDTH,
            vocab: special + 1,
            context,
        };
        Self { card, tokenizer, read: AtomicUsize::new(0) }
    }

    fn tokens_read(&self) -> usize {
        self.read.swap(0, Ordering::Relaxed)
    }
}

fn row(id: u32) -> Vec<f32> {
    (0..WIDTH as u32).map(|j| ((id * 7 + j * 3) % 11) as f32 / 5.0 - 1.0).collect()
}

impl FrozenLm for Letters {
    fn card(&self) -> &ModelCard {
        &self.card
    }
    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }
    fn begin(&self) -> Sequence {
        Sequence::new(Box::new(Nothing))
    }
    fn extend(&self, batch: &mut [(&mut Sequence, &[u32])]) -> Result<Matrix, LmError> {
        let (mut data, mut rows) = (Vec::new(), 0);
        for (sequence, new) in batch {
            let (ids, _) = sequence.parts_mut();
            for &id in *new {
                ids.push(id);
                let past: f32 = ids.iter().zip(1..).map(|(&id, i)| id as f32 / i as f32).sum();
                data.extend(row(id).iter().zip(1..).map(|(x, j)| x + (past * j as f32).sin()));
                rows += 1;
            }
        }
        self.read.fetch_add(rows, Ordering::Relaxed);
        Ok(Matrix::new(rows, WIDTH, data))
    }
    fn logits(&self, hidden: &Matrix) -> Result<Matrix, LmError> {
        let product = |i: usize, id: u32| hidden.row(i).iter().zip(row(id)).map(|(h, w)| h * w).sum::<f32>();
        let data = (0..hidden.rows()).flat_map(|i| (0..self.card.vocab as u32).map(move |id| (i, id)));
        Ok(Matrix::new(hidden.rows(), self.card.vocab, data.map(|(i, id)| product(i, id)).collect()))
    }
    fn word_mass(&self, hidden: &Matrix, labels: &[Option<u32>]) -> Result<Vec<WordMass>, LmError> {
        assert_eq!(hidden.rows(), labels.len());
        let logits = self.logits(hidden)?;
        Ok((0..hidden.rows())
            .map(|i| {
                let logits = logits.row(i);
                let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                WordMass {
                    log_sum_exp: logits.iter().map(|x| x.exp()).sum::<f32>().ln(),
                    label: labels[i].map_or(0.0, |id| logits[id as usize]),
                    max,
                    argmax: logits.iter().position(|&x| x == max).unwrap() as u32,
                }
            })
            .collect())
    }
    fn rows(&self, _: RowSource, _: &[u32]) -> Result<Matrix, LmError> {
        unimplemented!("extraction asks for no rows")
    }
}

/// Texts of many lengths, some without labels, some with word labels dropped, in several groups.
fn corpus(examples: usize) -> Corpus {
    let example = |i: usize| {
        let words = "so many pears ".repeat(i * 37 % 23);
        let (start, result) = (words.len() + 9, format!("{}", i * 13));
        let text = format!("{words}{i:03} sum = {result}.");
        let call = Call {
            tool: format!("tool{}", i % 3),
            start: start + 1,
            end: start + 1 + result.len(),
            args: None,
        };
        Example {
            id: format!("e{i}"),
            text,
            calls: if i % 5 == 4 { vec![] } else { vec![call] },
            only_tools: i % 5 >= 3,
            group: Some(format!("g{}", i % 7)),
            ..Example::default()
        }
    };
    let tools = (0..3).map(|k| format!("tool{k}")).collect();
    Corpus::with_tools((0..examples).map(example).collect(), tools).unwrap()
}

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
