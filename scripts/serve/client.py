"""The official OpenAI client against a running server: client.py URL MODEL [TOKEN].

The server must have a pack with `get_current_time` of mcp-server-time that it does not execute, and must execute
`convert_time`. Every line is a check; the first that fails ends the script with its traceback."""
import json
import sys

import openai

url, model = sys.argv[1:3]
client = openai.OpenAI(base_url=url + "/v1", api_key=sys.argv[3] if len(sys.argv) > 3 else "none", max_retries=0)
assert [m.id for m in client.models.list()] == [model]

hello = [{"role": "user", "content": "Hello! Who are you?"}]
answer = client.chat.completions.create(model=model, messages=hello, max_tokens=24)
assert answer.choices[0].message.content and answer.usage.completion_tokens > 0
print("plain:", repr(answer.choices[0].message.content), answer.choices[0].finish_reason)
again = client.chat.completions.create(model=model, messages=hello, max_tokens=24)
assert again.choices[0].message.content == answer.choices[0].message.content, "greedy answers repeat"

stream = client.chat.completions.create(model=model, messages=hello, max_tokens=24, stream=True, stream_options={"include_usage": True})
text, usage, finish = "", None, None
for chunk in stream:
    if chunk.choices:
        text += chunk.choices[0].delta.content or ""
        finish = chunk.choices[0].finish_reason or finish
    usage = chunk.usage or usage
assert text == answer.choices[0].message.content and usage == answer.usage and finish == answer.choices[0].finish_reason
print("stream: the same text, usage", usage.total_tokens)

one = client.chat.completions.create(model=model, messages=hello, max_tokens=40, stop=[" "], temperature=0.9, top_p=0.9, seed=7)
two = client.chat.completions.create(model=model, messages=hello, max_tokens=40, stop=[" "], temperature=0.9, top_p=0.9, seed=7)
assert one.choices[0].message.content == two.choices[0].message.content and " " not in one.choices[0].message.content

scored = client.chat.completions.create(model=model, messages=hello, max_tokens=5, logprobs=True, top_logprobs=3)
entries = scored.choices[0].logprobs.content
assert len(entries) == 5 and all(e.logprob <= 0 and len(e.top_logprobs) == 3 for e in entries)
assert all(e.top_logprobs[0].token == e.token for e in entries), "greedy takes the best"
assert "".join(e.token for e in entries) == scored.choices[0].message.content

schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 30}, "population": {"type": "integer", "minimum": 1}}, "required": ["city", "population"], "additionalProperties": False}
form = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Name a large city and its population."}], response_format=form)
city = json.loads(answer.choices[0].message.content)
assert set(city) == {"city", "population"} and answer.choices[0].finish_reason == "stop"
print("json_schema:", city)

tool = {"type": "function", "function": {"name": "get_current_time", "description": "", "parameters": {"type": "object"}}}
ask = [{"role": "user", "content": "What time is it in Chicago right now?"}]
called = client.chat.completions.create(model=model, messages=ask, tools=[tool])
call = called.choices[0].message.tool_calls[0]
assert called.choices[0].finish_reason == "tool_calls" and call.function.name == "get_current_time"
assert "timezone" in json.loads(call.function.arguments)
print("call:", call.function.name, call.function.arguments)

stream = client.chat.completions.create(model=model, messages=ask, tools=[tool], stream=True)
name, arguments, ids, finish = "", "", [], None
for chunk in stream:
    for choice in chunk.choices:
        finish = choice.finish_reason or finish
        for delta in choice.delta.tool_calls or []:
            if delta.id:
                ids.append(delta.id)
                assert delta.type == "function" and not arguments, "the name comes first"
            name += delta.function.name or ""
            arguments += delta.function.arguments or ""
assert (name, arguments, finish, len(ids)) == ("get_current_time", call.function.arguments, "tool_calls", 1)
print("stream: the same call in fragments")

result = {"role": "tool", "tool_call_id": call.id, "content": json.dumps({"timezone": "America/Chicago", "datetime": "2026-03-02T09:15:00-06:00"})}
answer = client.chat.completions.create(model=model, messages=ask + [called.choices[0].message.model_dump(exclude_none=True), result], tools=[tool], max_tokens=60)
assert answer.choices[0].finish_reason in ("stop", "length") and answer.choices[0].message.content
print("after the result:", repr(answer.choices[0].message.content))

for choice, expected in [("none", None), ("required", "get_current_time"), ({"type": "function", "function": {"name": "get_current_time"}}, "get_current_time")]:
    answer = client.chat.completions.create(model=model, messages=hello if expected else ask, tools=[tool], tool_choice=choice, max_tokens=40).choices[0].message
    assert (answer.tool_calls[0].function.name if answer.tool_calls else None) == expected, choice
print("tool_choice: none, required, named")

for kwargs, status in [
    ({"model": "other", "messages": hello}, 404),
    ({"model": model, "messages": []}, 400),
    ({"model": model, "messages": hello, "n": 3}, 400),
    ({"model": model, "messages": hello, "temperature": 9}, 400),
    ({"model": model, "messages": [{"role": "user", "content": "word " * 60000}]}, 400),
    ({"model": model, "messages": hello, "tools": [{"type": "function", "function": {"name": "no_such_tool"}}]}, 400),
    ({"model": model, "messages": hello, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}}}, 400),
]:
    try:
        client.chat.completions.create(**kwargs)
        raise AssertionError(f"expected {status}: {str(kwargs)[:80]}")
    except openai.APIStatusError as error:
        assert error.status_code == status, (error.status_code, error.message)
print("errors have their status")

done = client.completions.create(model=model, prompt="One, two, three,", max_tokens=6)
assert done.choices[0].text
parts = client.completions.create(model=model, prompt="One, two, three,", max_tokens=6, stream=True)
assert "".join(p.choices[0].text for p in parts if p.choices) == done.choices[0].text
print("completions:", repr(done.choices[0].text))

# Executed by the server, over MCP: the answer comes with the call's trace.
run = client.chat.completions.create(
    model=model,
    messages=[{"role": "user", "content": "When it is 12:00 in Rome, what's the time in Toronto?"}],
    max_tokens=80,
    extra_body={"toolken": {"trace": True}},
)
ran = run.model_extra["toolken"]["ran"]
assert ran and ran[0]["tool"] == "convert_time", ran
print("executed:", ran[0]["arguments"], "->", ran[0]["result"][:90].replace("\n", " "))
print("answer:", repr(run.choices[0].message.content))
print("all checks passed")
