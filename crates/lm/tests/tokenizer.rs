//! Byte-level tokenizers against oracles, properties and the `tokenizers` library. SentencePiece has its own file.

mod gguf_writer;
mod properties;

use gguf_writer::{Writer, key, numbers, string, strings};
use properties::{added_token, any_text, oracle, returns};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{LazyLock, OnceLock};
use toolken_lm::{Gguf, Specials, Tokenizer};

const SMOLLM: &str = "smollm2-135m";
const QWEN: &str = "qwen2.5-coder-0.5b";
const GEMMA: &str = "gemma-3-270m";

fn gguf(name: &str) -> Gguf {
    let path = toolken_lm::resolve(name, &mut |_| ()).expect("the product's own code fetches the model");
    Gguf::open(&path).unwrap()
}

fn model(file: &str) -> Tokenizer {
    Tokenizer::from_gguf(&gguf(file)).unwrap()
}

fn smollm() -> &'static Tokenizer {
    static TOKENIZER: OnceLock<Tokenizer> = OnceLock::new();
    TOKENIZER.get_or_init(|| model(SMOLLM))
}

fn oracle_of(model: &str) -> Vec<(String, Vec<u32>)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/oracle"));
    oracle(&folder.join(format!("tokenizer_{model}.jsonl")))
}

/// Every line equal; the same texts come back; with specials as text no control token appears.
fn agrees_with_its_oracle(tokenizer: &Tokenizer, name: &str) {
    let lines = oracle_of(name);
    assert!(lines.len() >= 174, "the oracle has {} lines", lines.len());
    for (text, ids) in &lines {
        assert_eq!(tokenizer.encode(text, Specials::Parse).unwrap(), *ids, "{text:?}");
        assert_eq!(tokenizer.decode(ids), *text);
        returns(tokenizer, text);
    }
}

#[test]
fn smollm2_agrees_with_its_oracle() {
    agrees_with_its_oracle(smollm(), "smollm2-135m");
}

#[test]
#[ignore = "needs a larger model: just conformance DIR"]
fn qwen2_agrees_with_its_oracle() {
    agrees_with_its_oracle(&model(QWEN), "qwen2.5-coder-0.5b");
}

#[test]
#[ignore = "needs a larger model: just conformance DIR"]
fn gemma3_agrees_with_its_oracle() {
    agrees_with_its_oracle(&model(GEMMA), "gemma-3-270m");
}

#[test]
fn special_tokens_are_known_by_what_they_do() {
    let tokenizer = smollm();
    let end = tokenizer.id("<|im_end|>").unwrap();
    assert_eq!(tokenizer.vocab_size(), 49_152);
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), Some(2)));
    assert_eq!(tokenizer.token_text(end), "<|im_end|>");
    assert!(tokenizer.ends_text(end) && tokenizer.ends_text(0));
    assert!(!tokenizer.ends_text(1), "<|im_start|> ends nothing");
    assert!(tokenizer.is_control(1));
    assert!(!tokenizer.is_control(tokenizer.id("Ġthe").unwrap()));
    assert!(tokenizer.chat_template().unwrap().contains("<|im_start|>"));
    assert_eq!(tokenizer.token_bytes(u32::MAX), b"");
    assert_eq!(tokenizer.decode(&[u32::MAX]), "");
    assert!(tokenizer.encode("<|im_end|>", Specials::Text).unwrap().len() > 1);
    assert_eq!(tokenizer.encode("<|im_end|>", Specials::Parse).unwrap(), [end]);
}

#[test]
fn parts_of_characters_decode_together_and_not_alone() {
    let ids = smollm().encode("🙂", Specials::Text).unwrap();
    assert!(ids.len() > 1, "the emoji is one token: choose another");
    assert_eq!(smollm().decode(&ids), "🙂");
    assert!(smollm().decode(&ids[..1]).contains('\u{fffd}'));
}

#[test]
fn a_tokenizer_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(smollm());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn byte_level_texts_come_back(text in any_text()) {
        // SmolLM2's vocabulary lacks some bytes of rare scripts: saying so is the one alternative.
        match smollm().encode(&text, Specials::Text) {
            Ok(_) => returns(smollm(), &text),
            Err(error) => prop_assert!(error.to_string().contains("no token for"), "{}", error),
        }
    }

    #[test]
    fn every_way_to_cut_words_agrees_with_the_tokenizers_library(text in any_text()) {
        for twins in WORDS.iter() {
            let Ok(ids) = twins.gguf.encode(&text, Specials::Parse) else { continue };
            let theirs = twins.reference.encode_fast(&*text, false).unwrap();
            prop_assert_eq!(&ids, theirs.get_ids(), "{}", twins.pre);
            prop_assert_eq!(&ids, &twins.json.encode(&text, Specials::Parse).unwrap(), "{}", twins.pre);
        }
    }
}

/// One vocabulary with one way to cut words: in the `tokenizers` library, the JSON which that writes, and GGUF.
struct Twins {
    pre: &'static str,
    reference: tokenizers::Tokenizer,
    json: Tokenizer,
    gguf: Tokenizer,
}

/// SmolLM2's vocabulary with each pre-tokeniser this crate knows by name. The patterns are those of the models' own
/// `tokenizer.json` files.
static WORDS: LazyLock<Vec<Twins>> = LazyLock::new(|| {
    let split = |digits: &str| {
        let pattern = format!(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        );
        json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
    };
    let byte_level = |use_regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": use_regex});
    let digits = json!({"type": "Digits", "individual_digits": true});
    let source = gguf(SMOLLM);
    vec![
        twins(&source, "smollm", json!([digits, byte_level(true)]), false),
        twins(&source, "gpt-2", json!([byte_level(true)]), false),
        twins(&source, "qwen2", json!([split(r"\p{N}"), byte_level(false)]), false),
        twins(&source, "llama-bpe", json!([split(r"\p{N}{1,3}"), byte_level(false)]), true),
    ]
});

fn twins(source: &Gguf, pre: &'static str, pre_tokenizers: Value, ignore_merges: bool) -> Twins {
    let tokens = source.strings("tokenizer.ggml.tokens").unwrap();
    let kinds = source.u32s("tokenizer.ggml.token_type").unwrap();
    let merges = source.strings("tokenizer.ggml.merges").unwrap();
    let vocab: serde_json::Map<String, Value> =
        tokens.iter().zip(0..).map(|(token, id)| (token.clone(), json!(id))).collect();
    let added = (0..tokens.len()).filter(|&id| kinds[id] == 3).map(|id| added_token(id, &tokens[id], true));
    let json = json!({
        "version": "1.0",
        "added_tokens": added.collect::<Vec<_>>(),
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": pre_tokenizers},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges, "ignore_merges": ignore_merges},
    });
    let reference = tokenizers::Tokenizer::from_bytes(json.to_string()).unwrap();
    let written = reference.to_string(false).unwrap();
    let keys = vec![
        key("tokenizer.ggml.model", 8, &string(b"gpt2")),
        key("tokenizer.ggml.pre", 8, &string(pre.as_bytes())),
        key("tokenizer.ggml.tokens", 9, &strings(tokens)),
        key("tokenizer.ggml.token_type", 9, &numbers(&kinds)),
        key("tokenizer.ggml.merges", 9, &strings(merges)),
    ];
    Twins {
        pre,
        reference,
        json: Tokenizer::from_json_bytes(written.as_bytes(), Path::new("twin.json")).unwrap(),
        gguf: Tokenizer::from_gguf(&Gguf::from_bytes(Writer::with_keys(keys).bytes()).unwrap()).unwrap(),
    }
}

#[test]
fn one_tokenizer_from_gguf_and_from_json_is_the_same() {
    let twins = &WORDS[0];
    for (text, ids) in oracle_of("smollm2-135m") {
        assert_eq!(twins.json.encode(&text, Specials::Parse).unwrap(), ids, "{text:?}");
    }
    let json = &twins.json;
    assert_eq!(json.digest(), smollm().digest());
    assert_ne!(json.digest(), WORDS[1].json.digest(), "words are cut in another way");
    assert_eq!(json.vocab_size(), smollm().vocab_size());
    assert!(json.ends_text(2), "<|im_end|> is known by its name");
    assert_eq!((json.bos(), json.eos(), json.chat_template()), (None, None, None));
}

#[test]
fn normal_form_c_is_followed_where_the_file_asks_for_it_and_has_no_offsets() {
    let twins = &WORDS[2];
    let mut json: Value = serde_json::from_str(&twins.reference.to_string(false).unwrap()).unwrap();
    json["normalizer"] = json!({"type": "NFC"});
    let ours = Tokenizer::from_json_bytes(json.to_string().as_bytes(), Path::new("nfc.json")).unwrap();
    let decomposed = "cafe\u{301}";
    assert_eq!(
        ours.encode(decomposed, Specials::Text).unwrap(),
        twins.json.encode("caf\u{e9}", Specials::Text).unwrap()
    );
    let message = ours.encode_with_offsets(decomposed).unwrap_err().to_string();
    assert!(message.contains("at byte 3"), "{message}");
    assert!(ours.encode_with_offsets("caf\u{e9}").is_ok());
}

/// A byte-level vocabulary of five tokens in GGUF, with one key's type and value replaced.
fn small_bpe(change: Option<(&str, u32, Vec<u8>)>) -> Result<Tokenizer, String> {
    let keys = [
        ("tokenizer.ggml.model", 8, string(b"gpt2")),
        ("tokenizer.ggml.pre", 8, string(b"gpt-2")),
        ("tokenizer.ggml.tokens", 9, strings(&["a", "b", "ab", "<end>", "Ġ"])),
        ("tokenizer.ggml.token_type", 9, numbers(&[1, 1, 1, 3, 1])),
        ("tokenizer.ggml.merges", 9, strings(&["a b"])),
        ("tokenizer.ggml.eos_token_id", 4, 3u32.to_le_bytes().into()),
    ];
    let keys = keys.into_iter().map(|(name, kind, value)| match change {
        Some((changed, kind, ref value)) if changed == name => key(name, kind, value),
        _ => key(name, kind, &value),
    });
    let gguf = Gguf::from_bytes(Writer::with_keys(keys.collect()).bytes()).unwrap();
    Tokenizer::from_gguf(&gguf).map_err(|e| e.to_string())
}

#[test]
fn a_vocabulary_that_contradicts_itself_is_refused() {
    let refused = |name: &str, kind: u32, value: Vec<u8>, parts: &[&str]| {
        let message = small_bpe(Some((name, kind, value))).expect_err("the vocabulary was accepted");
        assert!(parts.iter().all(|part| message.contains(part)), "{parts:?} is not in: {message}");
    };
    assert_eq!(small_bpe(None).unwrap().encode("ab a", Specials::Text).unwrap(), [2, 4, 0]);
    refused("tokenizer.ggml.model", 8, string(b"bert"), &["bert", "gpt2"]);
    refused("tokenizer.ggml.pre", 8, string(b"default"), &["default", "llama-bpe", "not guessed"]);
    refused("tokenizer.ggml.tokens", 9, strings::<&str>(&[]), &["5 values for 0 tokens"]);
    refused("tokenizer.ggml.tokens", 9, strings(&["a", "b", "ab", "a", "Ġ"]), &["0 and 3", "\"a\""]);
    refused(
        "tokenizer.ggml.tokens",
        4,
        1u32.to_le_bytes().into(),
        &["tokenizer.ggml.tokens", "array of strings"],
    );
    refused("tokenizer.ggml.token_type", 9, numbers(&[1, 1, 1, 9, 1]), &["token 3", "type 9"]);
    refused("tokenizer.ggml.merges", 9, strings(&["ab"]), &["merge 0", "two tokens"]);
    refused("tokenizer.ggml.merges", 9, strings(&["b a"]), &["merge 0", "\"ba\""]);
    refused("tokenizer.ggml.merges", 9, strings(&["ab <end>"]), &["merge 0", "\"ab<end>\""]);
    refused("tokenizer.ggml.eos_token_id", 4, 5u32.to_le_bytes().into(), &["token 5", "outside"]);
}

#[test]
fn a_byte_without_a_token_is_an_error_and_not_dropped() {
    let message = small_bpe(None).unwrap().encode("abc", Specials::Text).unwrap_err().to_string();
    assert!(message.contains("no token for \"c\""), "{message}");
}

#[test]
fn long_runs_come_back() {
    for unit in [" ", "\n ", "a", "é", "<", "1", "\u{3000}"] {
        let text = unit.repeat(200_000);
        returns(smollm(), &text);
    }
}
