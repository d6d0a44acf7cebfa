//! Numbers that a schema leaves open, bounded, so that their digits come to an end and can be read back.
//!
//! A model may write digits for ever, and `1e999` is valid JSON that no float holds. What a bounded schema admits, the open one
//! admits too.

use crate::schema::changed;
use serde_json::{Map, Value, json};

/// The largest number that is written where a schema sets no bounds, up and down: all digits of such an integer survive as a float.
const LARGEST: i64 = 999_999_999_999_999;
/// As far as integers go: llguidance counts in 64 bits.
const FURTHEST: i64 = 9_000_000_000_000_000_000;
/// How far inside a bound that is itself excluded numbers begin. llguidance admits 0 for (0, ½), where both have the same whole part.
const INSIDE: f64 = 1e-9;
/// Bounds up to this size leave room for that step.
const ROOM: f64 = 1e6;

/// The schema with bounds on all numbers.
pub(crate) fn bounded(schema: &Value) -> Value {
    changed(schema, bound)
}

fn bound(object: &mut Map<String, Value>) {
    let kinds: Vec<&str> = match object.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let real = kinds.contains(&"number");
    if !real && !kinds.contains(&"integer") || ["enum", "const"].iter().any(|key| object.contains_key(*key)) {
        return;
    }
    // Where one side's bound lies beyond the largest number, the other has to lie further out.
    let given = ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"].map(|key| object.get(key));
    let beyond =
        given.iter().filter_map(|bound| bound.and_then(Value::as_f64)).any(|x| x.abs() > LARGEST as f64);
    for (key, exclusive, sign) in
        [("minimum", "exclusiveMinimum", 1.0), ("maximum", "exclusiveMaximum", -1.0)]
    {
        let excluded = object.get(exclusive).and_then(Value::as_f64);
        if let Some(limit) = excluded.filter(|limit| real && limit.abs() < ROOM) {
            let inside = limit + sign * INSIDE;
            let tighter = |own: f64| if sign > 0.0 { own.max(inside) } else { own.min(inside) };
            let limit = object.get(key).and_then(Value::as_f64).map_or(inside, tighter);
            object.remove(exclusive);
            object.insert(key.to_owned(), json!(limit));
        }
        let furthest = |limit: f64| sign * -limit > FURTHEST as f64;
        if !real && object.get(key).and_then(Value::as_f64).is_some_and(furthest) {
            object.insert(key.to_owned(), json!(-(sign as i64) * FURTHEST));
        }
        if !object.contains_key(key) && !object.contains_key(exclusive) {
            let limit = if beyond { FURTHEST } else { LARGEST };
            object.insert(key.to_owned(), json!(-(sign as i64) * limit));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Grammars;

    #[test]
    fn open_sides_are_bounded_and_data_is_left() {
        let found = bounded(&json!({"properties": {
            "free": {"type": "integer"}, "half": {"type": ["integer", "null"], "minimum": 1},
            "listed": {"type": "integer", "enum": [1]}, "real": {"type": "number", "maximum": 2.5},
            "data": {"default": {"type": "integer"}}, "default": {"type": "integer"}, "above": {"type": "integer", "exclusiveMinimum": 3},
        }}));
        let properties = &found["properties"];
        assert_eq!(properties["free"], json!({"type": "integer", "minimum": -LARGEST, "maximum": LARGEST}));
        assert_eq!(
            properties["half"],
            json!({"type": ["integer", "null"], "minimum": 1, "maximum": LARGEST})
        );
        assert_eq!(properties["default"], properties["free"], "a property may be called like a keyword");
        assert_eq!(properties["listed"], json!({"type": "integer", "enum": [1]}));
        assert_eq!(properties["real"], json!({"type": "number", "minimum": -LARGEST, "maximum": 2.5}));
        assert_eq!(properties["data"], json!({"default": {"type": "integer"}}));
        assert_eq!(
            properties["above"],
            json!({"type": "integer", "exclusiveMinimum": 3, "maximum": LARGEST})
        );
    }

    #[test]
    fn a_bound_further_out_leaves_room_beyond_it() {
        let grammars = Grammars::of_bytes().unwrap();
        for (schema, within, without) in [
            (
                json!({"type": "integer", "minimum": 1_600_000_000_000_000_000_i64}),
                "1600000000000000001",
                "1500000000000000000",
            ),
            (
                json!({"type": "integer", "maximum": -2_000_000_000_000_000_i64}),
                "-3000000000000000",
                "-1000000000000000",
            ),
            (
                json!({"type": "integer", "maximum": 18_446_744_073_709_551_615_u64}),
                "8123456789012345678",
                "18446744073709551616",
            ),
            (json!({"type": "number", "exclusiveMinimum": 1e18}), "2000000000000000000", "5"),
        ] {
            let grammar = grammars.compile(&schema).unwrap();
            assert!(grammar.admits(within) && !grammar.admits(without), "{schema}");
        }
    }

    /// Every range of these bounds, whole and excluded, against every number on a grid: in the range or not, by arithmetic.
    #[test]
    fn ranges_of_numbers_hold() {
        let grammars = Grammars::of_bytes().unwrap();
        let bounds = [-30.25, -3.5, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 2.75, 10.0, 30.0];
        let eighths = (-264..=264).map(|n| f64::from(n) / 8.0);
        let mut texts: Vec<(String, f64)> = eighths
            .flat_map(|x| [(format!("{x}"), x), (format!("{x:.3}"), x), (format!("{x:e}"), x)])
            .collect();
        texts.extend([("-0".to_owned(), 0.0), ("-0.0".to_owned(), 0.0), ("1e999".to_owned(), f64::INFINITY)]);
        let (mut admitted, mut inside) = (0, 0);
        for (i, &low) in bounds.iter().enumerate() {
            for &high in &bounds[i..] {
                for (minimum, maximum) in [
                    ("minimum", "maximum"),
                    ("exclusiveMinimum", "maximum"),
                    ("minimum", "exclusiveMaximum"),
                    ("exclusiveMinimum", "exclusiveMaximum"),
                ] {
                    let schema = json!({"type": "number", minimum: low, maximum: high});
                    let above = |x: f64| if minimum == "minimum" { x >= low } else { x > low };
                    let below = |x: f64| if maximum == "maximum" { x <= high } else { x < high };
                    let Ok(grammar) = grammars.compile(&schema) else {
                        assert_eq!(low, high, "{schema} holds numbers");
                        continue;
                    };
                    for (text, x) in &texts {
                        let right = above(*x) && below(*x);
                        let admits = grammar.admits(text);
                        assert!(!admits || right, "{schema} admits {text}");
                        // An exponent or a sign before 0 need not be written.
                        let plain = !text.contains('e') && !text.starts_with("-0");
                        admitted += usize::from(admits && plain);
                        inside += usize::from(right && plain);
                    }
                }
            }
        }
        assert!(admitted * 100 > inside * 99, "{admitted} of {inside}");
    }

    #[test]
    fn free_numbers_are_read_back() {
        let grammar = Grammars::of_bytes().unwrap().compile(&json!({"type": "number"})).unwrap();
        for text in ["0", "-1.5", "3.14159", "123456789012345"] {
            assert!(grammar.admits(text), "{text}");
        }
        for text in ["1e999", "-1e400", &"9".repeat(400), "01", "+1", ".5", "NaN"] {
            assert!(!grammar.admits(text), "{text}");
        }
    }
}
