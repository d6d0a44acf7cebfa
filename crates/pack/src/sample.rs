//! A small value that a schema describes, to stand in a context where what the arguments say does not matter.

use serde_json::{Map, Value, json};

/// A value of the schema, on the outside: required properties only, the first of every choice.
pub(crate) fn sample(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > 8 {
        return Value::Null;
    }
    if let Some(target) = schema["$ref"].as_str().and_then(|r| root.pointer(r.strip_prefix('#')?)) {
        return sample(target, root, depth + 1);
    }
    for key in ["const", "default"] {
        if let Some(value) = schema.get(key) {
            return value.clone();
        }
    }
    if let Some(first) = ["enum", "examples"].iter().find_map(|key| schema.get(key)?.as_array()?.first()) {
        return first.clone();
    }
    if let Some(first) =
        ["anyOf", "oneOf", "allOf"].iter().find_map(|key| schema.get(key)?.as_array()?.first())
    {
        return sample(first, root, depth + 1);
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.first().and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        Some("array") => json!([sample(&schema["items"], root, depth + 1)]),
        Some("null") => Value::Null,
        Some("string") => json!("example"),
        _ => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let value = |name: &str| sample(&schema["properties"][name], root, depth + 1);
            Value::Object(required.map(|name| (name.to_owned(), value(name))).collect::<Map<_, _>>())
        }
    }
}
