//! Hidden states, log-sum-exp, argmax and greedy continuations against an independent PyTorch computation.

use lm::{Device, FrozenLm, Matrix};
use safetensors::SafeTensors;
use serde::Deserialize;
use std::path::PathBuf;
use toolken_lm as lm;

#[derive(Deserialize)]
struct Oracle {
    texts: Vec<Text>,
}

#[derive(Deserialize)]
struct Text {
    ids: Vec<u32>,
    argmax: Vec<u32>,
    greedy: Vec<u32>,
    positions: Option<Vec<usize>>,
}

fn model(name: &str, device: Device) -> Box<dyn FrozenLm> {
    let path = lm::resolve(name, &mut |_| ()).expect("the model is fetched by the product's own code");
    lm::load(&path, device).expect("the model loads")
}

fn oracle(name: &str) -> (Oracle, Vec<u8>) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/oracle"));
    let json =
        std::fs::read(folder.join(format!("lm_{name}.json"))).expect("the oracle is in the repository");
    let tensors = std::fs::read(folder.join(format!("lm_{name}.safetensors")))
        .expect("the oracle is in the repository");
    (serde_json::from_slice(&json).expect("JSON"), tensors)
}

fn floats(tensors: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let bytes = tensors.tensor(name).expect("a tensor of the oracle").data();
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn relative_error(a: &[f32], b: &[f32]) -> f64 {
    let square = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let difference = square(&mut a.iter().zip(b).map(|(a, b)| f64::from(a - b)));
    difference / square(&mut b.iter().map(|&b| f64::from(b)))
}

fn greedy(model: &dyn FrozenLm, ids: &[u32], count: usize) -> Vec<u32> {
    let mut sequence = model.begin();
    let mut next = ids.to_vec();
    let mut out = Vec::new();
    while out.len() < count {
        let hidden = model.extend(&mut [(&mut sequence, &next)]).expect("a pass");
        let last = hidden.select([hidden.rows() - 1]);
        next = vec![model.word_mass(&last, &[None]).expect("word mass")[0].argmax];
        out.extend(&next);
    }
    out
}

fn agrees(name: &str, device: Device) {
    let model = model(name, device);
    let model = model.as_ref();
    let (oracle, bytes) = oracle(name);
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    for (i, text) in oracle.texts.iter().enumerate() {
        let states = model.states(&text.ids).expect("a pass");
        let kept = text.positions.clone().unwrap_or_else(|| (0..text.ids.len()).collect());
        let states = states.select(kept.iter().copied());
        let expected = floats(&tensors, &format!("hidden.{i}"));
        assert_eq!(expected.len(), states.data().len(), "{name} text {i}: shape");
        for (row, want) in (0..states.rows()).zip(expected.chunks_exact(states.cols())) {
            let error = relative_error(states.row(row), want);
            assert!(error < 1e-3, "{name} text {i} position {}: relative error {error}", kept[row]);
        }
        let mass = model.word_mass(&states, &vec![None; states.rows()]).expect("word mass");
        for ((mass, lse), argmax) in mass.iter().zip(floats(&tensors, &format!("lse.{i}"))).zip(&text.argmax)
        {
            assert!(
                (mass.log_sum_exp - lse).abs() < bounds(device).1,
                "{name} text {i}: {} against {lse}",
                mass.log_sum_exp
            );
            assert_eq!(mass.argmax, *argmax, "{name} text {i}: argmax");
        }
        assert_eq!(greedy(model, &text.ids, text.greedy.len()), text.greedy, "{name} text {i}: greedy");
    }
}

#[test]
fn smollm2_agrees_with_pytorch() {
    agrees("smollm2-135m", Device::Cpu);
}

#[test]
fn smollm2_on_candle_agrees_with_pytorch() {
    agrees("smollm2-135m", Device::CandleCpu);
}

#[test]
fn smollm2_packed_agrees_with_pytorch() {
    agrees("smollm2-135m", Device::CpuPacked);
}

#[test]
#[ignore = "needs larger models: just conformance DIR"]
fn qwen2_packed_agrees_with_pytorch() {
    agrees("qwen2.5-coder-0.5b", Device::CpuPacked);
}

#[test]
#[ignore = "needs larger models: just conformance DIR"]
fn gemma3_packed_agrees_with_pytorch() {
    agrees("gemma-3-270m", Device::CpuPacked);
}

#[test]
#[ignore = "needs larger models: just conformance DIR"]
fn qwen2_agrees_with_pytorch() {
    agrees("qwen2.5-coder-0.5b", Device::Cpu);
}

#[test]
#[ignore = "needs larger models: just conformance DIR"]
fn gemma3_agrees_with_pytorch() {
    agrees("gemma-3-270m", Device::Cpu);
}

#[test]
#[ignore = "needs larger models: just conformance DIR"]
fn qwen2_on_candle_agrees_with_pytorch() {
    agrees("qwen2.5-coder-0.5b", Device::CandleCpu);
}

#[test]
#[ignore = "needs larger models: just conformance DIR"]
fn gemma3_on_candle_agrees_with_pytorch() {
    agrees("gemma-3-270m", Device::CandleCpu);
}

/// How far an engine's own passes may be apart, relative, and its log-sum-exp from PyTorch's. Packed weights meet activations
/// of 15 bits, and one row goes another way than many.
fn bounds(device: Device) -> (f64, f32) {
    if device == Device::CpuPacked { (1e-3, 2e-2) } else { (1e-4, 1e-2) }
}

fn close(a: &Matrix, b: &Matrix, device: Device) {
    assert_eq!((a.rows(), a.cols()), (b.rows(), b.cols()));
    for i in 0..a.rows() {
        let error = relative_error(a.row(i), b.row(i));
        assert!(error < bounds(device).0, "row {i}: relative error {error}");
    }
}

#[test]
fn chunks_forks_and_batches_equal_one_pass() {
    equals_one_pass(Device::Cpu);
}

#[test]
fn chunks_forks_and_batches_equal_one_pass_on_candle() {
    equals_one_pass(Device::CandleCpu);
}

#[test]
fn chunks_forks_and_batches_equal_one_pass_packed() {
    equals_one_pass(Device::CpuPacked);
}

fn equals_one_pass(device: Device) {
    let model = model("smollm2-135m", device);
    let model = model.as_ref();
    let (oracle, _) = oracle("smollm2-135m");
    let long = &oracle.texts.last().expect("texts").ids[..300];
    let whole = model.states(long).expect("a pass");

    let mut sequence = model.begin();
    let mut at = 0;
    for size in [1, 63, 1, 100, 7, 128] {
        let part = model.extend(&mut [(&mut sequence, &long[at..at + size])]).expect("a chunk");
        close(&part, &whole.select(at..at + size), device);
        at += size;
    }

    // A fork reads on by itself; the original, cut back over a page's edge, reads the first text again.
    let mut fork = sequence.fork();
    model.extend(&mut [(&mut fork, &[5, 6, 7])]).expect("a fork");
    sequence.truncate(60);
    fork.truncate(61);
    let (a, b) = (&long[60..200], &long[61..90]);
    let batch = model.extend(&mut [(&mut sequence, a), (&mut fork, b)]).expect("a batch");
    close(&batch.select(0..140), &whole.select(60..200), device);
    close(&batch.select(140..169), &whole.select(61..90), device);
    assert_eq!(sequence.ids(), &long[..200]);

    let texts: Vec<&[u32]> = oracle.texts[..6].iter().map(|t| t.ids.as_slice()).collect();
    let mut sequences: Vec<_> = texts.iter().map(|_| model.begin()).collect();
    let mut batch: Vec<_> = sequences.iter_mut().zip(texts.iter().copied()).collect();
    let together = model.extend(&mut batch).expect("a batch");
    let mut row = 0;
    for ids in texts {
        let alone = model.states(ids).expect("a pass");
        close(&together.select(row..row + ids.len()), &alone, device);
        row += ids.len();
    }
}

#[test]
fn a_context_too_long_says_both_lengths() {
    let model = model("smollm2-135m", Device::Cpu);
    let ids = vec![1; model.card().context + 1];
    let error = model.states(&ids).expect_err("one token too many").to_string();
    assert!(error.contains("8193") && error.contains("8192"), "{error}");
    let unknown = model.card().vocab as u32;
    assert!(model.states(&[unknown]).is_err());
}
