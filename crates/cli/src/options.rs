//! Values that several options take.

use clap::ValueEnum;

/// Where the arguments of calls in the text are written.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Arguments {
    /// In a prompt of their own with worked calls of the tool
    Demos,
    /// In the text itself
    InPlace,
}

impl From<Arguments> for decode::Arguments {
    fn from(arguments: Arguments) -> Self {
        match arguments {
            Arguments::Demos => Self::Demos,
            Arguments::InPlace => Self::InPlace,
        }
    }
}

/// How the arithmetic functions round.
#[derive(Clone, Copy, ValueEnum)]
pub enum Rounding {
    /// To two decimals, or two more than a small number has zeros: as ToolkenGPT does
    Reference,
    /// Not at all
    Full,
}

impl From<Rounding> for tools::Rounding {
    fn from(rounding: Rounding) -> Self {
        match rounding {
            Rounding::Reference => Self::Reference,
            Rounding::Full => Self::Full,
        }
    }
}

/// A λ: a finite number that is not negative.
///
/// # Errors
/// What was expected.
pub fn lambda(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(lambda) if lambda.is_finite() && lambda >= 0.0 => Ok(lambda),
        _ => Err("expected a number that is not negative".to_owned()),
    }
}
