//! Head files: what is written is read again, and nothing else is.

use lm::{Matrix, ModelCard};
use safetensors::{Dtype, tensor::TensorView};
use std::collections::HashMap;
use toolken_head::{Head, HeadError, Method, MethodName, uniform};

fn head() -> Head {
    let mut head = Head::new(vec!["add".into(), "größer_als".into()], uniform(2, 5, 1)).unwrap();
    head.prior = uniform(2, 5, 2);
    head.offsets = vec![0.0, -1.5];
    head.bias = 0.25;
    head.meta.model = "SmolLM2".into();
    head.meta.model_digest = "abc".into();
    head.meta.method = Some(Method::named(MethodName::TokenLearningCode));
    head.meta.lambda = Some(1e-4);
    head.meta.unfitted = vec!["größer_als".into()];
    head
}

fn card(digest: &str, width: usize) -> ModelCard {
    ModelCard {
        name: "Qwen".into(),
        digest: digest.into(),
        architecture: "qwen2".into(),
        engine: "candle f32".into(),
        width,
        vocab: 10,
        context: 8,
    }
}

#[test]
fn what_is_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pack/head.safetensors");
    head().save(&path).unwrap();
    assert_eq!(Head::load(&path).unwrap(), head());
    let whole = std::fs::read(&path).unwrap();
    for _ in 0..8 {
        head().save(&path).unwrap();
        assert!(std::fs::read(&path).unwrap() == whole, "a head's bytes depend on the head alone");
    }
    let names: Vec<_> =
        std::fs::read_dir(path.parent().unwrap()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(names, ["head.safetensors"], "no temporary file is left");
}

#[test]
fn a_head_of_another_model_is_refused_by_name() {
    assert!(head().check_model(&card("abc", 5)).is_ok());
    for other in [card("def", 5), card("abc", 6)] {
        let error = head().check_model(&other).unwrap_err().to_string();
        assert!(error.contains("SmolLM2") && error.contains("Qwen"), "{error}");
    }
}

#[test]
fn logits_are_rows_times_hidden_plus_offsets() {
    let weights = Matrix::new(2, 2, vec![1.0, 2.0, -1.0, 0.5]);
    let mut head = Head::new(vec!["a".into(), "b".into()], weights).unwrap();
    head.offsets = vec![0.0, 10.0];
    assert_eq!(head.logits(&[3.0, 4.0]), [11.0, 9.0]);
}

/// A file with parts of the caller's choosing.
fn file(
    shape: [usize; 2],
    tools: &str,
    change: impl Fn(&mut HashMap<String, String>, &mut Vec<u8>),
) -> Vec<u8> {
    let mut metadata = HashMap::from([
        ("format".to_string(), "toolken-head".to_string()),
        ("version".to_string(), "1".to_string()),
        ("tools".to_string(), tools.to_string()),
        ("bias".to_string(), "0.0".to_string()),
        ("meta".to_string(), "{}".to_string()),
    ]);
    let mut weights = vec![0u8; shape[0] * shape[1] * 4];
    change(&mut metadata, &mut weights);
    let prior = vec![0u8; shape[0] * shape[1] * 4];
    let offsets = vec![0u8; shape[0] * 4];
    let tensors = [
        ("weights", TensorView::new(Dtype::F32, shape.to_vec(), &weights).unwrap()),
        ("prior", TensorView::new(Dtype::F32, shape.to_vec(), &prior).unwrap()),
        ("offsets", TensorView::new(Dtype::F32, vec![shape[0]], &offsets).unwrap()),
    ];
    safetensors::serialize(tensors, Some(metadata)).unwrap()
}

fn refused(bytes: &[u8], expected: &str) {
    let error = Head::from_bytes(bytes).expect_err(expected);
    assert!(error.contains(expected), "expected `{expected}`: {error}");
}

#[test]
fn hostile_files_are_refused_with_a_reason() {
    let plain = |_: &mut HashMap<String, String>, _: &mut Vec<u8>| ();
    let good = file([2, 3], r#"["a","b"]"#, plain);
    Head::from_bytes(&good).unwrap();

    refused(b"", "not a readable safetensors file");
    refused(&good[..good.len() - 1], "not a readable safetensors file");
    refused(&[0xff; 64], "not a readable safetensors file");
    let mut longer = good.clone();
    longer.push(0);
    refused(&longer, "not a readable safetensors file");

    refused(&file([2, 3], r#"["a"]"#, plain), "1 tool names for 2 rows");
    refused(&file([2, 3], r#"["a","a"]"#, plain), "`a` occurs twice");
    refused(&file([2, 3], r#"["a",""]"#, plain), "name is empty");
    refused(&file([2, 3], "[1, 2]", plain), "metadata `tools`");
    refused(&file([2, 3], "not json", plain), "metadata `tools`");
    refused(&file([0, 3], "[]", plain), "at least one tool");
    let nan = |_: &mut HashMap<String, String>, weights: &mut Vec<u8>| {
        weights[16..20].copy_from_slice(&f32::NAN.to_le_bytes());
    };
    refused(&file([2, 3], r#"["a","b"]"#, nan), "tool `b` has a weight");
    for (key, value, expected) in [
        ("format", "pt", "not a tool head"),
        ("version", "2", "version `2`"),
        ("bias", "1e99", "metadata `bias`: number out of range"),
        ("bias", "x", "metadata `bias`"),
        ("meta", "7", "metadata `meta`"),
    ] {
        let with = |metadata: &mut HashMap<String, String>, _: &mut Vec<u8>| {
            metadata.insert(key.into(), value.into());
        };
        refused(&file([2, 3], r#"["a","b"]"#, with), expected);
    }
    for key in ["format", "version", "tools", "bias", "meta"] {
        let without = |metadata: &mut HashMap<String, String>, _: &mut Vec<u8>| _ = metadata.remove(key);
        assert!(Head::from_bytes(&file([2, 3], r#"["a","b"]"#, without)).is_err(), "without {key}");
    }
}

#[test]
fn tensors_of_other_types_and_shapes_are_refused() {
    let metadata = || {
        Some(HashMap::from([
            ("format".to_string(), "toolken-head".to_string()),
            ("version".to_string(), "1".to_string()),
            ("tools".to_string(), r#"["a"]"#.to_string()),
            ("bias".to_string(), "0".to_string()),
            ("meta".to_string(), "{}".to_string()),
        ]))
    };
    let bytes = [0u8; 64];
    let tensor =
        |dtype, shape: &[usize], len: usize| TensorView::new(dtype, shape.to_vec(), &bytes[..len]).unwrap();
    let serialize = |weights: TensorView<'_>, prior: TensorView<'_>| {
        let offsets = tensor(Dtype::F32, &[1], 4);
        safetensors::serialize([("weights", weights), ("prior", prior), ("offsets", offsets)], metadata())
            .unwrap()
    };
    let prior = || tensor(Dtype::F32, &[1, 3], 12);
    refused(&serialize(tensor(Dtype::F16, &[1, 3], 6), prior()), "F16, expected F32");
    refused(&serialize(tensor(Dtype::F32, &[3], 12), prior()), "expected two dimensions");
    refused(&serialize(tensor(Dtype::F32, &[1, 4], 16), prior()), "`prior` is 1 x 3");
    let only_one = safetensors::serialize([("weights", prior())], metadata()).unwrap();
    refused(&only_one, "no tensor `prior`");
}

#[test]
fn an_error_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing.safetensors");
    assert!(matches!(Head::load(&path).unwrap_err(), HeadError::Io { .. }));
    std::fs::write(&path, b"garbage").unwrap();
    assert!(Head::load(&path).unwrap_err().to_string().contains("nothing.safetensors"));
}
