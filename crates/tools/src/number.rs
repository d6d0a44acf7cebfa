//! A number as Python has it: an integer of any size, or a float. `3` and `3.0` are different numbers.

use crate::arithmetic::Fault;
use num_bigint::BigInt;
use num_traits::ToPrimitive;
use std::{fmt, str::FromStr};

/// The longest whole number that is read, in digits: past any result a function can give (about 309 digits).
pub const MAX_DIGITS: usize = 1000;

/// An argument of an arithmetic function.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    /// A whole number, exact.
    Int(BigInt),
    /// A binary64 number.
    Float(f64),
}

/// Why a text is not a number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Something other than a decimal number.
    #[error("`{0}` is not a number: expected digits, with a sign, a decimal point or an exponent at most")]
    NotANumber(String),
    /// `007`, or the `050` of a `1,050` that was cut at its comma.
    #[error(
        "`{0}` starts with a zero that means nothing: write the number without it, and thousands without commas"
    )]
    LeadingZero(String),
    /// A whole number of more than [`MAX_DIGITS`] digits.
    #[error("a whole number of {0} digits: at most {MAX_DIGITS} are read")]
    TooManyDigits(usize),
    /// Past the range of a float.
    #[error("`{0}` is past the range of a number with a fraction (about 1.8e308)")]
    OutOfRange(String),
}

impl Number {
    /// True of integers, and of floats without a fraction.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Int(_) => true,
            Self::Float(x) => x.is_finite() && x.fract() == 0.0,
        }
    }

    /// The nearest float, ties to even.
    ///
    /// # Errors
    /// An integer past the range of a float: Python's `OverflowError`.
    pub(crate) fn to_float(&self) -> Result<f64, Fault> {
        match self {
            Self::Int(n) => match n.to_f64() {
                Some(x) if x.is_finite() => Ok(x),
                _ => Err(Fault::overflow("a whole number past the range of a float")),
            },
            Self::Float(x) => Ok(*x),
        }
    }
}

impl From<i64> for Number {
    fn from(n: i64) -> Self {
        Self::Int(n.into())
    }
}

impl From<f64> for Number {
    fn from(x: f64) -> Self {
        Self::Float(x)
    }
}

/// Reads what both JSON and Python take for a decimal number: a sign, digits, a point, an exponent. A number with a
/// point or an exponent is a float, any other an integer. Nothing else is read: no words, no `inf`, no hexadecimal.
impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let exponent_digits = exponent.map(|e| e.strip_prefix(['-', '+']).unwrap_or(e));
        let well_formed = digits(whole)
            && fraction.is_none_or(digits)
            && !(whole.is_empty() && fraction.is_none_or(str::is_empty))
            && exponent_digits.is_none_or(|e| !e.is_empty() && digits(e));
        if !well_formed {
            return Err(NumberError::NotANumber(shown(text)));
        }
        if whole.len() > 1 && whole.starts_with('0') {
            return Err(NumberError::LeadingZero(shown(text)));
        }
        if fraction.is_some() || exponent.is_some() {
            return match text.parse::<f64>() {
                Ok(x) if x.is_finite() => Ok(Self::Float(x)),
                _ => Err(NumberError::OutOfRange(shown(text))),
            };
        }
        if whole.len() > MAX_DIGITS {
            return Err(NumberError::TooManyDigits(whole.len()));
        }
        let n = text.parse().map_err(|_| NumberError::NotANumber(shown(text)))?;
        Ok(Self::Int(n))
    }
}

/// Reads back as the same number, of the same kind.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(n) => n.fmt(f),
            Self::Float(x) => write!(f, "{x:?}"),
        }
    }
}

/// The start of a text that may be of any length, for an error message.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_and_floats_stay_apart() {
        assert_eq!("3".parse(), Ok(Number::from(3)));
        assert_eq!("3.0".parse(), Ok(Number::from(3.0)));
        assert_eq!("+3".parse(), Ok(Number::from(3)));
        assert_eq!("-0.5".parse(), Ok(Number::from(-0.5)));
        assert_eq!(".5".parse(), Ok(Number::from(0.5)));
        assert_eq!("5.".parse(), Ok(Number::from(5.0)));
        assert_eq!("1e3".parse(), Ok(Number::from(1000.0)));
        assert_eq!("2.5E-3".parse(), Ok(Number::from(0.0025)));
        let big: Number = "123456789012345678901234567890".parse().expect("a big integer");
        assert_eq!(big.to_string(), "123456789012345678901234567890");
    }

    #[test]
    fn what_is_no_decimal_number_is_refused() {
        for text in [
            "", "-", ".", "e5", "1e", "1e+", "--5", "1.2.3", "0x1F", "1_000", "inf", "nan", "five", "5a",
            "٣", "1 0",
        ] {
            assert!(matches!(text.parse::<Number>(), Err(NumberError::NotANumber(_))), "{text:?}");
        }
        for text in ["007", "-050", "00.5", "000"] {
            assert!(matches!(text.parse::<Number>(), Err(NumberError::LeadingZero(_))), "{text:?}");
        }
        assert!(matches!("1e999".parse::<Number>(), Err(NumberError::OutOfRange(_))));
        assert!("1e-999".parse() == Ok(Number::from(0.0)));
        assert!("9".repeat(MAX_DIGITS).parse::<Number>().is_ok());
        assert_eq!(
            "9".repeat(MAX_DIGITS + 1).parse::<Number>(),
            Err(NumberError::TooManyDigits(MAX_DIGITS + 1))
        );
    }

    proptest! {
        #[test]
        fn a_number_reads_back_as_itself(n in any::<i128>(), x in any::<f64>().prop_filter("finite", |x| x.is_finite())) {
            for number in [Number::Int(n.into()), Number::Float(x)] {
                prop_assert_eq!(number.to_string().parse(), Ok(number));
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC*|[-+.eE0-9]{0,12}") {
            let _ = text.parse::<Number>();
        }
    }
}
