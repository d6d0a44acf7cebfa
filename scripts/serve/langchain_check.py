"""LangChain against a running server: langchain_check.py URL MODEL [TOKEN]. The server has a pack with `get_weather`.

An agent's loop by hand: the model calls, the tool runs here, its result goes back, the model answers."""
import sys

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

url, model = sys.argv[1:3]


@tool
def get_weather(place: str, day: str = "today", unit: str = "celsius") -> str:
    """Gives the present weather or the forecast for a place."""
    return f"{place}, {day}: 18 degrees {unit}, light rain"


chat = ChatOpenAI(base_url=url + "/v1", model=model, api_key=sys.argv[3] if len(sys.argv) > 3 else "none", temperature=0, max_tokens=60)
bound = chat.bind_tools([get_weather])
messages = [HumanMessage("Will it rain in Madrid tomorrow?")]
called = bound.invoke(messages)
assert [call["name"] for call in called.tool_calls] == ["get_weather"], called
print("call:", called.tool_calls[0]["name"], called.tool_calls[0]["args"])
messages += [called, ToolMessage(get_weather.invoke(called.tool_calls[0]["args"]), tool_call_id=called.tool_calls[0]["id"])]
answer = bound.invoke(messages)
assert answer.content and not answer.tool_calls, answer
print("answer:", answer.content)

pieces = list(bound.stream([HumanMessage("Will it rain in Madrid tomorrow?")]))
whole = pieces[0]
for piece in pieces[1:]:
    whole += piece
assert [(c["name"], c["args"]) for c in whole.tool_calls] == [(c["name"], c["args"]) for c in called.tool_calls]
print("stream: the same call in", len(pieces), "pieces")
# A message of the shipped talk: this checks the protocol, not the head.
plain = bound.invoke("Good morning! How are you?")
assert plain.content and not plain.tool_calls, plain
print("plain:", plain.content[:80])
