"""Writes adam.json: the references' loop, step by step, on a small problem with an explicit word matrix.

python adam.py > adam.json          (NumPy alone; float64 throughout)
"""
import json
import numpy as np

rng = np.random.default_rng(7)
V, T, d, rate, epochs = 11, 3, 6, 0.01, 3
words = rng.normal(size=(V, d)).astype(np.float32).astype(float)
prior = (0.3 * rng.normal(size=(T, d))).astype(np.float32).astype(float)
sizes = [4, 7, 3, 5]
h = [rng.normal(size=(n, d)).astype(np.float32).astype(float) for n in sizes]
labels = [[int(x) for x in rng.integers(0, V + T, size=n)] for n in sizes]  # V + k is tool k


def run(penalty):
    """penalty(W - W0) -> its gradient. Returns W after every step, and each epoch's mean cross-entropy."""
    W, m, v, t, path, losses = prior.copy(), 0.0, 0.0, 0, [], []
    for _ in range(epochs):
        total = 0.0
        for x, y in zip(h, labels):
            z = x @ np.vstack([words, W]).T
            p = np.exp(z - z.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            total += -np.log(p[range(len(y)), y]).mean()
            p[range(len(y)), y] -= 1
            g = p[:, V:].T @ x / len(y) + penalty(W - prior)
            t += 1
            m = 0.9 * m + 0.1 * g
            v = 0.999 * v + 0.001 * g * g
            W = W - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            path.append(W.ravel().tolist())
        losses.append(total / len(h))
    return {"path": path, "cross_entropy": losses}


def unsquared(moved):
    norm = np.sqrt((moved**2).sum())
    return 0.05 * moved / norm if norm > 0 else np.zeros_like(moved)


flat = np.vstack(h)
z = flat @ words.T
y = [l for example in labels for l in example]
print(json.dumps({
    "tools": T, "width": d, "rate": rate, "epochs": epochs, "sizes": sizes, "prior": prior.ravel().tolist(),
    "h": flat.ravel().tolist(), "labels": [l - V for l in y],
    "log_sum_exp": np.log(np.exp(z).sum(1)).tolist(),
    "label_logit": [float(z[i, l]) if l < V else 0.0 for i, l in enumerate(y)],
    "max": z.max(1).tolist(),
    "none": run(lambda moved: 0.0),
    "squared": {"lambda": 0.02, **run(lambda moved: 2 * 0.02 * moved)},
    "unsquared": {"coefficient": 0.05, **run(unsquared)},
}))
