"""llama.cpp's side of scripts/bench: see crates/bench/examples/side.rs for the protocol.

argument: {"path": a GGUF file, "threads": a number, "extra": whether weights may be repacked for this machine}
"""

import ctypes
import json
import sys
import time

import llama_cpp as cpp
import numpy as np

setup = json.loads(sys.argv[1])
CONTEXT, ROWS = 8192, 16


@cpp.llama_log_callback
def quiet(level, text, data):
    if level >= 4:
        sys.stderr.write(text.decode(errors="replace"))


cpp.llama_log_set(quiet, ctypes.c_void_p(0))
cpp.llama_backend_init()
options = cpp.llama_model_default_params()
options.use_extra_bufts = setup["extra"]
model = cpp.llama_model_load_from_file(setup["path"].encode(), options)
params = cpp.llama_context_default_params()
params.n_ctx = CONTEXT
params.n_batch = 2048
params.n_ubatch = 512
params.n_seq_max = ROWS
params.kv_unified = True
params.n_threads = params.n_threads_batch = setup["threads"]
context = cpp.llama_init_from_model(model, params)
vocab = cpp.llama_vocab_n_tokens(cpp.llama_model_get_vocab(model))
memory = cpp.llama_get_memory(context)
batch = cpp.llama_batch_init(2048, 0, ROWS)


def put(i, token, position, sequence, logits):
    batch.token[i], batch.pos[i] = token, position
    batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
    batch.logits[i] = logits


def run(count):
    batch.n_tokens = count
    code = cpp.llama_decode(context, batch)
    if code != 0:
        sys.exit(f"llama_decode gave {code}")


def best(i):
    logits = cpp.llama_get_logits_ith(context, i)
    return int(np.ctypeslib.as_array(logits, shape=(vocab,)).argmax())


def read(ids, logits):
    cpp.llama_memory_clear(memory, True)
    for start in range(0, len(ids), 2048):
        part = ids[start : start + 2048]
        for i, token in enumerate(part):
            put(i, token, start + i, 0, logits and start + i + 1 == len(ids))
        run(len(part))


def decode(ids, rows, tokens):
    read(ids, False)
    for row in range(1, rows):
        cpp.llama_memory_seq_cp(memory, 0, row, -1, -1)
    following = [ids[row % len(ids)] for row in range(rows)]
    start = time.perf_counter()
    for at in range(tokens):
        for row, token in enumerate(following):
            put(row, token, len(ids) + at, row, True)
        run(rows)
        following = [best(row) for row in range(rows)]
    return {"seconds": time.perf_counter() - start, "tokens": tokens * rows, "last": following}


def prefill(ids):
    start = time.perf_counter()
    read(ids, True)
    cpp.llama_synchronize(context)
    return {"seconds": time.perf_counter() - start, "tokens": len(ids)}


for line in sys.stdin:
    request = json.loads(line)
    measure = request["measure"]
    if measure == "decode":
        answer = decode(request["ids"], 1, request["tokens"])
    elif measure == "batch":
        answer = decode(request["ids"], request["rows"], request["tokens"])
    elif measure == "prefill":
        answer = prefill(request["ids"])
    else:
        sys.exit(f"llama.cpp's side has no measurement {measure!r}")
    print(json.dumps(answer), flush=True)
