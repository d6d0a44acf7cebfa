//! Questions answered with and without tools.

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
            question: Some(problem.bare_question().into()),
            settings: settings(head.is_some()),
            ..Request::new(Prompt::Raw(prompt.render(problem.bare_question())))
        })
        .collect();
    let tools = ToolSet::arithmetic();
    let engine = match head {
        Some(head) => Engine::new(model, head, &tools)?.demos(arithmetic::demos(tools.names()))?,
        None => Engine::words_only(model),
    };
    let bar = progress::bar("answers", "questions", questions.len() as u64);
    let generations = engine.batch(BATCH).run_with(&requests, &mut |_, event| {
        if matches!(event, decode::Event::Done(_)) {
            bar.inc(1);
        }
    })?;
    bar.finish_and_clear();
    Ok(generations)
}
