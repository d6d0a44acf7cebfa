//! The arithmetic functions and the built-in word problems: how prompts show them, and what a call gives.

use corpus::arithmetic::{argument_demos, few_shot_prompt};
use decode::Template;
use std::collections::BTreeMap;
use tools::{Function, Guards, Number, Rounding};

/// A function's result as a text holds it, rounded as in the reference; nothing for an unknown name, a call that the tools' guards refuse,
/// or one that fails: what is taught is what runs.
pub fn evaluate(tool: &str, args: &[f64]) -> Option<String> {
    let function: Function = tool.parse().ok()?;
    let args: Vec<Number> = args.iter().map(|&x| number(x)).collect();
    Guards::default().validate(function, &args).ok()?;
    function.call(&args, Rounding::Reference).ok().filter(|result| Guards::default().admit(result).is_ok())
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
    use corpus::arithmetic::{Split, TOOLS, generate};
    use tools::{Outcome, ToolSet};

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

    /// By the tools as they run, which refuse what their guards refuse.
    #[test]
    fn every_call_that_is_taught_runs_and_gives_what_is_taught() {
        let tools = ToolSet::arithmetic();
        for split in [Split::Train, Split::Test] {
            for problem in generate(split, 3, 3000, evaluate).unwrap() {
                let example = &problem.example;
                for call in &example.calls {
                    let (args, tool) =
                        (call.args.as_deref().unwrap_or_default(), tools.by_name(&call.tool).unwrap());
                    let Ok(Outcome::Done { text, .. }) = tool.run(args) else {
                        panic!("{}: {}({args}) does not run", example.text, call.tool)
                    };
                    assert_eq!(text, example.text[call.start..call.end], "{}", example.text);
                }
            }
        }
        for name in TOOLS {
            assert_eq!(demos([name].into_iter()).len(), 1, "{name}: four worked calls that run");
        }
    }
}
