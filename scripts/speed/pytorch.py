"""PyTorch's side of scripts/bench: loads a model once and then answers a line for each line that it reads.

The argument is a JSON object `{"path", "threads"}`, the path of a GGUF file; the requests are those of `examples/side.rs`.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file


def load(path):
    from transformers import AutoModelForCausalLM, GgufConfig

    path = Path(path)
    plain = GgufConfig(gguf_file=path.name, dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, quantization_config=plain
    )
    return model.eval()


class Side:
    def __init__(self, setup):
        torch.set_num_threads(setup["threads"])
        self.path = setup["path"]
        self.model = None
        self.features = {}

    def answer(self, request):
        return getattr(self, request["measure"].replace("-", "_"))(request)

    def product(self, request):
        """A large f32 matrix product: GFLOP/s, the best of some."""
        n = request["size"]
        a, b = torch.randn(n, n), torch.randn(n, n)
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            a @ b
            best = min(best, time.perf_counter() - start)
        return {"seconds": best, "flops": 2 * n**3}

    def operations(self, request):
        """Multiplications and additions: those of the layers' matrices a token, those of the word head a position."""
        self.model = self.model or load(self.path)
        embedding = self.model.get_input_embeddings().weight.numel()
        head = self.model.get_output_embeddings().weight
        tied = head is self.model.get_input_embeddings().weight
        layers = self.model.num_parameters() - embedding - (0 if tied else head.numel())
        return {"token": 2 * layers, "position": 2 * head.numel()}

    @torch.inference_mode()
    def extract(self, request):
        """h, the words' log-sum-exp and maximum, and the label's logit, at every labelled position; texts sorted by length."""
        self.model = self.model or load(self.path)
        head = self.model.get_output_embeddings().weight
        texts = sorted(request["texts"], key=lambda text: len(text["ids"]))
        size, positions = request["batch"], 0
        start = time.perf_counter()
        for i in range(0, len(texts), size):
            batch = texts[i : i + size]
            longest = max(len(text["ids"]) for text in batch)
            ids = torch.zeros(len(batch), longest, dtype=torch.long)
            mask = torch.zeros(len(batch), longest, dtype=torch.long)
            for row, text in enumerate(batch):
                ids[row, : len(text["ids"])] = torch.tensor(text["ids"])
                mask[row, : len(text["ids"])] = 1
            states = self.model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
            h = torch.cat([states[row, text["states"]] for row, text in enumerate(batch)])
            logits = h @ head.T
            torch.logsumexp(logits, dim=1)
            logits.max(dim=1)
            words = torch.tensor([word for text in batch for word in text["words"]])
            logits.gather(1, words[:, None])
            positions += len(h)
        return {"seconds": time.perf_counter() - start, "tokens": sum(len(t["ids"]) for t in texts), "positions": positions}

    def fit(self, request):
        """L-BFGS with PyTorch's own line search, until F is within the target; what F is at its points is computed off the clock."""
        h, a, b, tool = self.table(request["features"])
        n, tools, lam = len(h), request["tools"], request["lambda"]
        w = torch.zeros(tools, h.shape[1], requires_grad=True)
        label = tool.clamp(min=0)
        call = tool >= 0

        def objective(w, h, a, b):
            s = h @ w.T
            picked = torch.where(call, s.gather(1, label[:, None])[:, 0], b)
            return (torch.logaddexp(a, torch.logsumexp(s, 1)) - picked).mean() + lam * (w**2).sum()

        optimizer = torch.optim.LBFGS(
            [w], max_iter=1, max_eval=25, history_size=request["history"], tolerance_grad=0, tolerance_change=0,
            line_search_fn="strong_wolfe",
        )

        def closure():
            optimizer.zero_grad()
            # A sum, not a mean: PyTorch throws away every pair with s·y ≤ 1e-10.
            loss = n * objective(w, h, a, b)
            loss.backward()
            return loss

        h64, a64, b64 = h.double(), a.double(), b.double()
        spent, reached, best = 0.0, None, float("inf")
        while spent < request["at_most"]:
            start = time.perf_counter()
            for _ in range(5):
                optimizer.step(closure)
            spent += time.perf_counter() - start
            with torch.no_grad():
                best = min(best, float(objective(w.double(), h64, a64, b64)))
            if best <= request["target"]:
                reached = spent
                break
        return {"seconds": reached if reached is not None else spent, "reached": reached is not None, "objective": best}

    def table(self, path):
        if path not in self.features:
            parts = [load_file(part) for part in sorted(Path(path).glob("*.safetensors"))]
            column = lambda name: torch.from_numpy(np.concatenate([part[name] for part in parts]))
            tool = column("tool").long()
            label = torch.where(tool >= 0, torch.zeros(len(tool)), column("label_logit"))
            self.features[path] = (column("h"), column("log_sum_exp"), label, tool)
        return self.features[path]

    def loop(self, request):
        """The references' training loop: every example through the model in every epoch, one at a time, Adam on the tools' rows."""
        self.model = self.model or load(self.path)
        head = self.model.get_output_embeddings().weight.detach()
        rows = torch.nn.Parameter(torch.empty(request["tools"], head.shape[1]).uniform_(-0.04, 0.04))
        optimizer = torch.optim.Adam([rows], lr=1e-4)
        start = time.perf_counter()
        for text in request["texts"]:
            with torch.no_grad():
                states = self.model.model(input_ids=torch.tensor([text["ids"]]), use_cache=False).last_hidden_state
            h = states[0, text["states"]]
            logits = torch.cat([h @ head.T, h @ rows.T], 1)
            tool, word = torch.tensor(text["tools"]), torch.tensor(text["words"])
            labels = torch.where(tool >= 0, tool + len(head), word)
            loss = torch.nn.functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return {"seconds": time.perf_counter() - start, "examples": len(request["texts"])}


def main():
    side = Side(json.loads(sys.argv[1]))
    for line in sys.stdin:
        print(json.dumps(side.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
