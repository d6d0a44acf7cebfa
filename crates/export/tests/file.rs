//! GGUF files: small ones written for the test, and SmolLM2-135M.

#[allow(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../../lm/tests/gguf_writer/mod.rs"]
mod gguf_writer;

use gguf_writer::{Writer, key, numbers, string, strings};
use head::Head;
use lm::{Device, Gguf, Matrix, RowSource, Specials, Value};
use std::fs;
use std::path::{Path, PathBuf};
use toolken_export::{Card, ExportError, HeadType, Options, export};

const WIDTH: usize = 32;

fn head(width: usize) -> Head {
    let weights: Vec<f32> = (0..2 * width).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect();
    Head::new(vec!["add".into(), "subtract".into()], Matrix::new(2, width, weights)).unwrap()
}

fn floats(numbers: impl Iterator<Item = f32>) -> Vec<u8> {
    numbers.flat_map(|x| x.to_le_bytes()).collect()
}

/// Row i of a matrix of the small model.
fn row(matrix: usize, i: usize) -> Vec<f32> {
    (0..WIDTH).map(|j| ((matrix * 31 + i * 7 + j) % 13) as f32 - 6.0).collect()
}

/// A model of `tokens` rows whose first 128 tokens are the ASCII characters, in no special order of tensors.
struct Small {
    tokens: Vec<(String, u32)>,
    separate_head: bool,
    alignment: usize,
}

impl Small {
    fn new(spares: usize) -> Self {
        let printable = |byte: u32| matches!(byte, 33..=126);
        let mut others = 256..;
        let mut spelled = |byte: u32| if printable(byte) { byte } else { others.next().expect("endless") };
        let mut tokens: Vec<_> = (0..128)
            .map(|byte| (char::from_u32(spelled(byte)).expect("a character").to_string(), 1))
            .collect();
        tokens.push(("<|endoftext|>".into(), 3));
        tokens.extend((129..129 + spares).map(|id| (format!("[PAD{id}]"), 5)));
        Self { tokens, separate_head: false, alignment: 32 }
    }

    fn write(&self, path: &Path) {
        let (texts, kinds): (Vec<String>, Vec<u32>) = self.tokens.iter().cloned().unzip();
        let text = |name: &str, value: &str| key(name, 8, &string(value.as_bytes()));
        let whole = |name: &str, value: u32| key(name, 4, &value.to_le_bytes());
        let mut writer = Writer::with_keys(vec![
            text("general.architecture", "llama"),
            text("general.name", "small"),
            whole("general.alignment", self.alignment as u32),
            whole("llama.embedding_length", WIDTH as u32),
            whole("llama.vocab_size", texts.len() as u32),
            text("tokenizer.ggml.model", "gpt2"),
            text("tokenizer.ggml.pre", "gpt-2"),
            key("tokenizer.ggml.tokens", 9, &strings(&texts)),
            key("tokenizer.ggml.token_type", 9, &numbers(&kinds)),
            key("tokenizer.ggml.merges", 9, &strings::<&str>(&[])),
            whole("tokenizer.ggml.eos_token_id", 128),
            text("tokenizer.chat_template", "{{ messages }}"),
        ]);
        writer.alignment = self.alignment;
        let mut add = |name: &str, dims: &[usize], data: Vec<u8>| {
            let offset = writer.data.len();
            let dims = dims.iter().map(|&n| n as u64).collect();
            writer.tensors.push((name.into(), dims, 0, offset as u64));
            writer.data.extend(data);
            writer.data.resize(writer.data.len().next_multiple_of(self.alignment), 0);
        };
        let rows = texts.len();
        if self.separate_head {
            add("output.weight", &[WIDTH, rows], floats((0..rows).flat_map(|i| row(1, i))));
        }
        add("blk.0.odd.weight", &[5], floats((0..5).map(|i| i as f32)));
        add("token_embd.weight", &[WIDTH, rows], floats((0..rows).flat_map(|i| row(0, i))));
        add("output_norm.weight", &[WIDTH], floats((0..WIDTH).map(|_| 1.0)));
        fs::write(path, writer.bytes()).unwrap();
    }
}

fn tokens(gguf: &Gguf) -> Vec<(String, u32)> {
    let kinds = gguf.u32s("tokenizer.ggml.token_type").unwrap();
    gguf.strings("tokenizer.ggml.tokens").unwrap().iter().cloned().zip(kinds).collect()
}

fn numbers_of(gguf: &Gguf, name: &str) -> Vec<f32> {
    let (_, bytes) = gguf.tensor(name).unwrap();
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[test]
fn a_small_file_gains_tokens_rows_and_a_card() {
    for (spares, separate_head, alignment) in
        [(0, false, 32), (0, true, 64), (1, true, 32), (2, false, 32), (7, true, 4096)]
    {
        let folder = tempfile::tempdir().unwrap();
        let (model, out) = (folder.path().join("model.gguf"), folder.path().join("out.gguf"));
        let small = Small { separate_head, alignment, ..Small::new(spares) };
        small.write(&model);
        let mut head = head(WIDTH);
        (head.bias, head.offsets[1]) = (1.0, -3.0);
        let mut steps = Vec::new();
        let card = export(&model, &head, &Options::default(), &out, &mut |step| steps.push(step)).unwrap();
        assert!(steps.last().is_some_and(|last| last.bytes == last.total));

        let (before, after) = (Gguf::open(&model).unwrap(), Gguf::open(&out).unwrap());
        assert_eq!(Card::from_json(after.str("toolken.export").unwrap()).unwrap(), card);
        let tools: Vec<_> = card.tools.iter().map(|t| (t.token.as_str(), t.id, t.logit_bias)).collect();
        assert_eq!(tools, [("<tool:add>", 129, 1.0), ("<tool:subtract>", 130, -2.0)]);
        let size = (129 + spares).max(131);
        let mut expected = small.tokens.clone();
        expected.resize(size, Default::default());
        (expected[129], expected[130]) = (("<tool:add>".into(), 4), ("<tool:subtract>".into(), 4));
        assert_eq!(tokens(&after), expected);
        assert_eq!(after.u32("llama.vocab_size").unwrap() as usize, size);
        for (key, value) in before.metadata() {
            if !["tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "llama.vocab_size"]
                .contains(&key.as_str())
            {
                assert_eq!(after.metadata()[key], *value, "{key}");
            }
        }
        for name in ["blk.0.odd.weight", "output_norm.weight"] {
            assert_eq!(numbers_of(&after, name), numbers_of(&before, name), "{name}");
        }
        let matrix = |matrix: usize, tools: [Vec<f32>; 2]| -> Vec<f32> {
            let rows = (0..size).map(|i| match i {
                129 | 130 => tools[i - 129].clone(),
                i => row(matrix, i),
            });
            rows.flatten().collect()
        };
        let of_head = [head.weights.row(0).to_vec(), head.weights.row(1).to_vec()];
        let words = if separate_head { 1 } else { 0 };
        assert_eq!(numbers_of(&after, "output.weight"), matrix(words, of_head));
        // Characters are tokens here.
        let mean = |name: &str| -> Vec<f32> {
            let sum = |j: usize| name.bytes().map(|b| f64::from(row(0, b.into())[j])).sum::<f64>();
            (0..WIDTH).map(|j| (sum(j) / name.len() as f64) as f32).collect()
        };
        assert_eq!(numbers_of(&after, "token_embd.weight"), matrix(0, [mean("add"), mean("subtract")]));
        // Padded to the end, the last tensor too.
        assert_eq!(fs::metadata(&out).unwrap().len() % alignment as u64, 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    }
}

#[test]
fn what_cannot_be_exported_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (folder.path().join("model.gguf"), folder.path().join("out.gguf"));
    let refused = |head: &Head, options: &Options, part: &str| {
        let error = export(&model, head, options, &out, &mut |_| ()).unwrap_err().to_string();
        assert!(error.contains(part), "{part:?} is not in {error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    };
    Small::new(0).write(&model);
    let options = Options::default();
    let mut other = head(WIDTH);
    other.meta.model_digest = "0123456789abcdef".into();
    refused(&other, &options, "made for the model");
    refused(&head(64), &options, "64");
    let mut small = Small::new(0);
    small.tokens[128] = ("<tool:subtract>".into(), 3);
    small.write(&model);
    refused(&head(WIDTH), &options, "has a token \"<tool:subtract>\" already, 128");
    let form = "<<{}>>".parse().unwrap();
    export(&model, &head(WIDTH), &Options { form, ..options.clone() }, &out, &mut |_| ()).unwrap();
    fs::remove_file(&out).unwrap();
    Small::new(0).write(&model);
    let bytes = fs::read(&model).unwrap();
    for length in [0, 3, 100, bytes.len() / 2, bytes.len() - 64] {
        fs::write(&model, &bytes[..length]).unwrap();
        refused(&head(WIDTH), &options, "model.gguf");
    }
    fs::remove_file(&model).unwrap();
    assert!(matches!(
        export(&model, &head(WIDTH), &options, &out, &mut |_| ()),
        Err(ExportError::Model(lm::LmError::Io { .. }))
    ));
}

/// A real quantised file with tied embeddings: eight-bit rows, and f32 ones when asked for.
#[test]
fn smollm2_keeps_its_words_to_the_last_bit() {
    let model: PathBuf = lm::resolve("smollm2-135m", &mut |_| ()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut head = head(576);
    head.meta.model_digest = lm::digest(&model).unwrap();
    let before = Gguf::open(&model).unwrap();
    let words = 49_152;
    for (head_type, tolerance) in [(HeadType::Auto, 5e-3), (HeadType::F32, 1e-7)] {
        let out = folder.path().join("out.gguf");
        let card =
            export(&model, &head, &Options { head_type, ..Options::default() }, &out, &mut |_| ()).unwrap();
        assert_eq!(card.tools[0].id, words);
        let after = Gguf::open(&out).unwrap();
        assert_eq!(after.tensors().len(), before.tensors().len() + 1);
        for name in before.tensors().keys() {
            let (old, new) = (before.tensor(name).unwrap(), after.tensor(name).unwrap());
            assert_eq!(&new.1[..old.1.len()], old.1, "{name}");
            assert!(name == "token_embd.weight" || old.0.shape == new.0.shape, "{name}");
        }
        if head_type == HeadType::Auto {
            let (_, old) = before.tensor("token_embd.weight").unwrap();
            let (info, new) = after.tensor("output.weight").unwrap();
            assert_eq!((info.shape[0], &new[..old.len()]), (words as usize + 2, old));
        }
        let [before, after] = [&model, &out].map(|path| lm::load(path, Device::default()).unwrap());
        let text = "<tool:add> What is 2 + 2?";
        let ids = after.tokenizer().encode(text, Specials::Text).unwrap();
        assert_eq!(ids[0], words);
        assert_eq!(ids[1..], before.tokenizer().encode(&text[10..], Specials::Text).unwrap());
        assert_eq!(after.tokenizer().chat_template(), before.tokenizer().chat_template());
        let rows = after.rows(RowSource::Head, &[words, words + 1]).unwrap();
        let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|x| x * x).sum::<f32>().sqrt();
        let lost = norm(&mut rows.data().iter().zip(head.weights.data()).map(|(a, b)| a - b));
        assert!(lost <= tolerance * norm(&mut head.weights.data().iter().copied()), "{head_type:?}: {lost}");
        let [old, new] = [&before, &after].map(|lm| lm.states(&ids[1..]).unwrap());
        assert_eq!(old.data(), new.data());
    }
    assert!(matches!(before.metadata()["general.architecture"], Value::String(_)));
}
