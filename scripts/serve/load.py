"""Many clients at once, some of which leave: load.py URL MODEL --pid PID [--clients 64] [--seconds 300] [--token T].

Every answer that comes whole must be the one that the same request has when it is asked alone. Prints counts, percentiles of
latency and the server's memory; ends with an error if an answer was lost or mixed."""
import argparse
import asyncio
import json
import random
import time

import httpx

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("model")
parser.add_argument("--pid", type=int, required=True, help="the server's process, whose memory is watched")
parser.add_argument("--clients", type=int, default=64)
parser.add_argument("--seconds", type=float, default=300)
parser.add_argument("--tokens", type=int, default=40)
parser.add_argument("--token", default="")
options = parser.parse_args()

ASKED = [f"{a} {b}?" for a in ["What is the weather in", "How many people live in", "Play music from", "Remind me to call"] for b in ["Oslo", "Lima", "Cairo", "Perth"]]
counts = {"whole": 0, "streamed": 0, "left": 0, "429": 0}
faults, latencies, first_tokens = [], [], []


def body(text, stream):
    return {"model": options.model, "messages": [{"role": "user", "content": text}], "max_tokens": options.tokens, "stream": stream, "toolken": {"all_tools": True}}


def memory():
    for line in open(f"/proc/{options.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def said(message):
    return (message.get("content") or "", [(c["function"]["name"], c["function"]["arguments"]) for c in message.get("tool_calls") or []])


async def whole(client, text):
    response = await client.post("/v1/chat/completions", json=body(text, False))
    if response.status_code == 429:
        return response
    response.raise_for_status()
    return said(response.json()["choices"][0]["message"])


async def streamed(client, text, leave_after):
    """The answer, or None where this client left before its end."""
    started = time.monotonic()
    content, calls, ended = "", {}, False
    async with client.stream("POST", "/v1/chat/completions", json=body(text, True)) as response:
        if response.status_code == 429:
            return response
        response.raise_for_status()
        async for line in response.aiter_lines():
            if leave_after is not None and time.monotonic() - started > leave_after:
                return None
            if not line.startswith("data: "):
                continue
            if line == "data: [DONE]":
                ended = True
                break
            chunk = json.loads(line[6:])
            for choice in chunk["choices"]:
                delta = choice["delta"]
                if not content and not calls and (delta.get("content") or delta.get("tool_calls")):
                    first_tokens.append(time.monotonic() - started)
                content += delta.get("content") or ""
                for part in delta.get("tool_calls") or []:
                    name, arguments = calls.get(part["index"], ("", ""))
                    function = part["function"]
                    calls[part["index"]] = (name + function.get("name", ""), arguments + function.get("arguments", ""))
    if not ended:
        faults.append(("a stream without its end", text))
    return content, [calls[i] for i in sorted(calls)]


async def person(number, client, expected, until):
    draw = random.Random(number)
    while time.monotonic() < until:
        text = draw.choice(ASKED)
        kind = draw.choice(["whole", "streamed", "left"])
        started = time.monotonic()
        try:
            if kind == "whole":
                answer = await whole(client, text)
            else:
                answer = await streamed(client, text, draw.uniform(0, 3) if kind == "left" else None)
        except httpx.HTTPError as error:
            faults.append((kind, text, repr(error)))
            continue
        if isinstance(answer, httpx.Response):
            counts["429"] += 1
            await asyncio.sleep(float(answer.headers["Retry-After"]) * draw.uniform(1, 2))
        elif answer is None:
            counts["left"] += 1
        else:
            counts["streamed" if kind == "left" else kind] += 1
            latencies.append(time.monotonic() - started)
            if answer != expected[text]:
                faults.append(("another answer", text, answer, expected[text]))


def percentiles(name, values):
    values = sorted(values)
    at = lambda share: values[min(len(values) - 1, int(share * len(values)))]
    if values:
        print(f"{name}: p50 {at(.5):.2f} s, p90 {at(.9):.2f} s, p99 {at(.99):.2f} s, longest {values[-1]:.2f} s")


async def main():
    headers = {"Authorization": "Bearer " + options.token} if options.token else {}
    limits = httpx.Limits(max_connections=options.clients + 4, max_keepalive_connections=options.clients)
    async with httpx.AsyncClient(base_url=options.url, timeout=300, limits=limits, headers=headers) as client:
        expected = {text: await whole(client, text) for text in ASKED}
        print(f"{len(expected)} requests asked alone; memory {memory():.0f} MB")
        begun = time.monotonic()
        until = begun + options.seconds
        people = [asyncio.create_task(person(i, client, expected, until)) for i in range(options.clients)]
        watched = []
        while time.monotonic() < until:
            await asyncio.sleep(options.seconds / 10)
            watched.append(memory())
            print(f"  {time.monotonic() - begun:4.0f} s: {counts}, memory {watched[-1]:.0f} MB", flush=True)
        await asyncio.gather(*people)
        print(f"{options.clients} clients, {options.seconds:.0f} s: {counts}")
        percentiles("whole answers", latencies)
        percentiles("first token", first_tokens)
        print("memory along the way, MB:", " ".join(f"{x:.0f}" for x in watched))
        if faults:
            print(len(faults), "faults, the first:", faults[0])
            raise SystemExit(1)
        print("no answer lost or mixed")


asyncio.run(main())
