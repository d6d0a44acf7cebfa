"""Has an engine load an exported model, and compares what it computes with what toolken does; prints JSON.

usage: check.py transformers|llama SOURCE EXPORT HEAD.safetensors REFERENCE.safetensors
"""

import ctypes
import json
import os
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

# Threads that spin while they wait take the processor from those they wait for, where others compute too.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
SAMPLES = ["The quick brown fox, 3.14 x 27 = 84.78.", "  def f(x):\n\treturn x**2  # ünïcode", "<add>(2, 3)=5 <tool>"]


class Transformers:
    """A folder, loaded in f32."""

    def __init__(self, path):
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        self.torch = torch
        self.engine = f"transformers {transformers.__version__}"
        self.quantised = False
        self.model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        self.template = self.tokenizer.chat_template

    def run(self, ids, states):
        """Logits (states, V) and final hidden states (states, d)."""
        with self.torch.inference_mode():
            hidden = self.model.model(self.torch.tensor([ids])).last_hidden_state[0, states]
            return self.model.lm_head(hidden).numpy(), hidden.numpy()

    def words(self):
        """W_v."""
        return self.model.get_output_embeddings().weight.detach().numpy()

    def encode(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False)

    def faults(self, token, id):
        printed = self.tokenizer.decode([id], skip_special_tokens=True)
        return [] if printed == token else [f"token {id} is printed as {printed!r}, expected {token!r}"]

    def biased(self, biases):
        """Whether generation adds the biases by itself."""
        found = dict((ids[0], bias) for ids, bias in self.model.generation_config.sequence_bias or [])
        wanted = {id: bias for id, bias in biases.items() if bias}
        return [] if all(abs(found.get(id, 0) - bias) < 1e-6 for id, bias in wanted.items()) else ["no sequence_bias"]


class Llama:
    """A GGUF file in llama.cpp: f32 cache, no flash attention, so that only the weights' own types round."""

    def __init__(self, path):
        import llama_cpp

        self.lib = lib = llama_cpp
        self.engine = f"llama.cpp (llama-cpp-python {lib.__version__})"
        self.log = lib.llama_log_callback(lambda level, text, data: None)
        lib.llama_log_set(self.log, ctypes.c_void_p(0))
        lib.llama_backend_init()
        parameters = lib.llama_model_default_params()
        parameters.n_gpu_layers = 0
        # Not repacked for the processor: AMX, which is chosen where it is seen, faults in virtual machines that forbid it.
        parameters.use_extra_bufts = False
        self.path = path
        self.model = lib.llama_model_load_from_file(str(path).encode(), parameters)
        if not self.model:
            sys.exit(f"{path}: llama.cpp does not load it")
        self.vocab = lib.llama_model_get_vocab(self.model)
        self.size, self.width = lib.llama_vocab_n_tokens(self.vocab), lib.llama_model_n_embd(self.model)
        context = lib.llama_context_default_params()
        context.n_ctx = context.n_batch = context.n_ubatch = 2048
        context.n_threads = context.n_threads_batch = os.cpu_count()
        context.type_k = context.type_v = lib.GGML_TYPE_F32
        context.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        context.embeddings, context.pooling_type = True, lib.LLAMA_POOLING_TYPE_NONE
        self.context = lib.llama_init_from_model(self.model, context)
        template = lib.llama_model_chat_template(self.model, None)
        self.template = template.decode() if template else None
        import gguf

        self.reader = gguf.GGUFReader(path)
        self.tensors = {tensor.name: tensor for tensor in self.reader.tensors}
        self.quantised = any(t.tensor_type.name not in ("F32", "F16", "BF16") for t in self.reader.tensors)

    def run(self, ids, states):
        lib = self.lib
        lib.llama_memory_clear(lib.llama_get_memory(self.context), True)
        batch = lib.llama_batch_init(len(ids), 0, 1)
        batch.n_tokens = len(ids)
        for i, id in enumerate(ids):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0] = id, i, 1, 0
            batch.logits[i] = i in states
        code = lib.llama_decode(self.context, batch)
        lib.llama_batch_free(batch)
        if code:
            sys.exit(f"{self.path}: llama_decode says {code}")
        rows = lambda get, n: np.array([np.ctypeslib.as_array(get(self.context, s), (n,)) for s in states])
        return rows(lib.llama_get_logits_ith, self.size), rows(lib.llama_get_embeddings_ith, self.width)

    def words(self):
        import gguf

        tensor = self.tensors.get("output.weight", self.tensors["token_embd.weight"])
        return gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(-1, self.width)

    def encode(self, text):
        buffer = (self.lib.llama_token * 256)()
        n = self.lib.llama_tokenize(self.vocab, text.encode(), len(text.encode()), buffer, 256, False, False)
        return list(buffer[:n])

    def faults(self, token, id):
        buffer = ctypes.create_string_buffer(512)
        n = self.lib.llama_token_to_piece(self.vocab, id, buffer, 512, 0, False)
        printed = buffer.raw[: max(n, 0)].decode()
        faults = [] if printed == token else [f"token {id} is printed as {printed!r}, expected {token!r}"]
        if self.lib.llama_vocab_is_control(self.vocab, id) or self.lib.llama_vocab_is_eog(self.vocab, id):
            faults.append(f"token {id} is taken for a control token")
        return faults

    def biased(self, biases):
        return []

    def card(self):
        return json.loads(self.reader.fields["toolken.export"].contents())

    def close(self):
        self.lib.llama_free(self.context)
        self.lib.llama_model_free(self.model)


def spread(values):
    return {"max": float(np.max(values)), "median": float(np.median(values))}


def main():
    engine = {"transformers": Transformers, "llama": Llama}[sys.argv[1]]
    source, export, head, reference = map(Path, sys.argv[2:])
    reference, rows = load_file(reference), load_file(head)["weights"]
    texts = np.split(reference["ids"], np.cumsum(reference["lengths"])[:-1])
    extended = engine(export)
    card = extended.card() if engine is Llama else json.loads((export / "toolken.json").read_text())
    biases = {tool["id"]: tool["logit_bias"] for tool in card["tools"]}
    ids = np.array(list(biases))
    added = np.array(list(biases.values()), np.float32)

    faults = [fault for tool in card["tools"] for fault in extended.faults(tool["token"], tool["id"])]
    faults += extended.biased(biases)
    for tool in card["tools"]:
        if extended.encode(tool["token"]) != [tool["id"]]:
            faults.append(f"{tool['token']} is read as {extended.encode(tool['token'])}, expected {[tool['id']]}")
    read = [extended.encode(text) for text in SAMPLES]
    # Both engines run before the other's model is loaded: only one of them is in memory.
    run = lambda model: [
        model.run(text.tolist(), reference["state"][reference["text"] == i].tolist())
        for i, text in enumerate(texts)
        if (reference["text"] == i).any()
    ]
    logits, own = (np.concatenate(parts) for parts in zip(*run(extended)))
    template, quantised, name = extended.template, extended.quantised, extended.engine
    if engine is Llama:
        extended.close()
    del extended

    base = engine(source)
    base_logits = np.concatenate([part for part, _ in run(base)])
    if [base.encode(text) for text in SAMPLES] != read:
        faults.append("ordinary text is read otherwise than before")
    if base.template != template:
        faults.append("the chat template is another")
    words = min(card["source"]["rows"], min(ids))
    order = np.concatenate([np.flatnonzero(reference["text"] == i) for i in range(len(texts))])
    matrix = np.concatenate([base.words()[:words], rows])
    found = np.concatenate([logits[:, :words], logits[:, ids]], 1)

    def expected(hidden):
        return hidden.astype(np.float64) @ matrix.T.astype(np.float64) if len(matrix) < 60000 else hidden @ matrix.T

    def error(expected):
        return np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)

    logits[:, ids] += added
    choice, ours = logits.argmax(1), reference["choice"][order]
    called = np.isin(choice, ids)

    def calls(wanted):
        calls = np.isin(wanted, ids)
        return {"same": int((choice == wanted)[calls].sum()), "of": int(calls.sum())}

    of_ours, of_own = expected(reference["hidden"][order]), expected(own)
    errors = spread(error(of_ours)), spread(error(of_own))
    of_own[:, words:] += added
    own_choice = np.concatenate([np.arange(words), ids])[of_own.argmax(1)]
    print(json.dumps({
        "engine": name,
        "positions": len(choice),
        "quantised": quantised,
        "error": errors[0],
        "own_error": errors[1],
        "same": {"same": int((choice == ours).sum()), "of": len(choice)},
        "calls": calls(ours),
        "own_calls": calls(own_choice),
        "changed_words": int((choice != base_logits.argmax(1))[~called].sum()),
        "word_difference": float(np.abs(base_logits[:, :words] - logits[:, :words]).max()),
        "faults": faults,
    }))


main()
