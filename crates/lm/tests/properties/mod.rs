//! Properties of every tokenizer, and the texts to try them on.

use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use toolken_lm::{Specials, Tokenizer};

/// The lines `{"text", "ids"}` of a file.
pub fn oracle(path: &Path) -> Vec<(String, Vec<u32>)> {
    #[derive(serde::Deserialize)]
    struct Line {
        text: String,
        ids: Vec<u32>,
    }
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .map(|line: Line| (line.text, line.ids))
        .collect()
}

/// The properties that hold for any text in any tokenizer without a lossy normal form.
pub fn returns(tokenizer: &Tokenizer, text: &str) {
    for specials in [Specials::Parse, Specials::Text] {
        let ids = tokenizer.encode(text, specials).unwrap();
        assert_eq!(tokenizer.decode(&ids), text, "{ids:?}");
        let later = tokenizer.encode_continuation(text, specials).unwrap();
        assert_eq!(tokenizer.decode_continuation(&later), text, "{later:?}");
    }
    let spans = tokenizer.encode_with_offsets(text).unwrap();
    let ids: Vec<u32> = spans.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, tokenizer.encode(text, Specials::Text).unwrap());
    assert!(!ids.iter().any(|&id| tokenizer.is_control(id)), "{text:?} became a control token");
    let mut end = 0;
    for (id, span) in spans {
        assert_eq!(span.start, end, "the spans of {text:?} have a gap or overlap");
        let bytes = &text.as_bytes()[span.clone()];
        let token = tokenizer.token_bytes(id);
        let without_prefix = token.strip_prefix(b" ").filter(|_| span.start == 0);
        assert!(token == bytes || without_prefix == Some(bytes), "token {id} of {text:?}");
        end = span.end;
    }
    assert_eq!(end, text.len());
}

/// Text of any characters, and of what tokenizers treat specially.
pub fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        ".{0,6}",
        "[ \t\r\n\u{a0}\u{3000}]{0,6}",
        "[0-9a-zA-Z'.,<>|_▁]{0,12}",
        Just("<|im_end|>".to_owned()),
        Just("<s>".to_owned()),
        Just("</s>".to_owned()),
        Just("don't I'LL ſ".to_owned()),
        any::<char>().prop_map(String::from),
        any::<char>().prop_map(|c| c.to_string().repeat(9)),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// An entry of `added_tokens` in `tokenizer.json`.
pub fn added_token(id: usize, content: &str, special: bool) -> Value {
    json!({
        "id": id, "content": content, "special": special, "normalized": !special, "single_word": false, "lstrip": false,
        "rstrip": false
    })
}
