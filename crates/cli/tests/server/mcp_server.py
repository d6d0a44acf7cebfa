"""An MCP server over standard input and output whose tools misbehave in every way that a test asks for."""
import json
import os
import sys
import time

SCHEMA = {"type": "object", "properties": {"zone": {"enum": ["UTC", "CET"]}}, "required": ["zone"]}
NAMES = ["fine", "says_no", "hangs", "crashes", "huge", "endless", "garbage", "environment"]


def answer(id, **result):
    print(json.dumps({"jsonrpc": "2.0", "id": id, **result}), flush=True)


def text(id, text, failed=False):
    answer(id, result={"content": [{"type": "text", "text": text}], "isError": failed})


for line in sys.stdin:
    message = json.loads(line)
    method, id = message.get("method"), message.get("id")
    if method == "initialize":
        answer(id, result={"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "test", "version": "1"}})
    elif method == "tools/list":
        answer(id, result={"tools": [{"name": name, "description": f"It {name}.", "inputSchema": SCHEMA} for name in NAMES]})
    elif method == "tools/call":
        name, arguments = message["params"]["name"], message["params"]["arguments"]
        if name == "fine":
            text(id, "it is noon in " + arguments["zone"])
        elif name == "says_no":
            text(id, "there is no such zone", failed=True)
        elif name == "hangs":
            time.sleep(60)
        elif name == "crashes":
            os._exit(3)
        elif name == "huge":
            text(id, "x" * 3_000_000)
        elif name == "endless":
            text(id, "x" * 9_000_000)
        elif name == "garbage":
            print("Segmentation fault\n{\"jsonrpc\": 2, \x00", flush=True)
        elif name == "environment":
            text(id, ",".join(sorted(os.environ)))
    elif id is not None:
        answer(id, error={"code": -32601, "message": "no such method"})
