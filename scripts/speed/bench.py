"""Speed, ours and the peers', measured in turn: what scripts/bench runs.

A comparison is a value: some runs, each a side (a process that has loaded a model) and a request to it, and figures made of
their medians. Every round makes each run once, so that what else the machine does falls on all alike.
"""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODELS = {
    "smollm2-135m": "smollm2-135m-instruct-q4_1.gguf",
    "qwen2.5-coder-0.5b": "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
}
# Text of our own, long enough for a prompt of a few hundred tokens.
TEXT = " ".join(
    f"Question: A shop sells {n} boxes of {n + 7} apples and {3 * n} pears each morning. How many pieces of fruit is that in"
    f" {n % 5 + 2} days? Answer: Each morning it sells {n * (n + 7)} apples and {3 * n} pears."
    for n in range(11, 40)
)


@dataclasses.dataclass
class Run:
    """One thing to be timed."""

    label: str
    side: str  # which process: ours or a peer's
    request: dict
    value: Callable[[dict], float]  # of its answer
    unit: str


@dataclasses.dataclass
class Figure:
    """What is made of the medians, by label, and what it should be."""

    label: str
    of: Callable[[dict], float]
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value):
        if self.at_least is not None:
            return value >= self.at_least
        return value <= self.at_most if self.at_most is not None else None

    def wanted(self):
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return f"≤ {self.at_most:g}" if self.at_most is not None else ""


@dataclasses.dataclass
class Comparison:
    name: str
    runs: list[Run]
    figures: list[Figure]
    once: bool = False  # no timing: one round is enough
    note: Callable[[dict], str] | None = None  # what else the last answer says


class Side:
    """A process that answers lines."""

    def __init__(self, command, env=None):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env)

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"scripts/bench: {self.process.args[0]} ended with code {self.process.wait()} at {str(request)[:200]}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def side(name, model, options):
    """Starts a side: a peer, `learn`, or one of our engines by its device."""
    env = os.environ | {"RAYON_NUM_THREADS": str(options.threads)}
    models = pathlib.Path(os.environ.get("TOOLKEN_MODELS", pathlib.Path.home() / ".cache/toolken/models"))
    peer = {"path": str(models / MODELS[model]), "threads": options.threads}
    examples = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/examples"
    if name == "llama.cpp":
        script = [sys.executable, str(ROOT / "scripts/speed/llama.py")]
        # Its AMX path does not run on every machine that says it has AMX: tried in a process of its own.
        trial = json.dumps({"measure": "decode", "ids": [1, 2, 3], "tokens": 1})
        setup = json.dumps(peer | {"extra": True})
        tried = subprocess.run([*script, setup], input=trial, capture_output=True, text=True, env=env)
        if tried.returncode != 0:
            print(f"llama.cpp with weights repacked ended with code {tried.returncode}: run without", file=sys.stderr)
        return Side([*script, json.dumps(peer | {"extra": tried.returncode == 0})], env)
    if name == "bare":
        return Side([str(examples / "bare_llama"), json.dumps(peer)], env)
    if name == "pytorch":
        python = subprocess.run([ROOT / "scripts/python"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        return Side([python, str(ROOT / "scripts/speed/pytorch.py"), json.dumps(peer)], env)
    if name == "learn":
        training = {"training": options.training, "data": options.data and str(options.data), "limit": options.limit}
        return Side([str(examples / "learn"), json.dumps({"model": model} | training)], env)
    return Side([str(examples / "side"), json.dumps({"model": model, "device": name})], env)


def rate(answer):
    return answer["tokens"] / answer["seconds"]


def seconds(answer):
    return answer["seconds"]


def comparisons(sides, ids, options):
    """All comparisons of one model; `ids` are the ids of TEXT."""
    ours, tokens = options.device, options.tokens
    prompt = ids[:128]
    decode = {"measure": "decode", "ids": prompt, "tokens": tokens}
    batch = {"measure": "batch", "ids": prompt, "rows": 16, "tokens": max(tokens // 4, 8)}
    prefill = {"measure": "prefill", "ids": ids[:512]}
    per_second = "tokens/s"
    # Llama.cpp as our engine is measured against the same build of it by itself.
    peer, least = ("bare", 0.95) if ours.startswith("llama") else ("llama.cpp", 0.7)
    yield Comparison(
        "decode",
        [Run("ours", ours, decode, rate, per_second), Run("llama.cpp", peer, decode, rate, per_second)],
        [Figure("ours / llama.cpp", lambda m: m["ours"] / m["llama.cpp"], at_least=least)],
    )
    yield Comparison(
        "batch",
        [
            Run("ours, 16 rows", ours, batch, rate, per_second),
            Run("ours, one row", ours, decode, rate, per_second),
            Run("llama.cpp, 16 rows", peer, batch, rate, per_second),
        ],
        [
            Figure("16 rows / one row", lambda m: m["ours, 16 rows"] / m["ours, one row"], at_least=3),
            Figure("ours / llama.cpp", lambda m: m["ours, 16 rows"] / m["llama.cpp, 16 rows"]),
        ],
    )
    yield Comparison(
        "prefill",
        [
            Run("ours", ours, prefill, rate, per_second),
            Run("ours, f32", "cpu", prefill, rate, per_second),
            Run("llama.cpp", peer, prefill, rate, per_second),
        ],
        [Figure("ours / llama.cpp", lambda m: m["ours"] / m["llama.cpp"])],
    )
    heads = [(tools, {"measure": "head", "ids": prompt, "tools": tools, "tokens": 32}) for tools in (234, 20_000)]
    yield Comparison(
        "head",
        [
            Run(f"scores of {tools} tools, share of a step", ours, request, lambda a: a["scoring"] / a["step"], "")
            for tools, request in heads
        ],
        [
            Figure(f"{tools} tools", lambda m, t=tools: m[f"scores of {t} tools, share of a step"], at_most=most)
            for (tools, _), most in zip(heads, (0.02, 0.15))
        ],
    )
    yield from choosing(ours, options)
    yield from agreeing(ours, options)
    if not options.only or {"extract", "loop"} & set(options.only):
        yield from extracting(sides)
    if not options.only or {"fit", "path"} & set(options.only):
        yield from fitting(sides, options)


def extracting(sides):
    """From texts to features; and the references' loop, which runs the model over every text in every epoch."""
    texts = sides("learn").ask({"measure": "texts"})
    examples, tools = texts["texts"], texts["tools"]
    tokens = sum(len(text["ids"]) for text in examples)
    positions = sum(len(text["states"]) for text in examples)
    operations = sides("pytorch").ask({"measure": "operations"})
    needed = operations["token"] + operations["position"] * positions / tokens  # a token; attention's own not counted
    probe = lambda size: {"measure": "extract", "texts": examples[: min(len(examples), 64)], "batch": size}
    size = max((1, 2, 4, 8, 16, 32), key=lambda size: rate(sides("pytorch").ask(probe(size))))
    product = {"measure": "product", "size": 2048}
    flops = lambda answer: answer["flops"] / answer["seconds"]
    yield Comparison(
        "extract",
        [
            Run("ours, text to store", "learn", {"measure": "extract"}, rate, "tokens/s"),
            Run(f"PyTorch, batches of {size}", "pytorch", {"measure": "extract", "texts": examples, "batch": size}, rate,
                "tokens/s"),
            Run("product, ours", "learn", product, flops, "FLOP/s"),
            Run("product, PyTorch", "pytorch", product, flops, "FLOP/s"),
        ],
        [
            Figure("ours / PyTorch", lambda m: m["ours, text to store"] / m[f"PyTorch, batches of {size}"], at_least=1.2),
            Figure(
                "ours / what a large product allows",
                lambda m: m["ours, text to store"] * needed / max(m["product, ours"], m["product, PyTorch"]),
                at_least=0.8,
            ),
        ],
    )
    loop = {"measure": "loop", "texts": examples[:200], "tools": tools}
    epochs = 10 * len(examples) / min(200, len(examples))
    yield Comparison(
        "loop",
        [
            Run("references' loop, ten epochs", "pytorch", loop, lambda answer: answer["seconds"] * epochs, "s"),
            Run("extraction", "learn", {"measure": "extract"}, seconds, "s"),
            Run("λ chosen among eight in five folds, and a fit", "learn", {"measure": "path"}, seconds, "s"),
        ],
        [
            Figure(
                "one loop / (extraction and a head with the λ chosen)",
                lambda m: m["references' loop, ten epochs"]
                / (m["extraction"] + m["λ chosen among eight in five folds, and a fit"]),
            ),
            Figure(
                "41 loops / the same",
                lambda m: 41 * m["references' loop, ten epochs"]
                / (m["extraction"] + m["λ chosen among eight in five folds, and a fit"]),
            ),
        ],
    )


def fitting(sides, options):
    """From features to a head: time until F is within 1e-6 of its minimum, both sides by the same rule."""
    made = sides("learn").ask({"measure": "features"})
    optimum = sides("learn").ask({"measure": "optimum", "lambda": options.penalty})["objective"]
    goal = {"lambda": options.penalty, "target": optimum * (1 + 1e-6)}
    peer = lambda history: {
        "measure": "fit", "features": made["features"], "tools": made["tools"], "history": history,
        "at_most": options.at_most} | goal
    tried = {history: sides("pytorch").ask(peer(history)) for history in (10, 20, 50)}
    # The quickest that comes within the target; if none does, the one that comes closest.
    rank = lambda answer: (not answer["reached"], answer["seconds"] if answer["reached"] else answer["objective"])
    best = min(tried, key=lambda history: rank(tried[history]))
    for history, answer in tried.items():
        excess = answer["objective"] / optimum - 1
        print(f"L-BFGS, history {history}: F/F* - 1 = {excess:.1e} after {answer['seconds']:.1f} s", file=sys.stderr)
    label = f"L-BFGS, history {best}" + ("" if tried[best]["reached"] else ", stopped before F* (1 + 1e-6)")
    yield Comparison(
        "fit",
        [
            Run("exact", "learn", {"measure": "fit"} | goal, seconds, "s"),
            Run(label, "pytorch", peer(best), seconds, "s"),
        ],
        [Figure("exact / the best L-BFGS", lambda m: m["exact"] / m[label], at_most=1 / 3)],
    )
    yield Comparison(
        "path",
        [
            Run("eight λ, five folds", "learn", {"measure": "path"}, seconds, "s"),
            Run("one fit", "learn", {"measure": "once", "lambda": options.penalty}, seconds, "s"),
        ],
        [Figure("path / one fit", lambda m: m["eight λ, five folds"] / m["one fit"], at_most=12)],
    )


def choosing(ours, options):
    """From a question to a tool among 234: a row a tool, against every tool in the prompt."""
    path = options.data and options.data / "toolkengpt/kamel/api_desc.json"
    if path and path.exists():
        described = list(json.loads(path.read_text()).values())
    else:
        described = [f"relation_{n}(title): gets the value of relation number {n} of an entity" for n in range(234)]
    listing = "These functions are available:\n" + "\n".join(described[:234]) + "\n"
    question = "Question: What is the highest mountain of the country where the Loire flows?"
    head = {"measure": "choose-by-head", "prompt": f"{question}\nAnswer: The answer is", "tools": 234}
    listed = {"measure": "choose-in-prompt", "listing": listing, "prompt": f"{question}\nFunction: ", "warm": False}
    yield Comparison(
        "choose",
        [
            Run("a row a tool", ours, head, seconds, "s"),
            Run("all in the prompt, cold", ours, listed, seconds, "s"),
            Run("all in the prompt, warm", ours, listed | {"warm": True}, seconds, "s"),
            Run("prompt tokens, a row a tool", ours, head, lambda a: a["prompt"], "tokens"),
            Run("prompt tokens, all in the prompt", ours, listed | {"warm": True}, lambda a: a["prompt"], "tokens"),
        ],
        [
            Figure("cold / a row a tool", lambda m: m["all in the prompt, cold"] / m["a row a tool"], at_least=50),
            Figure("warm / a row a tool", lambda m: m["all in the prompt, warm"] / m["a row a tool"]),
        ],
    )


def agreeing(ours, options):
    """Greedy decisions, teacher-forced, against f32."""
    path = options.data and options.data / "toolkengpt/funcqa/train.json"
    texts = TEXT.split("Question: ")[1:]
    if path and path.exists():
        texts = [example["text"] for example in json.loads(path.read_text())]

    def said(answer):
        margins = " ".join(f"{m:.4f}" for m in answer["margins"]) or "none"
        tools = answer["with tools"]
        with_tools = f"; of words and tools {tools['decisions']}, of the best tool {tools['best tool']}" if tools else ""
        return (f"{answer['equal']} of {answer['positions']} positions{with_tools}; h off by at most"
                f" {answer['largest error of h']:.2e}; f32's margins at the others: {margins}")

    request = {"measure": "agreement", "texts": texts[: options.texts], "other": "cpu"}
    if options.head:
        request["head"] = str(options.head)
    yield Comparison(
        "agreement",
        [Run("share of positions", ours, request, lambda a: a["equal"] / a["positions"], "")],
        [Figure("equal to f32", lambda m: m["share of positions"], at_least=0.99)],
        once=True,
        note=said,
    )


def run(comparison, sides, rounds):
    """Medians by label, and all answers."""
    values, answers = {r.label: [] for r in comparison.runs}, []
    for r in comparison.runs if not comparison.once else []:
        sides(r.side).ask(r.request)  # once untimed: caches, threads, memory
    for _ in range(1 if comparison.once else rounds):
        for r in comparison.runs:
            answer = sides(r.side).ask(r.request)
            answers.append({"run": r.label, "answer": answer})
            values[r.label].append(r.value(answer))
    return {label: statistics.median(v) for label, v in values.items()}, values, answers


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=MODELS, action="append", help="default: all")
    parser.add_argument("--only", action="append", help="decode, batch, prefill, head, choose, agreement, extract, fit, path or loop; default: all")
    parser.add_argument("--device", default="cpu-packed", help="our engine")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=128, help="tokens that are decoded in a run")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--data", type=pathlib.Path, help="the folder that holds toolkengpt/; without it, texts of our own")
    parser.add_argument("--texts", type=int, default=60, help="texts of `agreement`")
    parser.add_argument("--head", type=pathlib.Path, help="a head for `agreement`: decisions with tools too")
    parser.add_argument("--training", default="arithmetic", help="what is learned from: arithmetic, funcqa, gsm8k, kamel-30 to kamel-234, …")
    parser.add_argument("--limit", type=int, help="its examples at most, a seeded sample")
    parser.add_argument("--penalty", type=float, default=1e-4, help="λ of the fits")
    parser.add_argument("--at-most", type=float, default=120, help="seconds of PyTorch's L-BFGS, which may not come within the target")
    parser.add_argument("--out", type=pathlib.Path, help="a file that a JSON line a comparison is appended to")
    options = parser.parse_args()
    machine = {"machine": platform.processor() or platform.machine(), "threads": options.threads,
               "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")}
    fails = 0
    for model in options.model or MODELS:
        started = {}

        def sides(name):
            if name not in started:
                started[name] = side(name, model, options)
            return started[name]

        ids = sides(options.device).ask({"measure": "tokens", "text": TEXT})["ids"]
        for comparison in comparisons(sides, ids, options):
            if options.only and comparison.name not in options.only:
                continue
            medians, values, answers = run(comparison, sides, options.rounds)
            for r in comparison.runs:
                spread = f"[{min(values[r.label]):.4g}, {max(values[r.label]):.4g}]"
                print(f"{model:20} {comparison.name:10} {r.label:40} {medians[r.label]:10.4g} {r.unit:9} {spread}")
            figures = []
            for figure in comparison.figures:
                value = figure.of(medians)
                holds = figure.holds(value)
                fails += holds is False
                mark = {True: "holds", False: "DOES NOT HOLD", None: ""}[holds]
                print(f"{model:20} {comparison.name:10} {figure.label:40} {value:10.4g} {figure.wanted():9} {mark}", flush=True)
                figures.append({"figure": figure.label, "value": value, "wanted": figure.wanted(), "holds": holds})
            if comparison.note:
                print(f"{model:20} {comparison.name:10} {comparison.note(answers[-1]['answer'])}", flush=True)
            if options.out:
                line = machine | {"model": model, "comparison": comparison.name, "figures": figures, "medians": medians,
                                  "values": values, "answers": answers if comparison.once else None}
                with options.out.open("a") as file:
                    file.write(json.dumps(line) + "\n")
        for process in started.values():
            process.close()
    sys.exit(1 if fails else 0)


if __name__ == "__main__":
    main()
