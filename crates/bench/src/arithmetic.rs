//! The arithmetic functions and the built-in word problems: how prompts show them, and what a call gives.

use corpus::arithmetic::{argument_demos, few_shot_prompt};
use decode::Template;
use std::collections::BTreeMap;
use tools::{Function, Number, Rounding};

/// A function's result as a text holds it, rounded as in the reference; nothing for an unknown name or a failed call.
pub fn evaluate(tool: &str, args: &[f64]) -> Option<String> {
    let function: Function = tool.parse().ok()?;
    let args: Vec<Number> = args.iter().map(|&x| number(x)).collect();
    function.call(&args, Rounding::Reference).ok()
}

/// A few worked answers, then a place for the question.
pub fn prompt() -> Template {
    Template::new(format!("{}Q: {}\nA:", few_shot_prompt(), Template::QUESTION))
}

/// Worked calls of those tools that are arithmetic functions, then a place for the question.
pub fn demos<'a>(tools: impl Iterator<Item = &'a str>) -> BTreeMap<String, Template> {
    let worked = |tool: &str| {
        let text = argument_demos(tool, evaluate)?;
        Some((tool.to_owned(), Template::new(format!("{text}Q: {}\nA:", Template::QUESTION))))
    };
    tools.filter_map(worked).collect()
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

    #[test]
    fn every_arithmetic_tool_has_worked_calls_and_no_other_has() {
        let demos = demos(["add", "sqrt", "weather"].into_iter());
        assert_eq!(demos.keys().collect::<Vec<_>>(), ["add", "sqrt"]);
        assert!(demos["sqrt"].render("What is √9?").ends_with("Q: What is √9?\nA:"));
    }
}
