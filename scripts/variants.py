"""Small random models in the variants that no model we fetch has, with what transformers and gguf compute of them.

usage: variants.py DIRECTORY    (DIRECTORY/tokenizer.json holds the vocabulary)

NAME/              rotary scaling, tied and separate heads, as safetensors, and rope_freqs.gguf
NAME/states.safetensors
                   `ids`, and the `hidden` states of them
TYPE.gguf          a model whose embedding is of this type; rows.safetensors holds its rows, dequantised, by type
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import LlamaConfig, LlamaForCausalLM

folder = Path(sys.argv[1])
vocabulary = json.loads((folder / "tokenizer.json").read_text())
tokens = sorted(vocabulary["model"]["vocab"], key=vocabulary["model"]["vocab"].get)
WIDTH, FEED_FORWARD, LAYERS, HEADS, KEY_HEADS, CONTEXT, EPSILON = 256, 64, 2, 4, 2, 512, 1e-5
ORIGINAL = {"original_max_position_embeddings": 64}
ROPES = {
    "plain": {"rope_type": "default"},
    "linear": {"rope_type": "linear", "factor": 4.0},
    "llama3": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, **ORIGINAL},
    "yarn": {"rope_type": "yarn", "factor": 4.0, **ORIGINAL},
}
ids = (torch.arange(300) * 7 + 3) % len(tokens)


def model(rope, tied):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokens), hidden_size=WIDTH, intermediate_size=FEED_FORWARD, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=KEY_HEADS, max_position_embeddings=CONTEXT, rms_norm_eps=EPSILON,
        rope_parameters={"rope_theta": 10000.0, **rope}, tie_word_embeddings=tied, initializer_range=0.2,
    )
    return LlamaForCausalLM(config).eval()


def states(model, directory):
    with torch.inference_mode():
        hidden = model.model(ids[None]).last_hidden_state[0]
        masses = torch.logsumexp(model.lm_head(hidden), -1)
    found = {"ids": ids.numpy().astype(np.int32), "hidden": hidden.numpy(), "log_sum_exp": masses.numpy()}
    save_file(found, directory / "states.safetensors")


def write_gguf(path, tensors, types=None):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token.startswith("<|") else 1 for token in tokens])
    writer.add_token_merges(vocabulary["model"]["merges"])
    for name, data in tensors.items():
        writer.add_tensor(name, data, raw_dtype=(types or {}).get(name))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def permuted(weight, heads):  # pairs of dimensions side by side, as GGUF has a Llama's queries and keys
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def as_gguf(model):
    names = {
        "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    }
    weights = {name: weight.detach().numpy().astype(np.float32) for name, weight in model.state_dict().items()}
    tensors = {"token_embd.weight": weights["model.embed_tokens.weight"], "output_norm.weight": weights["model.norm.weight"]}
    for layer in range(LAYERS):
        for theirs, ours in names.items():
            weight = weights[f"model.layers.{layer}.{theirs}.weight"]
            heads = {"attn_q": HEADS, "attn_k": KEY_HEADS}.get(ours)
            tensors[f"blk.{layer}.{ours}.weight"] = permuted(weight, heads) if heads else weight
    return tensors


for name, rope in ROPES.items():
    for tied in (True, False):
        directory = folder / f"{name}-{'tied' if tied else 'separate'}"
        made = model(rope, tied)
        made.save_pretrained(directory)
        states(made, directory)

# llama.cpp's converter writes Llama 3's scaling as divisors of the frequencies.
llama3, plain = model(ROPES["llama3"], True), model(ROPES["plain"], True)
divisors = plain.model.rotary_emb.inv_freq / llama3.model.rotary_emb.inv_freq
write_gguf(folder / "rope_freqs.gguf", as_gguf(llama3) | {"rope_freqs.weight": divisors.numpy().astype(np.float32)})

embedding = plain.model.embed_tokens.weight.detach().numpy()
rng, rows = np.random.default_rng(0), {}
# Blocks of K-quants: size in bytes, and where their half-precision scales stand; gguf has no quantiser for them.
K_BLOCKS = {"Q4_K": (144, (0, 2)), "Q5_K": (176, (0, 2)), "Q6_K": (210, (208,))}
for name in ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]:
    kind = gguf.GGMLQuantizationType[name]
    if name in K_BLOCKS:
        size, scales = K_BLOCKS[name]
        data = rng.integers(0, 256, (len(tokens), WIDTH // 256 * size), dtype=np.uint8)
        for at in scales:
            data[:, at : at + 2] = rng.uniform(0.001, 0.01, (len(tokens), 1)).astype(np.float16).view(np.uint8)
    else:
        data = gguf.quants.quantize(embedding, kind)
    rows[name] = gguf.quants.dequantize(data, kind).astype(np.float32)
    tensors = as_gguf(plain) | {"token_embd.weight": data}
    write_gguf(folder / f"{name}.gguf", tensors, {"token_embd.weight": kind})
save_file(rows, folder / "rows.safetensors")
