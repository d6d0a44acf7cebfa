//! The extended vocabulary: the model's words and, beside them, the head's tools.

use crate::grammar::{Grammar, Grammars};
use crate::request::{Prompt, Taught, Template};
use crate::scores::ToolScores;
use crate::splice::number_continuations;
use crate::trace::{Token, TopToken};
use crate::{DecodeError, choose::Pick};
use head::Head;
use lm::{Chat, FrozenLm, LmError, Specials, Tokenizer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use tools::{Outcome, Placement, Tool, ToolSet};

/// A row of the head and what calling it does.
pub(crate) struct Callable {
    pub tool: Tool,
    pub kind: Kind,
    /// The prompt with worked calls, if there is one.
    pub demos: Option<Template>,
    /// What is known of its arguments, where its calls stand in messages.
    pub taught: Taught,
}

/// What a call needs and where its result goes.
#[derive(Clone)]
pub(crate) enum Kind {
    /// The model writes arguments; the result stands in the place of the call.
    Splice,
    /// No arguments; the tool's own text is appended.
    Literal,
    /// The model writes JSON under the tool's schema; the caller runs the call and puts the result into the conversation.
    Message(Box<Grammar>),
}

impl Callable {
    /// Runs the tool; the error says why there is no result.
    pub fn run(&self, arguments: &str) -> Result<Answer, String> {
        match self.tool.run(arguments) {
            Ok(Outcome::Done { text, .. }) if text.is_empty() => Err("the result is empty".to_owned()),
            Ok(Outcome::Done { text, numeric }) => Ok(Answer { text, numeric }),
            Ok(Outcome::Client) => Err("the caller must run this tool".to_owned()),
            Err(e) => Err(e.to_string()),
        }
    }
}

/// What a tool gave.
pub(crate) struct Answer {
    pub text: String,
    /// A number, which a digit after it would change.
    pub numeric: bool,
}

/// The extended vocabulary: what one decision is about. Words are the model's, tools a head's.
pub struct Extended<'a> {
    pub(crate) lm: &'a dyn FrozenLm,
    pub(crate) head: Option<ToolScores<'a>>,
    /// In the order of the head's rows.
    pub(crate) callables: Vec<Callable>,
    /// The words that would lengthen a number before them.
    pub(crate) number_continuations: Vec<u32>,
    /// What compiles schemas; without it every request with one makes its own.
    pub(crate) grammars: Option<Arc<Grammars>>,
    /// Tokens of the longest context.
    context: usize,
}

impl<'a> Extended<'a> {
    /// The plain language model. `grammars` is needed for requests with a schema alone.
    pub fn words_only(lm: &'a dyn FrozenLm, grammars: Option<Arc<Grammars>>) -> Self {
        let number_continuations = number_continuations(lm.tokenizer());
        let context = lm.card().context;
        Self { lm, head: None, callables: Vec::new(), number_continuations, grammars, context }
    }

    /// The model's words with a head's tools. `grammars`, if given, must be of the model's tokenizer; without them they are
    /// made where a tool needs them.
    ///
    /// # Errors
    /// [`DecodeError::Mismatch`] if the head was fitted on another model, names a tool that is not in `tools`, or one whose
    /// schema cannot be enforced.
    pub fn new(
        lm: &'a dyn FrozenLm,
        head: &Head,
        tools: &ToolSet,
        mut grammars: Option<Arc<Grammars>>,
    ) -> Result<Self, DecodeError> {
        head.check_model(lm.card()).map_err(|e| DecodeError::Mismatch(e.to_string()))?;
        let mut callables = Vec::with_capacity(head.tools.len());
        for name in &head.tools {
            callables.push(callable(lm, tools, name, &mut grammars)?);
        }
        Ok(Self { head: Some(ToolScores::owned(head.clone())), callables, ..Self::words_only(lm, grammars) })
    }

    /// Gives tools, by name, what [`Arguments::Examples`](crate::Arguments::Examples) goes by. A tool that has no row is passed over.
    #[must_use]
    pub fn taught(mut self, mut taught: BTreeMap<String, Taught>) -> Self {
        for callable in &mut self.callables {
            callable.taught = taught.remove(&callable.tool.name).unwrap_or_default();
        }
        self
    }

    /// Takes contexts of up to `tokens`, where the model would take longer ones: prompts, answers, and what is written aside.
    #[must_use]
    pub fn within(mut self, tokens: usize) -> Self {
        self.context = self.context.min(tokens);
        self
    }

    /// The tools' names, in the order of the head's rows.
    pub fn tools(&self) -> impl Iterator<Item = &str> {
        self.callables.iter().map(|callable| callable.tool.name.as_str())
    }

    /// Gives each named tool its prompt with worked calls.
    pub(crate) fn set_demos(&mut self, demos: BTreeMap<String, Template>) -> Result<(), DecodeError> {
        for (name, template) in demos {
            let row =
                self.row(&name).ok_or_else(|| self.unknown_tool(&name)).map_err(DecodeError::Mismatch)?;
            self.callables[row].demos = Some(template);
        }
        Ok(())
    }

    pub(crate) fn tokenizer(&self) -> &Tokenizer {
        self.lm.tokenizer()
    }

    /// Tokens of the longest context.
    pub fn context(&self) -> usize {
        self.context
    }

    /// The row of the tool of that name.
    pub(crate) fn row(&self, name: &str) -> Option<usize> {
        self.callables.iter().position(|callable| callable.tool.name == name)
    }

    pub(crate) fn unknown_tool(&self, name: &str) -> String {
        let known: Vec<&str> = self.callables.iter().map(|callable| callable.tool.name.as_str()).collect();
        format!("there is no tool `{name}` in the head; its tools are {}", known.join(", "))
    }

    /// The ids of a prompt, with the start token where it is due.
    pub(crate) fn encode(&self, prompt: &Prompt, text: &str) -> Result<Vec<u32>, LmError> {
        match prompt {
            Prompt::Raw(_) => self.encode_raw(text),
            Prompt::Rendered(_) | Prompt::Chat(_) => self.tokenizer().encode_rendered(text),
        }
    }

    /// The text of a prompt.
    pub(crate) fn text<'p>(&self, prompt: &'p Prompt) -> Result<Cow<'p, str>, LmError> {
        match prompt {
            Prompt::Raw(text) | Prompt::Rendered(text) => Ok(Cow::Borrowed(text)),
            Prompt::Chat(chat) => {
                let turn = Chat { messages: &chat.messages, tools: &chat.tools, add_generation_prompt: true };
                chat.template.render(&turn).map(Cow::Owned)
            }
        }
    }

    /// Compiles a schema.
    pub(crate) fn grammar(&self, schema: &serde_json::Value) -> Result<Grammar, String> {
        match &self.grammars {
            Some(grammars) => grammars.compile(schema),
            None => Grammars::new(self.tokenizer())?.compile(schema),
        }
    }

    /// The ids of a plain text from its beginning, after the start token.
    pub(crate) fn encode_raw(&self, text: &str) -> Result<Vec<u32>, LmError> {
        let mut ids: Vec<u32> = self.tokenizer().bos().into_iter().collect();
        ids.extend(self.tokenizer().encode(text, Specials::Text)?);
        Ok(ids)
    }

    /// The ids of a segment put after other text: encoded by itself, as training cuts the text at every span.
    pub(crate) fn encode_segment(&self, text: &str) -> Result<Vec<u32>, LmError> {
        self.tokenizer().encode_continuation(text, Specials::Text)
    }

    /// The tools' scores at one hidden state, as [`ToolScores::scores`]; none without a head.
    pub(crate) fn tool_scores(
        &self,
        hidden: &[f32],
        bias: f32,
        disabled: &[bool],
        floor: Option<f32>,
    ) -> Vec<f32> {
        self.head.as_ref().map_or_else(Vec::new, |head| head.scores(hidden, bias, disabled, floor))
    }

    /// A token for the trace.
    pub(crate) fn token(&self, pick: Pick) -> Token {
        match pick {
            Pick::Word(id) => Token::Word(self.tokenizer().token_text(id).into_owned()),
            Pick::Tool(row) => Token::Tool(self.callables[row].tool.name.clone()),
        }
    }

    /// A token with its log probability.
    pub(crate) fn top_token(&self, pick: Pick, logprob: f32) -> TopToken {
        let id = match pick {
            Pick::Word(id) => Some(id),
            Pick::Tool(_) => None,
        };
        TopToken { token: self.token(pick), id, logprob }
    }
}

fn callable(
    lm: &dyn FrozenLm,
    tools: &ToolSet,
    name: &str,
    grammars: &mut Option<Arc<Grammars>>,
) -> Result<Callable, DecodeError> {
    let tool = tools.by_name(name).cloned().ok_or_else(|| {
        DecodeError::Mismatch(format!(
            "the head has a row for the tool `{name}`, which is not among the {} tools given: load the pack it belongs to",
            tools.len()
        ))
    })?;
    let kind = match tool.placement {
        Placement::Literal => Kind::Literal,
        _ if tool.stands_in_text() => Kind::Splice,
        _ => {
            let compiled = match grammars {
                Some(grammars) => grammars.compile_parameters(&tool.parameters),
                None => Grammars::new(lm.tokenizer())
                    .and_then(|made| grammars.insert(Arc::new(made)).compile_parameters(&tool.parameters)),
            };
            let compiled = compiled.map_err(|e| {
                DecodeError::Mismatch(format!("the tool `{name}`: its schema cannot be enforced: {e}"))
            })?;
            Kind::Message(Box::new(compiled))
        }
    };
    Ok(Callable { tool, kind, demos: None, taught: Taught::default() })
}
