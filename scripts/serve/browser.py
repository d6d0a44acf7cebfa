"""A visit to the playground in headless Chromium: browser.py URL FOLDER [--message TEXT --tool NAME] [--width 1280].

Clicks and types its way through a conversation that calls a tool, teaches an example, looks at a pack and edits its examples, and
puts screenshots in light and dark into FOLDER. Fails on an error in the page's console, on a request to anywhere else, and where something that
should be seen is not. Needs `chromium` and the Python package `websockets`."""
import argparse
import asyncio
import base64
import json
import pathlib
import subprocess
import tempfile
import time
import urllib.request

import websockets

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--message", default="What's the weather like in Bergen today?")
parser.add_argument("--tool", default="get_weather")
parser.add_argument("--plain", default="Good morning! How are you?", help="a message that wants no tool; by default one of the shipped talk, since this checks the page and not the head")
parser.add_argument("--executed", help="a message whose tool the server runs itself")
parser.add_argument("--width", type=int, default=1280)
options = parser.parse_args()


class Page:
    """A tab, by Chromium's DevTools protocol."""

    def __init__(self, socket):
        self.socket, self.next, self.waiting, self.problems, self.requests = socket, 0, {}, [], []
        self.reader = asyncio.create_task(self.read())

    async def read(self):
        async for text in self.socket:
            message = json.loads(text)
            if "id" in message:
                self.waiting.pop(message["id"]).set_result(message)
                continue
            params = message.get("params", {})
            if message["method"] == "Runtime.exceptionThrown":
                self.problems.append(params["exceptionDetails"].get("exception", {}).get("description") or str(params))
            if message["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
                self.problems.append(params["entry"]["text"])
            if message["method"] == "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])

    async def send(self, method, **params):
        self.next += 1
        future = self.waiting[self.next] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps({"id": self.next, "method": method, "params": params}))
        answer = await asyncio.wait_for(future, 120)
        assert "error" not in answer, (method, answer)
        return answer["result"]

    async def js(self, expression):
        result = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, (expression, result["exceptionDetails"])
        return result["result"].get("value")

    async def until(self, expression, seconds=180):
        end = time.monotonic() + seconds
        while not await self.js(expression):
            assert time.monotonic() < end, f"never true: {expression}; problem: {await self.js('document.body.innerText')}"
            await asyncio.sleep(0.1)

    async def key(self, key, code=None, text=None):
        codes = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowRight": 39, "/": 191}
        common = dict(key=key, code=code or key, windowsVirtualKeyCode=codes[key])
        await self.send("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
        await self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    async def click(self, selector):
        box = await self.js(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()")
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    async def shot(self, name):
        wide = await self.js("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name}: the page is {wide} pixels wider than its window"
        for scheme in ("light", "dark"):
            await self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            await asyncio.sleep(0.4)  # bars move to their new place
            data = await self.send("Page.captureScreenshot", format="png")
            path = options.folder / f"{options.width}-{name}-{scheme}.png"
            path.write_bytes(base64.b64decode(data["data"]))
        await self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
        print("  wrote", options.folder / f"{options.width}-{name}-*.png")


async def visit(page):
    for domain in ("Page", "Runtime", "Log", "Network"):
        await page.send(domain + ".enable")
    await page.send("Emulation.setDeviceMetricsOverride", width=options.width, height=900, deviceScaleFactor=1, mobile=options.width < 600)
    await page.send("Page.navigate", url=options.url)
    await page.until("document.querySelectorAll('#nav a').length > 1")

    # Words: no tool is wanted.
    await page.key("/", code="Slash", text="/")
    assert await page.js("document.activeElement.id") == "message", "/ goes to the message"
    await page.send("Input.insertText", text=options.plain)
    await page.key("Enter", text="\r")
    await page.until("document.querySelector('.turn.assistant .show') !== null")
    assert await page.js("document.querySelectorAll('#log .call').length") == 0, await page.js("document.querySelector('#log').innerText")
    print("words:", (await page.js("document.querySelector('.turn.assistant .said').textContent"))[:70])
    await page.shot("chat-words")
    await page.click("#clear")

    # A call: its arguments stream in, its rivals stand beside it, its result is given by hand.
    await page.click("#message")
    await page.send("Input.insertText", text=options.message)
    await page.click("#send")
    await page.until("document.querySelector('.turn.assistant form input') !== null")
    call = await page.js("document.querySelector('.call code').textContent")
    assert call.startswith(options.tool + " {"), call
    json.loads(call[len(options.tool) + 1 :])
    assert await page.js("document.querySelector('#decisions .bars dt.tool').textContent") == options.tool
    print("call:", call)
    await page.shot("chat-call")
    await page.send("Input.insertText", text="9 degrees, light rain from the west")
    await page.key("Enter", text="\r")
    await page.until("document.querySelectorAll('.turn.assistant .show').length === 2 && !document.querySelector('#send').disabled")
    print("answer:", (await page.js("[...document.querySelectorAll('.turn.assistant .said')].at(-1).textContent"))[:90])
    await page.js("document.querySelector('.strip button').focus()")
    await page.key("ArrowRight")
    assert (await page.js("document.querySelector('#decisions p:nth-of-type(1)').textContent")), "a decision is described"
    await page.shot("chat-answer")

    # Teach: the same message is to call another tool; the decision changes.
    await page.js("document.querySelectorAll('.turn.assistant .show')[0].click()")
    await page.until("document.querySelector('#teach select') !== null")
    other = await page.js(f"[...document.querySelectorAll('#teach option')].map(o => o.value).find(v => v && v !== {json.dumps(options.tool)})")
    await page.js(f"document.querySelector('#teach select').value = {json.dumps(other)}")
    before = await page.js("document.querySelector('#decisions .bars').innerText")
    await page.click("#teach button")
    await page.until("document.querySelectorAll('#teach .bars').length === 2")
    after = await page.js("document.querySelectorAll('#teach .bars')[1].innerText")
    assert other in after and before != after, (before, after)
    print("taught:", other, "|", await page.js("document.querySelector('#teach [aria-live] p').textContent"), after.replace("\n", " ")[:90])
    await page.js("document.querySelector('#teach [aria-live]').scrollIntoView()")
    await page.shot("chat-taught")

    # And back again: the server is left as it was found.
    await page.js(f"document.querySelector('#teach select').value = {json.dumps(options.tool)}")
    await page.click("#teach button")
    await page.until("document.querySelector('#teach [aria-live]').textContent === 'Fitting …'")
    await page.until("document.querySelectorAll('#teach .bars').length === 2")
    assert await page.js("document.querySelectorAll('#teach .bars')[1].querySelector('dt').textContent") == options.tool
    print("taught back:", options.tool)

    if options.executed:
        await page.click("#clear")
        await page.click("#message")
        await page.send("Input.insertText", text=options.executed)
        await page.click("#send")
        await page.until("document.querySelector('.turn.assistant .show') !== null")
        assert await page.js("document.querySelector('.turn.assistant .call pre') !== null"), "the call ran on the server"
        print("executed:", (await page.js("document.querySelector('.turn.assistant .call').innerText")).replace("\n", " ")[:120])
        await page.shot("chat-executed")

    # The pack's page: an example is edited and the pack fitted again.
    await page.send("Page.reload")
    await page.until("document.querySelectorAll('#nav a').length > 1")
    await page.shot("chat-empty")
    await page.js("document.querySelectorAll('#nav a')[1].click()")
    await page.until("document.querySelectorAll('#pack tbody tr').length > 2")
    await page.shot("pack")
    await page.js("document.querySelector('svg.map').scrollIntoView()")
    await page.shot("pack-map")
    await page.js("document.querySelector('details summary').click()")
    await page.click(".examples input")
    await page.send("Input.insertText", text=" Please.")
    await page.shot("pack-examples")
    await page.click("#pack button.main")
    await page.until("document.querySelector('#pack [role=status]').textContent.startsWith('Fitted in')")
    print("edited:", await page.js("document.querySelector('#pack [role=status]').textContent"))
    await page.shot("pack-fitted")
    await page.js("document.querySelectorAll('#nav a')[0].click()")
    await page.until("!document.querySelector('#chat').hidden")

    # Every control has a name, and the keyboard reaches the message by way of the skip link and the navigation.
    unnamed = await page.js("[...document.querySelectorAll('button, input, select, textarea')].filter(e => !e.hidden && !(e.getAttribute('aria-label') || e.labels?.length || e.textContent.trim())).map(e => e.outerHTML.slice(0, 80))")
    assert not unnamed, unnamed
    elsewhere = [url for url in page.requests if not url.startswith(options.url.rstrip("/")) and not url.startswith("data:")]
    assert not elsewhere, elsewhere
    assert not page.problems, page.problems
    print("no error in the console, no request to anywhere else")


async def main():
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:  # its processes may still write
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        browser = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            for line in browser.stderr:
                if "DevTools listening on" in line:
                    port = line.rsplit(":", 1)[1].split("/")[0]
                    break
            tabs = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json"))
            tab = next(tab for tab in tabs if tab["type"] == "page")
            async with websockets.connect(tab["webSocketDebuggerUrl"], max_size=1 << 26) as socket:
                page = Page(socket)
                await visit(page)
                page.reader.cancel()
        finally:
            browser.terminate()
            browser.wait()


asyncio.run(main())
