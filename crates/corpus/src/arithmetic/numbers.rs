//! Number ranges.

use rand::{Rng, RngExt};

/// A range that a pattern's number is drawn from; both ends are included.
#[derive(Clone, Copy, Debug)]
pub(super) enum Numbers {
    /// Whole numbers.
    Whole(u64, u64),
    /// Large whole numbers, shown with thousands separators.
    Grouped(u64, u64),
    /// Numbers with one decimal, never 0; the range counts tenths.
    Tenths(u64, u64),
    /// Numbers with two decimals, as prices have; the range counts hundredths.
    Hundredths(u64, u64),
    /// Percentages, shown with their sign; the value is the fraction.
    Percent(u64, u64),
    /// Squares of the whole numbers in the range.
    Square(u64, u64),
    /// Multiples of the first number, by factors in the range.
    Multiple(u64, u64, u64),
    /// Multiples of a whole number drawn before, by factors in the range: so that it divides evenly.
    Times(&'static str, u64, u64),
}

/// A number as it is written and as a tool takes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Number {
    pub shown: String,
    /// As an argument: without thousands separators.
    pub written: String,
    pub value: f64,
}

impl Number {
    /// A number that is written as it is shown: a constant of a pattern, a tool's result.
    pub(super) fn plain(text: &str) -> Option<Self> {
        let value = match text.strip_suffix('%') {
            Some(percent) => percent.parse::<f64>().ok()? / 100.0,
            None => text.parse().ok()?,
        };
        Some(Self { shown: text.to_owned(), written: text.to_owned(), value })
    }
}

impl Numbers {
    /// Draws a number, given those drawn before. Nothing if the range refers to one that is not there.
    pub(super) fn draw(self, drawn: &[(String, Number)], rng: &mut impl Rng) -> Option<Number> {
        let (shown, value) = match self {
            Self::Whole(low, high) => whole(rng.random_range(low..=high)),
            Self::Square(low, high) => whole(rng.random_range(low..=high).pow(2)),
            Self::Multiple(of, low, high) => whole(of * rng.random_range(low..=high)),
            Self::Times(name, low, high) => {
                let (_, of) = drawn.iter().find(|(known, _)| known == name)?;
                whole(of.value as u64 * rng.random_range(low..=high))
            }
            Self::Tenths(low, high) => {
                let tenths = rng.random_range(low..=high);
                // A last digit of 0 would make it a whole number in disguise.
                let tenths = if tenths % 10 == 0 { tenths + 1 } else { tenths };
                (format!("{}.{}", tenths / 10, tenths % 10), tenths as f64 / 10.0)
            }
            Self::Hundredths(low, high) => {
                let hundredths = rng.random_range(low..=high);
                (format!("{}.{:02}", hundredths / 100, hundredths % 100), hundredths as f64 / 100.0)
            }
            Self::Percent(low, high) => {
                let percent = rng.random_range(low..=high);
                (format!("{percent}%"), percent as f64 / 100.0)
            }
            Self::Grouped(low, high) => {
                let n = rng.random_range(low..=high);
                (grouped(n), n as f64)
            }
        };
        Some(Number { written: shown.replace(',', ""), shown, value })
    }
}

fn whole(n: u64) -> (String, f64) {
    (n.to_string(), n as f64)
}

/// `1234567` as `1,234,567`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut shown = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (n, shown) in
            [(7, "7"), (999, "999"), (1000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(n), shown);
        }
    }
}
