//! SentencePiece vocabularies, from every kind of file they come in, against SentencePiece itself.

mod gguf_writer;
mod properties;

use gguf_writer::{Writer, array, key, numbers, string, strings};
use properties::{added_token, any_text, oracle, returns};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use toolken_lm::{Gguf, Specials, Tokenizer};

fn tiny(file: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sentencepiece")).join(file)
}

/// One small SentencePiece vocabulary (see `sentencepiece/make.py`) from its own file, from GGUF and from two forms of
/// `tokenizer.json`; then without dummy prefix.
static TINY: LazyLock<[Tokenizer; 5]> = LazyLock::new(|| {
    let own = Tokenizer::from_sentencepiece_model(tiny("tiny.model")).unwrap();
    let pieces = pieces(&own);
    let gguf = |prefix| Tokenizer::from_gguf(&Gguf::from_bytes(tiny_gguf(&pieces, prefix)).unwrap()).unwrap();
    let json = |normalizer, pre_tokenizer| {
        let json = tiny_json(&pieces, normalizer, pre_tokenizer);
        Tokenizer::from_json_bytes(json.to_string().as_bytes(), Path::new("tiny.json")).unwrap()
    };
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let prepend = json!({"type": "Prepend", "prepend": "▁"});
    let metaspace =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false});
    let legacy = json(json!({"type": "Sequence", "normalizers": [prepend, replace]}), Value::Null);
    let (with, without) = (gguf(true), gguf(false));
    [own, with, legacy, json(Value::Null, metaspace), without]
});

/// Spelling and kind (as GGUF numbers them) of every piece. SentencePiece's BPE gives the scores 0, -1, -2 … in order of id.
fn pieces(tokenizer: &Tokenizer) -> Vec<(String, u32)> {
    (0..tokenizer.vocab_size() as u32)
        .map(|id| match (id, tokenizer.token_bytes(id)) {
            (0, _) => ("<unk>".into(), 2),
            (1 | 2, _) => (tokenizer.token_text(id).into(), 3),
            (3..6, _) => (tokenizer.token_text(id).replace(' ', "▁"), 4),
            (6..262, bytes) => (format!("<0x{:02X}>", bytes[0]), 6),
            _ => (tokenizer.token_text(id).replace(' ', "▁"), 1),
        })
        .collect()
}

fn tiny_gguf(pieces: &[(String, u32)], prefix: bool) -> Vec<u8> {
    let (texts, kinds): (Vec<String>, Vec<u32>) = pieces.iter().cloned().unzip();
    let scores: Vec<u8> = (0..pieces.len()).flat_map(|id| (-(id as f32)).to_le_bytes()).collect();
    let mut keys = vec![
        key("tokenizer.ggml.model", 8, &string(b"llama")),
        key("tokenizer.ggml.tokens", 9, &strings(&texts)),
        key("tokenizer.ggml.token_type", 9, &numbers(&kinds)),
        key("tokenizer.ggml.scores", 9, &array(6, pieces.len() as u64, &scores)),
        key("tokenizer.ggml.bos_token_id", 4, &1u32.to_le_bytes()),
        key("tokenizer.ggml.eos_token_id", 4, &2u32.to_le_bytes()),
    ];
    if !prefix {
        keys.push(key("tokenizer.ggml.add_space_prefix", 7, &[0]));
    }
    Writer::with_keys(keys).bytes()
}

/// As Hugging Face's converter writes it: a merge for every way to make a piece of two others, in order of the pieces.
fn tiny_json(pieces: &[(String, u32)], normalizer: Value, pre_tokenizer: Value) -> Value {
    let vocab: serde_json::Map<String, Value> =
        pieces.iter().zip(0..).map(|((text, _), id)| (text.clone(), json!(id))).collect();
    let normal = |text: &str| pieces.iter().any(|(piece, kind)| *kind == 1 && piece == text);
    let mut merges = Vec::new();
    for (text, _) in pieces.iter().filter(|(_, kind)| *kind == 1) {
        let cuts = text.char_indices().skip(1).map(|(at, _)| text.split_at(at));
        merges.extend(cuts.filter(|(left, right)| normal(left) && normal(right)).map(|pair| json!(pair)));
    }
    let added: Vec<Value> = (0..6).map(|id| added_token(id, &pieces[id].0, id < 3)).collect();
    json!({
        "version": "1.0",
        "added_tokens": added,
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true, "vocab": vocab, "merges": merges},
    })
}

#[test]
fn sentencepiece_vocabularies_agree_with_sentencepiece() {
    let lines = oracle(&tiny("tiny.jsonl"));
    assert!(lines.len() > 190, "the oracle has {} lines", lines.len());
    for (text, ids) in &lines {
        for tokenizer in &TINY[..4] {
            assert_eq!(tokenizer.encode(text, Specials::Text).unwrap(), *ids, "{text:?}");
            assert_eq!(tokenizer.decode(ids), text.replace('▁', " "));
        }
        // Without the prefix: what SentencePiece says of the text after the space it adds.
        if let Some(rest) = text.strip_prefix(' ').filter(|rest| !rest.is_empty()) {
            assert_eq!(
                TINY[4].encode(text, Specials::Text).unwrap(),
                TINY[0].encode(rest, Specials::Text).unwrap()
            );
        }
    }
}

#[test]
fn the_dummy_prefix_stands_where_it_should_and_nowhere_else() {
    let prefix = TINY[0].id("▁").unwrap();
    let a = TINY[0].id("a").unwrap();
    let [own, gguf, legacy, first, without] = &*TINY;
    for each in [own, gguf, legacy] {
        assert_eq!(each.encode("a<s>a", Specials::Parse).unwrap(), [prefix, a, 1, prefix, a]);
        assert_eq!(each.encode_continuation("a<s>a", Specials::Parse).unwrap(), [a, 1, prefix, a]);
        assert_eq!(each.decode(&[1, prefix, a]), "<s>a");
    }
    assert_eq!(first.encode("a<s>a", Specials::Parse).unwrap(), [prefix, a, 1, a]);
    assert_eq!(first.encode("<s>a", Specials::Parse).unwrap(), [1, a]);
    assert_eq!(first.decode(&[1, prefix, a]), "<s> a");
    assert_eq!(without.encode("a<s>a", Specials::Parse).unwrap(), [a, 1, a]);
    for tokenizer in TINY.iter() {
        assert_eq!(tokenizer.encode("", Specials::Text).unwrap(), [0; 0]);
        assert_eq!(tokenizer.decode_continuation(&[prefix, a]), " a");
    }
    let spans = own.encode_with_offsets("a▁a").unwrap();
    assert_eq!(spans, [(prefix, 0..0), (a, 0..1), (prefix, 1..4), (a, 4..5)]);
    assert_eq!((own.bos(), own.eos()), (Some(1), Some(2)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sentencepiece_texts_come_back(text in any_text()) {
        // The vocabulary spells a space as U+2581 and cannot tell the two apart.
        let text = text.replace('\u{2581}', "");
        for tokenizer in TINY.iter() {
            returns(tokenizer, &text);
        }
    }
}

#[test]
fn a_model_folder_gives_start_end_and_template() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(dir.path().join(name), text).unwrap();
    let refused = |dir: &Path| Tokenizer::from_dir(dir).err().unwrap().to_string();
    assert!(refused(dir.path()).contains("neither tokenizer.json nor tokenizer.model"));

    fs::copy(tiny("tiny.model"), dir.path().join("tokenizer.model")).unwrap();
    assert_eq!(Tokenizer::from_dir(dir.path()).unwrap().digest(), TINY[0].digest());

    let metaspace =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false});
    write("tokenizer.json", tiny_json(&pieces(&TINY[0]), Value::Null, metaspace).to_string());
    let bare = Tokenizer::from_dir(dir.path()).unwrap();
    assert_eq!((bare.digest(), bare.bos(), bare.chat_template()), (TINY[3].digest(), None, None));

    let config = json!({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "chat_template": [{"name": "default", "template": "T"}]});
    write("tokenizer_config.json", config.to_string());
    write("generation_config.json", json!({"eos_token_id": [2, 3]}).to_string());
    let full = Tokenizer::from_dir(dir.path()).unwrap();
    assert_eq!((full.bos(), full.eos(), full.chat_template()), (Some(1), Some(2), Some("T")));
    assert!(full.ends_text(3) && !full.ends_text(1));

    write("chat_template.jinja", "J".into());
    assert_eq!(Tokenizer::from_dir(dir.path()).unwrap().chat_template(), Some("J"));
    write("generation_config.json", json!({"eos_token_id": 999_999}).to_string());
    assert!(refused(dir.path()).contains("999999 is outside the vocabulary"));
    write("generation_config.json", "{".into());
    assert!(refused(dir.path()).contains("generation_config.json"));
}

#[test]
fn a_json_that_asks_for_more_is_refused_by_name() {
    let good = tiny_json(
        &pieces(&TINY[0]),
        json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"}),
        Value::Null,
    );
    let refused = |pointer: &str, value: Value, part: &str| {
        let mut json = good.clone();
        *json.pointer_mut(pointer).unwrap() = value;
        let result = Tokenizer::from_json_bytes(json.to_string().as_bytes(), Path::new("changed.json"));
        let message = result.err().unwrap_or_else(|| panic!("{pointer} was accepted")).to_string();
        assert!(message.contains("changed.json") && message.contains(part), "{part:?} is not in: {message}");
    };
    assert!(Tokenizer::from_json_bytes(good.to_string().as_bytes(), Path::new("good.json")).is_ok());
    refused("/normalizer", json!({"type": "Lowercase"}), "Lowercase");
    refused("/normalizer", json!({"type": "Prepend", "prepend": "x"}), "\"x\"");
    refused("/normalizer", Value::Null, "neither");
    refused("/pre_tokenizer", json!({"type": "Whitespace"}), "Whitespace");
    refused(
        "/pre_tokenizer",
        json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true}),
        "ByteLevel",
    );
    refused(
        "/pre_tokenizer",
        json!({"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Removed", "invert": false}),
        "Removed",
    );
    refused(
        "/pre_tokenizer",
        json!({"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": false}),
        "not valid",
    );
    refused("/pre_tokenizer", json!({"type": "Metaspace", "replacement": "▁", "split": true}), "Metaspace");
    refused("/model/type", json!("Unigram"), "Unigram");
    refused("/model/vocab/a", json!(u32::MAX), "highest token id");
    refused("/model/vocab/a", json!(376), "both have the id 376");
    refused("/model/merges/0", json!(["a", "🙂"]), "merge 0");
    refused("/added_tokens/3/rstrip", json!(true), "rstrip");
    refused("/added_tokens/3/content", json!("<other>"), "both have the id 3");
    assert!(Tokenizer::from_json_bytes(b"{", Path::new("cut.json")).is_err());
}

#[test]
fn a_damaged_sentencepiece_model_does_no_harm() {
    let whole = fs::read(tiny("tiny.model")).unwrap();
    let origin = Path::new("damaged.model");
    for at in 0..whole.len() {
        let _ = Tokenizer::from_sentencepiece_bytes(&whole[..at], origin); // a cut between pieces leaves a smaller model
        let mut flipped = whole.clone();
        flipped[at] ^= 0x80;
        if let Ok(tokenizer) = Tokenizer::from_sentencepiece_bytes(&flipped, origin) {
            let _ = tokenizer.encode("Ada buys 12 apples\n", Specials::Parse);
        }
    }
    // A length of 2^63, a number of 11 bytes, a group: none is to be followed.
    for bytes in [&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f][..], &[0xff; 12], &[0x0b]] {
        let message = Tokenizer::from_sentencepiece_bytes(bytes, origin).err().unwrap().to_string();
        assert!(message.contains("damaged.model") && message.contains("malformed"), "{message}");
    }
}

#[test]
fn a_damaged_vocabulary_in_gguf_or_json_does_no_harm() {
    let pieces = pieces(&TINY[0]);
    let gguf = tiny_gguf(&pieces, true);
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let json = tiny_json(&pieces, replace, Value::Null).to_string().into_bytes();
    let encodes = |tokenizer: Tokenizer| {
        let _ = tokenizer.encode("Ada buys 12 apples\n", Specials::Parse);
    };
    for at in (0..gguf.len()).step_by(3) {
        let mut flipped = gguf.clone();
        flipped[at] ^= 0x11;
        if let Ok(gguf) = Gguf::from_bytes(flipped) {
            let _ = Tokenizer::from_gguf(&gguf).map(encodes);
        }
    }
    for at in (0..json.len()).step_by(37) {
        let mut flipped = json.clone();
        flipped[at] ^= 0x11;
        let _ = Tokenizer::from_json_bytes(&flipped, Path::new("damaged.json")).map(encodes);
    }
}

#[test]
fn long_runs_come_back() {
    for unit in [" ", "\n ", "a", "é", "<", "1", "\u{3000}"] {
        let text = unit.repeat(200_000);
        returns(&TINY[0], &text);
    }
}
