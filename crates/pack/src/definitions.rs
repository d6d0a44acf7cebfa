//! Other people's definitions of tools: OpenAI's `tools` array, the answer of an MCP server, OpenAPI 3.

use crate::FitError;
use decode::Grammars;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use tools::{HttpTool, Placement, Runner, Tool, ToolSet};

/// The longest name that OpenAI's API takes.
const LONGEST_NAME: usize = 64;
/// Values of a parameter or a body at most, once an OpenAPI document's `$ref`s are put in.
const MOST_VALUES: usize = 20_000;
/// The most values in all of a document's schemas, likewise.
const MOST_VALUES_IN_ALL: usize = 2_000_000;
/// Values within values at most.
const DEEPEST: usize = 256;

/// Tools from a JSON document: an OpenAI `tools` array (or an object that has one, as a request does), the old `functions`
/// array, the result of MCP's `tools/list`, Anthropic's `tools`, or an OpenAPI 3 document.
///
/// # Errors
/// A document of none of these kinds; a tool without name or schema.
pub fn from_json(document: &Value) -> Result<Vec<Tool>, FitError> {
    if document.get("openapi").is_some() {
        return openapi(document);
    }
    let list = document
        .as_array()
        .or_else(|| ["tools", "functions"].iter().find_map(|key| document.get(key)?.as_array()))
        .ok_or_else(|| {
            FitError::Input(
                "expected an array of tools, an object with `tools`, or an OpenAPI 3 document (`openapi`)"
                    .into(),
            )
        })?;
    list.iter().enumerate().map(|(i, tool)| function(i + 1, tool)).collect()
}

/// `{"type": "function", "function": {…}}`, the function alone, MCP's form with `inputSchema`, or Anthropic's with `input_schema`.
fn function(number: usize, tool: &Value) -> Result<Tool, FitError> {
    let function = tool.get("function").unwrap_or(tool);
    let name = function.get("name").and_then(Value::as_str).ok_or_else(|| {
        FitError::Input(format!(
            "tool {number}: expected {{\"type\": \"function\", \"function\": {{\"name\": …}}}}"
        ))
    })?;
    let description = function.get("description").and_then(Value::as_str).unwrap_or_default();
    let schema = ["parameters", "inputSchema", "input_schema"].iter().find_map(|key| function.get(key));
    if name.trim().is_empty() {
        return Err(FitError::Input(format!("tool {number}: the name is empty")));
    }
    if let Some(other) = schema.filter(|schema| !schema.is_object() && !schema.is_null()) {
        return Err(FitError::Input(format!(
            "tool {number}, `{name}`: expected an object as the schema of its parameters, found {other}"
        )));
    }
    Ok(Tool::client(name, description, object_schema(schema.cloned().unwrap_or(Value::Null))))
}

/// A schema of an object, where there may be none or half of one.
fn object_schema(schema: Value) -> Value {
    let mut object = match schema {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    object.entry("type").or_insert_with(|| json!("object"));
    object.entry("properties").or_insert_with(|| json!({}));
    Value::Object(object)
}

/// Every operation of an OpenAPI 3 document, as a tool that runs over HTTP.
fn openapi(document: &Value) -> Result<Vec<Tool>, FitError> {
    let version = document["openapi"].as_str().unwrap_or_default();
    if !version.starts_with("3.") {
        return Err(FitError::Input(format!("`openapi` is {version:?}: expected 3.x")));
    }
    let server = server_url(document)?;
    let empty = Map::new();
    let mut resolver = Resolver::new(document);
    let mut tools = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap_or(&empty) {
        for method in HttpTool::METHODS {
            let Some(operation) = item.get(method.to_lowercase()) else { continue };
            let of = |e: FitError| FitError::Input(format!("{method} {path}: {e}"));
            let parameters = match parameters(&mut resolver, item, operation).map_err(of)? {
                Ok(parameters) => parameters,
                Err(reason) => {
                    tracing::warn!("{method} {path} is left out: {reason}");
                    continue;
                }
            };
            let name = match operation["operationId"].as_str() {
                Some(id) => id.to_owned(),
                None => format!(
                    "{}_{}",
                    method.to_lowercase(),
                    path.trim_matches('/').replace(['/', '{', '}'], "_")
                ),
            };
            let text = |key: &str| operation[key].as_str().unwrap_or_default();
            let description =
                if text("description").is_empty() { text("summary") } else { text("description") };
            let Parameters { properties, required, query } = parameters;
            let schema = json!({"type": "object", "properties": properties, "required": required});
            let url = format!("{server}{path}");
            tools.push(Tool {
                runner: Runner::Http(HttpTool { method: method.to_owned(), url, query }),
                ..Tool::client(name, description, schema)
            });
        }
    }
    if tools.is_empty() {
        return Err(FitError::Input("the OpenAPI document has no operations".into()));
    }
    Ok(tools)
}

/// The first server's URL, its variables filled in, without a slash at its end.
fn server_url(document: &Value) -> Result<String, FitError> {
    let mut server =
        document.pointer("/servers/0/url").and_then(Value::as_str).unwrap_or_default().to_owned();
    for (name, variable) in
        document.pointer("/servers/0/variables").and_then(Value::as_object).unwrap_or(&Map::new())
    {
        if let Some(value) = variable["default"].as_str() {
            server = server.replace(&format!("{{{name}}}"), value);
        }
    }
    // What is left open there would be for a model to fill in.
    if !(server.starts_with("http://") || server.starts_with("https://")) || server.contains('{') {
        return Err(FitError::Input(format!(
            "the first server's URL is {server:?}: expected a whole one, as https://host/path"
        )));
    }
    Ok(server.trim_end_matches('/').to_owned())
}

/// What a call of an operation may say.
#[derive(Default)]
struct Parameters {
    properties: Map<String, Value>,
    required: Vec<Value>,
    /// Those of the URL's query.
    query: Vec<String>,
}

/// The parameters of an operation, and the fields of its body; else why it is no tool.
fn parameters<'d>(
    resolver: &mut Resolver<'d>,
    item: &'d Value,
    operation: &'d Value,
) -> Result<Result<Parameters, String>, FitError> {
    let Parameters { mut properties, mut required, mut query } = Parameters::default();
    let shared = item["parameters"].as_array().into_iter().flatten();
    let own = operation["parameters"].as_array().into_iter().flatten();
    for parameter in shared.chain(own) {
        let parameter = resolver.whole(parameter)?;
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        let place = parameter["in"].as_str().unwrap_or_default();
        if !matches!(place, "path" | "query") {
            continue; // headers and cookies are the operator's, not the model's
        }
        let mut schema = match parameter["schema"].clone() {
            Value::Object(schema) => schema,
            _ => Map::new(),
        };
        if let Some(text) = parameter["description"].as_str() {
            schema.entry("description").or_insert_with(|| json!(text));
        }
        if place == "path" || parameter["required"] == json!(true) {
            required.push(json!(name));
        }
        if place == "query" {
            query.push(name.clone());
        }
        properties.insert(name, Value::Object(schema));
    }
    if let Some(body) = operation.pointer("/requestBody") {
        let body = resolver.whole(body)?;
        let schema = body.pointer("/content/application~1json/schema").cloned().unwrap_or_default();
        match schema["properties"].as_object() {
            Some(fields) => {
                if let Some(twice) = fields.keys().find(|name| properties.contains_key(*name)) {
                    return Ok(Err(format!(
                        "`{twice}` is a parameter and a field of its body, and a call has one of a name"
                    )));
                }
                properties.extend(fields.clone());
                required.extend(schema["required"].as_array().into_iter().flatten().cloned());
            }
            None if body["required"] == json!(true) => {
                return Ok(Err("its body is no JSON object with named fields".to_owned()));
            }
            None => {}
        }
    }
    Ok(Ok(Parameters { properties, required, query }))
}

/// A part of a document with its `$ref`s put in; where one leads back to itself, anything may stand.
struct Resolver<'d> {
    document: &'d Value,
    /// The references that are being followed.
    open: Vec<&'d str>,
    /// Values that may still be written: of what is being resolved, and in all.
    room: usize,
    all: usize,
    /// Values around the one that is written.
    depth: usize,
}

impl<'d> Resolver<'d> {
    fn new(document: &'d Value) -> Self {
        Self { document, open: Vec::new(), room: MOST_VALUES, all: MOST_VALUES_IN_ALL, depth: 0 }
    }

    /// What a parameter or a body stands for.
    fn whole(&mut self, part: &'d Value) -> Result<Value, FitError> {
        self.room = MOST_VALUES.min(self.all);
        self.of(part)
    }

    fn of(&mut self, part: &'d Value) -> Result<Value, FitError> {
        if self.depth == DEEPEST {
            return Err(FitError::Input(format!(
                "its schema is more than {DEEPEST} values deep: simplify it"
            )));
        }
        self.depth += 1;
        let found = self.resolve(part);
        self.depth -= 1;
        found
    }

    fn resolve(&mut self, part: &'d Value) -> Result<Value, FitError> {
        self.room = self.room.checked_sub(1).ok_or_else(|| {
            FitError::Input(format!(
                "its schema has more than {MOST_VALUES} values, `$ref`s put in, or the document more than {MOST_VALUES_IN_ALL}: simplify it"
            ))
        })?;
        self.all -= 1;
        match part {
            Value::Object(object) => match object.get("$ref").and_then(Value::as_str) {
                Some(reference) if self.open.contains(&reference) => Ok(json!({})),
                Some(reference) => {
                    let pointer =
                        reference.strip_prefix('#').and_then(|pointer| self.document.pointer(pointer));
                    let target = pointer
                        .ok_or_else(|| FitError::Input(format!("`$ref` {reference:?} leads nowhere")))?;
                    self.open.push(reference);
                    let found = self.of(target);
                    self.open.pop();
                    found
                }
                None => {
                    let each = object.iter().map(|(key, value)| Ok((key.clone(), self.of(value)?)));
                    each.collect::<Result<Map<_, _>, FitError>>().map(Value::Object)
                }
            },
            Value::Array(items) => {
                items.iter().map(|item| self.of(item)).collect::<Result<_, _>>().map(Value::Array)
            }
            other => Ok(other.clone()),
        }
    }
}

/// A name in OpenAI's alphabet (letters, digits, `_`, `-`; 64 at most) for a name of any alphabet.
pub fn call_name(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    let name: String = name.chars().map(allowed).take(LONGEST_NAME).collect();
    if name.is_empty() { "tool".to_owned() } else { name }
}

/// Gives every tool a name in OpenAI's alphabet that no other has. A tool that runs elsewhere keeps the name it has there
/// in its [`Runner`], so that nothing is lost.
pub fn rename_for_calls(tools: Vec<Tool>, taken: &ToolSet) -> Vec<Tool> {
    let mut names: HashSet<String> = taken.names().map(str::to_owned).collect();
    let mut rename = |tool: Tool| {
        let name = call_name(&tool.name);
        let numbered = (2..).map(|n| {
            let suffix = format!("_{n}");
            format!("{}{suffix}", &name[..name.len().min(LONGEST_NAME - suffix.len())])
        });
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !names.contains(name));
        let name = free.unwrap_or(name);
        names.insert(name.clone());
        Tool { name, ..tool }
    };
    tools
        .into_iter()
        .map(|tool| if tool.placement == Placement::Message { rename(tool) } else { tool })
        .collect()
}

/// Refuses tools whose schema cannot be enforced while a call is written.
///
/// # Errors
/// All such tools, each with what in its schema is at fault.
pub fn enforceable<'a>(tools: impl IntoIterator<Item = &'a Tool>) -> Result<(), FitError> {
    let grammars = Grammars::of_bytes().map_err(FitError::Input)?;
    let faults: Vec<String> = (tools.into_iter().filter(|tool| tool.placement == Placement::Message))
        .filter_map(|tool| {
            let fault = grammars.compile_parameters(&tool.parameters).err()?;
            Some(format!("tool `{}`: its schema cannot be enforced: {fault}", tool.name))
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(FitError::Input(faults.join("\n"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_of_openai_and_mcp_give_the_same_tool() {
        let schema =
            json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        let expected = vec![Tool::client("weather", "The weather.", schema.clone())];
        let function = json!({"name": "weather", "description": "The weather.", "parameters": schema});
        let mcp =
            json!({"tools": [{"name": "weather", "description": "The weather.", "inputSchema": schema}]});
        for document in
            [json!([{"type": "function", "function": function}]), json!({"functions": [function]}), mcp]
        {
            assert_eq!(from_json(&document).unwrap(), expected);
        }
        assert!(from_json(&json!({"swagger": "2.0"})).is_err());
        assert!(from_json(&json!([{"type": "function"}])).unwrap_err().to_string().contains("tool 1"));
    }

    /// Many operations that each refer to one large body.
    #[test]
    fn a_document_that_grows_when_references_are_put_in_is_refused() {
        let fields: Map<String, Value> = (0..15_000).map(|i| (format!("f{i}"), json!(1))).collect();
        let body = json!({"content": {"application/json": {"schema": {"properties": fields}}}});
        let operation = json!({"post": {"requestBody": {"$ref": "#/components/requestBodies/b"}}});
        let paths = |count: usize| -> Map<String, Value> {
            (0..count).map(|i| (format!("/{i}"), operation.clone())).collect()
        };
        let document = |count| json!({"openapi": "3.0.0", "servers": [{"url": "http://h"}], "paths": paths(count), "components": {"requestBodies": {"b": body}}});
        assert_eq!(from_json(&document(2)).unwrap().len(), 2);
        let error = from_json(&document(400)).unwrap_err().to_string();
        assert!(error.contains("simplify"), "{error}");
    }

    #[test]
    fn openapi_operations_know_where_each_argument_goes() {
        let document = json!({
            "openapi": "3.0.3", "servers": [{"url": "https://api.example.org/v1/"}],
            "components": {"schemas": {"Note": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}}},
            "paths": {"/notes/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}],
                "put": {"operationId": "saveNote", "summary": "Saves a note.",
                    "parameters": [{"name": "draft", "in": "query", "schema": {"type": "boolean"}}, {"name": "X-Key", "in": "header", "schema": {}}],
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Note"}}}}}
            }}
        });
        let tools = from_json(&document).unwrap();
        let [tool] = tools.as_slice() else { panic!("{tools:?}") };
        assert_eq!((tool.name.as_str(), tool.description.as_str()), ("saveNote", "Saves a note."));
        let expected = HttpTool {
            method: "PUT".into(),
            url: "https://api.example.org/v1/notes/{id}".into(),
            query: vec!["draft".into()],
        };
        assert_eq!(tool.runner, Runner::Http(expected));
        assert_eq!(tool.parameters["required"], json!(["id", "text"]));
        let names: Vec<&String> = tool.parameters["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["id", "draft", "text"]);
    }

    #[test]
    fn a_server_is_whole_and_nothing_of_a_call_is_lost() {
        let api = |servers: Value, operation: Value| json!({"openapi": "3.0.0", "servers": servers, "paths": {"/u/{name}": {"put": operation}}});
        let plain = json!({"operationId": "put"});
        let open = json!([{"url": "https://{region}.x/v1", "variables": {"region": {"default": "eu"}}}]);
        let tools = from_json(&api(open, plain.clone())).unwrap();
        let Runner::Http(http) = &tools[0].runner else { panic!("{tools:?}") };
        assert_eq!(http.url, "https://eu.x/v1/u/{name}");
        for url in ["https://{host}/v1", "httpfoo", "/v1"] {
            assert!(from_json(&api(json!([{"url": url}]), plain.clone())).is_err(), "{url}");
        }
        let server = json!([{"url": "https://x"}]);
        let body =
            |schema: Value| json!({"required": true, "content": {"application/json": {"schema": schema}}});
        let path = json!([{"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}]);
        let twice = json!({"parameters": path, "requestBody": body(json!({"properties": {"name": {"type": "string"}}}))});
        assert!(from_json(&api(server.clone(), twice)).is_err(), "the one operation is left out");
        let list = json!({"requestBody": body(json!({"type": "array"}))});
        assert!(from_json(&api(server, list)).is_err(), "the one operation is left out");
    }

    #[test]
    fn references_are_put_in_however_they_are_nested() {
        let api = |schemas: Value| {
            json!({
                "openapi": "3.1.0", "servers": [{"url": "https://h"}], "components": {"schemas": schemas},
                "paths": {"/a": {"post": {"requestBody": {"content": {"application/json": {
                    "schema": {"type": "object", "properties": {"x": {"$ref": "#/components/schemas/S0"}}}}}}}}}
            })
        };
        let node = json!({"type": "object", "properties": {"next": {"$ref": "#/components/schemas/S0"}}});
        let tools = from_json(&api(json!({"S0": node}))).unwrap();
        assert_eq!(
            tools[0].parameters["properties"]["x"],
            json!({"type": "object", "properties": {"next": {}}})
        );
        let deep = (0..30).fold(
            json!({"type": "string"}),
            |inner, _| json!({"type": "object", "properties": {"a": inner}}),
        );
        assert!(from_json(&api(json!({"S0": deep}))).is_ok());
        // Forty references a level, five levels: a hundred million strings of nine kilobytes.
        let level = |next: usize| {
            let properties: Map<String, Value> = (0..40)
                .map(|i| (format!("p{i}"), json!({"$ref": format!("#/components/schemas/S{next}")})))
                .collect();
            json!({"type": "object", "properties": properties})
        };
        let mut schemas: Map<String, Value> = (0..5).map(|i| (format!("S{i}"), level(i + 1))).collect();
        schemas.insert("S5".into(), json!({"type": "string"}));
        let error = from_json(&api(Value::Object(schemas))).unwrap_err().to_string();
        assert!(error.contains("POST /a") && error.contains("20000 values"), "{error}");
    }

    #[test]
    fn what_is_no_definition_is_refused() {
        for (tool, message) in [
            (json!({"name": "a", "parameters": "garbage"}), "garbage"),
            (json!({"name": "a", "parameters": [1]}), "object"),
            (json!({"name": " "}), "empty"),
        ] {
            let error = from_json(&json!([tool])).unwrap_err().to_string();
            assert!(error.contains("tool 1") && error.contains(message), "{error}");
        }
        assert!(from_json(&json!([{"name": "a", "parameters": null}])).is_ok());
    }

    #[test]
    fn names_of_any_alphabet_become_names_that_differ() {
        let named = |name: &str| Tool::client(name, "", json!({"type": "object"}));
        let tools = rename_for_calls(
            vec![named("a/b"), named("a.b"), named("a b"), named(&"ü".repeat(70))],
            &ToolSet::default(),
        );
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names[..3], ["a_b", "a_b_2", "a_b_3"]);
        assert_eq!(names[3], "_".repeat(64));
    }

    #[test]
    fn every_schema_that_cannot_be_enforced_is_named() {
        let odd =
            |name: &str| Tool::client(name, "", json!({"type": "object", "properties": {"x": {"not": {}}}}));
        let error =
            enforceable(&[odd("first"), Tool::client("good", "", json!({"type": "object"})), odd("second")]);
        let message = error.unwrap_err().to_string();
        assert!(
            message.contains("`first`") && message.contains("`second`") && !message.contains("`good`"),
            "{message}"
        );
    }
}
