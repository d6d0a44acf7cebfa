//! Arguments as a model writes them: under the tool's schema, which says their order, too.

use decode::Grammars;
use lm::python_json;
use serde_json::{Map, Value};

/// Values that are put in order, at most.
const MOST: usize = 10_000;
/// Values, references and branches within each other at most.
const DEEPEST: usize = 300;

/// The arguments as a model has to write them: in the schema's order.
///
/// # Errors
/// That they cannot be written under the schema.
pub(crate) fn written(grammars: &Grammars, schema: &Value, arguments: &Value) -> Result<Value, String> {
    let grammar = grammars.compile_parameters(schema)?;
    let forms = [as_written(schema, arguments), arguments.clone()];
    let admitted = forms.iter().find(|form| grammar.admits(&python_json(form)));
    admitted.cloned().ok_or_else(|| {
        fault(grammars, schema, arguments).unwrap_or_else(|| {
            format!(
                "{} cannot be written under its schema (numbers without exponent and within ±10^15)",
                python_json(arguments)
            )
        })
    })
}

/// What is wrong with arguments, where it can be told property by property.
fn fault(grammars: &Grammars, schema: &Value, arguments: &Value) -> Option<String> {
    let Value::Object(given) = arguments else {
        return Some(format!("expected an object, found {arguments}"));
    };
    let listed = schema.get("properties").and_then(Value::as_object)?;
    let names = || listed.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let closed = matches!(schema.get("additionalProperties"), None | Some(Value::Bool(false)))
        && schema.get("patternProperties").is_none();
    if let Some(name) = given.keys().find(|name| closed && !listed.contains_key(*name)) {
        return Some(format!("it has no parameter `{name}`; its parameters are {}", names()));
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(name) = required.into_iter().find(|name| !given.contains_key(*name)) {
        return Some(format!("`{name}` is missing, which must be there"));
    }
    given.iter().find_map(|(name, value)| {
        // With what its references lead to.
        let mut own = listed.get(name)?.as_object()?.clone();
        for key in ["$defs", "definitions"] {
            own.extend(schema.get(key).map(|defined| (key.to_owned(), defined.clone())));
        }
        let own = Value::Object(own);
        let grammar = grammars.compile(&own).ok()?;
        let admitted =
            [as_written(&own, value), value.clone()].iter().any(|form| grammar.admits(&python_json(form)));
        (!admitted).then(|| format!("`{name}` is {value}: expected {}", listed[name]))
    })
}

/// The arguments in the schema's order.
pub(crate) fn as_written(schema: &Value, arguments: &Value) -> Value {
    let mut budget = MOST;
    in_order(arguments, schema, schema, (0, &mut budget))
}

/// A value with its properties in the order in which the schema lists them, and whole numbers without a point. What is deeper than
/// [`DEEPEST`] or beyond the budget of values stays as it is.
fn in_order(value: &Value, schema: &Value, root: &Value, (depth, budget): (usize, &mut usize)) -> Value {
    let Some(rest) = budget.checked_sub(1).filter(|_| depth < DEEPEST) else { return value.clone() };
    *budget = rest;
    let depth = depth + 1;
    if let Some(target) = schema["$ref"].as_str().and_then(|r| root.pointer(r.strip_prefix('#')?)) {
        return in_order(value, target, root, (depth, budget));
    }
    let mut branches =
        ["anyOf", "oneOf", "allOf"].iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    if let Some(branch) = branches.find(|branch| describes(branch, value, root)) {
        return in_order(value, branch, root, (depth, budget));
    }
    match value {
        Value::Array(items) => {
            items.iter().map(|item| in_order(item, &schema["items"], root, (depth, budget))).collect()
        }
        Value::Object(object) => {
            let mut object = object.clone();
            let mut ordered = Map::new();
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                if let Some(value) = object.shift_remove(name) {
                    ordered.insert(name.clone(), in_order(&value, schema, root, (depth, budget)));
                }
            }
            let others = object.iter().map(|(name, value)| {
                (name.clone(), in_order(value, &schema["additionalProperties"], root, (depth, budget)))
            });
            ordered.extend(others);
            Value::Object(ordered)
        }
        Value::Number(number) => match number.as_f64().filter(|x| number.is_f64() && x.fract() == 0.0) {
            Some(whole) if whole.abs() < 1e15 => Value::from(whole as i64),
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

/// Whether a branch of a schema may be the one that an object was written by: it lists all of its properties, and none of its
/// constants is another.
fn describes(branch: &Value, value: &Value, root: &Value) -> bool {
    let target = branch["$ref"].as_str().and_then(|r| root.pointer(r.strip_prefix('#')?)).unwrap_or(branch);
    let Value::Object(object) = value else { return !value.is_array() || target.get("items").is_some() };
    let properties = &target["properties"];
    object.iter().all(|(name, value)| {
        properties
            .get(name)
            .is_some_and(|schema| schema.get("const").is_none_or(|constant| constant == value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_argument_at_fault_is_named() {
        let schema = json!({"type": "object", "required": ["n"], "properties": {
            "n": {"type": "integer"}, "to": {"$ref": "#/$defs/zone"}}, "$defs": {"zone": {"enum": ["UTC"]}}});
        let grammars = Grammars::of_bytes().unwrap();
        let said = |arguments: Value| written(&grammars, &schema, &arguments).unwrap_err();
        for (arguments, part) in [
            (json!(3), "expected an object"),
            (json!({"m": 1}), "no parameter `m`; its parameters are `n`, `to`"),
            (json!({"to": "UTC"}), "`n` is missing"),
            (json!({"n": "ten"}), "`n` is \"ten\": expected {\"type\":\"integer\"}"),
            (json!({"n": 1, "to": "CET"}), "`to` is \"CET\""),
        ] {
            let told = said(arguments);
            assert!(told.contains(part), "{told}");
        }
        assert!(written(&grammars, &schema, &json!({"to": "UTC", "n": 1})).is_ok());
    }

    #[test]
    fn of_several_branches_the_one_that_describes_a_value_orders_it() {
        let step = json!({"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}, "required": ["x", "y"]});
        let schema = json!({"type": "object", "properties": {"to": {"oneOf": [
            {"type": "object", "properties": {"kind": {"const": "mail"}, "address": {"type": "string"}}},
            {"type": "object", "properties": {"address": {"type": "string"}, "kind": {"const": "post"}, "zip": {"type": "string"}}},
        ]}, "steps": {"type": "object", "additionalProperties": step}}});
        let grammars = Grammars::of_bytes().unwrap();
        for (said, form) in [
            (json!({"to": {"address": "a", "kind": "mail"}}), r#"{"to": {"kind": "mail", "address": "a"}}"#),
            (json!({"to": {"kind": "post", "address": "a"}}), r#"{"to": {"address": "a", "kind": "post"}}"#),
            (json!({"steps": {"p": {"y": 1, "x": 2}}}), r#"{"steps": {"p": {"x": 2, "y": 1}}}"#),
        ] {
            let value = written(&grammars, &schema, &said).unwrap();
            assert_eq!(python_json(&value), form);
        }
    }

    /// A schema of many branches, each of which holds itself: what is done with a value is bounded all the same.
    #[test]
    fn branches_within_branches_come_to_an_end() {
        let branch = json!({"type": "object", "properties": {"op": {"type": "string"}, "args": {"type": "array", "items": {"$ref": "#/$defs/f"}}}});
        let schema = json!({"$ref": "#/$defs/f", "$defs": {"f": {"anyOf": vec![branch; 12]}}});
        let deep = (0..40).fold(json!({"op": "a"}), |inner, _| json!({"args": [inner], "op": "b"}));
        assert!(python_json(&as_written(&schema, &deep)).starts_with(r#"{"op": "b", "args": ["#));
        let circle = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}});
        assert_eq!(as_written(&circle, &json!({"x": 1})), json!({"x": 1}));
    }
}
