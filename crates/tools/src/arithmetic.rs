//! The thirteen arithmetic functions, with the results and errors of the reference (ToolkenGPT's `funchub`, in Python).
//!
//! They follow Python to the last digit: integers are exact and of any size, a float anywhere makes a float, and a result
//! is rounded as [`Rounding`] says. No call takes long or much memory, whatever its arguments.

mod catalogue;
mod fault;
mod operators;
mod render;

pub(crate) use fault::Fault;
pub use fault::{ArithmeticError, ErrorKind};
pub use render::Rounding;

use crate::Number;
use operators as op;
use serde_json::{Value, json};
use std::{fmt, str::FromStr};

/// An arithmetic function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// a + b + …
    Add,
    /// a − b − …
    Subtract,
    /// a · b · …
    Multiply,
    /// a / b / …
    Divide,
    /// (a ^ b) ^ …
    Power,
    /// √a
    Sqrt,
    /// log₁₀ a; of two arguments, the logarithm of the first to the base of the second.
    Log,
    /// The natural logarithm of a.
    Ln,
    /// The least common multiple.
    Lcm,
    /// The greatest common divisor.
    Gcd,
    /// What a leaves when divided by b, with the sign of b.
    Remainder,
    /// The number of ways to choose k of n, n! / k! (n − k)!.
    Choose,
    /// The number of ways to arrange k of n, n! / (n − k)!.
    Permutate,
}

/// How many arguments a function asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arity {
    /// At least.
    pub min: usize,
    /// At most, if there is a limit.
    pub max: Option<usize>,
}

impl Arity {
    /// Exactly `n`.
    pub const fn exactly(n: usize) -> Self {
        Self { min: n, max: Some(n) }
    }

    /// `n` or more.
    pub const fn at_least(n: usize) -> Self {
        Self { min: n, max: None }
    }

    /// Whether `n` arguments are right.
    pub fn admits(self, n: usize) -> bool {
        n >= self.min && self.max.is_none_or(|max| n <= max)
    }
}

impl fmt::Display for Arity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (1, Some(1)) => write!(f, "1 argument"),
            (min, Some(max)) if min == max => write!(f, "{min} arguments"),
            (min, Some(max)) => write!(f, "{min} to {max} arguments"),
            (min, None) => write!(f, "{min} or more arguments"),
        }
    }
}

impl Function {
    /// All thirteen, in the reference's order.
    pub const ALL: [Self; 13] = [
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Power,
        Self::Sqrt,
        Self::Log,
        Self::Ln,
        Self::Lcm,
        Self::Gcd,
        Self::Remainder,
        Self::Choose,
        Self::Permutate,
    ];

    /// Its name, as in `add`.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// What it does, in a sentence.
    pub fn description(self) -> &'static str {
        self.entry().description
    }

    /// Worked uses: a question, and an answer with the call written out.
    pub fn examples(self) -> &'static [&'static str] {
        self.entry().examples
    }

    /// How many arguments a sensible call has. [`Function::call`] is laxer, as the reference is.
    pub fn arity(self) -> Arity {
        match self {
            Self::Sqrt | Self::Log | Self::Ln => Arity::exactly(1),
            Self::Remainder | Self::Choose | Self::Permutate => Arity::exactly(2),
            _ => Arity::at_least(1),
        }
    }

    /// True where only whole numbers make sense.
    pub fn takes_whole_numbers(self) -> bool {
        matches!(self, Self::Lcm | Self::Gcd | Self::Remainder | Self::Choose | Self::Permutate)
    }

    /// The arguments by name, in the order of a call; `None` where there may be any number of equals.
    fn argument_names(self) -> Option<&'static [&'static str]> {
        Some(match self {
            Self::Add | Self::Multiply | Self::Lcm | Self::Gcd => return None,
            Self::Subtract => &["from", "take_away"],
            Self::Divide | Self::Remainder => &["dividend", "divisor"],
            Self::Power => &["base", "exponent"],
            Self::Sqrt | Self::Log | Self::Ln => &["x"],
            Self::Choose | Self::Permutate => &["n", "k"],
        })
    }

    /// The arguments as a JSON schema: numbers by name, or one list `numbers` where their order says nothing.
    /// [`Tool::in_order`](crate::Tool::in_order) makes a call of them.
    pub fn parameters(self) -> Value {
        let number = json!({"type": if self.takes_whole_numbers() { "integer" } else { "number" }});
        let (properties, required) = match self.argument_names() {
            None => {
                let list = json!({"type": "array", "items": number, "minItems": self.arity().min});
                (json!({"numbers": list}), json!(["numbers"]))
            }
            Some(names) => {
                let by_name = names.iter().map(|&name| (name.to_owned(), number.clone()));
                (Value::Object(by_name.collect()), json!(names))
            }
        };
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    }

    /// The function's value as text.
    ///
    /// More arguments than a function has use for are ignored by `sqrt`, `ln`, `remainder`, `choose` and `permutate`, as
    /// in the reference; [`Guards`](crate::Guards) refuse them.
    ///
    /// # Errors
    /// Those of the reference, by kind; and [`ErrorKind::OverflowError`] where an integer on the way grows past 8,192 bits.
    pub fn call(self, args: &[Number], rounding: Rounding) -> Result<String, ArithmeticError> {
        self.evaluate(args)
            .and_then(|result| render::render(&result, rounding))
            .map_err(|fault| fault.in_function(self))
    }

    fn evaluate(self, args: &[Number]) -> Result<Number, Fault> {
        let argument = |i: usize| args.get(i).ok_or_else(Fault::too_few_arguments);
        let fold = |operator: fn(&Number, &Number) -> Result<Number, Fault>| {
            let (first, rest) = args.split_first().ok_or_else(Fault::too_few_arguments)?;
            rest.iter().try_fold(first.clone(), |result, n| operator(&result, n))
        };
        match self {
            Self::Add => args.iter().try_fold(Number::from(0), |sum, n| op::add(&sum, n)),
            Self::Subtract => fold(op::subtract),
            Self::Multiply => fold(op::multiply),
            Self::Divide => fold(op::divide),
            Self::Power => fold(op::power),
            Self::Sqrt => op::square_root(argument(0)?),
            Self::Log => match args {
                [n] => op::log10(n).map(Number::Float),
                [n, base] => op::divide(&Number::Float(op::ln(n)?), &Number::Float(op::ln(base)?)),
                _ => Err(Fault {
                    kind: ErrorKind::Exception,
                    message: "it takes one argument, or two with a base",
                }),
            },
            Self::Ln => op::ln(argument(0)?).map(Number::Float),
            Self::Lcm => fold(op::lcm),
            Self::Gcd => fold(op::gcd),
            Self::Remainder => op::remainder(argument(0)?, argument(1)?),
            Self::Choose => op::combinations(argument(0)?, argument(1)?),
            Self::Permutate => op::permutations(argument(0)?, argument(1)?),
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that none of the thirteen has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no built-in function `{0}`: there are {known}", known = Function::ALL.map(Function::name).join(", "))]
pub struct UnknownFunction(pub String);

impl FromStr for Function {
    type Err = UnknownFunction;

    fn from_str(name: &str) -> Result<Self, UnknownFunction> {
        Self::ALL
            .into_iter()
            .find(|f| f.name() == name)
            .ok_or_else(|| UnknownFunction(crate::number::shown(name)))
    }
}
