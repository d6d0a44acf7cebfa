//! What a generation leaves behind: its text, why it ended, and every call with what it was chosen against.

use serde::{Deserialize, Serialize};

/// One request's outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generation {
    /// What was generated: words and results, no calls.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
    /// What it cost in tokens.
    pub tokens: Counts,
    /// The decisions of note, in order; see [`Settings::record_above`](crate::Settings::record_above).
    pub decisions: Vec<Decision>,
    /// Wall time from this request's first token to its last, in microseconds; in a batch, the other rows' share included.
    pub micros: u64,
}

impl Generation {
    /// The calls that the caller is to run, in order: each with its id.
    pub fn client_calls(&self) -> impl Iterator<Item = (&str, &Attempt)> {
        let attempts = self.decisions.iter().flat_map(|decision| &decision.attempts);
        attempts.filter_map(|attempt| match &attempt.outcome {
            CallOutcome::Client(id) => Some((id.as_str(), attempt)),
            CallOutcome::Result(_) | CallOutcome::Error(_) => None,
        })
    }

    /// The calls whose results are in the text, in order.
    pub fn calls(&self) -> impl Iterator<Item = &Attempt> {
        self.decisions
            .iter()
            .flat_map(|decision| &decision.attempts)
            .filter(|attempt| attempt.outcome.result().is_some())
    }
}

/// Why a generation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum Finish {
    /// The model ended the text.
    EndOfText,
    /// The text reached a stop string, which is not part of it.
    Stop {
        /// The string.
        string: String,
    },
    /// The cap on tokens.
    MaxTokens,
    /// The cap on calls: one more was called for.
    MaxCalls,
    /// The turn made calls that the caller is to run; they are the last of the trace's attempts.
    Calls,
    /// The context is full: the next step would not fit the model.
    ContextFull {
        /// Tokens that the next step needs.
        len: usize,
        /// Tokens the model takes.
        max: usize,
    },
}

/// What a generation cost in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Of the prompt.
    pub prompt: usize,
    /// Chosen outside of calls, a call being one; the end of text is not counted.
    pub chosen: usize,
    /// Of the results that were put into the text.
    pub results: usize,
    /// Chosen inside calls, undone ones included.
    pub arguments: usize,
    /// Read beside the text, for arguments that are written in a prompt of their own.
    #[serde(default)]
    pub aside: usize,
    /// Calls that stand: their result is in the text, or they are the caller's to run.
    pub calls: usize,
    /// Calls that failed and were undone.
    pub failed_calls: usize,
}

/// One choice between words and tools.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Tokens chosen before it, as [`Counts::chosen`] counts them.
    pub position: usize,
    /// Bytes of generated text before it.
    pub at: usize,
    /// How the choice was made.
    pub by: By,
    /// P(tool) = Σ_k exp(s_k) / (Σ_words exp(s) + Σ_k exp(s_k)), over the scores that decided: bias and offsets are in,
    /// what was disabled is out, temperature 1.
    pub p_tool: f32,
    /// The best tokens of the extended vocabulary under the same distribution, best first.
    pub alternatives: Vec<Alternative>,
    /// The best tools, best first, as many as [`Settings::rival_tools`](crate::Settings::rival_tools) says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Alternative>,
    /// The calls tried here, in order: failed ones, then at most one that stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// What came of it; `None` if the generation ended with it: at a cap, within a call, or where a turn's calls have been made.
    pub chosen: Option<Token>,
}

/// How a choice was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The best score; a tie goes to the word.
    Greedy,
    /// A draw.
    Sampled,
    /// The best tool, as asked for by [`Calling::Force`](crate::Calling::Force).
    Forced,
}

/// A token of the extended vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Token {
    /// A tool, by name.
    Tool(String),
    /// A word's text (a part of a character is shown as U+FFFD).
    Word(String),
}

/// One of the best tokens where a word was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct TopToken {
    /// The token.
    pub token: Token,
    /// A word's id: its text alone may be a part of a character.
    pub id: Option<u32>,
    /// log P(token) over words and tools, temperature 1.
    pub logprob: f32,
}

/// A token and its probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// The token.
    #[serde(flatten)]
    pub token: Token,
    /// Its probability; see [`Decision::p_tool`].
    pub p: f32,
}

/// One call, whether it stands or was undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The tool's name.
    pub tool: String,
    /// The arguments as the model wrote them: without the brackets, empty for a tool that takes none; of a call in a message its JSON.
    pub arguments: String,
    /// Tokens of the arguments.
    pub tokens: usize,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: CallOutcome,
    /// Wall time of the whole call in microseconds, its arguments included.
    pub micros: u64,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallOutcome {
    /// It stands: the text that the tool gave.
    Result(String),
    /// It stands, and the caller runs it: its id in the conversation.
    Client(String),
    /// It was undone: why.
    Error(String),
}

impl CallOutcome {
    /// The text that the tool gave, if the call stands.
    pub fn result(&self) -> Option<&str> {
        match self {
            Self::Result(text) => Some(text),
            Self::Client(_) | Self::Error(_) => None,
        }
    }

    /// Why the call was undone, if it was.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Result(_) | Self::Client(_) => None,
            Self::Error(reason) => Some(reason),
        }
    }
}

/// What happens to a request while it is generated for. Text once given is never taken back.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// More text.
    Text(String),
    /// A word was chosen; told only where [`Settings::logprobs`](crate::Settings::logprobs) asks for it.
    Word {
        /// The word's id.
        id: u32,
        /// log P(word) over words and tools, temperature 1.
        logprob: f32,
        /// The best tokens, best first.
        top: Vec<TopToken>,
    },
    /// A call of this tool has begun.
    CallStart(String),
    /// More of the JSON of the call that began last.
    Arguments(String),
    /// A call has ended. One that failed is undone; the result of one that stands follows as text, unless the call is the caller's to
    /// run. A call in a message that a limit cuts off has failed, and ends the generation.
    CallEnd(Attempt),
    /// The request is done; no more of it follows.
    Done(Box<Generation>),
}

/// What a session tells of a request: [`Event::Done`] or an error is the last.
pub type Told = Result<Event, crate::DecodeError>;
