"""Real MCP servers through the model: mcp_check.py URL MODEL REPOSITORY [TOKEN].

The server has a pack with the tools of mcp-server-time, -git, -sqlite and -fetch and runs all of them. For every message below the
model chooses the tool and writes its arguments, the server runs it over MCP, and what comes back is checked against what is known
to be true. Prints every call; ends with an error if a server was never reached."""
import datetime
import http.server
import json
import re
import sys
import threading
import zoneinfo

import httpx

url, model, repository = sys.argv[1:4]
headers = {"Authorization": "Bearer " + sys.argv[4]} if len(sys.argv) > 4 else {}
client = httpx.Client(base_url=url, timeout=300, headers=headers)


class Page(http.server.BaseHTTPRequestHandler):
    """The page that is fetched; robots may."""

    def do_GET(self):
        text = b"User-agent: *\nAllow: /\n" if self.path == "/robots.txt" else b"<html><body><p>The heron stood in the reeds.</p></body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain" if self.path == "/robots.txt" else "text/html")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=pages.serve_forever, daemon=True).start()


def hour(zone):
    return datetime.datetime.now(zoneinfo.ZoneInfo(zone)).strftime("T%H:")


# server, message, tool, what its result holds if the call was right
ASKED = [
    ("time", "What time is it in Tokyo right now?", "get_current_time", lambda: hour("Asia/Tokyo")),
    ("sqlite", "Make a new table: CREATE TABLE birds (id INTEGER, name TEXT, count INTEGER)", "create_table", lambda: "success"),
    ("sqlite", "What tables do we have?", "list_tables", lambda: "birds"),
    ("sqlite", "What fields are in the birds table?", "describe_table", lambda: "INTEGER"),
    ("git", f"Show me the status of the repository at {repository}.", "git_status", lambda: "On branch"),
    ("git", f"Show all branches of {repository}.", "git_branch", lambda: "m"),
    ("fetch", f"Fetch http://127.0.0.1:{pages.server_port}/birds.html.", "fetch", lambda: "heron"),
]
reached, right = {}, 0
for server, message, tool, expected in ASKED:
    body = {"model": model, "messages": [{"role": "user", "content": message}], "max_tokens": 200, "parallel_tool_calls": False, "toolken": {"trace": True}}
    response = client.post("/v1/chat/completions", json=body)
    response.raise_for_status()
    answer = response.json()
    ran = answer["toolken"]["ran"]
    call = ran[0] if ran else {"tool": None, "arguments": "", "result": "", "failed": True}
    said = answer["choices"][0]["message"]["content"] or ""
    good = call["tool"] == tool and not call["failed"] and expected() in call["result"]
    right += good
    reached[server] = reached.get(server, False) or (call["tool"] == tool and not call["failed"])
    result = re.sub(r"\s+", " ", call["result"])[:90]
    print(f"{'right' if good else 'WRONG'}: {message}\n    {call['tool']} {call['arguments']} -> {result}\n    answer: {said[:120]!r}")
    assert not ran or json.loads(call["arguments"]) is not None
print(f"{right} of {len(ASKED)} calls gave what was asked for; servers reached: {', '.join(sorted(s for s, hit in reached.items() if hit))}")
missing = [server for server, hit in reached.items() if not hit]
assert not missing, f"never reached: {missing}"
