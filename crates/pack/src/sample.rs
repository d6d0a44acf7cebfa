//! A small value that a schema describes, to stand in a context where what the arguments say does not matter.

use serde_json::{Map, Value, json};

/// Values within each other at most; beyond them stands null.
const DEEPEST: usize = 8;
/// Values in all.
const MOST: usize = 10_000;

/// A value of the schema: required properties only, the first of every choice.
pub(crate) fn sample(schema: &Value) -> Value {
    part(schema, schema, 0, &mut { MOST })
}

fn part(schema: &Value, root: &Value, depth: usize, room: &mut usize) -> Value {
    if depth > DEEPEST || *room == 0 {
        return Value::Null;
    }
    *room -= 1;
    if let Some(target) = schema["$ref"].as_str().and_then(|r| root.pointer(r.strip_prefix('#')?)) {
        return part(target, root, depth + 1, room);
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
        return part(first, root, depth + 1, room);
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.first().and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        Some("array") => json!([part(&schema["items"], root, depth + 1, room)]),
        Some("null") => Value::Null,
        Some("string") => json!("example"),
        _ => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let mut value = |name: &str| part(&schema["properties"][name], root, depth + 1, room);
            Value::Object(required.map(|name| (name.to_owned(), value(name))).collect::<Map<_, _>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_small_whatever_the_schema() {
        let names: Vec<String> = (0..300).map(|i| format!("p{i}")).collect();
        let again = json!({"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]});
        let properties: Map<String, Value> = names.iter().map(|name| (name.clone(), again.clone())).collect();
        let a = json!({"type": "object", "properties": properties, "required": names});
        let text = sample(&json!({"$ref": "#/$defs/a", "$defs": {"a": a}})).to_string();
        assert!(text.starts_with(r#"{"p0":"#) && text.len() < 1_000_000, "{}", text.len());
    }
}
