"""Writes own.json, 20 tools of our own. Run it in this folder."""
import json


def tool(name, description, required=(), **properties):
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


def text(description, **more):
    return {"type": "string", "description": description, **more}


OWN = [
    tool("send_email", "Sends an email.", ["to", "body"], to=text("The recipient's address or name"), subject=text("The subject"), body=text("The text")),
    tool("create_event", "Creates an event in the user's calendar.", ["title", "start"], title=text("What it is"), start=text("When it starts"), minutes={"type": "integer", "minimum": 5, "maximum": 1440}, attendees={"type": "array", "items": {"type": "string"}, "maxItems": 8}),
    tool("list_events", "Lists the events of the user's calendar in a stretch of time.", ["when"], when=text("A day, a week, a month")),
    tool("set_reminder", "Sets a reminder for a time.", ["text"], text=text("What to be reminded of"), when=text("When")),
    tool("set_timer", "Starts a countdown timer.", ["seconds"], seconds={"type": "integer", "minimum": 1, "maximum": 86400}, label=text("What it is for", maxLength=40)),
    tool("get_weather", "Gives the present weather or the forecast for a place.", ["place"], place=text("The town"), day=text("today, tomorrow, a weekday"), unit={"enum": ["celsius", "fahrenheit"]}),
    tool("convert_currency", "Converts an amount of money from one currency to another.", ["amount", "source", "target"], amount={"type": "number", "minimum": 0}, source=text("ISO code", pattern="^[A-Z]{3}$"), target=text("ISO code", pattern="^[A-Z]{3}$")),
    tool("get_stock_price", "Gives the current price of a company's shares.", ["symbol"], symbol=text("Ticker", pattern="^[A-Z.]{1,6}$")),
    tool("translate_text", "Translates a text into another language.", ["text", "language"], text=text("The text"), language=text("The target language")),
    tool("play_music", "Plays a song, an artist, an album or a playlist.", ["query"], query=text("What to play"), shuffle={"type": "boolean"}),
    tool("control_light", "Switches or dims lights in a room.", ["room", "state"], room=text("The room"), state={"enum": ["on", "off", "dim"]}, brightness={"type": "integer", "minimum": 0, "maximum": 100}),
    tool("set_thermostat", "Sets the temperature of the heating.", ["degrees"], degrees={"type": "number", "minimum": 5, "maximum": 30}, room=text("The room")),
    tool("search_flights", "Searches for flights.", ["destination"], origin=text("Where from"), destination=text("Where to"), date=text("When")),
    tool("book_table", "Books a table in a restaurant.", ["restaurant", "people"], restaurant=text("The restaurant"), people={"type": "integer", "minimum": 1, "maximum": 20}, when=text("When")),
    tool("track_package", "Tells where a parcel is.", ["number"], number=text("The tracking number")),
    tool("get_directions", "Gives directions from one place to another.", ["destination"], origin=text("Where from"), destination=text("Where to"), mode={"enum": ["walk", "bike", "car", "transit"]}),
    tool("search_recipes", "Searches a collection of recipes.", ["query"], query=text("A dish"), ingredients={"type": "array", "items": {"type": "string"}, "maxItems": 8}),
    tool("add_to_shopping_list", "Adds items to the shopping list.", ["items"], items={"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "amount": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "required": ["name"], "additionalProperties": False}, "minItems": 1, "maxItems": 8}),
    tool("create_note", "Saves a note.", ["text"], title=text("Its title"), text=text("Its text")),
    tool("define_word", "Looks a word up in the dictionary.", ["word"], word=text("The word", maxLength=40)),
]

with open("own.json", "w") as file:
    json.dump(OWN, file, indent=1)
