//! JSON as Python's `json.dumps` writes it, which is what `tojson` means in the templates of published models.

use minijinja::value::{Kwargs, Serde};
use minijinja::{Error, ErrorKind};
use serde_json::Value;
use std::fmt::Write;

/// The filter `tojson`. `transformers` passes these options on to `json.dumps`; `ensure_ascii` is off unless asked for.
pub(super) fn tojson(value: Serde<Value>, options: Kwargs) -> Result<minijinja::Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    let sorted: Option<bool> = options.get("sort_keys")?;
    let separators: Option<Vec<String>> = options.get("separators")?;
    options.assert_all_used()?;
    let (item, key) = match separators.as_deref() {
        None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        None => (", ".to_owned(), ": ".to_owned()),
        Some([item, key]) => (item.clone(), key.clone()),
        Some(_) => return Err(Error::new(ErrorKind::InvalidOperation, "tojson: separators are two strings")),
    };
    let style = Style { indent, ascii: ascii.unwrap_or(false), sorted: sorted.unwrap_or(false), item, key };
    let mut out = String::new();
    style.write(&mut out, &value.0, 0);
    // Safe: templates of chats write text, not HTML.
    Ok(minijinja::Value::from_safe_string(out))
}

/// A value in one line, as templates show it.
pub fn python_json(value: &Value) -> String {
    let style =
        Style { indent: None, ascii: false, sorted: false, item: ", ".to_owned(), key: ": ".to_owned() };
    let mut out = String::new();
    style.write(&mut out, value, 0);
    out
}

struct Style {
    indent: Option<usize>,
    ascii: bool,
    sorted: bool,
    item: String,
    key: String,
}

impl Style {
    fn write(&self, out: &mut String, value: &Value, depth: usize) {
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
                Some(float) => out.push_str(&float_repr(float)),
                None => out.push_str(&number.to_string()),
            },
            Value::String(text) => self.string(out, text),
            Value::Array(items) if items.is_empty() => out.push_str("[]"),
            Value::Object(entries) if entries.is_empty() => out.push_str("{}"),
            Value::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    self.between(out, i, depth + 1);
                    self.write(out, item, depth + 1);
                }
                self.line(out, depth);
                out.push(']');
            }
            Value::Object(entries) => {
                let mut entries: Vec<_> = entries.iter().collect();
                if self.sorted {
                    entries.sort_by_key(|(key, _)| *key);
                }
                out.push('{');
                for (i, (key, value)) in entries.into_iter().enumerate() {
                    self.between(out, i, depth + 1);
                    self.string(out, key);
                    out.push_str(&self.key);
                    self.write(out, value, depth + 1);
                }
                self.line(out, depth);
                out.push('}');
            }
        }
    }

    fn between(&self, out: &mut String, index: usize, depth: usize) {
        if index > 0 {
            out.push_str(&self.item);
        }
        self.line(out, depth);
    }

    fn line(&self, out: &mut String, depth: usize) {
        if let Some(indent) = self.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    }

    fn string(&self, out: &mut String, text: &str) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                c if c < ' ' || (self.ascii && !c.is_ascii()) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(out, "\\u{unit:04x}"); // a String takes everything
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

/// A float as Python's `repr`: the shortest digits that read back, with an exponent below 1e-4 and from 1e16 on.
fn float_repr(x: f64) -> String {
    let scientific = format!("{x:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if x != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{x}");
    if plain.contains('.') { plain } else { plain + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn dumped(value: Value, indent: Option<usize>, ascii: bool, sorted: bool) -> String {
        let item = if indent.is_some() { "," } else { ", " };
        let style = Style { indent, ascii, sorted, item: item.into(), key: ": ".into() };
        let mut out = String::new();
        style.write(&mut out, &value, 0);
        out
    }

    /// The expected strings are what Python 3's `json.dumps` gives.
    #[test]
    fn values_are_written_as_python_writes_them() {
        let value = json!({"b": [1, -2.5, 1e16, 1e-5, 0.0001, 123456789012345680.0, true, null], "a": {}, "é\n\u{1f980}": [[], "\"\\/\u{1}"]});
        assert_eq!(
            python_json(&value),
            "{\"b\": [1, -2.5, 1e+16, 1e-05, 0.0001, 1.2345678901234568e+17, true, null], \"a\": {}, \
             \"é\\n\u{1f980}\": [[], \"\\\"\\\\/\\u0001\"]}"
        );
        assert_eq!(dumped(json!("é\u{1f980}"), None, true, false), "\"\\u00e9\\ud83e\\udd80\"");
        assert_eq!(
            dumped(json!({"b": 1.0, "a": [2, {}]}), Some(2), false, true),
            "{\n  \"a\": [\n    2,\n    {}\n  ],\n  \"b\": 1.0\n}"
        );
    }
}
