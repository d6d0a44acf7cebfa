//! A Llama of two layers over single bytes, as a folder of safetensors: small enough to be written for every test.

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Width, heads, key heads, feed-forward width, layers; tokens are the bytes and an end of text.
pub const WIDTH: usize = 32;
const KV_WIDTH: usize = 16;
const FEED_FORWARD: usize = 48;
const LAYERS: usize = 2;
pub const VOCAB: usize = 257;

/// A tensor by shape and elements.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Pseudo-random weights; another seed is another model.
pub fn tensors(seed: u64) -> Tensors {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut number = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let mut tensors = Tensors::new();
    let mut add = |name: String, shape: &[usize], scale: f32| {
        let data = (0..shape.iter().product()).map(|_| scale * number()).collect();
        tensors.insert(name, (shape.to_vec(), data));
    };
    add("model.embed_tokens.weight".into(), &[VOCAB, WIDTH], 1.0);
    for layer in 0..LAYERS {
        let mut add =
            |name: &str, shape: &[usize]| add(format!("model.layers.{layer}.{name}.weight"), shape, 0.5);
        add("self_attn.q_proj", &[WIDTH, WIDTH]);
        add("self_attn.k_proj", &[KV_WIDTH, WIDTH]);
        add("self_attn.v_proj", &[KV_WIDTH, WIDTH]);
        add("self_attn.o_proj", &[WIDTH, WIDTH]);
        add("mlp.gate_proj", &[FEED_FORWARD, WIDTH]);
        add("mlp.up_proj", &[FEED_FORWARD, WIDTH]);
        add("mlp.down_proj", &[WIDTH, FEED_FORWARD]);
    }
    let norms = (0..LAYERS).flat_map(|layer| {
        ["input_layernorm", "post_attention_layernorm"]
            .map(|norm| format!("model.layers.{layer}.{norm}.weight"))
    });
    for name in norms.chain(["model.norm.weight".into()]) {
        tensors.insert(name, (vec![WIDTH], vec![1.0; WIDTH]));
    }
    tensors
}

/// Tensors as a safetensors file.
pub fn safetensors(tensors: &Tensors) -> Vec<u8> {
    let bytes: BTreeMap<&String, Vec<u8>> = tensors
        .iter()
        .map(|(name, (_, data))| (name, data.iter().flat_map(|x| x.to_le_bytes()).collect()))
        .collect();
    let views = tensors.iter().map(|(name, (shape, _))| {
        (name, TensorView::new(Dtype::F32, shape.clone(), &bytes[name]).expect("shape and bytes agree"))
    });
    safetensors::serialize(views, None).expect("a safetensors file")
}

/// `config.json`.
pub fn config() -> serde_json::Value {
    json!({
        "model_type": "llama", "hidden_size": WIDTH, "num_attention_heads": 4, "num_key_value_heads": 2,
        "num_hidden_layers": LAYERS, "intermediate_size": FEED_FORWARD, "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": true,
    })
}

/// `tokenizer.json`: GPT-2's spelling of bytes, nothing merged.
pub fn tokenizer() -> serde_json::Value {
    let printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut others = 256..;
    let mut spelled = |byte: u32| if printable(byte) { byte } else { others.next().expect("endless") };
    let mut vocab: serde_json::Map<String, serde_json::Value> = (0..256u32)
        .map(|byte| (char::from_u32(spelled(byte)).expect("a character").to_string(), json!(byte)))
        .collect();
    vocab.insert("<|endoftext|>".into(), json!(256));
    json!({
        "version": "1.0",
        "added_tokens": [{"id": 256, "content": "<|endoftext|>", "special": true, "normalized": false,
            "single_word": false, "lstrip": false, "rstrip": false}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    })
}

/// Writes the whole model.
pub fn write(folder: &Path, seed: u64) {
    let put = |name: &str, content: &[u8]| fs::write(folder.join(name), content).expect("written");
    put("config.json", config().to_string().as_bytes());
    put("tokenizer.json", tokenizer().to_string().as_bytes());
    put(
        "tokenizer_config.json",
        json!({"eos_token": "<|endoftext|>", "bos_token": "<|endoftext|>"}).to_string().as_bytes(),
    );
    put("model.safetensors", &safetensors(&tensors(seed)));
}
