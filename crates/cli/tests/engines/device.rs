//! Llama.cpp as an engine of ours: from a corpus to a head to an answer, all of it there.

use crate::{text, toolken};

#[test]
fn a_head_is_fitted_on_llama_and_answers_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let [corpus, head, features] =
        ["corpus.jsonl", "head.safetensors", "features"].map(|name| folder.path().join(name));
    toolken(&["corpus", "generate", text(&corpus), "--count", "300"]);
    let fitted = |device: &str| {
        let fit = [
            "fit",
            text(&corpus),
            "--model",
            "smollm2-135m",
            "--device",
            device,
            "--lambda",
            "1e-5",
            "--json",
        ];
        toolken(&[&fit[..], &["--features", text(&features), "--out", text(&head)]].concat())
    };
    let [ours, theirs] = ["cpu", "llama"].map(|device| fitted(device)["training"]["choice"].as_f64());
    let (ours, theirs) = (ours.expect("a figure"), theirs.expect("a figure"));
    assert!((ours - theirs).abs() <= 0.02, "choice {theirs}, {ours} in f32");
    let ask =
        ["ask", "--device", "llama", "--head", text(&head), "--json", "What is the square root of 1764?"];
    let answer = &toolken(&ask)["generation"];
    assert_eq!(answer["decisions"][0]["chosen"]["tool"], "sqrt", "{answer}");
    assert!(answer["text"].as_str().is_some_and(|text| text.contains("42")), "{answer}");
}
