//! A JSON schema, changed schema by schema.

use serde_json::{Map, Value};

/// Keywords whose values are data, not schemas.
const DATA: [&str; 5] = ["const", "enum", "default", "example", "examples"];
/// Keywords that hold schemas by names of the author's own.
const NAMED: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

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
