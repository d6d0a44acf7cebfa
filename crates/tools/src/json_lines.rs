//! Calls of the arithmetic functions as JSON lines, for comparing with another implementation.

use crate::{
    Number,
    arithmetic::{Function, Rounding, UnknownFunction},
    number::NumberError,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A line that is no call.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Not JSON, or not of this shape.
    #[error("expected a line like {{\"tool\": \"add\", \"args\": [2, 3.5]}}: {0}")]
    Json(#[from] serde_json::Error),
    /// No such function.
    #[error(transparent)]
    Tool(#[from] UnknownFunction),
    /// An argument that is not a number.
    #[error("argument {position}: {source}")]
    Argument {
        /// Which one, from 1.
        position: usize,
        /// What is wrong with it.
        source: NumberError,
    },
}

/// Arguments stay the text they are: an integer keeps all its digits, and `3.0` does not become `3`.
#[derive(Deserialize)]
struct Call<'a> {
    tool: String,
    #[serde(borrow)]
    args: Vec<&'a RawValue>,
}

#[derive(Serialize)]
struct Answer<'a> {
    tool: &'a str,
    args: Vec<&'a RawValue>,
    result: Option<String>,
    error: Option<&'static str>,
}

/// Answers `{"tool", "args": [numbers]}` with the same and `result` or `error`; the other of the two is `null`.
///
/// Calls run without guards, as the reference's. Other fields of the line are ignored.
///
/// # Errors
/// A line that is no call at all. A call without a result is an answer, with the kind of its error.
///
/// ```
/// use toolken_tools::{Rounding, call_json};
/// let answer = call_json(r#"{"tool": "divide", "args": [2, 3.0]}"#, Rounding::Reference)?;
/// assert_eq!(answer, r#"{"tool":"divide","args":[2,3.0],"result":"0.67","error":null}"#);
/// # Ok::<(), toolken_tools::LineError>(())
/// ```
pub fn call_json(line: &str, rounding: Rounding) -> Result<String, LineError> {
    let call: Call = serde_json::from_str(line)?;
    let function: Function = call.tool.parse()?;
    let number = |(i, text): (usize, &&RawValue)| {
        text.get().parse().map_err(|source| LineError::Argument { position: i + 1, source })
    };
    let args = call.args.iter().enumerate().map(number).collect::<Result<Vec<Number>, _>>()?;
    let (result, error) = match function.call(&args, rounding) {
        Ok(result) => (Some(result), None),
        Err(error) => (None, Some(error.kind.name())),
    };
    Ok(serde_json::to_string(&Answer { tool: function.name(), args: call.args, result, error })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(line: &str) -> serde_json::Value {
        let answer = call_json(line, Rounding::Reference).expect("a call");
        serde_json::from_str(&answer).expect("JSON")
    }

    #[test]
    fn integers_keep_their_digits_and_floats_their_point() {
        assert_eq!(answer(r#"{"tool": "add", "args": [9007199254740993, 1]}"#)["result"], "9007199254740994");
        assert_eq!(
            answer(r#"{"tool": "remainder", "args": [123456789012345678901234567890, 1000]}"#)["result"],
            "890"
        );
        // Python's gcd takes no floats, not even whole ones.
        assert_eq!(answer(r#"{"tool": "gcd", "args": [6.0, 4]}"#)["error"], "TypeError");
        assert_eq!(answer(r#"{"tool": "gcd", "args": [6, 4], "id": 7}"#)["result"], "2");
    }

    #[test]
    fn lines_that_are_no_calls_say_why() {
        let cases = [
            ("", "expected a line like"),
            ("[]", "expected a line like"),
            (r#"{"tool": "add"}"#, "missing field `args`"),
            (r#"{"tool": "add", "args": 3}"#, "invalid type"),
            (r#"{"tool": "eval", "args": [3]}"#, "no built-in function `eval`"),
            (r#"{"tool": "<add>", "args": [3]}"#, "no built-in function `<add>`"),
            (r#"{"tool": "add", "args": [3, "4"]}"#, "argument 2: `\"4\"` is not a number"),
            (r#"{"tool": "add", "args": [[1, 2]]}"#, "argument 1"),
            (r#"{"tool": "add", "args": [true]}"#, "argument 1"),
            (r#"{"tool": "add", "args": [1e999]}"#, "past the range"),
        ];
        for (line, part) in cases {
            let error = call_json(line, Rounding::Reference).expect_err(line).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
