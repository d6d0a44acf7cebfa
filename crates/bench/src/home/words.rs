//! Planning in words: in-context learning, which tool tokens are compared with.

use super::plan::{MOST_LINES, Planned, Written};
use super::prompt::Question;
use super::vocabulary::{END, Vocabulary};
use crate::BenchError;
use crate::method::{Method, Retriever};
use decode::{Calling, Engine, Finish, Prompt, Request, Settings};
use lm::FrozenLm;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use tools::household::{Line, parse_line};

/// Worked examples in a prompt, as in ToolkenGPT's.
pub const WORKED_EXAMPLES: usize = 3;
/// Tokens of an answer at most.
const MOST_WORDS: usize = 160;

/// What a plan in words is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// Worked examples that the seed draws.
    #[default]
    Worked,
    /// The same, below what every action does and every object is.
    Described,
    /// The worked examples that retrieval ranks first for what is asked.
    Retrieved(Retriever),
    /// The actions as functions, to be called.
    Functions,
}

impl Shown {
    /// The method's name.
    pub fn method(self) -> Method {
        match self {
            Self::Worked => Method::InContext,
            Self::Described => Method::Described,
            Self::Retrieved(by) => Method::Retrieved(by),
            Self::Functions => Method::FunctionCalling,
        }
    }
}

/// The prompt: what the tokens mean, where that is given, worked examples with their plans, then the question.
pub fn prompt_in_words(described: Option<&Vocabulary>, worked: &[&str], question: &Question) -> String {
    let mut prompt = String::new();
    if let Some(vocabulary) = described {
        let lines = vocabulary.tools().iter().map(|tool| format!("{}: {}\n", tool.name, tool.description));
        prompt += &format!("What a plan consists of:\n{}\n", lines.collect::<String>());
    }
    for (number, worked) in (1..).zip(worked) {
        prompt += &format!("Task {number}:\n{worked}\n\n");
    }
    prompt + &format!("Task {}:\n{}", worked.len() + 1, question.body())
}

/// Plans for several prompts; each comes out as it would by itself.
///
/// # Errors
/// The model's.
pub fn plan_in_words(
    lm: &dyn FrozenLm,
    prompts: Vec<String>,
    batch: NonZeroUsize,
) -> Result<Vec<Written>, BenchError> {
    let settings = Settings {
        calling: Calling::Off,
        max_tokens: MOST_WORDS,
        stop: vec![END.into(), "\n\n".into()],
        ..Settings::default()
    };
    let requests: Vec<Request> = prompts
        .into_iter()
        .map(|prompt| Request { settings: settings.clone(), ..Request::new(Prompt::Raw(prompt)) })
        .collect();
    let generations = Engine::words_only(lm).batch(batch).run(&requests)?;
    let written = |generation: decode::Generation| {
        let (mut lines, mut unreadable) = read_plan(&generation.text);
        // What comes after the last line that counts is not looked at, but that there is more.
        let more = lines.len() > MOST_LINES;
        lines.truncate(MOST_LINES);
        if let Finish::ContextFull { len, max } = generation.finish {
            unreadable = Some(Written::did_not_fit(len, max));
        }
        let planned = Planned {
            ended: !more && matches!(generation.finish, Finish::EndOfText | Finish::Stop { .. }),
            lines,
            chosen: generation.tokens.chosen,
            prompt: generation.tokens.prompt,
        };
        Written { planned, unreadable }
    };
    Ok(generations.into_iter().map(written).collect())
}

/// The lines of a plan, up to [`END`] and to the first that is none, and one more than count at most. Things have no numbers there.
fn read_plan(text: &str) -> (Vec<Line>, Option<String>) {
    let text = text.split(END).next().unwrap_or_default();
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()).take(MOST_LINES + 1) {
        match parse_line(&line.replace('>', "> (1)")) {
            Ok(read) => lines.push(read),
            Err(_) if lines.len() == MOST_LINES => break,
            Err(error) => return (lines, Some(format!("parse: {error}"))),
        }
    }
    (lines, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_in_words_is_read_to_its_end() {
        let (lines, unreadable) = read_plan("[WALK] <sofa>\n[SIT] <sofa>\n[END] [SLEEP]");
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        assert_eq!((lines, unreadable), (vec!["[WALK] <sofa> (1)".into(), "[SIT] <sofa> (1)".into()], None));
        let (lines, unreadable) = read_plan("[SLEEP]\nThen I sleep.\n[WAKEUP]");
        assert_eq!((lines.len(), unreadable.as_deref()), (1, Some("parse: Cannot parse action")));
        assert_eq!(read_plan(&"[SLEEP]\n".repeat(20)).0.len(), MOST_LINES + 1);
        assert_eq!(read_plan(&("[SLEEP]\n".repeat(8) + "[END]")).0.len(), MOST_LINES);
        assert_eq!(
            read_plan(&("[SLEEP]\n".repeat(8) + "Done.")),
            (read_plan(&"[SLEEP]\n".repeat(8)).0, None)
        );
    }
}
