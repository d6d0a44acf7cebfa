//! The sentence patterns, as tables.

mod combining;
mod counting;
mod dividing;
mod growing;
mod plain;
mod steps;

use super::Split;
use super::numbers::Numbers;
use super::operation::Operation;

/// A question and the ways to answer it.
///
/// Slots in braces: a number by its name; a word by its kind (`{name}`, `{item2}`); `{r1}`, an earlier result. A call's
/// equation with its result is `{eq}` as a noun phrase, `{says}` as a clause, `{Says}` as one that opens a sentence; in a
/// pattern of several steps `{eq1}`, `{says2}`. Every answer ends in what answers the question, and a full stop.
pub(super) struct Pattern {
    pub question: &'static str,
    pub answers: &'static [&'static str],
    pub numbers: &'static [(&'static str, Numbers)],
    /// The calls in order: each an operation and its arguments, which are numbers by name, earlier results, or constants.
    pub steps: &'static [(&'static Operation, &'static [&'static str])],
}

/// Shortens the tables.
const fn pattern(
    question: &'static str,
    answers: &'static [&'static str],
    numbers: &'static [(&'static str, Numbers)],
    steps: &'static [(&'static Operation, &'static [&'static str])],
) -> Pattern {
    Pattern { question, answers, numbers, steps }
}

/// The patterns of one kind, apart by split.
pub(super) struct Table {
    /// The tool, `steps` or `plain`.
    pub name: &'static str,
    /// How many of each round's problems are of this kind.
    pub weight: usize,
    pub train: &'static [Pattern],
    pub test: &'static [Pattern],
}

impl Table {
    pub(super) fn patterns(&self, split: Split) -> &'static [Pattern] {
        match split {
            Split::Train => self.train,
            Split::Test => self.test,
        }
    }
}

/// All tables: one a tool, one of several steps, one without calls.
pub(super) const TABLES: &[Table] = &[
    Table { name: "add", weight: 3, train: combining::ADD_TRAIN, test: combining::ADD_TEST },
    Table { name: "subtract", weight: 3, train: combining::SUBTRACT_TRAIN, test: combining::SUBTRACT_TEST },
    Table { name: "multiply", weight: 3, train: combining::MULTIPLY_TRAIN, test: combining::MULTIPLY_TEST },
    Table { name: "divide", weight: 3, train: combining::DIVIDE_TRAIN, test: combining::DIVIDE_TEST },
    Table { name: "power", weight: 4, train: growing::POWER_TRAIN, test: growing::POWER_TEST },
    Table { name: "sqrt", weight: 3, train: growing::SQRT_TRAIN, test: growing::SQRT_TEST },
    Table { name: "log", weight: 3, train: growing::LOG_TRAIN, test: growing::LOG_TEST },
    Table { name: "ln", weight: 3, train: growing::LN_TRAIN, test: growing::LN_TEST },
    Table { name: "lcm", weight: 3, train: dividing::LCM_TRAIN, test: dividing::LCM_TEST },
    Table { name: "gcd", weight: 3, train: dividing::GCD_TRAIN, test: dividing::GCD_TEST },
    Table { name: "remainder", weight: 3, train: dividing::REMAINDER_TRAIN, test: dividing::REMAINDER_TEST },
    Table { name: "choose", weight: 4, train: counting::CHOOSE_TRAIN, test: counting::CHOOSE_TEST },
    Table { name: "permutate", weight: 4, train: counting::PERMUTATE_TRAIN, test: counting::PERMUTATE_TEST },
    Table { name: "steps", weight: 12, train: steps::TRAIN, test: steps::TEST },
    Table { name: "plain", weight: 6, train: plain::TRAIN, test: plain::TEST },
];

#[cfg(test)]
mod tests {
    use super::super::problem;
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use std::collections::HashSet;

    fn all() -> impl Iterator<Item = (&'static str, &'static Pattern)> {
        TABLES
            .iter()
            .flat_map(|table| table.train.iter().chain(table.test).map(|pattern| (table.name, pattern)))
    }

    #[test]
    fn no_sentence_is_in_both_splits() {
        let sentences = |patterns: fn(&Table) -> &'static [Pattern]| -> (HashSet<_>, HashSet<_>) {
            let patterns = || TABLES.iter().flat_map(patterns);
            (
                patterns().map(|p| p.question).collect(),
                patterns().flat_map(|p| p.answers.iter().copied()).collect(),
            )
        };
        let (questions, answers) = sentences(|table| table.train);
        let (test_questions, test_answers) = sentences(|table| table.test);
        assert_eq!(questions.intersection(&test_questions).collect::<Vec<_>>(), Vec::<&&str>::new());
        assert_eq!(answers.intersection(&test_answers).collect::<Vec<_>>(), Vec::<&&str>::new());
    }

    #[test]
    fn every_tool_has_patterns_enough() {
        for tool in super::super::TOOLS {
            let table = TABLES
                .iter()
                .find(|table| table.name == tool)
                .unwrap_or_else(|| panic!("no table for {tool}"));
            assert!(table.train.len() >= 6 && table.test.len() >= 3, "{tool}");
            for pattern in table.train.iter().chain(table.test) {
                assert!(
                    pattern.steps.iter().all(|(operation, _)| operation.tool == tool),
                    "{}",
                    pattern.question
                );
            }
        }
    }

    #[test]
    fn every_answer_makes_its_calls_in_order_and_ends_in_the_last_result() {
        for (name, pattern) in all() {
            for answer in pattern.answers {
                assert!(answer.ends_with("}."), "{name}: {answer}");
                let equations: Vec<usize> = answer
                    .split('{')
                    .filter_map(|piece| piece.split_once('}').map(|(slot, _)| slot))
                    .filter(|slot| ["eq", "says", "Says"].iter().any(|kind| slot.starts_with(kind)))
                    .map(|slot| slot.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(1))
                    .collect();
                assert_eq!(equations, (1..=pattern.steps.len()).collect::<Vec<_>>(), "{name}: {answer}");
            }
        }
    }

    #[test]
    fn every_pattern_can_be_written_and_leaves_no_slot_open() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for (name, pattern) in all() {
            for _ in 0..20 {
                let written = problem::write(pattern, &mut rng, &|_, _| Some("42".to_owned()))
                    .unwrap_or_else(|| panic!("{name}: {} cannot be written", pattern.question));
                assert!(!written.text.contains(['{', '}']), "{}", written.text);
                assert_eq!(written.calls.len(), pattern.steps.len(), "{}", written.text);
            }
        }
    }

    #[test]
    fn problems_without_calls_name_no_operation() {
        let plain =
            TABLES.iter().find(|table| table.name == "plain").expect("a table of problems without calls");
        for pattern in plain.train.iter().chain(plain.test) {
            let sentences = std::iter::once(&pattern.question).chain(pattern.answers);
            for sentence in sentences {
                assert!(!sentence.contains(['=', '+', '*', '/', '^']), "{sentence}");
            }
        }
    }
}
