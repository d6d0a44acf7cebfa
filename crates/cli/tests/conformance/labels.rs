//! The label rules on all imported corpora, with the tokenizers of three models.

use crate::{imported, shared};
use corpus::{Ends, Label, Segment};
use lm::{Specials, Tokenizer};
use std::collections::HashMap;

/// Tokens are the text, piece by piece, and the labels are the calls.
#[track_caller]
fn hold(kind: &str, file: &str) {
    let (corpus, _) = imported(kind, &shared().join(file));
    let tools: HashMap<&str, usize> = corpus.tools().iter().map(String::as_str).zip(0..).collect();
    for model in ["smollm2-135m", "qwen2.5-coder-0.5b", "gemma-3-270m"] {
        let path = lm::resolve(model, &mut |_| ()).expect("the model");
        let gguf = lm::Gguf::open(&path).expect("the model");
        let tokenizer = Tokenizer::from_gguf(&gguf).expect("a tokenizer");
        let encode = |text: &str, segment| match segment {
            Segment::First => tokenizer.encode(text, Specials::Text),
            Segment::Continuation => tokenizer.encode_continuation(text, Specials::Text),
        };
        let ends = Ends { bos: tokenizer.bos().or(tokenizer.eos()), eos: tokenizer.eos() };
        let mut calls = 0;
        for example in corpus.examples() {
            let id = &example.id;
            let labelled = corpus::label(example, |tool| tools.get(tool).copied(), encode, ends)
                .unwrap_or_else(|e| panic!("{kind}, {model}: {e}"));
            let mut end = 0;
            for piece in &labelled.pieces {
                assert_eq!(piece.bytes.start, end, "{kind} {id}, {model}: the pieces cover the text");
                end = piece.bytes.end;
                let ids = &labelled.ids[piece.tokens.clone()];
                let decoded = if piece.bytes.start == 0 {
                    tokenizer.decode(ids)
                } else {
                    tokenizer.decode_continuation(ids)
                };
                assert_eq!(decoded, example.text[piece.bytes.clone()], "{kind} {id}, {model}");
                let labels = &labelled.labels[piece.tokens.clone()];
                let Some(call) = piece.call.map(|i| &example.calls[i]) else {
                    assert!(!labels.iter().any(|l| matches!(l, Label::Tool(_))), "{kind} {id}, {model}");
                    continue;
                };
                let trained = example.loss.as_ref().is_none_or(|ranges| {
                    ranges.iter().any(|range| range[0] <= call.start && call.end <= range[1])
                });
                let first = if trained { Label::Tool(tools[call.tool.as_str()]) } else { Label::None };
                assert_eq!(labels[0], first, "{kind} {id}, {model}: the first token is the call");
                if !call.is_point() {
                    // A span of the text, with the space before it, and nothing else.
                    assert_eq!(decoded.trim_start_matches(' '), &example.text[call.start..call.end]);
                    assert!(
                        labels[1..].iter().all(|l| *l == Label::None),
                        "{kind} {id}, {model}: the rest is not"
                    );
                }
                calls += 1;
            }
            assert_eq!(end, example.text.len(), "{kind} {id}, {model}");
        }
        let spans: usize = corpus.examples().iter().map(|example| example.calls.len()).sum();
        assert_eq!(calls, spans, "{kind}, {model}: every call has a label");
    }
}

#[test]
#[ignore = "needs the shared data: just conformance DIR"]
fn hold_on_funcqa() {
    hold("funcqa", "toolkengpt/funcqa/train.json");
}

#[test]
#[ignore = "needs the shared data: just conformance DIR"]
fn hold_on_kamel() {
    hold("kamel", "toolkengpt/kamel/train_clean.json");
}

#[test]
#[ignore = "needs the shared data: just conformance DIR"]
fn hold_on_virtualhome() {
    hold("virtualhome", "toolkengpt/vh/legal_train_v4_embedding.json");
}

#[test]
#[ignore = "needs the shared data: just conformance DIR"]
fn hold_on_gsm8k() {
    hold("gsm8k", "gsm8k/train.jsonl");
}
