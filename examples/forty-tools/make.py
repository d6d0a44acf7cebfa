"""Writes own.json (20 tools of our own) and train.jsonl (five messages a tool). Run it in this folder."""
import json

EXAMPLES = '''get_current_time|What's the time in Chicago?|Can you tell me what time it is now in Mumbai?|Current time in Cairo?|How late is it in Los Angeles at the moment?|I need to know the local time in Warsaw.
convert_time|When it is noon in Rome, what's the time in Toronto?|Convert 18:45 from Tokyo time to Berlin time.|The webinar starts at 4 pm London time, what is that in Denver?|What would 7 in the morning in Delhi be in Madrid?|Translate 22:00 UTC to Singapore time.
read_query|Query the database for the ten most expensive products.|Select all users who registered in March.|Get the average salary from the employees table.|Fetch the names and emails of all suppliers from the database.|Run this: SELECT count(*) FROM visits.
write_query|Insert a new customer called Maria Lopez into the customers table.|Update the stock of item 5 to 40 in the database.|Delete order 1009 from the orders table.|Change the email of user 12 to k@example.org in the users table.|Run an UPDATE that sets all inactive accounts to closed.
create_table|Create a table for books with title, author and year.|We need a new database table named visits with a date and a count.|Set up a table called teams with id and name.|Add a table to the database that stores phone numbers.|CREATE TABLE measurements with a timestamp and a value, please.
list_tables|List the tables of the database.|What tables do we have?|Give me an overview of the tables that exist.|Show tables.|Tell me the names of all the database's tables.
describe_table|Describe the table orders.|What fields are in the products table?|Give me the column names and types of customers.|How is the table invoices structured?|Show me the definition of table users.
append_insight|Add an insight to the memo: sales drop in August.|Write down in the insights memo that most complaints are about shipping.|Record the business insight that new users come from ads.|Append to the memo: margins are best for accessories.|Put this finding into the insights: churn is highest in month two.
fetch|Fetch https://example.org/index.html.|Download the page at https://news.ycombinator.com and show me the text.|Open the URL https://www.rust-lang.org and tell me what it says.|Retrieve the web page https://example.net/terms.|Read https://blog.example.com/post for me.
git_status|What's the git status?|Show me the status of the repository at /work/app.|Is my working tree clean?|Which files are modified or untracked in the repo?|Run git status in /srv/site.
git_diff_unstaged|Show me the changes that I haven't staged.|git diff of the working directory, please.|What did I edit since the last add?|Display unstaged changes in /work/app.|Let me see the modifications that are not yet in the index.
git_diff_staged|Show the staged diff.|What will go into the next commit?|Display the changes in the index.|git diff --cached in /work/app.|Let me review what I've staged.
git_diff|Diff against the main branch.|Show the differences between this branch and develop.|What changed compared to origin/main?|Give me the diff between HEAD and tag v1.0.|Compare the current state with branch feature-login.
git_commit|Commit with the message "Add login page".|Make a commit saying "Refactor parser".|Please commit my staged work as "Release 1.2".|Create a commit, message: initial import.|git commit -m "Remove dead code".
git_add|Stage the file setup.py.|Add all the changed files in docs to staging.|git add index.html and style.css.|Put config.toml into the index.|Stage the changes in lib/util.js for the commit.
git_reset|Unstage all files.|Reset the index.|Undo my git add.|Clear the staging area of /work/app.|Take everything that I've staged back out.
git_log|Show the commit history.|List the last ten commits.|Who committed what recently in the repository?|git log for /work/app.|Give me the latest commits with their messages.
git_create_branch|Make a new branch called login.|Create a git branch named experiment from develop.|I need a fresh branch fix-42.|Open a new branch for the docs work named docs.|git branch new-parser, create it please.
git_checkout|Check out main.|Switch branches to feature-login.|Go back to the master branch.|git checkout release-1.|Move to the branch called experiment.
git_show|Show commit 9fceb02.|What did the commit HEAD~1 change?|Display the contents of revision v2.0.|git show 3d4e5f6.|Let me see the details of commit abc1234.
git_branch|Show all branches.|What branches are there?|List remote branches of /work/app.|git branch -a.|Give me the names of the branches in the repo.
send_email|Send an email to bob@example.com saying I'll be late.|Mail the team that the deadline moved to Friday.|Write an email to my landlord about the broken heater.|Email carla@example.org with the subject Lunch and ask whether she's free.|Send a message by email to support asking for a refund.
create_event|Add a meeting with Paul to my calendar on Tuesday at 3 pm.|Schedule lunch with Nina on Thursday at noon.|Put my flight on the calendar: May 8th, 7 am.|Create an appointment for the car service next Wednesday at nine.|Block two hours on Monday morning for planning in my calendar.
list_events|What do I have on today?|Show me my calendar for next week.|Which meetings do I have on Thursday?|Is anything scheduled for Saturday?|List my appointments in June.
set_reminder|Remind me to buy stamps tomorrow.|Set a reminder to pay the rent on the first.|Please remind me at 5 pm to call the bank.|I must not forget to take my pills at nine, remind me.|Give me a reminder on Friday to submit the report.
set_timer|Set a timer for five minutes.|Timer: 20 minutes for the cake.|Start a countdown of 90 seconds.|Wake me in half an hour with a timer.|Set a three minute timer for the eggs.
get_weather|What's the weather in London?|Do I need an umbrella in Hamburg today?|Forecast for Denver this weekend, please.|How cold will it get tonight in Helsinki?|Is it sunny in Lisbon?
convert_currency|Convert 100 dollars to euros.|How many pounds are 80 euros?|What are 5000 rupees in US dollars?|Exchange 30 francs into kronor, how much is that?|What is 99.95 USD in yen?
get_stock_price|What's the stock price of Microsoft?|How is NVDA doing today?|Look up the share price of Siemens.|Current price of Amazon stock?|What does one share of Toyota cost now?
translate_text|Translate this text into French with the translator: The contract ends in June.|Please have the following translated to Polish: We are closed on Mondays.|Run this paragraph through translation to English: Das Haus ist verkauft.|Use the translation tool: put "The delivery is delayed" into Korean.|Translate my message to Portuguese: I will arrive at seven with two suitcases.
play_music|Play something by Mozart.|Put on my workout playlist.|I want to hear Bohemian Rhapsody.|Play relaxing music.|Start the song Yesterday by the Beatles.
control_light|Turn on the living room lights.|Switch the hallway lamp off.|Set the bedroom lights to half brightness.|Lights out in the office, please.|Make the lamp on the desk brighter.
set_thermostat|Set the thermostat to 20 degrees.|Turn the heating up to 22.|It's too hot, lower the temperature in the bedroom to 17.|Warm up the bathroom to 24 degrees.|Set the heating in the office to 19 degrees.
search_flights|Search flights from Berlin to Madrid on June 10th.|I need a flight to New York next week.|What flights go from Oslo to Paris tomorrow?|Look for the cheapest flight from Rome to Athens in August.|Show me flights from Boston to Chicago on Friday evening.
book_table|Book a table for two at Nobu tomorrow at seven.|Reserve dinner for six at the Blue Door on Friday.|Get us a table at the Italian place on Main Street for Sunday noon.|Make a restaurant reservation for five people tonight.|I'd like to reserve a table at Chez Marie for my anniversary on the 12th.
track_package|Track my package with number 4471902.|Where is my order's parcel JD0002?|When will the shipment 77X123 arrive?|Check the delivery status of tracking number LX991.|Has my DHL parcel 00340434 arrived at the depot?
get_directions|How do I get to the airport from here?|Give me directions from Oxford to Cambridge.|What's the quickest way by bike to the central library?|Route from my home to 5 King Street by public transport.|Show me the way from the hotel to the beach.
search_recipes|Find a recipe for vegetable curry.|Search for a dessert recipe with strawberries.|I have eggs, flour and milk; find me recipes.|Look up a gluten-free bread recipe.|Which recipes use aubergine? Search for some.
add_to_shopping_list|Add bread to my shopping list.|Put tomatoes, onions and garlic on the list.|We need toilet paper, note it on the shopping list.|Add two litres of oat milk to the groceries.|Shopping list: coffee and sugar, please add.
create_note|Take a note: the meeting room code is 4471.|Write down that the car is parked on level 3.|Create a note with the title Books and the text read Dune.|Save this as a note: ask Sam about the invoices.|Make a note that the plumber comes at ten.
define_word|Look up "ubiquitous" in the dictionary.|Give me the dictionary definition of serendipity.|Dictionary: what is the entry for "quixotic"?|Find the definition of "laconic" in the dictionary.|Check the dictionary for the word "obfuscate".'''


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
with open("train.jsonl", "w") as file:
    for line in EXAMPLES.split("\n"):
        name, *messages = line.split("|")
        assert len(messages) == 5, name
        for message in messages:
            file.write(json.dumps({"user": message, "tool": name}) + "\n")
held_out = {json.loads(line)["user"] for line in open("held-out.jsonl")}
trained = {json.loads(line)["user"] for line in open("train.jsonl")}
assert not held_out & trained, held_out & trained
