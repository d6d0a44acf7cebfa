//! Model folders: sharded and whole, damaged and hostile.

#[allow(dead_code, reason = "shared with other tests, which use more of it")]
mod tiny;

use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tiny::{Tensors, VOCAB, WIDTH};
use toolken_lm as lm;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    tiny::write(folder.path(), 1);
    folder
}

fn states(folder: &Path) -> Vec<f32> {
    let model = lm::load(folder, lm::Device::Cpu).expect("the model loads");
    model.states(&[256, 72, 105, 33, 10, 0, 255]).expect("a pass").data().to_vec()
}

/// The folder is refused with a message that has these parts.
#[track_caller]
fn refused(folder: &Path, parts: &[&str]) {
    for device in [lm::Device::Cpu, lm::Device::CpuPacked] {
        let message = lm::load(folder, device).err().expect("the folder is refused").to_string();
        for part in parts {
            assert!(message.contains(part), "{device}: {part:?} is not in: {message}");
        }
    }
}

/// The model with one tensor changed.
#[track_caller]
fn changed(change: impl FnOnce(&mut Tensors), parts: &[&str]) {
    let folder = folder();
    let mut tensors = tiny::tensors(1);
    change(&mut tensors);
    fs::write(folder.path().join("model.safetensors"), tiny::safetensors(&tensors)).expect("written");
    refused(folder.path(), parts);
}

/// The folder with the tensors in two shards, cut at a name.
fn shards(index: Value) -> TempDir {
    let folder = folder();
    let (first, second): (Tensors, Tensors) =
        tiny::tensors(1).into_iter().partition(|(name, _)| name.as_str() < "model.layers.1");
    fs::remove_file(folder.path().join("model.safetensors")).expect("removed");
    fs::write(folder.path().join("one.safetensors"), tiny::safetensors(&first)).expect("written");
    fs::write(folder.path().join("two.safetensors"), tiny::safetensors(&second)).expect("written");
    fs::write(folder.path().join("model.safetensors.index.json"), index.to_string()).expect("written");
    folder
}

fn index() -> Value {
    json!({"weight_map": {"a": "one.safetensors", "b": "two.safetensors", "c": "one.safetensors"}})
}

#[test]
fn shards_are_the_whole() {
    assert_eq!(states(shards(index()).path()), states(folder().path()));
}

#[test]
fn weights_that_stay_as_they_are_give_the_same_states() {
    let model = lm::load(folder().path(), lm::Device::CpuPacked).expect("the model loads");
    let packed = model.states(&[256, 72, 105, 33, 10, 0, 255]).expect("a pass");
    for (a, b) in packed.data().iter().zip(states(folder().path())) {
        assert!((a - b).abs() < 1e-4 * b.abs().max(1.0), "{a} {b}");
    }
    let rows = model.rows(lm::RowSource::Input, &[0, 7, 256]).expect("rows");
    let dense = lm::load(folder().path(), lm::Device::Cpu).expect("the model loads");
    assert_eq!(rows, dense.rows(lm::RowSource::Input, &[0, 7, 256]).expect("rows"));
}

#[test]
fn an_index_names_plain_files_that_are_there_and_do_not_overlap() {
    refused(
        shards(json!({"weight_map": {"a": "../one.safetensors"}})).path(),
        &["../one.safetensors", "plain file name"],
    );
    refused(shards(json!({"weight_map": {"a": "/etc/passwd"}})).path(), &["plain file name"]);
    refused(shards(json!({"weight_map": {"a": "three.safetensors"}})).path(), &["three.safetensors"]);
    refused(shards(json!({"weight_map": ["one.safetensors"]})).path(), &["index.json", "weight_map"]);
    refused(
        shards(json!({"weight_map": {"a": "two.safetensors"}})).path(),
        &["no tensor model.embed_tokens.weight"],
    );
    let twice = shards(index());
    fs::copy(twice.path().join("one.safetensors"), twice.path().join("two.safetensors")).expect("copied");
    refused(twice.path(), &["two.safetensors", "another shard"]);
}

#[test]
fn weights_are_finite_and_of_their_shapes() {
    let down = "model.layers.1.mlp.down_proj.weight";
    for bad in [f32::NAN, f32::INFINITY] {
        changed(|tensors| tensors.get_mut(down).expect("there").1[7] = bad, &[down, "element 7", "damaged"]);
    }
    changed(|tensors| drop(tensors.remove(down)), &[&format!("no tensor {down}")]);
    changed(
        |tensors| {
            let (shape, _) = tensors.get_mut(down).expect("there");
            shape.reverse();
        },
        &[down, "shape [48, 32], expected [32, 48]"],
    );
    changed(
        |tensors| {
            let (shape, data) = tensors.get_mut("model.embed_tokens.weight").expect("there");
            (shape[0], *data) = (VOCAB - 1, vec![0.0; (VOCAB - 1) * WIDTH]);
        },
        &["the tokenizer has 257 tokens, the head 256 rows"],
    );
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    let whole = fs::read(&path).expect("there");
    for len in (0..whole.len()).step_by(997).chain([7, 8, 9, whole.len() - 1]) {
        fs::write(&path, &whole[..len]).expect("written");
        refused(folder.path(), &["model.safetensors", "fetch it again"]);
    }
}

#[test]
fn a_missing_file_is_named() {
    for name in ["config.json", "model.safetensors"] {
        let folder = folder();
        fs::remove_file(folder.path().join(name)).expect("removed");
        refused(folder.path(), &[name]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever bytes of the header change, there is a model or an error, and no panic.
    #[test]
    fn a_changed_header_does_no_harm(at in 0usize..2000, byte: u8) {
        let folder = folder();
        let path = folder.path().join("model.safetensors");
        let mut bytes = fs::read(&path).expect("there");
        bytes[at] = byte;
        fs::write(&path, bytes).expect("written");
        let _ = lm::load(folder.path(), lm::Device::Cpu);
    }

    /// Whatever number stands in the configuration, there is a model or an error, and no panic.
    #[test]
    fn a_changed_configuration_does_no_harm(
        key in prop::sample::select(tiny::config().as_object().expect("an object").keys().cloned().collect::<Vec<_>>()),
        value in prop_oneof![
            Just(json!(0)), Just(json!(-1)), Just(json!(1)), Just(json!(3)), Just(json!(u64::MAX)), Just(json!(1u64 << 23)),
            Just(json!(1e300)), Just(json!(0.5)), Just(json!("llama")), Just(json!(null)), Just(json!([])), Just(json!({"type": "yarn"})),
        ],
    ) {
        let folder = folder();
        let mut config = tiny::config();
        config[&key] = value;
        fs::write(folder.path().join("config.json"), config.to_string()).expect("written");
        if let Ok(model) = lm::load(folder.path(), lm::Device::Cpu) {
            let _ = model.states(&[256, 1]);
        }
    }
}
