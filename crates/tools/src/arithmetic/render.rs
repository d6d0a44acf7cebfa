//! From a number to the text of a result.

use super::{ErrorKind, Fault};
use crate::Number;

/// How a result is rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// To two decimals, and a positive number below 0.1 to two more than it has zeros after the point (at most twelve):
    /// 52.3523 → 52.35, 0.00000233 → 0.0000023. What ToolkenGPT's functions do, and what their corpora hold.
    #[default]
    Reference,
    /// Not at all: the shortest decimal that names the same float.
    Full,
}

/// A number without exponent or trailing zeros.
///
/// One fault of the reference is not copied: it strips the zeros of an *exponent* that ends in zero, so that 1.5e20
/// becomes 150 and 1.2e-10 becomes 0.12.
///
/// # Errors
/// A result past the range of a float, integers too: so does the reference, and no text has use for more.
pub(super) fn render(result: &Number, rounding: Rounding) -> Result<String, Fault> {
    let x = result.to_float()?;
    if !x.is_finite() {
        return Err(Fault { kind: ErrorKind::IndexError, message: "the result is not finite" });
    }
    Ok(match (result, rounding) {
        (Number::Int(n), _) => n.to_string(),
        (Number::Float(_), Rounding::Full) => shortest(x + 0.0), // −0 + 0 = 0
        (Number::Float(_), Rounding::Reference) => {
            let places = decimals(x);
            // Through text, because both steps are exact there: `round` of Python is defined on the decimal expansion.
            let rounded = format!("{x:.places$}");
            rounded.parse().map_or(rounded, shortest)
        }
    })
}

/// The shortest decimal that reads back as `x`, the even one of two equally near: 2^51 + 0.25 ends in .2, as in Python;
/// Rust itself writes .3.
fn shortest(x: f64) -> String {
    let shortest = x.to_string();
    let Some((_, decimals)) = shortest.split_once('.') else {
        return shortest;
    };
    let nearest = format!("{x:.*}", decimals.len());
    if nearest.parse() == Ok(x) { nearest } else { shortest }
}

/// How many decimals the reference keeps.
fn decimals(x: f64) -> usize {
    let ten = format!("{x:.10}");
    let zeros =
        ten.strip_prefix("0.").map_or(0, |decimals| decimals.bytes().take_while(|&b| b == b'0').count());
    2 + zeros
}
