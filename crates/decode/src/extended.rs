//! The extended vocabulary: the model's words and, beside them, the head's tools.

use crate::request::{Prompt, Template};
use crate::scores::ToolScores;
use crate::splice::number_continuations;
use crate::trace::Token;
use crate::{DecodeError, choose::Pick};
use head::Head;
use lm::{FrozenLm, LmError, Specials, Tokenizer};
use std::collections::BTreeMap;
use tools::{Outcome, Placement, Runner, Tool, ToolSet};

/// A row of the head and what calling it does.
pub(crate) struct Callable<'a> {
    pub tool: &'a Tool,
    pub kind: Kind,
    /// The prompt with worked calls, if there is one.
    pub demos: Option<Template>,
}

/// What a call needs and where its result goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The model writes arguments; the result stands in the place of the call.
    Splice,
    /// No arguments; the tool's own text is appended.
    Literal,
}

impl Callable<'_> {
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

/// Words and tools: what one decision is about.
pub(crate) struct Extended<'a> {
    pub lm: &'a dyn FrozenLm,
    pub head: Option<ToolScores<'a>>,
    /// In the order of the head's rows.
    pub callables: Vec<Callable<'a>>,
    /// The words that would lengthen a number before them.
    pub number_continuations: Vec<u32>,
}

impl<'a> Extended<'a> {
    pub fn words_only(lm: &'a dyn FrozenLm) -> Self {
        Self {
            lm,
            head: None,
            callables: Vec::new(),
            number_continuations: number_continuations(lm.tokenizer()),
        }
    }

    pub fn new(lm: &'a dyn FrozenLm, head: &'a Head, tools: &'a ToolSet) -> Result<Self, DecodeError> {
        head.check_model(lm.card()).map_err(|e| DecodeError::Mismatch(e.to_string()))?;
        let callables = head.tools.iter().map(|name| callable(tools, name)).collect::<Result<_, _>>()?;
        Ok(Self { head: Some(ToolScores::new(head)), callables, ..Self::words_only(lm) })
    }

    /// Gives each named tool its prompt with worked calls.
    pub fn set_demos(&mut self, demos: BTreeMap<String, Template>) -> Result<(), DecodeError> {
        for (name, template) in demos {
            let row =
                self.row(&name).ok_or_else(|| self.unknown_tool(&name)).map_err(DecodeError::Mismatch)?;
            self.callables[row].demos = Some(template);
        }
        Ok(())
    }

    pub fn tokenizer(&self) -> &Tokenizer {
        self.lm.tokenizer()
    }

    /// The longest context.
    pub fn context(&self) -> usize {
        self.lm.card().context
    }

    /// The row of the tool of that name.
    pub fn row(&self, name: &str) -> Option<usize> {
        self.callables.iter().position(|callable| callable.tool.name == name)
    }

    pub fn unknown_tool(&self, name: &str) -> String {
        let known: Vec<&str> = self.callables.iter().map(|callable| callable.tool.name.as_str()).collect();
        format!("there is no tool `{name}` in the head; its tools are {}", known.join(", "))
    }

    /// The ids of a prompt, with the start token where it is due.
    pub fn encode(&self, prompt: &Prompt) -> Result<Vec<u32>, LmError> {
        match prompt {
            Prompt::Raw(text) => self.encode_raw(text),
            Prompt::Rendered(text) => self.tokenizer().encode(text, Specials::Parse),
        }
    }

    /// The ids of a plain text from its beginning, after the start token.
    pub fn encode_raw(&self, text: &str) -> Result<Vec<u32>, LmError> {
        let mut ids: Vec<u32> = self.tokenizer().bos().into_iter().collect();
        ids.extend(self.tokenizer().encode(text, Specials::Text)?);
        Ok(ids)
    }

    /// The ids of a segment put after other text: encoded by itself, as training cuts the text at every span.
    pub fn encode_segment(&self, text: &str) -> Result<Vec<u32>, LmError> {
        self.tokenizer().encode_continuation(text, Specials::Text)
    }

    /// The tools' scores at one hidden state, as [`ToolScores::scores`]; none without a head.
    pub fn tool_scores(&self, hidden: &[f32], bias: f32, disabled: &[bool], floor: Option<f32>) -> Vec<f32> {
        self.head.as_ref().map_or_else(Vec::new, |head| head.scores(hidden, bias, disabled, floor))
    }

    /// A token for the trace.
    pub fn token(&self, pick: Pick) -> Token {
        match pick {
            Pick::Word(id) => Token::Word(self.tokenizer().token_text(id).into_owned()),
            Pick::Tool(row) => Token::Tool(self.callables[row].tool.name.clone()),
        }
    }
}

fn callable<'a>(tools: &'a ToolSet, name: &str) -> Result<Callable<'a>, DecodeError> {
    let tool = tools.by_name(name).ok_or_else(|| {
        DecodeError::Mismatch(format!(
            "the head has a row for the tool `{name}`, which is not among the {} tools given: load the pack it belongs to",
            tools.len()
        ))
    })?;
    let unsupported = |what: &str| {
        Err(DecodeError::Mismatch(format!(
            "the tool `{name}` {what}, which decoding does not do yet: use tools that run here, with the placement              splice or literal"
        )))
    };
    let kind = match (&tool.runner, tool.placement) {
        (Runner::Client, _) => return unsupported("is run by the caller"),
        (_, Placement::Message) => return unsupported("gives its result as a message"),
        (_, Placement::Splice) => Kind::Splice,
        (_, Placement::Literal) => Kind::Literal,
    };
    Ok(Callable { tool, kind, demos: None })
}
