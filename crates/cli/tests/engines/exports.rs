//! Every export is loaded by the engine it is for, and computes there what it does here.

use crate::{python, script, text, toolken};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

struct Place {
    folder: TempDir,
    head: PathBuf,
    model: PathBuf,
}

impl Place {
    /// With a head of the built-in tools for a known model.
    fn new(model: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [corpus, head] = ["corpus.jsonl", "head.safetensors"].map(|name| folder.path().join(name));
        toolken(&["corpus", "generate", text(&corpus), "--count", "150"]);
        let features = folder.path().join("features");
        let fit = ["fit", text(&corpus), "--model", model, "--features", text(&features), "--lambda", "1e-5"];
        toolken(&[&fit[..], &["--out", text(&head)]].concat());
        let model = lm::resolve(model, &mut |_| ()).expect("the model");
        Self { folder, head, model }
    }

    /// Exports a model with the head, and has the engine check it, within a relative error of the logits or what is said for the kind.
    fn checked(&self, model: &Path, out: &str, tolerance: Option<&str>) -> Value {
        let out = self.folder.path().join(out);
        let features = self.folder.path().join("features");
        let args = ["export", "--model", text(model), "--head", text(&self.head), "--out", text(&out)];
        let check = ["--other-weights", "--check", "--features", text(&features), "--json"];
        let tolerance = tolerance.map(|most| ["--tolerance", most]);
        let found =
            toolken(&[&args[..], &check[..], tolerance.as_ref().map_or(&[], |given| &given[..])].concat());
        println!("{}", found["check"]);
        found
    }
}

#[track_caller]
fn holds(found: &Value, ids: std::ops::Range<u64>) {
    let check = &found["check"];
    assert_eq!(check["positions"], 500);
    assert!(check["calls"]["of"].as_u64().is_some_and(|calls| calls >= 30), "{check}");
    assert_eq!(check["changed_words"], 0, "{check}");
    let tools = found["card"]["tools"].as_array().expect("tools");
    assert_eq!(
        tools.iter().map(|tool| tool["id"].as_u64()).collect::<Vec<_>>(),
        ids.map(Some).collect::<Vec<_>>()
    );
}

/// The file as it is, the file in f32 within `tolerance` of ours, and its twin as a folder.
fn in_all_forms(model: &str, first: u64, tolerance: Option<&str>) {
    let place = Place::new(model);
    let ids = first..first + 13;
    let quantised = place.checked(&place.model, "quantised.gguf", None);
    holds(&quantised, ids.clone());
    assert_eq!(quantised["check"]["quantised"], true);
    assert_eq!(quantised["check"]["word_difference"], 0.0, "words keep their logits to the last bit");

    let f32 = place.folder.path().join("f32.gguf");
    script(&python("TOOLKEN_LLAMA_PYTHON"), "dequantise.py", &[text(&place.model), text(&f32)]);
    let exact = place.checked(&f32, "f32-extended.gguf", tolerance);
    holds(&exact, ids);
    assert_eq!(exact["check"]["quantised"], false);
    assert_eq!(exact["check"]["calls"]["same"], exact["check"]["calls"]["of"]);

    let twin = place.folder.path().join("twin");
    script(&python("TOOLKEN_PYTHON"), "twin.py", &[text(&place.model), text(&twin)]);
    let folder = place.checked(&twin, "extended", None);
    let first = folder["card"]["tools"][0]["id"].as_u64().expect("an id");
    holds(&folder, first..first + 13);
    assert_eq!(folder["check"]["same"]["same"], 500);
}

#[test]
fn smollm2_in_llama_cpp_and_transformers() {
    in_all_forms("smollm2-135m", 49_152, None);
}

/// Spare rows are filled: the first free id is the tokenizer's.
#[test]
fn qwen2_5_coder_in_llama_cpp_and_transformers() {
    in_all_forms("qwen2.5-coder-0.5b", 151_665, None);
}

/// Llama.cpp takes GELU from a table of 16-bit numbers, so that f32 weights do not make f32 arithmetic.
#[test]
fn gemma_3_in_llama_cpp_and_transformers() {
    in_all_forms("gemma-3-270m", 262_144, Some("3e-3"));
}
