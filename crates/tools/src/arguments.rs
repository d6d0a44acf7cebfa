//! From what a model wrote between `(` and `)` to numbers. Nothing of it is ever executed or evaluated.

use crate::{
    Number,
    number::{NumberError, shown},
};
use num_traits::ToPrimitive;

/// Why a text is not a list of numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// Brackets inside: another call, or an expression. Only numbers are read.
    #[error(
        "`{0}` has brackets inside: expected plain numbers, the result of another call must be written out"
    )]
    Nested(String),
    /// Nothing between two commas.
    #[error("argument {0} is empty")]
    Empty(usize),
    /// An argument that is not a number.
    #[error("argument {position}: {source}")]
    Number {
        /// Which one, from 1.
        position: usize,
        /// What is wrong with it.
        source: NumberError,
    },
}

/// Reads numbers separated by commas; an empty text has none.
///
/// It is cleaned first, in the reference's order:
///
/// 1. `=` and `>` go, and the brackets around the whole, with or without their partner;
/// 2. `$` goes;
/// 3. where a comma and a space occur together, they separate, and a comma alone is a thousands separator; else every
///    comma separates, and a `1,050` is then refused for its `050`, not taken for 1 and 50;
/// 4. spaces go;
/// 5. `x%` becomes the float x / 100.
///
/// Numbers are read as [`Number`] says. Where the reference would compute (`2*3`, `add(1, 2)`, `0x1F`), this is an error.
///
/// # Errors
/// The first argument that is not a number.
///
/// ```
/// let numbers = toolken_tools::parse_arguments("$1,250.50, 5%")?;
/// assert_eq!(numbers, [1250.5.into(), 0.05.into()]);
/// # Ok::<(), toolken_tools::ArgumentError>(())
/// ```
pub fn parse_arguments(text: &str) -> Result<Vec<Number>, ArgumentError> {
    let cleaned = text.replace(['=', '>', '$'], "");
    let inner = cleaned.trim().trim_start_matches(['(', ' ']).trim_end_matches([')', ' ']).trim();
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    if inner.contains(['(', ')']) {
        return Err(ArgumentError::Nested(shown(inner)));
    }
    let separator = if inner.contains(", ") { ", " } else { "," };
    inner.split(separator).enumerate().map(|(i, argument)| parse_argument(i + 1, argument)).collect()
}

fn parse_argument(position: usize, text: &str) -> Result<Number, ArgumentError> {
    let text = text.replace([',', ' '], "");
    let text = text.trim();
    let error = |source| ArgumentError::Number { position, source };
    if text.is_empty() {
        return Err(ArgumentError::Empty(position));
    }
    match text.strip_suffix('%') {
        None => text.parse().map_err(error),
        Some(percent) => {
            let percent = match percent.parse().map_err(error)? {
                Number::Float(x) => x,
                Number::Int(n) => n.to_f64().unwrap_or(f64::INFINITY),
            };
            if percent.is_infinite() {
                return Err(error(NumberError::OutOfRange(shown(text))));
            }
            Ok(Number::Float(percent / 100.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn int(n: i64) -> Number {
        Number::from(n)
    }

    fn float(x: f64) -> Number {
        Number::from(x)
    }

    #[test]
    fn numbers_as_models_write_them() {
        let cases: &[(&str, &[Number])] = &[
            ("", &[]),
            ("()", &[]),
            ("5, 3", &[int(5), int(3)]),
            ("5,3", &[int(5), int(3)]),
            ("5 , 3", &[int(5), int(3)]),
            ("  5,   3 ", &[int(5), int(3)]),
            ("5,\n3", &[int(5), int(3)]),
            ("5.0, 3", &[float(5.0), int(3)]),
            // Brackets around the whole, with or without a partner; `)=` is a token of its own in some vocabularies.
            ("(5, 3)", &[int(5), int(3)]),
            ("((5, 3))", &[int(5), int(3)]),
            ("(5, 3", &[int(5), int(3)]),
            ("5, 3)", &[int(5), int(3)]),
            ("5, 3)=", &[int(5), int(3)]),
            (">(5, 3)", &[int(5), int(3)]),
            // Dollars.
            ("$5, $3.50", &[int(5), float(3.5)]),
            ("-$5", &[int(-5)]),
            ("$ 20", &[int(20)]),
            // Thousands: only where the arguments are set apart by a comma and a space.
            ("1,250, 3", &[int(1250), int(3)]),
            ("1,250,000, 2,000.5", &[int(1_250_000), float(2000.5)]),
            ("$1,250, 10%", &[int(1250), float(0.1)]),
            ("1,250", &[int(1), int(250)]),
            ("1 250", &[int(1250)]),
            // Percentages.
            ("5%", &[float(0.05)]),
            ("5 %, 200", &[float(0.05), int(200)]),
            ("12.5%", &[float(0.125)]),
            ("-5%", &[float(-0.05)]),
            ("1,200%, 3", &[float(12.0), int(3)]),
            // Signs, points, exponents.
            ("-5, +3", &[int(-5), int(3)]),
            ("- 5", &[int(-5)]),
            (".5, 5.", &[float(0.5), float(5.0)]),
            ("1e3, 2.5e-2", &[float(1000.0), float(0.025)]),
            ("0, -0", &[int(0), int(0)]),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_arguments(text).as_deref(), Ok(*expected), "{text:?}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let nested = ["add(1, 2)", "add(1, 2), 3", "5, (3", "(5), (3)", "3*(4+5)", "sqrt(16))", "5)3"];
        for text in nested {
            assert!(matches!(parse_arguments(text), Err(ArgumentError::Nested(_))), "{text:?}");
        }
        for (text, position) in [("5,,3", 2), (", 5", 1), (",", 1), ("%%, 3", 1)] {
            let error = parse_arguments(text).expect_err(text);
            assert!(error.to_string().starts_with(&format!("argument {position}")), "{text:?}: {error}");
        }
        let no_numbers = [
            "five",
            "x",
            "5 apples",
            "5, b",
            "2*3",
            "2+3",
            "5/2",
            "10^2",
            "1-1",
            "--5",
            "0x1F",
            "1_000",
            "5%%",
            "%5",
            "%",
            "1.2.3",
            "1,2.3.4",
            "inf",
            "nan",
            "None",
            "[5, 3]",
            "'5'",
            "5; 3",
            "½",
            "−5",
            "__import__",
            "\u{0}",
        ];
        for text in no_numbers {
            let error = parse_arguments(text).expect_err(text);
            assert!(
                matches!(&error, ArgumentError::Number { source: NumberError::NotANumber(_), .. }),
                "{text:?}: {error:?}"
            );
        }
        // A thousands separator without a second argument to tell it by: half of these would be wrong numbers.
        for text in ["1,050", "12,000", "007"] {
            let error = parse_arguments(text).expect_err(text);
            assert!(
                matches!(&error, ArgumentError::Number { source: NumberError::LeadingZero(_), .. }),
                "{text:?}: {error:?}"
            );
        }
        for text in ["1e999", "1e400%", &format!("{}%", "9".repeat(400))] {
            let error = parse_arguments(text).expect_err(text);
            assert!(
                matches!(&error, ArgumentError::Number { source: NumberError::OutOfRange(_), .. }),
                "{text:?}: {error:?}"
            );
        }
    }

    #[test]
    fn an_error_shows_little_of_a_long_text() {
        let error = parse_arguments(&"x".repeat(1_000_000)).expect_err("a word");
        assert!(error.to_string().len() < 300, "{error}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = parse_arguments(&text);
        }

        #[test]
        fn no_near_miss_panics(text in "[-+0-9.,%$()=> e\n]{0,24}") {
            let _ = parse_arguments(&text);
        }

        #[test]
        fn written_numbers_are_read_back(numbers in prop::collection::vec(
            prop_oneof![any::<i64>().prop_map(Number::from), (-1e18..1e18).prop_map(Number::Float)], 1..6)
        ) {
            let text = numbers.iter().map(Number::to_string).collect::<Vec<_>>().join(", ");
            prop_assert_eq!(parse_arguments(&text), Ok(numbers));
        }
    }
}
