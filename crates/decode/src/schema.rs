//! A JSON schema, changed schema by schema.

use serde_json::{Map, Value};

/// Keywords whose values are data, not schemas.
const DATA: [&str; 5] = ["const", "enum", "default", "example", "examples"];
/// Keywords that hold schemas by names of the author's own.
const NAMED: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// The schema with the properties that must be there ahead of the others: the order in which some engines write them, whatever the
/// schema's own.
pub(crate) fn required_first(schema: &Value) -> Value {
    changed(schema, |object| {
        let required = object.get("required").cloned().unwrap_or_default();
        if let Some(Value::Object(properties)) = object.get_mut("properties") {
            *properties = ahead(std::mem::take(properties), &required);
        }
    })
}

/// The properties that a list names, ahead of the others.
pub(crate) fn ahead(properties: Map<String, Value>, required: &Value) -> Map<String, Value> {
    let is_required =
        |name: &str| required.as_array().is_some_and(|names| names.iter().any(|known| known == name));
    let (first, rest): (Vec<_>, Vec<_>) = properties.into_iter().partition(|(name, _)| is_required(name));
    first.into_iter().chain(rest).collect()
}

/// The schema with a change made to it and to every schema in it, the outer first.
pub(crate) fn changed(schema: &Value, change: fn(&mut Map<String, Value>)) -> Value {
    match schema {
        Value::Object(object) => {
            let mut object = object.clone();
            change(&mut object);
            let inner = |(key, value): (&String, &Value)| {
                let value = match value {
                    value if DATA.contains(&key.as_str()) => value.clone(),
                    Value::Object(named) if NAMED.contains(&key.as_str()) => {
                        named.iter().map(|(name, schema)| (name.clone(), changed(schema, change))).collect()
                    }
                    value => changed(value, change),
                };
                (key.clone(), value)
            };
            Value::Object(object.iter().map(inner).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| changed(item, change)).collect()),
        other => other.clone(),
    }
}
