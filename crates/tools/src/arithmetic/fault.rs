//! What goes wrong in arithmetic, named as Python names it.

use super::Function;
use std::fmt;

/// The kind of an arithmetic error. Its name is the Python exception that the reference raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Outside a function's domain: the root or logarithm of a negative number, a negative count.
    ValueError,
    /// A divisor of zero, zero to a negative power, a logarithm to base one.
    ZeroDivisionError,
    /// Past the range of a float, or past our limit on size where the reference would compute for hours.
    OverflowError,
    /// A float where an integer is needed, or a result that is no real number.
    TypeError,
    /// Too few arguments; in the reference also an infinite result, which its rounding stumbles over.
    IndexError,
    /// The reference's own, for a logarithm of more than two arguments.
    Exception,
}

impl ErrorKind {
    /// The Python exception's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ValueError => "ValueError",
            Self::ZeroDivisionError => "ZeroDivisionError",
            Self::OverflowError => "OverflowError",
            Self::TypeError => "TypeError",
            Self::IndexError => "IndexError",
            Self::Exception => "Exception",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a function has no result for its arguments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{function}: {message} ({kind})")]
pub struct ArithmeticError {
    /// The function.
    pub function: Function,
    /// The kind of error, as the reference has it.
    pub kind: ErrorKind,
    /// The same in words.
    pub message: &'static str,
}

/// An arithmetic error before it is known in which function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(super) kind: ErrorKind,
    pub(super) message: &'static str,
}

impl Fault {
    pub(crate) fn overflow(message: &'static str) -> Self {
        Self { kind: ErrorKind::OverflowError, message }
    }

    pub(super) fn domain(message: &'static str) -> Self {
        Self { kind: ErrorKind::ValueError, message }
    }

    pub(super) fn type_error(message: &'static str) -> Self {
        Self { kind: ErrorKind::TypeError, message }
    }

    pub(super) fn zero_division() -> Self {
        Self { kind: ErrorKind::ZeroDivisionError, message: "division by zero" }
    }

    pub(super) fn too_few_arguments() -> Self {
        Self { kind: ErrorKind::IndexError, message: "too few arguments" }
    }

    pub(super) fn in_function(self, function: Function) -> ArithmeticError {
        ArithmeticError { function, kind: self.kind, message: self.message }
    }
}
