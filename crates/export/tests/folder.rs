//! Folders: a tiny model extended, read back by this workspace's own loader and byte by byte.

#[allow(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../../lm/tests/tiny/mod.rs"]
mod tiny;

use head::Head;
use lm::{Device, FrozenLm, Matrix, RowSource, Specials};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tiny::{VOCAB, WIDTH};
use toolken_export::{Card, ExportError, HeadType, Options, export};

const TOOLS: [&str; 3] = ["add", "getHTTPStatus", "<gcd_>"];

fn head(width: usize) -> Head {
    let weights = (0..TOOLS.len() * width).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect();
    let tools = TOOLS.iter().map(|&tool| tool.into()).collect();
    Head::new(tools, Matrix::new(TOOLS.len(), width, weights)).unwrap()
}

struct Place {
    folder: TempDir,
}

impl Place {
    /// With the tiny model in `model`.
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(place.at("model")).unwrap();
        tiny::write(&place.at("model"), 1);
        place
    }
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn export(&self, head: &Head, options: &Options) -> Result<Card, ExportError> {
        export(&self.at("model"), head, options, &self.at("out"), &mut |_| ())
    }
    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.at(name)).unwrap()).unwrap()
    }
    /// The names of everything in the place, hidden ones too.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn load(path: &Path) -> Box<dyn FrozenLm> {
    lm::load(path, Device::default()).unwrap()
}

fn rows(lm: &dyn FrozenLm, source: RowSource, ids: std::ops::Range<u32>) -> Vec<f32> {
    lm.rows(source, &ids.collect::<Vec<_>>()).unwrap().data().to_vec()
}

#[test]
fn words_stay_as_they_were_and_tools_follow_them() {
    let place = Place::new();
    let head = head(WIDTH);
    let card = place.export(&head, &Options::default()).unwrap();
    assert_eq!(card.tools.iter().map(|tool| tool.id).collect::<Vec<_>>(), [257, 258, 259]);
    assert_eq!(card.tools[2].token, "<tool:gcd_>");
    assert_eq!(Card::from_json(&fs::read_to_string(place.at("out/toolken.json")).unwrap()).unwrap(), card);

    let (before, after) = (load(&place.at("model")), load(&place.at("out")));
    let words = VOCAB as u32;
    assert_eq!(after.card().vocab, VOCAB + TOOLS.len());
    for source in [RowSource::Head, RowSource::Input] {
        assert_eq!(rows(after.as_ref(), source, 0..words), rows(before.as_ref(), source, 0..words));
    }
    assert_eq!(rows(after.as_ref(), RowSource::Head, words..words + 3), head.weights.data());
    // Tokens are bytes here: the mean over the bytes of the words that each name is made of.
    for (k, words) in ["add", "get HTTP Status", "gcd"].iter().enumerate() {
        let mut mean = [0.0f64; WIDTH];
        for byte in words.bytes() {
            let row = rows(before.as_ref(), RowSource::Input, byte.into()..u32::from(byte) + 1);
            mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(x) / words.len() as f64);
        }
        let found = rows(after.as_ref(), RowSource::Input, 257 + k as u32..258 + k as u32);
        for (found, expected) in found.iter().zip(mean) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{words}: {found} {expected}");
        }
    }
    let text = "What is 2 + 2? <add>(2, 2)";
    let ids = before.tokenizer().encode(text, Specials::Text).unwrap();
    assert_eq!(after.tokenizer().encode(text, Specials::Text).unwrap(), ids);
    let (old, new) = (before.states(&ids).unwrap(), after.states(&ids).unwrap());
    assert_eq!(old.data(), new.data());
    let (old, new) = (before.logits(&old).unwrap(), after.logits(&new).unwrap());
    for row in 0..old.rows() {
        let (words, tools) = new.row(row).split_at(VOCAB);
        assert!(words.iter().zip(old.row(row)).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0)));
        for (tool, expected) in tools.iter().zip(head.logits(before.states(&ids).unwrap().row(row))) {
            assert!((tool - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{tool} {expected}");
        }
    }
    // The token is read where it is written out, and is no control token.
    let id = after.tokenizer().id("<tool:add>").unwrap();
    assert_eq!((id, after.tokenizer().is_control(id)), (257, false));
    assert_eq!(after.tokenizer().decode(&[104, 105, id]), "hi<tool:add>");
}

#[test]
fn other_weights_are_copied_byte_for_byte() {
    let place = Place::new();
    place.export(&head(WIDTH), &Options::default()).unwrap();
    let [old, new] = ["model", "out"].map(|name| fs::read(place.at(name).join("model.safetensors")).unwrap());
    let (old, new) = (SafeTensors::deserialize(&old).unwrap(), SafeTensors::deserialize(&new).unwrap());
    assert_eq!(new.len(), old.len() + 1, "a head of its own");
    for name in old.names() {
        let (old, new) = (old.tensor(name).unwrap(), new.tensor(name).unwrap());
        if name != "model.embed_tokens.weight" {
            assert_eq!((old.shape(), old.data()), (new.shape(), new.data()), "{name}");
        } else {
            assert_eq!(&new.data()[..old.data().len()], old.data(), "{name}");
        }
    }
    let config = place.json("out/config.json");
    assert_eq!((&config["tie_word_embeddings"], &config["vocab_size"]), (&json!(false), &json!(VOCAB + 3)));
    assert_eq!(place.names(), ["model", "out"], "nothing else is left");
}

#[test]
fn shards_keep_their_names_and_their_index_is_right() {
    let place = Place::new();
    let (mut first, mut second) = (tiny::Tensors::new(), tiny::Tensors::new());
    for (name, tensor) in tiny::tensors(1) {
        if name.contains("layers.1") {
            first.insert(name, tensor)
        } else {
            second.insert(name, tensor)
        };
    }
    let map: serde_json::Map<String, Value> =
        (first.keys().map(|name| (name.clone(), json!("a.safetensors"))))
            .chain(second.keys().map(|name| (name.clone(), json!("b.safetensors"))))
            .collect();
    let index = json!({ "metadata": { "total_size": 1, "total_parameters": 1 }, "weight_map": map });
    fs::remove_file(place.at("model/model.safetensors")).unwrap();
    fs::write(place.at("model/model.safetensors.index.json"), index.to_string()).unwrap();
    fs::write(place.at("model/a.safetensors"), tiny::safetensors(&first)).unwrap();
    fs::write(place.at("model/b.safetensors"), tiny::safetensors(&second)).unwrap();

    place.export(&head(WIDTH), &Options::default()).unwrap();
    let index = place.json("out/model.safetensors.index.json");
    assert_eq!(index["weight_map"]["lm_head.weight"], "b.safetensors");
    let elements: usize = ["a", "b"]
        .iter()
        .map(|name| {
            let bytes = fs::read(place.at(&format!("out/{name}.safetensors"))).unwrap();
            let file = SafeTensors::deserialize(&bytes).unwrap();
            for name in file.names() {
                assert!(index["weight_map"].get(name).is_some(), "{name}");
            }
            file.iter().map(|(_, tensor)| tensor.shape().iter().product::<usize>()).sum::<usize>()
        })
        .sum();
    assert_eq!(index["metadata"]["total_parameters"], elements);
    assert_eq!(index["metadata"]["total_size"], 4 * elements);
    assert_eq!(load(&place.at("out")).card().vocab, VOCAB + 3);
}

/// Qwen2.5 has rows without tokens, Gemma 3 a token without a row.
#[test]
fn spare_rows_are_filled_and_tokens_without_a_row_get_one() {
    for rows in [VOCAB + 40, VOCAB + 1, VOCAB - 1] {
        let place = Place::new();
        let mut tensors = tiny::tensors(1);
        let (shape, data) = tensors.get_mut("model.embed_tokens.weight").unwrap();
        (shape[0], *data) = (rows, (0..rows * WIDTH).map(|i| (i % 97) as f32 / 97.0).collect());
        fs::write(place.at("model/model.safetensors"), tiny::safetensors(&tensors)).unwrap();
        let head = head(WIDTH);
        let card = place.export(&head, &Options::default()).unwrap();
        assert_eq!(card.tools[0].id, VOCAB as u32, "the tokenizer's next free id");
        assert_eq!(card.filled, (rows as u32..VOCAB as u32).collect::<Vec<_>>());
        let after = load(&place.at("out"));
        assert_eq!(after.card().vocab, rows.max(VOCAB + 3));
        let found =
            |from: usize, to: usize| self::rows(after.as_ref(), RowSource::Head, from as u32..to as u32);
        assert_eq!(found(VOCAB, VOCAB + 3), head.weights.data());
        let kept = rows.min(VOCAB);
        assert_eq!(found(0, kept), tensors["model.embed_tokens.weight"].1[..kept * WIDTH]);
        if rows < VOCAB {
            assert_eq!(found(rows, VOCAB), found(rows - 1, rows), "a copy of the last row");
        }
        if rows > VOCAB + 3 {
            assert_eq!(found(VOCAB + 3, rows), tensors["model.embed_tokens.weight"].1[(VOCAB + 3) * WIDTH..]);
        }
    }
}

#[test]
fn biases_stand_where_engines_find_them() {
    let place = Place::new();
    fs::write(place.at("model/generation_config.json"), r#"{"eos_token_id": 256}"#).unwrap();
    let mut head = head(WIDTH);
    (head.bias, head.offsets[1]) = (-0.5, 2.0);
    let card = place.export(&head, &Options::default()).unwrap();
    assert_eq!(card.tools.iter().map(|tool| tool.logit_bias).collect::<Vec<_>>(), [-0.5, 1.5, -0.5]);
    let generation = place.json("out/generation_config.json");
    assert_eq!(generation["eos_token_id"], 256);
    assert_eq!(generation["sequence_bias"], json!([[[257], -0.5], [[258], 1.5], [[259], -0.5]]));
}

#[test]
fn a_head_in_half_floats_is_as_near_as_they_are() {
    for (head_type, tolerance) in [(HeadType::F16, 1e-3), (HeadType::Bf16, 8e-3), (HeadType::F32, 0.0)] {
        let place = Place::new();
        let head = head(WIDTH);
        place.export(&head, &Options { head_type, ..Options::default() }).unwrap();
        let after = load(&place.at("out"));
        for (found, expected) in
            rows(after.as_ref(), RowSource::Head, 257..260).iter().zip(head.weights.data())
        {
            assert!(
                (found - expected).abs() <= tolerance * expected.abs(),
                "{head_type:?}: {found} {expected}"
            );
        }
    }
    let place = Place::new();
    let options = Options { head_type: HeadType::Q8_0, ..Options::default() };
    let error = place.export(&head(WIDTH), &options).unwrap_err().to_string();
    assert!(error.contains("takes f32, f16 or bf16"), "{error}");
    assert_eq!(place.names(), ["model"], "nothing is left of it");
}

#[test]
fn what_cannot_be_exported_is_refused_and_leaves_nothing() {
    let place = Place::new();
    let refused = |head: &Head, options: &Options, parts: &[&str]| {
        let error = place.export(head, options).unwrap_err().to_string();
        parts.iter().for_each(|part| assert!(error.contains(part), "{part:?} is not in {error}"));
        assert_eq!(place.names(), ["model"]);
    };
    let options = Options::default();
    refused(&head(WIDTH + 1), &options, &["model.embed_tokens.weight", "33"]);
    let mut other = head(WIDTH);
    other.meta.model_digest = "0123456789abcdef".into();
    refused(
        &other,
        &options,
        &["another", "0123456789ab"].map(|part| if part == "another" { "made for the model" } else { part }),
    );
    // The same head is taken for other files of its model when asked to.
    place.export(&other, &Options { other_weights: true, ..options.clone() }).unwrap();
    fs::remove_dir_all(place.at("out")).unwrap();
    let form = "{}>x".parse::<toolken_export::TokenForm>();
    assert!(form.is_err());

    let tokenizer = fs::read(place.at("model/tokenizer.json")).unwrap();
    let weights = fs::read(place.at("model/model.safetensors")).unwrap();
    for (file, bad, part) in [
        ("tokenizer.json", &b"{"[..], "tokenizer.json"),
        ("model.safetensors", &weights[..weights.len() / 2], "model.safetensors"),
        ("model.safetensors", b"", "model.safetensors"),
        ("config.json", b"[]", "config.json"),
    ] {
        let good = fs::read(place.at("model").join(file)).unwrap();
        fs::write(place.at("model").join(file), bad).unwrap();
        refused(&head(WIDTH), &options, &[part]);
        fs::write(place.at("model").join(file), good).unwrap();
    }
    fs::remove_file(place.at("model/tokenizer.json")).unwrap();
    refused(&head(WIDTH), &options, &["tokenizer.json"]);
    fs::write(place.at("model/tokenizer.json"), tokenizer).unwrap();

    let error = export(&place.at("model"), &head(WIDTH), &options, &place.at("model"), &mut |_| ());
    assert!(error.unwrap_err().to_string().contains("is the model itself"));
    fs::create_dir(place.at("out")).unwrap();
    fs::write(place.at("out/thesis.txt"), "mine").unwrap();
    let error = place.export(&head(WIDTH), &options).unwrap_err().to_string();
    assert!(error.contains("holds something"), "{error}");
    assert_eq!(fs::read(place.at("out/thesis.txt")).unwrap(), b"mine");
}
