//! The arithmetic functions as the corpus generator asks for them: by name, on plain numbers.

use ::tools::{Function, Number, Rounding};

/// A function's result as a text holds it, rounded as in the reference; nothing for an unknown name or a failed call.
pub fn evaluate(tool: &str, args: &[f64]) -> Option<String> {
    let function: Function = tool.parse().ok()?;
    let args: Vec<Number> = args.iter().map(|&x| number(x)).collect();
    function.call(&args, Rounding::Reference).ok()
}

/// A whole number is an integer, which some functions insist on, as far as binary64 tells integers apart.
fn number(x: f64) -> Number {
    const EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
    if x.fract() == 0.0 && x.abs() < EXACT { Number::from(x as i64) } else { Number::from(x) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_reach_the_functions_as_integers() {
        assert_eq!(evaluate("gcd", &[12.0, 18.0]).as_deref(), Some("6"));
        assert_eq!(evaluate("divide", &[2.0, 3.0]).as_deref(), Some("0.67"));
        assert_eq!(evaluate("gcd", &[1.5, 3.0]), None);
        assert_eq!(evaluate("sine", &[1.0]), None);
    }
}
