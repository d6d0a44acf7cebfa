//! Questions answered with and without tools, and what counts as right.

use crate::{arithmetic, progress};
use ::corpus::arithmetic::Problem;
use ::tools::ToolSet;
use decode::{Arguments, Calling, Engine, Generation, Prompt, Request, Settings};
use head::Head;
use lm::FrozenLm;
use std::num::NonZeroUsize;

/// Questions that are answered together.
const BATCH: NonZeroUsize = NonZeroUsize::new(16).unwrap();

/// How a question of the word problems is answered.
pub fn settings(tools: bool) -> Settings {
    Settings {
        calling: if tools { Calling::Auto } else { Calling::Off },
        arguments: Arguments::Demos,
        max_tokens: 60,
        stop: vec!["\n".into()],
        ..Settings::default()
    }
}

/// Answers the questions greedily, many at a time, after a few worked examples.
pub fn answer(
    model: &dyn FrozenLm,
    head: Option<&Head>,
    questions: &[Problem],
) -> anyhow::Result<Vec<Generation>> {
    let prompt = arithmetic::prompt();
    let requests: Vec<Request> = (questions.iter())
        .map(|problem| Request {
            question: Some(bare(problem).into()),
            settings: settings(head.is_some()),
            ..Request::new(Prompt::Raw(prompt.render(bare(problem))))
        })
        .collect();
    let tools = ToolSet::arithmetic();
    let engine = match head {
        Some(head) => Engine::new(model, head, &tools)?.demos(arithmetic::demos(tools.names()))?,
        None => Engine::words_only(model),
    };
    let bar = progress::bar("answers", "questions", questions.len() as u64);
    let generations = engine.batch(BATCH).run_with(&requests, &mut |event| {
        if matches!(event, decode::Event::Done { .. }) {
            bar.inc(1);
        }
    })?;
    bar.finish_and_clear();
    Ok(generations)
}

/// The question alone, without what [`arithmetic::prompt`] puts around it.
pub fn bare(problem: &Problem) -> &str {
    let question = problem.question.strip_prefix("Q: ").unwrap_or(&problem.question);
    question.strip_suffix("\nA:").unwrap_or(question)
}

/// Whether the text's last sentence ends in the expected answer: numbers within 0.1 %, other answers to the letter.
pub fn is_right(text: &str, expected: &str) -> bool {
    let text = text.trim().trim_end_matches('.');
    if text.ends_with(expected)
        && !text[..text.len() - expected.len()].ends_with(|c: char| c.is_alphanumeric() || c == '.')
    {
        return true;
    }
    let text = text.replace(',', "");
    let last =
        text.rsplit(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).find(|part| !part.is_empty());
    match (last.and_then(|x| x.parse::<f64>().ok()), expected.replace(',', "").parse::<f64>()) {
        (Some(found), Ok(expected)) => (found - expected).abs() <= 1e-3 * expected.abs(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_last_number_or_the_last_words() {
        for (text, expected, right) in [
            (" They have 12*3=36.", "36", true),
            (" That is 36.02 cm.", "36", true),
            (" That is 37.", "36", false),
            (" There are 136.", "36", false),
            (" It costs 1.36.", "36", false),
            (" The key hangs on hook 7.", "7", true),
            (" It is -4.", "-4", true),
            (" It is 4.", "-4", false),
            (" It holds 12,345.", "12345", true),
            ("", "4", false),
            (" It is in Paris.", "Paris", true),
            (" It is in Rome.", "Paris", false),
        ] {
            assert_eq!(is_right(text, expected), right, "{text} {expected}");
        }
    }
}
