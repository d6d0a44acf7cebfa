//! Llama.cpp as an engine, on models of two layers that are written for the test: what it computes is what our own decoder computes
//! from the same file, whatever is done to its sequences, and what it can't compute it refuses.

#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod gguf_writer;
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod tiny;

use gguf_writer::{Writer, key, numbers, string, strings};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tiny::{Tensors, VOCAB, WIDTH};
use toolken_lm::{Device, FrozenLm, LmError, Matrix, RowSource, Sequence, load};

const CONTEXT: u32 = 20_000;
const LLAMA: Device = Device::Llama(0);

/// A model file that can be changed before it is written.
struct Small {
    architecture: &'static str,
    keys: Vec<Vec<u8>>,
    tensors: Tensors,
}

impl Small {
    fn new() -> Self {
        Self { architecture: "llama", keys: Vec::new(), tensors: tiny::tensors(1) }
    }

    fn write(&self, path: &Path) {
        let text = |name: &str, value: &str| key(name, 8, &string(value.as_bytes()));
        let of = |name: &str| format!("{}.{name}", self.architecture);
        let whole = |name: &str, value: u32| key(name, 4, &value.to_le_bytes());
        let real = |name: &str, value: f32| key(name, 6, &value.to_le_bytes());
        let vocab = tiny::tokenizer()["model"]["vocab"].clone();
        let mut tokens: Vec<(String, u64)> = vocab
            .as_object()
            .expect("a vocabulary")
            .iter()
            .map(|(token, id)| (token.clone(), id.as_u64().expect("an id")))
            .collect();
        tokens.sort_by_key(|(_, id)| *id);
        let tokens: Vec<String> = tokens.into_iter().map(|(token, _)| token).collect();
        let mut kinds = vec![1; VOCAB];
        kinds[VOCAB - 1] = 3;
        let mut keys = vec![
            text("general.architecture", self.architecture),
            whole(&of("context_length"), CONTEXT),
            whole(&of("embedding_length"), WIDTH as u32),
            whole(&of("block_count"), 2),
            whole(&of("feed_forward_length"), 48),
            whole(&of("attention.head_count"), 4),
            whole(&of("attention.head_count_kv"), 2),
            whole(&of("rope.dimension_count"), 8),
            real(&of("attention.layer_norm_rms_epsilon"), 1e-5),
            text("tokenizer.ggml.model", "gpt2"),
            text("tokenizer.ggml.pre", "gpt-2"),
            key("tokenizer.ggml.tokens", 9, &strings(&tokens)),
            key("tokenizer.ggml.token_type", 9, &numbers(&kinds)),
            key("tokenizer.ggml.merges", 9, &strings::<&str>(&[])),
            whole("tokenizer.ggml.bos_token_id", VOCAB as u32 - 1),
            whole("tokenizer.ggml.eos_token_id", VOCAB as u32 - 1),
        ];
        keys.extend(self.keys.iter().cloned());
        let mut writer = Writer::with_keys(keys);
        for (name, (shape, data)) in &self.tensors {
            let offset = writer.data.len() as u64;
            let dims = shape.iter().rev().map(|&size| size as u64).collect();
            writer.tensors.push((gguf_name(name), dims, 0, offset));
            writer.data.extend(data.iter().flat_map(|x| x.to_le_bytes()));
            writer.data.resize(writer.data.len().next_multiple_of(32), 0);
        }
        std::fs::write(path, writer.bytes()).expect("written");
    }

    /// The file in a folder of its own.
    fn file(&self) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("small.gguf");
        self.write(&path);
        (folder, path)
    }

    #[track_caller]
    fn refusal(&self) -> String {
        let (_folder, path) = self.file();
        match load(&path, LLAMA) {
            Err(error @ LmError::File { .. }) => error.to_string(),
            Err(other) => panic!("another kind of error: {other}"),
            Ok(_) => panic!("the file was accepted"),
        }
    }
}

/// A tensor's name in GGUF. Rows of Q and K are in GGUF's order, which for weights drawn at random is as good as any.
fn gguf_name(name: &str) -> String {
    let name = name
        .replace("model.layers.", "blk.")
        .replace("model.embed_tokens", "token_embd")
        .replace("model.norm", "output_norm");
    [
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
    ]
    .iter()
    .fold(name, |name, (from, to)| name.replace(from, to))
}

/// Our own decoder in f32, and llama.cpp.
fn both(path: &Path) -> [Box<dyn FrozenLm>; 2] {
    [Device::Cpu, LLAMA].map(|device| load(path, device).expect("the model loads"))
}

/// Keys and values are f16 on one side, eleven bits, and where a pass has few rows the values are added up in f16, too.
#[track_caller]
fn close(found: &Matrix, expected: &Matrix) {
    within(2e-2, found, expected);
}

#[track_caller]
fn within(bound: f64, found: &Matrix, expected: &Matrix) {
    assert_eq!((found.rows(), found.cols()), (expected.rows(), expected.cols()));
    for i in 0..found.rows() {
        let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let off = norm(&mut found.row(i).iter().zip(expected.row(i)).map(|(a, b)| a - b));
        let off = off / norm(&mut expected.row(i).iter().copied());
        assert!(off < bound, "row {i} of {}: relative error {off}", found.rows());
    }
}

fn ids(rng: &mut ChaCha8Rng, count: usize) -> Vec<u32> {
    (0..count).map(|_| rng.random_range(0..VOCAB as u32)).collect()
}

#[test]
fn states_words_and_rows_are_our_own_decoders() {
    for separate in [false, true] {
        let mut small = Small::new();
        if separate {
            let other = tiny::tensors(2)["model.embed_tokens.weight"].clone();
            small.tensors.insert("output.weight".into(), other);
        }
        let (_folder, path) = small.file();
        let [ours, theirs] = both(&path);
        let ids = ids(&mut ChaCha8Rng::seed_from_u64(0), 200);
        let [expected, found] = [&ours, &theirs].map(|model| model.states(&ids).expect("a pass"));
        close(&found, &expected);
        // From the same states the same words, whichever engine is asked.
        let few = expected.select([0, 70, 199]);
        close(&theirs.logits(&few).expect("words"), &ours.logits(&few).expect("words"));
        let labels = [Some(3), None, Some(VOCAB as u32 - 1)];
        let [a, b] = [&ours, &theirs].map(|model| model.word_mass(&few, &labels).expect("masses"));
        for (a, b) in a.iter().zip(&b) {
            assert_eq!(a.argmax, b.argmax);
            assert!((a.log_sum_exp - b.log_sum_exp).abs() < 1e-4 && (a.label - b.label).abs() < 1e-4);
        }
        for source in [RowSource::Head, RowSource::Input] {
            let rows = [&ours, &theirs].map(|model| model.rows(source, &[0, 256, 7]).expect("rows"));
            assert_eq!(rows[0], rows[1]);
        }
        let mut card = theirs.card().clone();
        assert_eq!(card.engine, "llama.cpp");
        card.engine.clone_from(&ours.card().engine);
        assert_eq!(&card, ours.card());
    }
}

/// Sequences of both engines that have read the same.
struct Twins {
    models: [Box<dyn FrozenLm>; 2],
    live: Vec<[Sequence; 2]>,
}

impl Twins {
    /// The sequences at some places read on together.
    fn extend(&mut self, places: &[usize], new: &[Vec<u32>]) {
        let states = [0, 1].map(|side| {
            let chosen = self.live.iter_mut().enumerate().filter(|(i, _)| places.contains(i));
            let mut batch: Vec<(&mut Sequence, &[u32])> =
                chosen.zip(new).map(|((_, pair), new)| (&mut pair[side], new.as_slice())).collect();
            self.models[side].extend(&mut batch).expect("a pass")
        });
        close(&states[1], &states[0]);
        let last = states[1].rows().checked_sub(1);
        if let Some(last) = last.map(|last| states[1].select([last])) {
            let [ours, theirs] = &self.models;
            close(&theirs.logits(&last).expect("words"), &ours.logits(&last).expect("words"));
        }
    }
}

/// More sequences than llama.cpp knows at a time, and more tokens than there is room for at first.
#[test]
fn whatever_is_done_to_sequences_they_stay_what_they_are() {
    let (_folder, path) = Small::new().file();
    for seed in 0..2 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut twins = Twins { models: both(&path), live: Vec::new() };
        for step in 0..80 {
            let many = step == 3;
            let kind = if many || twins.live.len() < 3 { 0 } else { rng.random_range(0..10) };
            let any = |rng: &mut ChaCha8Rng, live: &[[Sequence; 2]]| rng.random_range(0..live.len());
            match kind {
                // Several texts from nothing, once many.
                0 | 1 => {
                    let count = if many { 90 } else { rng.random_range(1..6) };
                    let first = twins.live.len();
                    for _ in 0..count {
                        twins.live.push([twins.models[0].begin(), twins.models[1].begin()]);
                    }
                    let most = if many { 20 } else { 300 };
                    let new: Vec<_> = (0..count)
                        .map(|_| {
                            let n = rng.random_range(0..most);
                            ids(&mut rng, n)
                        })
                        .collect();
                    twins.extend(&(first..first + count).collect::<Vec<_>>(), &new);
                }
                2 | 3 => {
                    let at = any(&mut rng, &twins.live);
                    let copies = rng.random_range(1..4);
                    for _ in 0..copies {
                        let copy = [twins.live[at][0].fork(), twins.live[at][1].fork()];
                        twins.live.push(copy);
                    }
                }
                4 => {
                    let at = any(&mut rng, &twins.live);
                    let len = rng.random_range(0..=twins.live[at][0].ids().len());
                    twins.live[at].iter_mut().for_each(|sequence| sequence.truncate(len));
                }
                5 => {
                    let at = any(&mut rng, &twins.live);
                    twins.live.swap_remove(at);
                }
                // A step of generation, or a longer stretch, of some of them.
                _ => {
                    let all: Vec<usize> = (0..twins.live.len()).collect();
                    let count = rng.random_range(1..=all.len().min(20));
                    let mut places: Vec<usize> = all.sample(&mut rng, count).copied().collect();
                    places.sort_unstable();
                    let most = if rng.random_bool(0.7) { 1 } else { 40 };
                    let new: Vec<_> = places
                        .iter()
                        .map(|_| {
                            let n = rng.random_range(1..=most);
                            ids(&mut rng, n)
                        })
                        .collect();
                    twins.extend(&places, &new);
                }
            }
        }
        for [ours, theirs] in &twins.live {
            assert_eq!(ours.ids(), theirs.ids());
        }
        let tokens: usize = twins.live.iter().map(|pair| pair[0].ids().len()).sum();
        assert!(twins.live.len() > 64 && tokens > 4096, "{} sequences, {tokens} tokens", twins.live.len());
    }
}

/// As a corpus is read: packs of new texts, several passes long, one pack after another.
#[test]
fn packs_of_texts_longer_than_a_pass() {
    let (_folder, path) = Small::new().file();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut twins = Twins { models: both(&path), live: Vec::new() };
    for _ in 0..6 {
        let texts: Vec<_> = (0..60)
            .map(|_| {
                let n = rng.random_range(15..60);
                ids(&mut rng, n)
            })
            .collect();
        twins.live = texts.iter().map(|_| [0, 1].map(|side| twins.models[side].begin())).collect();
        twins.extend(&(0..texts.len()).collect::<Vec<_>>(), &texts);
    }
}

#[test]
fn a_text_longer_than_the_first_context_and_a_context_too_long() {
    let (_folder, path) = Small::new().file();
    let [ours, theirs] = both(&path);
    let long = ids(&mut ChaCha8Rng::seed_from_u64(5), 9_000);
    let mut sequence = theirs.begin();
    let found = theirs.extend(&mut [(&mut sequence, &long[..8_990])]).expect("a pass");
    let expected = ours.states(&long).expect("a pass");
    close(&found, &expected.select(0..8_990));
    let rest = theirs.extend(&mut [(&mut sequence, &long[8_990..])]).expect("a pass");
    // Thousands of values.
    within(5e-2, &rest, &expected.select(8_990..9_000));

    let too_long = vec![1; CONTEXT as usize - 9_000 + 1];
    let error = theirs.extend(&mut [(&mut sequence, &too_long)]).expect_err("one too many").to_string();
    assert!(error.contains("20001") && error.contains("20000"), "{error}");
    let error = theirs.extend(&mut [(&mut sequence, &[VOCAB as u32])]).expect_err("no such id").to_string();
    assert!(error.contains("257"), "{error}");
    assert_eq!(sequence.ids(), long);
    let other = load(&path, LLAMA).expect("the model loads");
    let error = other.extend(&mut [(&mut sequence, &[1])]).expect_err("another model's").to_string();
    assert!(error.contains("another engine"), "{error}");
    assert_eq!(theirs.extend(&mut [(&mut sequence, &[])]).expect("nothing to read").rows(), 0);
    assert_eq!(theirs.extend(&mut []).expect("nothing to read").rows(), 0);
}

#[test]
fn several_threads_use_one_model() {
    let (_folder, path) = Small::new().file();
    let [ours, theirs] = both(&path);
    std::thread::scope(|scope| {
        for seed in 0..6 {
            let (ours, theirs) = (&ours, &theirs);
            scope.spawn(move || {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let text = ids(&mut rng, 400);
                let mut sequence = theirs.begin();
                let expected = ours.states(&text).expect("a pass");
                for at in (0..400).step_by(20) {
                    let found = theirs.extend(&mut [(&mut sequence, &text[at..at + 20])]).expect("a pass");
                    close(&found, &expected.select(at..at + 20));
                    if rng.random_bool(0.3) {
                        sequence = sequence.fork();
                    }
                }
            });
        }
    });
}

/// An architecture that is not ours: Granite is a Llama with factors, of which one divides the logits.
#[test]
fn a_scale_on_the_words_is_taken_into_the_states() {
    let real = |name: &str, value: f32| key(name, 6, &value.to_le_bytes());
    let mut granite = Small { architecture: "granite", ..Small::new() };
    granite.keys = vec![
        real("granite.logit_scale", 4.0),
        real("granite.attention.scale", 8.0_f32.powf(-0.5)),
        real("granite.embedding_scale", 1.0),
        real("granite.residual_scale", 1.0),
    ];
    let (_folder, path) = granite.file();
    let granite = load(&path, LLAMA).expect("the model loads");
    assert_eq!(granite.card().architecture, "granite");
    let (_folder, path) = Small::new().file();
    let llama = load(&path, Device::Cpu).expect("the model loads");
    let ids = ids(&mut ChaCha8Rng::seed_from_u64(9), 50);
    let mut expected = llama.states(&ids).expect("a pass");
    expected.data_mut().iter_mut().for_each(|x| *x /= 4.0);
    close(&granite.states(&ids).expect("a pass"), &expected);
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    let real = |name: &str, value: f32| key(name, 6, &value.to_le_bytes());
    let says = |message: String, parts: &[&str]| {
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in: {message}");
        }
    };
    let mut capped = Small::new();
    capped.keys.push(real("llama.final_logit_softcapping", 30.0));
    says(capped.refusal(), &["small.gguf", "capped at 30", "W_v h"]);
    let mut biased = Small::new();
    biased.tensors.insert("output.bias".into(), (vec![VOCAB], vec![0.5; VOCAB]));
    says(biased.refusal(), &["output.bias"]);
    // A scale that the file does not name would be another's: Granite without it is refused by llama.cpp, with its reason.
    let unknown = Small { architecture: "nonesuch", ..Small::new() };
    says(unknown.refusal(), &["llama.cpp", "nonesuch"]);
    let mut missing = Small::new();
    missing.tensors.remove("model.layers.1.mlp.up_proj.weight");
    says(missing.refusal(), &["llama.cpp", "ffn_up"]);
    let mut shape = Small::new();
    shape
        .tensors
        .insert("model.layers.0.mlp.up_proj.weight".into(), (vec![WIDTH, WIDTH], vec![0.0; WIDTH * WIDTH]));
    says(shape.refusal(), &["llama.cpp", "ffn_up"]);

    let (_folder, path) = Small::new().file();
    let bytes = std::fs::read(&path).expect("readable");
    for len in [0, 3, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..len]).expect("written");
        assert!(load(&path, LLAMA).is_err(), "cut to {len} bytes");
    }
    let folder = tempfile::tempdir().expect("a folder");
    tiny::write(folder.path(), 1);
    let error = load(folder.path(), LLAMA).err().expect("a folder").to_string();
    assert!(error.contains("GGUF"), "{error}");
}

#[test]
fn damaged_weights_are_an_error() {
    let mut damaged = Small::new();
    if let Some((_, data)) = damaged.tensors.get_mut("model.layers.1.self_attn.v_proj.weight") {
        data[5] = f32::NAN;
    }
    let (_folder, path) = damaged.file();
    let error = load(&path, LLAMA).err().expect("damaged weights").to_string();
    assert!(error.contains("not"), "{error}");
}
