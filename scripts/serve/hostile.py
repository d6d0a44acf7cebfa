"""Hostile requests against a running server: hostile.py URL MODEL --pid PID [--bodies 1500] [--seed 0] [--token T].

Bodies damaged at random, wrong types at every key, deep and huge JSON, half and slow requests, connections that say nothing. Every
complete request must be answered with a status that is no server's fault, and afterwards a plain request must have the answer that
it had before. Prints how often each status came."""
import argparse
import collections
import json
import random
import socket
import urllib.parse

import httpx

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("model")
parser.add_argument("--pid", type=int, required=True)
parser.add_argument("--bodies", type=int, default=1500)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--token", default="")
options = parser.parse_args()

headers = {"Content-Type": "application/json"} | ({"Authorization": "Bearer " + options.token} if options.token else {})
client = httpx.Client(base_url=options.url, timeout=120, headers=headers)
where = urllib.parse.urlsplit(options.url)
draw = random.Random(options.seed)
CHAT = "/v1/chat/completions"
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "", "parameters": {"type": "object"}}}
VALID = {
    "model": options.model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1, "stream": False, "tools": [TOOL],
    "tool_choice": "none", "temperature": 0.5, "top_p": 0.9, "seed": 3, "stop": ["x"], "logprobs": True, "top_logprobs": 2,
    "parallel_tool_calls": False, "response_format": {"type": "text"}, "stream_options": {"include_usage": True},
}
JUNK = [None, True, -1, 0, 1e308, 2**63, "", "x" * 5000, "\u0000\ud83d", [], [[]], {}, {"a": {"b": []}}, [None], "null", float("1e-300")]


def memory():
    for line in open(f"/proc/{options.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024


def plain():
    body = {"model": options.model, "messages": [{"role": "user", "content": "Good morning! How are you?"}], "max_tokens": 8}
    return client.post(CHAT, json=body).raise_for_status().json()["choices"][0]["message"]


def places(value, path=()):
    """Paths to every value inside."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    for key, inner in items:
        yield from places(inner, (*path, key))


def with_junk():
    """The valid body with one to three values, anywhere, that are something else."""
    body = json.loads(json.dumps(VALID))
    for _ in range(draw.randint(1, 3)):
        path = draw.choice([p for p in places(body) if p])
        inner = body
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = draw.choice(JUNK)
    body["max_tokens"] = body.get("max_tokens") if not isinstance(body.get("max_tokens"), (int, float)) else 1
    return json.dumps(body).encode("utf-8", "surrogatepass")


def damaged():
    """The valid body with bytes changed, cut, put in."""
    text = bytearray(json.dumps(VALID).encode())
    for _ in range(draw.randint(1, 5)):
        if not text:
            break
        at = draw.randrange(len(text))
        kind = draw.randrange(4)
        if kind == 0:
            text[at] = draw.randrange(256)
        elif kind == 1:
            del text[at : at + draw.randint(1, 40)]
        elif kind == 2:
            text[at:at] = bytes(draw.choice(b'{}[]":,\\0e') for _ in range(draw.randint(1, 9)))
        else:
            text = text[: max(1, at)]
    return bytes(text)


def raw(data, wait):
    """Sends bytes as they are; the status, or what became of the connection."""
    with socket.create_connection((where.hostname, where.port), timeout=wait) as stream:
        try:
            stream.sendall(data)
            first = stream.recv(64)
        except TimeoutError:
            return "no answer"
        except ConnectionError:
            return "closed"
        return first.split(b" ")[1].decode() if first.startswith(b"HTTP/") else "closed"


before, at_first = plain(), memory()
statuses = collections.Counter()
faults = []
for i in range(options.bodies):
    body = (with_junk, damaged)[i % 2]()
    route = CHAT if i % 5 else draw.choice(["/v1/completions", "/tokenize", "/packs/forty/examples", "/v1/models"])
    method = "PUT" if "packs" in route else "POST"
    status = client.request(method, route, content=body).status_code
    statuses[status] += 1
    if status >= 500:
        faults.append((status, route, body[:200]))
head = f"POST {CHAT} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items() if k != "Content-Type")
CASES = {
    "a body of 100 MB, announced": head + f"Content-Length: {100 << 20}\r\n\r\n" + "x" * (1 << 20),
    "a body of 3 MB": head + f"Content-Length: {3 << 20}\r\n\r\n" + "x" * (3 << 20),
    "half a body": head + "Content-Length: 1000\r\n\r\n{\"messages\": [",
    "half a head": "POST /v1/chat/comp",
    "chunks that are none": head + "Transfer-Encoding: chunked\r\n\r\nzz\r\nnonsense",
    "two lengths": head + "Content-Length: 2\r\nContent-Length: 30\r\n\r\n{}",
    "a head of 1 MB": "GET /health HTTP/1.1\r\nHost: x\r\nX: " + "y" * (1 << 20) + "\r\n\r\n",
    "100,000 brackets": head + "Content-Length: 100000\r\n\r\n" + "[" * 100000,
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "another host": "GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
}
for name, text in CASES.items():
    status = raw(text.encode("latin-1"), 40)
    print(f"  {name}: {status}")
    if status == "no answer" or status.startswith("5"):
        faults.append((status, name))
silent = [socket.create_connection((where.hostname, where.port)) for _ in range(200)]
assert client.get("/health").status_code == 200, "200 silent connections shut nobody out"
for connection in silent:
    connection.close()
print(f"{options.bodies} bodies:", ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items())))
assert plain() == before, "a plain request has the answer that it had"
print(f"the server answers as before; memory {at_first} -> {memory()} MB")
if faults:
    print(len(faults), "faults, the first:", faults[0])
    raise SystemExit(1)
