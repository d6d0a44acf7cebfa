//! Questions about relations: was the right one called, and was the question answered.
//!
//! The reference (ToolkenGPT's evaluation of KAMEL) looks for the gold relation's id anywhere in the output, so `P17` is
//! credited for `P175`; where no id stands at all, a gold object in the text counts. Strictly, the first relation that is
//! called must be the gold one. A call that came to nothing is still a call, and no abstention; the answer is what the first
//! call gave that found an entry, else what the first gave, and where none gave anything the text.

use super::Score;
use crate::answer::Answered;
use crate::task::Question;
use decode::Token;
use fancy_regex::Regex;
use std::sync::LazyLock;
use tools::{NO_ENTRY, fold};

static NAMED: LazyLock<Regex> = LazyLock::new(|| super::pattern(r#"[<"]([A-Za-z_][A-Za-z0-9_]*)[>"]"#));

/// Scores an answer to a question whose first tool is the gold relation.
pub fn score(question: &Question, answered: &Answered) -> Score {
    let result = answer(answered);
    let gold = question.tools.first().map_or("", String::as_str);
    let first = answered.calls.first();
    let called = first.map(|call| call.tool.clone()).or_else(|| named(&answered.text));
    // A tool token is not part of the text, and a function has another name there: the reference writes the id.
    let written = match answered.decisions.first().and_then(|decision| decision.attempts.first()) {
        Some(attempt) => format!("<{}>", attempt.tool),
        None => answered.calls.iter().map(|call| format!("<{}>", call.tool)).collect(),
    };
    let output = written + &answered.text;
    Score {
        strict: called.as_deref() == Some(gold),
        lax: reference(&output, gold, question),
        answer: Some(question.answers.iter().any(|object| says(result, object))),
        complete: Some(
            !question.answers.is_empty() && question.answers.iter().all(|object| says(result, object)),
        ),
        greedy: answered.decisions.first().map(|decision| {
            let best = decision.alternatives.first().map(|best| &best.token);
            best == Some(&Token::Tool(gold.to_owned()))
        }),
        found: called,
    }
}

/// The first name in the text that is written as one: `<P36>`, `"name": "P36"`.
fn named(text: &str) -> Option<String> {
    NAMED
        .captures_iter(text)
        .filter_map(Result::ok)
        .filter_map(|found| Some(found.get(1)?.as_str().to_owned()))
        .find(|name| !["name", "arguments", "subject", "type", "function"].contains(&name.as_str()))
}

fn reference(output: &str, gold: &str, question: &Question) -> bool {
    if !gold.is_empty() && output.contains(gold) {
        return true;
    }
    if output.contains("<P") {
        return false;
    }
    question.answers.iter().flatten().any(|label| !label.is_empty() && output.contains(label.as_str()))
}

/// What answers the question: the first result that is an entry, else the first result, else the text.
fn answer(answered: &Answered) -> &str {
    let results = || answered.calls.iter().filter_map(|call| call.result.as_deref());
    results().find(|result| *result != NO_ENTRY).or(results().next()).unwrap_or(&answered.text)
}

/// Whether a text names an object, by any of its labels; case, accents and punctuation do not count.
fn says(text: &str, labels: &[String]) -> bool {
    let text = format!(" {} ", fold(text));
    let label = |label: &String| Some(fold(label)).filter(|label| !label.is_empty());
    labels.iter().filter_map(label).any(|label| text.contains(&format!(" {label} ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::CallMade;
    use decode::{Alternative, Attempt, By, CallOutcome, Counts, Decision, Finish};

    fn question() -> Question {
        Question {
            tools: vec!["P175".into()],
            answers: vec![vec!["Édith Piaf".into(), "La Môme".into()], vec!["12".into()]],
            ..Question::default()
        }
    }

    fn answered(text: &str, called: Option<(&str, &str, Option<&str>)>) -> Answered {
        let tool = |name: &str| Token::Tool(name.to_owned());
        let decision = |(best, called, result): (&str, &str, Option<&str>)| Decision {
            position: 0,
            at: 0,
            by: By::Forced,
            p_tool: 0.5,
            alternatives: vec![Alternative { token: tool(best), p: 0.5 }],
            tools: Vec::new(),
            attempts: vec![Attempt {
                tool: called.into(),
                arguments: "x".into(),
                tokens: 1,
                outcome: result.map_or(CallOutcome::Error("no".into()), |r| CallOutcome::Result(r.into())),
                micros: 0,
            }],
            chosen: None,
        };
        let call = |(_, tool, result): (&str, &str, Option<&str>)| CallMade {
            tool: tool.into(),
            arguments: "x".into(),
            result: result.map(str::to_owned),
            error: None,
        };
        Answered {
            text: text.into(),
            finish: Finish::MaxTokens,
            calls: called.map(call).into_iter().collect(),
            ranked: Vec::new(),
            tokens: Counts::default(),
            took_micros: 0,
            decisions: called.map(decision).into_iter().collect(),
        }
    }

    fn scored(
        text: &str,
        called: Option<(&str, &str, Option<&str>)>,
    ) -> (bool, bool, Option<bool>, Option<bool>) {
        let Score { strict, lax, answer, greedy, .. } = score(&question(), &answered(text, called));
        (strict, lax, answer, greedy)
    }

    #[test]
    fn the_strict_rule_the_references_and_the_answer() {
        let (yes, no) = (Some(true), Some(false));
        // Forced and greedy, with the answer found.
        assert_eq!(scored(" edith piaf", Some(("P175", "P175", Some("edith piaf")))), (true, true, yes, yes));
        // Forced alone: a word was better. The knowledge base has nothing.
        assert_eq!(scored(" no entry", Some(("P17", "P175", Some("no entry")))), (true, true, no, no));
        // The reference credits P1755 for P175, since it contains it; and not P17.
        assert_eq!(scored("", Some(("P1755", "P1755", None))), (false, true, no, no));
        assert_eq!(scored("", Some(("P17", "P17", None))), (false, false, no, no));
        // A wrong relation may lead to the right answer: 12 is not in 112.
        assert_eq!(scored(" 12", Some(("P17", "P17", Some("11, 12")))), (false, false, yes, no));
        assert_eq!(scored(" 112", Some(("P17", "P17", Some("112")))), (false, false, no, no));
        // Words alone.
        assert_eq!(scored(" <P175>(x", None), (true, true, no, None));
        assert_eq!(scored("{\"name\": \"P175\", \"arguments\": {}}", None), (true, true, no, None));
        assert_eq!(scored(" La môme.", None), (false, false, yes, None));
        assert_eq!(scored(" La Môme.", None), (false, true, yes, None));
        assert_eq!(scored("", None), (false, false, no, None));
    }

    /// Functions go by other names in the text, and many are called.
    #[test]
    fn functions_that_were_called() {
        let call = |tool: &str, result: Result<&str, &str>| CallMade {
            tool: tool.into(),
            arguments: "x".into(),
            result: result.ok().map(str::to_owned),
            error: result.err().map(str::to_owned),
        };
        let scored = |calls: &[CallMade], text: &str| {
            let answered = Answered { calls: calls.to_vec(), ..answered(text, None) };
            let Score { strict, lax, answer, .. } = score(&question(), &answered);
            (strict, lax, answer)
        };
        let (yes, no) = (Some(true), Some(false));
        let text = "{\"name\": \"performer\"}\n[performer] 12";
        assert_eq!(scored(&[call("P175", Ok("12"))], text), (true, true, yes));
        // Neither a miss nor a failure is the answer while a later call finds one; the first relation is the one that counts strictly.
        for first in [Ok(NO_ENTRY), Err("no such subject")] {
            assert_eq!(scored(&[call("P17", first), call("P175", Ok("12"))], text), (false, true, yes));
        }
        assert_eq!(scored(&[call("P17", Ok("France")), call("P175", Ok("12"))], text), (false, true, no));
        assert_eq!(scored(&[call("P17", Ok(NO_ENTRY))], "It is 12."), (false, false, no));
        assert_eq!(scored(&[call("P17", Err("no such subject"))], "It is 12."), (false, false, yes));
    }

    #[test]
    fn all_answers_are_all_objects_by_any_label() {
        let complete = |text: &str| score(&question(), &answered(text, None)).complete;
        assert_eq!(complete("La Môme, 12"), Some(true));
        assert_eq!(complete("La Môme, edith piaf"), Some(false));
        assert_eq!(complete(""), Some(false));
    }
}
