//! How an operation is written, whatever sentence it stands in.
//!
//! Sentence patterns are disjoint between the splits; these forms are shared, because which tool to call at `=` or ` is `
//! must be read off the operation ahead of it.

/// An operation in symbols and in words. `{1}`, `{2}`, … are its arguments.
pub(super) struct Operation {
    /// The tool that computes it.
    pub tool: &'static str,
    /// As formulas: `{1} mod {2}`.
    pub symbols: &'static [&'static str],
    /// As noun phrases: `the remainder of {1} divided by {2}`.
    pub words: &'static [&'static str],
    /// What stands between the words and the result in a clause of its own.
    pub verbs: &'static [&'static str],
}

/// What stands between symbols and the result.
pub(super) const EQUALS: &[&str] = &["=", " = "];
/// The same, where the equation is a clause of its own.
pub(super) const EQUALS_OR_IS: &[&str] = &["=", "=", " = ", " = ", " is ", " equals "];
/// What stands between a noun phrase and the result, in the middle of a sentence.
pub(super) const WHICH_IS: &[&str] = &[", which is ", ", which equals "];

const IS: &[&str] = &[" is ", " equals "];
const IS_OR_MAKES: &[&str] = &[" is ", " equals ", " makes "];

pub(super) const ADD: Operation = Operation {
    tool: "add",
    symbols: &["{1}+{2}", "{1} + {2}"],
    words: &["{1} plus {2}", "the sum of {1} and {2}"],
    verbs: IS_OR_MAKES,
};
pub(super) const ADD_THREE: Operation = Operation {
    tool: "add",
    symbols: &["{1}+{2}+{3}", "{1} + {2} + {3}"],
    words: &["{1} plus {2} plus {3}", "the sum of {1}, {2} and {3}"],
    verbs: IS_OR_MAKES,
};
pub(super) const SUBTRACT: Operation = Operation {
    tool: "subtract",
    symbols: &["{1}-{2}", "{1} - {2}"],
    words: &["{1} minus {2}", "the difference of {1} and {2}"],
    verbs: IS_OR_MAKES,
};
pub(super) const MULTIPLY: Operation = Operation {
    tool: "multiply",
    symbols: &["{1}*{2}", "{1} * {2}", "{1} x {2}"],
    words: &["{1} times {2}", "the product of {1} and {2}"],
    verbs: IS_OR_MAKES,
};
/// A product whose first argument is a percentage.
pub(super) const SHARE: Operation = Operation {
    tool: "multiply",
    symbols: &["{1}*{2}", "{1} * {2}", "{1} x {2}"],
    words: &["{1} of {2}", "{1} times {2}"],
    verbs: IS,
};
pub(super) const DIVIDE: Operation = Operation {
    tool: "divide",
    symbols: &["{1}/{2}", "{1} / {2}"],
    words: &["{1} divided by {2}", "the quotient of {1} and {2}"],
    verbs: IS_OR_MAKES,
};
pub(super) const POWER: Operation = Operation {
    tool: "power",
    symbols: &["{1}^{2}", "{1} ^ {2}"],
    words: &["{1} to the power of {2}", "{1} raised to the power {2}"],
    verbs: IS,
};
/// A power whose exponent is 2.
pub(super) const SQUARE: Operation = Operation {
    tool: "power",
    symbols: &["{1}^{2}", "{1} ^ {2}"],
    words: &["{1} squared", "the square of {1}"],
    verbs: IS,
};
/// A power whose exponent is 3.
pub(super) const CUBE: Operation = Operation {
    tool: "power",
    symbols: &["{1}^{2}", "{1} ^ {2}"],
    words: &["{1} cubed", "the cube of {1}"],
    verbs: IS,
};
pub(super) const SQRT: Operation = Operation {
    tool: "sqrt",
    symbols: &["sqrt({1})", "√{1}"],
    words: &["the square root of {1}"],
    verbs: IS,
};
pub(super) const LOG: Operation = Operation {
    tool: "log",
    symbols: &["log({1})", "log10({1})"],
    words: &["the logarithm of {1} to base 10", "the common logarithm of {1}"],
    verbs: IS,
};
pub(super) const LN: Operation = Operation {
    tool: "ln",
    symbols: &["ln({1})", "ln {1}"],
    words: &["the natural logarithm of {1}", "the natural log of {1}"],
    verbs: IS,
};
pub(super) const LCM: Operation = Operation {
    tool: "lcm",
    symbols: &["lcm({1}, {2})", "LCM({1}, {2})"],
    words: &["the least common multiple of {1} and {2}", "the lowest common multiple of {1} and {2}"],
    verbs: IS,
};
pub(super) const LCM_THREE: Operation = Operation {
    tool: "lcm",
    symbols: &["lcm({1}, {2}, {3})", "LCM({1}, {2}, {3})"],
    words: &["the least common multiple of {1}, {2} and {3}"],
    verbs: IS,
};
pub(super) const GCD: Operation = Operation {
    tool: "gcd",
    symbols: &["gcd({1}, {2})", "GCD({1}, {2})"],
    words: &["the greatest common divisor of {1} and {2}", "the greatest common factor of {1} and {2}"],
    verbs: IS,
};
pub(super) const REMAINDER: Operation = Operation {
    tool: "remainder",
    symbols: &["{1} mod {2}", "{1}%{2}", "{1} % {2}"],
    words: &["the remainder of {1} divided by {2}", "the remainder when {1} is divided by {2}"],
    verbs: IS,
};
pub(super) const CHOOSE: Operation = Operation {
    tool: "choose",
    symbols: &["C({1}, {2})", "{1}C{2}"],
    words: &["{1} choose {2}", "the number of combinations of {2} out of {1}"],
    verbs: IS,
};
pub(super) const PERMUTATE: Operation = Operation {
    tool: "permutate",
    symbols: &["P({1}, {2})", "{1}P{2}"],
    words: &[
        "the number of ordered selections of {2} out of {1}",
        "the number of permutations of {2} out of {1}",
    ],
    verbs: IS,
};
