"""Whether the calls of `toolken pack eval … --json` parse and validate: arguments.py PACK DECIDED.jsonl …

The judge is the Python package `jsonschema`, format checks included; a tool's schema is taken from PACK/tools.toml as it is."""
import json
import sys
import tomllib

import jsonschema

pack, *files = sys.argv[1:]
with open(pack + "/tools.toml", "rb") as file:
    schemas = {tool["name"]: json.loads(tool.get("parameters", "{}")) for tool in tomllib.load(file)["tools"]}
for path in files:
    calls, faults = 0, []
    for line in open(path):
        decided = json.loads(line)
        if decided.get("called") is None:
            continue
        calls += 1
        try:
            arguments = json.loads(decided["arguments"])
            schema = schemas[decided["called"]]
            jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(arguments)
        except (ValueError, KeyError, jsonschema.ValidationError) as error:
            faults.append((decided["called"], decided["arguments"], str(error).splitlines()[0]))
    print(f"{path}: {calls - len(faults)} of {calls} calls have arguments that are valid by their schema")
    for fault in faults[:5]:
        print("  ", *fault)
