"""F(W), choice and recall of a head, from its file and its features, with NumPy alone.

usage: objective.py HEAD.safetensors FEATURES    (FEATURES is the folder that `toolken extract` prints)
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

head = load_file(sys.argv[1])
W, W0, offsets = (head[name].astype(np.float64) for name in ("weights", "prior", "offsets"))  # (T, d), (T, d), (T,)
with safe_open(sys.argv[1], "numpy") as file:
    about = file.metadata()
meta, bias = json.loads(about["meta"]), float(about["bias"])

parts = [load_file(path) for path in sorted(Path(sys.argv[2]).glob("*.safetensors"))]
h, a, b, m, tool, example = (  # h (N, d); the words' log-sum-exp, the label's logit where it is a word, the best word's
    np.concatenate([part[name] for part in parts])
    for name in ("h", "log_sum_exp", "label_logit", "max", "tool", "example")
)
s = h.astype(np.float64) @ W.T + offsets  # (N, T)
call = tool >= 0  # where the label is a tool
label = np.where(call, s[np.arange(len(s)), tool], b)
loss = np.logaddexp(a, np.logaddexp.reduce(s, axis=1)) - label  # cross-entropy over words and tools together

weight = np.full(len(s), 1 / len(s))
if meta["training"]["weighting"] == "per-example":
    length = np.bincount(example)
    weight = 1 / (length[example] * (length > 0).sum())
best = s.argmax(axis=1)
print(json.dumps({
    "objective": float(weight @ loss + meta["lambda"] * ((W - W0) ** 2).sum()),
    "choice": float((best == tool)[call].mean()),
    "recall": float(((best == tool) & (s.max(axis=1) + bias > m))[call].mean()),
}))
