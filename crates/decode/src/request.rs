//! What is asked for: a prompt and how to go on from it.

use crate::Settings;
use lm::{ChatTemplate, Message};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// One generation to make.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// What the model reads first.
    pub prompt: Prompt,
    /// The question by itself, for the prompts of [`Arguments::Demos`](crate::Arguments::Demos); unused otherwise.
    pub question: Option<String>,
    /// Tools that may not be called here, by name.
    pub disabled_tools: Vec<String>,
    /// Words that may not be chosen here, by id.
    pub disabled_words: Vec<u32>,
    /// What is put into the text beside the model's own words, if anything.
    pub insert: Option<Insert>,
    /// The whole text is JSON under this schema. Before it a call in a message of its own may be made (an engine elsewhere makes none);
    /// tools whose result stands in the text are off.
    pub schema: Option<Value>,
    /// How to generate.
    pub settings: Settings,
}

/// Puts text of its own into a generation: asked after every word with the text generated so far, it says what follows.
///
/// So calls that a model writes out in words are answered: `<add>(1, 2)` is followed by `=3`, and the model goes on from
/// there. What is put in is read as a segment of its own, and counts among [`Counts::results`](crate::Counts::results).
#[derive(Clone)]
pub struct Insert(Arc<Inserter>);

type Inserter = dyn Fn(&str) -> Option<Insertion> + Send + Sync;

/// What is put into the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insertion {
    /// The text.
    pub text: String,
    /// It ends in a number, which the next token may not lengthen.
    pub numeric: bool,
}

impl Insert {
    /// Asks `what` after every word.
    pub fn new(what: impl Fn(&str) -> Option<Insertion> + Send + Sync + 'static) -> Self {
        Self(Arc::new(what))
    }

    /// What follows this text.
    pub(crate) fn after(&self, text: &str) -> Option<Insertion> {
        self.0(text).filter(|insertion| !insertion.text.is_empty())
    }
}

impl fmt::Debug for Insert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Insert")
    }
}

impl PartialEq for Insert {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Request {
    /// A request with the default settings.
    pub fn new(prompt: Prompt) -> Self {
        Self { prompt, ..Self::default() }
    }
}

/// What the model reads first.
#[derive(Clone, Debug)]
pub enum Prompt {
    /// Plain text. The start token is put before it, and nothing in it is taken for a special token.
    Raw(String),
    /// The output of a chat template, which wrote its own special tokens: they are parsed, and none is added.
    Rendered(String),
    /// A conversation, of which the assistant's next turn is to be generated. The form that tools with the placement
    /// `message` need: their calls are written as the template writes them.
    Chat(Conversation),
}

/// A conversation and the template that writes it.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The model's template.
    pub template: ChatTemplate,
    /// What was said.
    pub messages: Vec<Message>,
    /// Tools that the prompt lists, in the layout of the API; none are needed for a head's tools.
    pub tools: Vec<Value>,
    /// Whether the turn may make several calls.
    pub parallel_calls: bool,
}

impl Default for Prompt {
    fn default() -> Self {
        Self::Raw(String::new())
    }
}

/// A call that was right: what the user said, and its arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkedCall {
    /// What the user said.
    pub user: String,
    /// The arguments, an object.
    pub arguments: Value,
}

/// What is known of how a tool's arguments are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taught {
    /// Calls that were right, shown before others are written.
    pub calls: Vec<WorkedCall>,
    /// How much more likely than its end, in log odds, an object's going on with another property must be.
    pub margin: f32,
}

/// A prompt with a place for the question, marked `[QUESTION]` as ToolkenGPT's templates have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(String);

impl Template {
    /// The mark that a question replaces.
    pub const QUESTION: &str = "[QUESTION]";

    /// A template over `text`; without a mark in it, it is the same for every question.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The prompt for one question.
    pub fn render(&self, question: &str) -> String {
        self.0.replace(Self::QUESTION, question)
    }

    /// Whether it has a place for a question.
    pub(crate) fn asks(&self) -> bool {
        self.0.contains(Self::QUESTION)
    }

    /// What stands before the question: the same in every prompt.
    pub(crate) fn prefix(&self) -> &str {
        self.0.split(Self::QUESTION).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_puts_the_question_in_its_place() {
        let template = Template::new("Q: 1?\nA: 1\n\nQ: [QUESTION]\nA:");
        assert_eq!(template.render("2?"), "Q: 1?\nA: 1\n\nQ: 2?\nA:");
        assert_eq!(template.prefix(), "Q: 1?\nA: 1\n\nQ: ");
        assert_eq!(Template::new("no mark").prefix(), "no mark");
    }
}
