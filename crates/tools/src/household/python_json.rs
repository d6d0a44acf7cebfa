//! JSON as Python's `json.dumps` writes it: a space after every comma and colon, and nothing beyond ASCII.

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use std::io::{Result, Write};

/// A value in one line.
///
/// # Errors
/// If the value has no form in JSON.
pub fn to_python_json(value: &impl Serialize) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Spaced))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> Result<()> {
        for c in fragment.chars() {
            match c {
                ' '..='~' => writer.write_all(&[c as u8])?,
                _ => {
                    c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))?
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python prints for the same value.
    #[test]
    fn is_what_python_writes() {
        let value = serde_json::json!({"a": [1, null, "x\n\"é😀\u{7f}"], "b": {}, "c": [], "d": {"e": true}});
        let expected =
            r#"{"a": [1, null, "x\n\"\u00e9\ud83d\ude00\u007f"], "b": {}, "c": [], "d": {"e": true}}"#;
        assert_eq!(to_python_json(&value).unwrap(), expected);
    }
}
