//! What other programs say of our files, and what we say of theirs: Python, in the environment of `scripts/python`.

use crate::{imported, shared, text, tiny, toolken};
use lm::{Device, Matrix, RowSource};
use safetensors::SafeTensors;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a script of the repository; it must succeed. Returns what it printed.
#[track_caller]
fn python(script: &str, args: &[&str]) -> String {
    let python = std::env::var_os("TOOLKEN_PYTHON")
        .expect("set TOOLKEN_PYTHON to what scripts/python prints, as `just conformance DIR` does");
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts")).join(script);
    let output = Command::new(python).arg(&script).args(args).output().expect("Python starts");
    assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn known(model: &str) -> PathBuf {
    lm::resolve(model, &mut |_| ()).expect("the model")
}

/// Token ids from the middle of every vocabulary.
const IDS: [u32; 24] = [
    9, 400, 318, 7, 1201, 88, 5023, 64, 999, 2, 30_001, 17, 404, 51, 3003, 29, 18, 12_345, 260, 31, 77, 810,
    42, 6,
];

fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let difference = norm(&mut found.iter().zip(expected).map(|(a, b)| f64::from(a - b)));
    difference / norm(&mut expected.iter().map(|&x| f64::from(x)))
}

fn states(path: &Path) -> (Matrix, Vec<f32>) {
    let model = lm::load(path, Device::default()).expect("the model loads");
    let states = model.states(&IDS).expect("a pass");
    let mass = model.word_mass(&states, &[None; IDS.len()]).expect("masses");
    (states, mass.iter().map(|mass| mass.log_sum_exp).collect())
}

/// The weights of a GGUF file, written as safetensors by transformers, give the same states and the same tokens.
#[track_caller]
fn twins(model: &str) {
    let (gguf, folder) = (known(model), tempfile::tempdir().expect("a folder"));
    python("twin.py", &[text(&gguf), text(folder.path())]);
    let ((ours, mass), (theirs, twin_mass)) = (states(&gguf), states(folder.path()));
    for row in 0..ours.rows() {
        let error = relative_error(theirs.row(row), ours.row(row));
        assert!(error < 1e-4, "{model} position {row}: relative error {error}");
        assert!(
            (mass[row] - twin_mass[row]).abs() < 1e-3,
            "{model} position {row}: {} {}",
            mass[row],
            twin_mass[row]
        );
    }
}

#[test]
#[ignore = "needs Python with transformers: just conformance DIR"]
fn a_llama_is_its_safetensors_twin() {
    twins("smollm2-135m");
}

#[test]
#[ignore = "needs Python with transformers: just conformance DIR"]
fn a_qwen2_is_its_safetensors_twin() {
    twins("qwen2.5-coder-0.5b");
}

#[test]
#[ignore = "needs Python with transformers: just conformance DIR"]
fn a_gemma3_is_its_safetensors_twin() {
    twins("gemma-3-270m");
}

/// The tiny vocabulary with one merge, which every GGUF vocabulary of its kind has.
fn vocabulary() -> serde_json::Value {
    let mut tokenizer = tiny::tokenizer();
    tokenizer["model"]["vocab"]["ab"] = tiny::VOCAB.into();
    tokenizer["model"]["merges"] = serde_json::json!(["a b"]);
    tokenizer
}

fn floats(tensors: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let bytes = tensors.tensor(name).expect(name).data();
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// Rotary scaling of every kind, `rope_freqs`, tied and separate heads: as transformers computes them. Every type of GGUF:
/// as gguf dequantises it.
#[test]
#[ignore = "needs Python with transformers and gguf: just conformance DIR"]
fn variants_that_no_fetched_model_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("tokenizer.json"), vocabulary().to_string()).expect("written");
    python("variants.py", &[text(folder.path())]);

    let same = |path: &Path, oracle: &str| {
        let bytes = fs::read(at(oracle).join("states.safetensors")).expect("states");
        let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
        let ids: Vec<u32> = floats(&tensors, "ids").into_iter().map(f32::to_bits).collect();
        let model = lm::load(path, Device::default()).expect("the model loads");
        let states = model.states(&ids).expect("a pass");
        let expected = Matrix::new(ids.len(), states.cols(), floats(&tensors, "hidden"));
        for row in 0..states.rows() {
            let error = relative_error(states.row(row), expected.row(row));
            assert!(error < 1e-4, "{} position {row}: relative error {error}", path.display());
        }
        let masses = model.word_mass(&states, &vec![None; ids.len()]).expect("masses");
        for (row, (mass, expected)) in masses.iter().zip(floats(&tensors, "log_sum_exp")).enumerate() {
            let found = mass.log_sum_exp;
            assert!((found - expected).abs() < 1e-3, "{} position {row}: {found} {expected}", path.display());
        }
    };
    for rope in ["plain", "linear", "llama3", "yarn"] {
        for head in ["tied", "separate"] {
            let name = format!("{rope}-{head}");
            fs::copy(at("tokenizer.json"), at(&name).join("tokenizer.json")).expect("copied");
            same(&at(&name), &name);
        }
    }
    same(&at("rope_freqs.gguf"), "llama3-tied");

    let bytes = fs::read(at("rows.safetensors")).expect("rows");
    let rows = SafeTensors::deserialize(&bytes).expect("safetensors");
    for kind in ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"] {
        let model = lm::load(&at(&format!("{kind}.gguf")), Device::default()).expect(kind);
        let ids: Vec<u32> = (0..=tiny::VOCAB as u32).collect();
        let found = model.rows(RowSource::Input, &ids).expect("rows");
        let error = relative_error(found.data(), &floats(&rows, kind));
        assert!(error < 1e-6, "{kind}: relative error {error}");
    }
}

/// F(W), choice and recall from the files alone, by `scripts/objective.py`.
#[test]
#[ignore = "needs Python with NumPy, and the shared data: just conformance DIR"]
fn numpy_recomputes_the_objective_from_a_head_and_its_features() {
    let folder = tempfile::tempdir().expect("a folder");
    let (corpus, head) = (folder.path().join("corpus.jsonl"), folder.path().join("head.safetensors"));
    let (funcqa, _) = imported("funcqa", &shared().join("toolkengpt/funcqa/train.json"));
    let lines: Vec<String> = funcqa.examples()[..120]
        .iter()
        .map(|example| serde_json::to_string(example).expect("JSON"))
        .collect();
    fs::write(&corpus, lines.join("\n")).expect("written");
    let features = folder.path().join("features");
    for weighting in ["per-position", "per-example"] {
        let fitted = toolken(&[
            "fit",
            text(&corpus),
            "--model",
            "smollm2-135m",
            "--features",
            text(&features),
            "--out",
            text(&head),
            "--lambda",
            "1e-4",
            "--weighting",
            weighting,
            "--prior",
            "name",
            "--json",
        ]);
        let ours: serde_json::Value = serde_json::from_slice(&fitted.stdout).expect("JSON");
        let store =
            fs::read_dir(&features).expect("a folder").next().expect("a store").expect("readable").path();
        let theirs: serde_json::Value =
            serde_json::from_str(&python("objective.py", &[text(&head), text(&store)])).expect("JSON");
        for (key, expected) in [
            ("objective", &ours["objective"]),
            ("choice", &ours["training"]["choice"]),
            ("recall", &ours["training"]["recall"]),
        ] {
            let (found, expected) = (theirs[key].as_f64().expect(key), expected.as_f64().expect(key));
            assert!(
                (found - expected).abs() <= 1e-5 * expected.abs(),
                "{weighting} {key}: {found}, expected {expected}"
            );
        }
    }
}
