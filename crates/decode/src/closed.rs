//! Schemas of calls' parameters, closed where they leave it open what else an object may hold.
//!
//! JSON Schema admits any further property unless `additionalProperties` says no, and many tools do not say it. A model that
//! may always write one more property need never end. What a closed schema admits, the open one admits too.

use serde_json::{Map, Value, json};

const COMBINED: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];
/// Any of these says itself what else there may be.
const SAYS_ITSELF: [&str; 3] = ["additionalProperties", "patternProperties", "unevaluatedProperties"];

/// The schema of a tool's parameters, closed; with neither properties nor anything else it admits `{}` alone.
pub(crate) fn closed(parameters: &Value) -> Value {
    let mut root = parameters.clone();
    if let Value::Object(object) = &mut root
        && !object.contains_key("$ref")
        && !COMBINED.iter().any(|key| object.contains_key(*key))
    {
        object.entry("properties").or_insert_with(|| json!({}));
    }
    // A definition that `allOf` joins with others must stay open, and which ones it joins is not followed.
    close(&mut root, holds_all_of(parameters));
    root
}

fn holds_all_of(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.contains_key("allOf") || object.values().any(holds_all_of),
        Value::Array(items) => items.iter().any(holds_all_of),
        _ => false,
    }
}

fn close(schema: &mut Value, open_definitions: bool) {
    let Value::Object(object) = schema else { return };
    for key in ["properties", "dependentSchemas"] {
        if let Some(Value::Object(each)) = object.get_mut(key) {
            each.values_mut().for_each(|schema| close(schema, open_definitions));
        }
    }
    for key in ["items", "additionalProperties", "contains"] {
        if let Some(schema) = object.get_mut(key) {
            close(schema, open_definitions);
        }
    }
    if let Some(Value::Array(items)) = object.get_mut("prefixItems") {
        items.iter_mut().for_each(|schema| close(schema, open_definitions));
    }
    if !open_definitions {
        for key in DEFINITIONS {
            if let Some(Value::Object(each)) = object.get_mut(key) {
                each.values_mut().for_each(|schema| close(schema, open_definitions));
            }
        }
    }
    let has_own = object.contains_key("properties");
    let mut branches_have = false;
    for key in COMBINED {
        let Some(Value::Array(branches)) = object.get_mut(key) else { continue };
        branches_have |=
            branches.iter().any(|branch| branch.get("properties").is_some() || branch.get("$ref").is_some());
        // Branches see the same object as the schema around them: closed apart, they would exclude each other's properties.
        if key != "allOf" && !has_own {
            branches.iter_mut().for_each(|schema| close(schema, open_definitions));
        }
    }
    if has_own && !branches_have && !says_itself(object) {
        object.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}

fn says_itself(object: &Map<String, Value>) -> bool {
    SAYS_ITSELF.iter().any(|key| object.contains_key(*key)) || object.contains_key("$ref")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_with_properties_are_closed_and_others_left() {
        let no = json!(false);
        let found = closed(&json!({"type": "object", "properties": {
            "inner": {"type": "object", "properties": {"properties": {"type": "string"}}},
            "map": {"type": "object"},
            "list": {"type": "array", "items": {"properties": {"a": {}}}},
            "said": {"properties": {"a": {}}, "additionalProperties": {"type": "string"}},
        }, "$defs": {"x": {"properties": {"a": {}}}}}));
        assert_eq!(found["additionalProperties"], no);
        assert_eq!(found["properties"]["inner"]["additionalProperties"], no);
        assert_eq!(found["properties"]["inner"]["properties"]["properties"], json!({"type": "string"}));
        assert_eq!(found["properties"]["map"], json!({"type": "object"}));
        assert_eq!(found["properties"]["list"]["items"]["additionalProperties"], no);
        assert_eq!(found["properties"]["said"]["additionalProperties"], json!({"type": "string"}));
        assert_eq!(found["$defs"]["x"]["additionalProperties"], no);
        assert_eq!(
            closed(&json!({"type": "object"})),
            json!({"type": "object", "properties": {}, "additionalProperties": false})
        );
    }

    #[test]
    fn joined_schemas_keep_room_for_each_other() {
        let joined =
            json!({"properties": {"a": {}}, "anyOf": [{"properties": {"b": {}}}, {"properties": {"c": {}}}]});
        assert_eq!(closed(&joined), joined);
        let required =
            json!({"properties": {"a": {}, "b": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]});
        assert_eq!(closed(&required)["additionalProperties"], json!(false));
        let all = json!({"allOf": [{"$ref": "#/$defs/x"}, {"properties": {"b": {}}}], "$defs": {"x": {"properties": {"a": {}}}}});
        assert_eq!(closed(&all), all);
        let either = closed(&json!({"anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}));
        assert_eq!(either["anyOf"][1]["additionalProperties"], json!(false));
    }
}
