//! Enums whose variants have names: one list for printing and parsing. (Files have serde's names, which are the same.)

/// Gives an enum `ALL`, `as_str`, [`Display`](std::fmt::Display) and [`FromStr`](std::str::FromStr), whose error lists the names.
/// Names after `|` are read and not written.
macro_rules! named {
    ($kind:ident, $what:literal: $($variant:ident = $name:literal $(| $other:literal)*),* $(,)?) => {
        impl $kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }

        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $kind {
            type Err = crate::BenchError;

            fn from_str(name: &str) -> Result<Self, crate::BenchError> {
                match name {
                    $($name $(| $other)* => Ok(Self::$variant),)*
                    _ => {
                        let known = [$($name),*].join(", ");
                        Err(crate::BenchError::Setting(format!("unknown {} `{name}`; there are {known}", $what)))
                    }
                }
            }
        }
    };
}

pub(crate) use named;
