//! Checks that a sensible call passes. The reference has none of them; they are a value so that it can be reproduced.

use crate::{
    Number,
    arithmetic::{Arity, Function},
};

/// The longest result that is let into a text, in characters.
const LONGEST_RESULT: usize = 35;

/// Whether calls are checked beyond what the functions themselves refuse.
///
/// - `log`, `ln` and `sqrt` take one argument; `remainder`, `choose` and `permutate` two; no function takes none.
/// - `choose`, `permutate`, `gcd`, `lcm` and `remainder` take whole numbers.
/// - A result longer than 35 characters is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guards {
    /// Checked.
    #[default]
    On,
    /// As the reference: whatever its Python takes.
    Off,
}

/// What a guard objects to.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GuardError {
    /// The wrong number of arguments.
    #[error("{function} takes {expected}, found {found}")]
    Count {
        /// The function.
        function: Function,
        /// What it takes.
        expected: Arity,
        /// How many there were.
        found: usize,
    },
    /// A fraction where only whole numbers make sense.
    #[error("{function} takes whole numbers, found {found}")]
    NotWhole {
        /// The function.
        function: Function,
        /// The argument.
        found: Number,
    },
    /// A result too long to be of use in a text.
    #[error("the result has {length} characters, more than {LONGEST_RESULT}")]
    TooLong {
        /// Its length.
        length: usize,
    },
}

impl Guards {
    /// Checks a call before it is made.
    ///
    /// # Errors
    /// [`GuardError::Count`] and [`GuardError::NotWhole`].
    pub fn validate(self, function: Function, args: &[Number]) -> Result<(), GuardError> {
        if self == Self::Off {
            return Ok(());
        }
        let expected = function.arity();
        if !expected.admits(args.len()) {
            return Err(GuardError::Count { function, expected, found: args.len() });
        }
        match args.iter().find(|n| function.takes_whole_numbers() && !n.is_whole()) {
            Some(found) => Err(GuardError::NotWhole { function, found: found.clone() }),
            None => Ok(()),
        }
    }

    /// Checks a result before it is used.
    ///
    /// # Errors
    /// [`GuardError::TooLong`].
    pub fn admit(self, result: &str) -> Result<(), GuardError> {
        let length = result.chars().count();
        if self == Self::On && length > LONGEST_RESULT { Err(GuardError::TooLong { length }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_refuse_what_the_functions_let_pass() {
        let refused: &[(Function, &[Number])] = &[
            (Function::Log, &[8.into(), 2.into()]),
            (Function::Ln, &[8.into(), 2.into()]),
            (Function::Sqrt, &[16.into(), 4.into()]),
            (Function::Choose, &[9.into(), 2.into(), 1.into()]),
            (Function::Add, &[]),
            (Function::Remainder, &[7.5.into(), 2.into()]),
            (Function::Gcd, &[7.5.into()]),
            (Function::Lcm, &[0.5.into()]),
        ];
        for (function, args) in refused {
            assert!(Guards::On.validate(*function, args).is_err(), "{function} {args:?}");
            assert!(Guards::Off.validate(*function, args).is_ok(), "{function} {args:?}");
            assert!(function.call(args, Default::default()).is_ok(), "{function} {args:?}");
        }
        for function in [Function::Choose, Function::Permutate] {
            assert!(matches!(
                Guards::On.validate(function, &[5.5.into(), 2.into()]),
                Err(GuardError::NotWhole { found, .. }) if found == 5.5.into()
            ));
        }
    }

    #[test]
    fn guards_let_sensible_calls_pass() {
        assert!(Guards::On.validate(Function::Log, &[8.5.into()]).is_ok());
        assert!(Guards::On.validate(Function::Add, &[1.into(), 2.5.into(), 3.into()]).is_ok());
        assert!(Guards::On.validate(Function::Remainder, &[7.0.into(), 2.into()]).is_ok());
    }

    #[test]
    fn results_of_36_characters_are_dropped() {
        assert!(Guards::On.admit(&"1".repeat(35)).is_ok());
        assert_eq!(Guards::On.admit(&"1".repeat(36)), Err(GuardError::TooLong { length: 36 }));
        assert!(Guards::Off.admit(&"1".repeat(36)).is_ok());
    }
}
