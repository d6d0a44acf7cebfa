"""The figures of `toolken pack eval … --json` in a line: figures.py NAME DECIDED.jsonl. Wilson's 95 % intervals."""
import json
import math
import sys

name, path = sys.argv[1:]
lines = [json.loads(line) for line in open(path)]
decided = [line for line in lines if "user" in line]


def share(hits, of):
    if not of:
        return "–"
    z, p = 1.96, hits / of
    middle, half = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    low, high = (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)
    return f"{hits} of {of} ({100 * p:.1f} % [{100 * low:.1f}, {100 * high:.1f}])"


right = [d for d in decided if d["called"] == d.get("tool")]
none = [d for d in decided if d.get("tool") is None]
mean = lambda key: sum(d[key] for d in decided) / max(1, len(decided))
print(f"{name}: right tool or rightly none {share(len(right), len(decided))}; called where none is wanted {share(sum(d['called'] is not None for d in none), len(none))}; {mean('prompt_tokens'):.0f} prompt tokens, {mean('read_tokens'):.0f} of them read, {mean('decision_seconds'):.2f} s a decision, {mean('seconds'):.2f} s with arguments")
if arguments := lines[-1].get("figures", {}).get("arguments"):
    hits = lambda key: share(round(arguments[key] * arguments["messages"]), arguments["messages"])
    print(f"{name}: right tool with exactly the arguments wanted {hits('exact')}; with these, whatever else was filled in {hits('values')}")
