"""Growth of time and memory, with positions, tools and width: what `just growth` runs.

Every series changes one of them by factors. Its exponent is the slope of a line through the logarithms, by least squares, of the
larger half of its points, since small ones measure what does not grow. The projection multiplies the largest measured point up by
those exponents; it says what it takes for granted.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import statistics
import types

import matplotlib
import numpy as np

from bench import TEXT, side

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

MEBIBYTE = 1 << 20


@dataclasses.dataclass
class Series:
    title: str
    axis: str
    side: str
    xs: list[int]
    request: object  # of x
    model: str = "smollm2-135m"
    seconds: object = lambda answer: answer["seconds"]


def all_series(ids):
    def grown(**changed):
        return {"measure": "grown", "positions": 20_000, "tools": 30, "width": 576, "lambda": 1e-3} | changed

    return [
        Series("extraction, by texts", "texts", "learn", [50, 100, 200, 400, 800], lambda n: {"measure": "extract", "texts": n}),
        Series("fit, by positions", "positions", "learn", [10_000, 20_000, 40_000, 80_000, 160_000], lambda n: grown(positions=n)),
        Series("fit, by tools", "tools", "learn", [10, 30, 100, 300, 1000], lambda n: grown(tools=n, positions=60_000)),
        Series("fit, by width", "width", "learn", [256, 512, 1024, 2048, 4096], lambda n: grown(width=n)),
        Series("tools' scores in a step", "tools", "cpu-packed", [10, 100, 1000, 5000, 20_000],
               lambda n: {"measure": "head", "ids": ids[:64], "tools": n, "tokens": 16}, seconds=lambda answer: answer["scoring"]),
        Series("a decoded token, by what stands before it", "tokens", "cpu-packed", [64, 128, 256, 512, 1024],
               lambda n: {"measure": "decode", "ids": (ids * 4)[:n], "tokens": 16}, seconds=lambda answer: answer["seconds"] / 16),
    ]


def exponent(xs, ys):
    half = len(xs) // 2
    return float(np.polyfit(np.log(xs[half:]), np.log(ys[half:]), 1)[0])


def projection(kept, positions=1_000_000, tools=47_000, width=4096, parameters=8.0e9):
    """From the largest points measured to a large model, by the exponents; nothing of it is measured."""
    by = {series["series"]: series for series in kept}
    last = lambda title: (by[title]["x"][-1], by[title]["seconds"][-1], by[title]["exponent"])
    (n, fit, in_positions), (_, _, in_tools), (_, _, in_width) = map(last, ("fit, by positions", "fit, by tools", "fit, by width"))
    fit *= (positions / n) ** in_positions * (tools / 30) ** in_tools * (width / 576) ** in_width
    texts = by["extraction, by texts"]
    rate = texts["answers"][-1][-1]["tokens"] / texts["seconds"][-1]
    scored, scoring, in_scored = last("tools' scores in a step")
    scoring *= (tools / scored) ** in_scored * width / 576
    print(f"""
Projected to {parameters / 1e9:g} B parameters of width {width:,}, {tools:,} tools, {positions:,} positions, on this machine:
  extraction {positions / (rate * 134.5e6 / parameters) / 3600:.0f} h, if every text position is labelled and time goes with parameters (attention left out);
  features {positions * width * 4 / 2**30:.1f} GiB on disk, the head {tools * width * 4 / 2**30:.2f} GiB, its 8-bit rows {tools * width / 2**30:.2f} GiB;
  a fit {fit / 3600:.1f} h, if its exponents hold so far out, in all three at once;
  the tools' scores {1000 * scoring:.0f} ms of a step, if they stay as screened by the 8-bit rows as here (random rows).""")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="a folder for growth.svg and growth.json")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", action="append", help="series whose title starts so")
    options = parser.parse_args()
    started = {}
    setup = types.SimpleNamespace(threads=options.threads, training="arithmetic", data=None, limit=None)

    def ask(name, model, request):
        if (name, model) not in started:
            started[name, model] = side(name, model, setup)
        return started[name, model].ask(request)

    ids = ask("cpu-packed", "smollm2-135m", {"measure": "tokens", "text": TEXT})["ids"]
    chosen = [s for s in all_series(ids) if not options.only or any(s.title.startswith(only) for only in options.only)]
    figure, axes = plt.subplots(len(chosen), 2, figsize=(9, 2.6 * len(chosen)), squeeze=False)
    kept = []
    for series, (left, right) in zip(chosen, axes):
        answers = [[ask(series.side, series.model, series.request(x)) for _ in range(options.rounds)] for x in series.xs]
        times = [statistics.median(series.seconds(a) for a in each) for each in answers]
        memory = [statistics.median(a["memory"] / MEBIBYTE for a in each) if each[0].get("memory") else None for each in answers]
        slope = exponent(series.xs, times)
        print(f"{series.title:42} time ~ {series.axis}^{slope:.2f}")
        for x, seconds, grown in zip(series.xs, times, memory):
            print(f"{series.axis:>20} {x:>9,} {seconds:12.4g} s" + (f" {grown:10.0f} MiB" if grown else ""), flush=True)
        kept.append({"series": series.title, "model": series.model, "axis": series.axis, "x": series.xs, "seconds": times,
                     "mebibytes": memory, "exponent": slope, "answers": answers})
        left.loglog(series.xs, times, "o-")
        left.set(title=f"{series.title}: exponent {slope:.2f}", xlabel=series.axis, ylabel="s")
        if all(memory):
            right.loglog(series.xs, memory, "o-")
            right.set(xlabel=series.axis, ylabel="MiB more at the peak")
        else:
            right.axis("off")
    figure.tight_layout()
    options.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out / "growth.svg")
    machine = {"machine": platform.processor() or platform.machine(), "threads": options.threads, "series": kept}
    (options.out / "growth.json").write_text(json.dumps(machine))
    if len(kept) == len(all_series(ids)):
        projection(kept)
    for process in started.values():
        process.close()


if __name__ == "__main__":
    main()
