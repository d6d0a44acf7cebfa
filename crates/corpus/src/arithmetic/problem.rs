//! One problem written from a pattern.

use super::numbers::Number;
use super::operation::{EQUALS, EQUALS_OR_IS, Operation, WHICH_IS};
use super::patterns::Pattern;
use super::words::words;
use crate::Call;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

/// A question and its answer, the calls' offsets counted in `text`.
pub(super) struct Written {
    pub text: String,
    pub calls: Vec<Call>,
    /// Where the answer starts in `text`, behind `A:`.
    pub answer_at: usize,
    /// What the text ends in, ahead of its full stop.
    pub answer: String,
}

/// The longest result that a problem may have, in characters; longer ones are of no use in a sentence.
const LONGEST_RESULT: usize = 12;

/// Draws numbers and words, computes the results, and writes the sentences. Nothing if a tool fails or a result is unfit.
pub(super) fn write(
    pattern: &Pattern,
    rng: &mut impl Rng,
    evaluate: &impl Fn(&str, &[f64]) -> Option<String>,
) -> Option<Written> {
    let mut numbers: Vec<(String, Number)> = Vec::new();
    for &(name, range) in pattern.numbers {
        let number = range.draw(&numbers, rng)?;
        numbers.push((name.to_owned(), number));
    }
    let mut steps = Vec::new();
    for (i, &(operation, names)) in pattern.steps.iter().enumerate() {
        let number = |name: &&str| {
            let drawn = numbers.iter().find(|(known, _)| known == name).map(|(_, number)| number.clone());
            drawn.or_else(|| Number::plain(name))
        };
        let args: Vec<Number> = names.iter().map(number).collect::<Option<_>>()?;
        let values: Vec<f64> = args.iter().map(|arg| arg.value).collect();
        let result = evaluate(operation.tool, &values).filter(|result| result.len() <= LONGEST_RESULT)?;
        numbers.push((format!("r{}", i + 1), Number::plain(&result)?));
        steps.push(Step { operation, args, result });
    }
    let answer_template = pattern.answers.choose(rng)?;
    let mut writer = Writer {
        rng,
        numbers,
        words: Vec::new(),
        steps,
        text: "Q: ".to_owned(),
        calls: Vec::new(),
        last: 0..0,
    };
    writer.fill(pattern.question)?;
    writer.text.push_str("\nA:");
    let answer_at = writer.text.len();
    writer.text.push(' ');
    writer.fill(answer_template)?;
    let answer = writer.text[writer.last].to_owned();
    Some(Written { text: writer.text, calls: writer.calls, answer_at, answer })
}

struct Step {
    operation: &'static Operation,
    args: Vec<Number>,
    result: String,
}

/// How an equation stands in its sentence.
enum Role {
    NounPhrase,
    Clause,
    Sentence,
}

struct Writer<'a, R> {
    rng: &'a mut R,
    numbers: Vec<(String, Number)>,
    words: Vec<(String, &'static str)>,
    steps: Vec<Step>,
    text: String,
    calls: Vec<Call>,
    /// What the last slot was filled with; for an equation, its result.
    last: std::ops::Range<usize>,
}

impl<R: Rng> Writer<'_, R> {
    /// Appends a template with its slots filled. Nothing if it has a slot that cannot be.
    fn fill(&mut self, template: &str) -> Option<()> {
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('{') {
            let (slot, behind) = behind.split_once('}')?;
            self.text.push_str(before);
            self.fill_slot(slot)?;
            rest = behind;
        }
        self.text.push_str(rest);
        Some(())
    }

    fn fill_slot(&mut self, slot: &str) -> Option<()> {
        let kind = slot.trim_end_matches(|c: char| c.is_ascii_digit());
        let role = match kind {
            "eq" => Some(Role::NounPhrase),
            "says" => Some(Role::Clause),
            "Says" => Some(Role::Sentence),
            _ => None,
        };
        if let Some(role) = role {
            let step = if slot == kind { 1 } else { slot[kind.len()..].parse::<usize>().ok()? };
            return self.equation(step.checked_sub(1)?, role);
        }
        let start = self.text.len();
        match self.numbers.iter().find(|(name, _)| name == slot) {
            Some((_, number)) => self.text.push_str(&number.shown),
            None => {
                let word = self.word(slot, kind)?;
                self.text.push_str(word);
            }
        }
        self.last = start..self.text.len();
        Some(())
    }

    /// The word of a slot: the same wherever the slot occurs, and another in each slot.
    fn word(&mut self, slot: &str, kind: &str) -> Option<&'static str> {
        if let Some((_, word)) = self.words.iter().find(|(name, _)| name == slot) {
            return Some(word);
        }
        let free: Vec<&'static str> = words(kind)?
            .iter()
            .filter(|word| !self.words.iter().any(|(_, used)| used == *word))
            .copied()
            .collect();
        let word = *free.choose(self.rng)?;
        self.words.push((slot.to_owned(), word));
        Some(word)
    }

    fn equation(&mut self, step: usize, role: Role) -> Option<()> {
        let Step { operation, args, result } = self.steps.get(step)?;
        let in_symbols = self.rng.random_bool(0.6);
        let (forms, joins) = match (in_symbols, &role) {
            (true, Role::NounPhrase) => (operation.symbols, EQUALS),
            (true, _) => (operation.symbols, EQUALS_OR_IS),
            (false, Role::NounPhrase) => (operation.words, WHICH_IS),
            (false, _) => (operation.words, operation.verbs),
        };
        let mut form = (*forms.choose(self.rng)?).to_owned();
        for (i, arg) in args.iter().enumerate() {
            form = form.replace(&format!("{{{}}}", i + 1), &arg.shown);
        }
        let start = self.text.len();
        self.text.push_str(&form);
        if matches!(role, Role::Sentence) && !in_symbols {
            self.text[start..].get_mut(..1)?.make_ascii_uppercase();
        }
        self.text.push_str(joins.choose(self.rng)?);
        let at = self.text.len();
        self.text.push_str(result);
        self.last = at..self.text.len();
        let args: Vec<&str> = args.iter().map(|arg| arg.written.as_str()).collect();
        let call = Call {
            tool: operation.tool.to_owned(),
            start: at,
            end: self.text.len(),
            args: Some(args.join(", ")),
        };
        self.calls.push(call);
        Some(())
    }
}
