//! One tool: what it is called, what it is for, how it runs and where its result goes.

use crate::{
    arguments::{ArgumentError, parse_arguments},
    arithmetic::{ArithmeticError, Function, Rounding},
    guards::{GuardError, Guards},
    knowledge::{KnowledgeBase, NO_ENTRY},
};
use serde_json::Value;
use std::fmt;

/// Where a call's result goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Into the text, in the place of the call: the reader sees words and results only.
    Splice,
    /// The tool's own text, for a tool that takes no arguments.
    Literal,
    /// Call and result as messages of their own, rendered by the chat template.
    Message,
}

/// How an arithmetic function is called: the function, and what is done before and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arithmetic {
    /// The function.
    pub function: Function,
    /// How its result is rounded.
    pub rounding: Rounding,
    /// Whether calls are checked.
    pub guards: Guards,
}

/// A relation of a knowledge base: its argument is a subject, its result what is said of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The base.
    pub base: KnowledgeBase,
    /// The relation's name in it.
    pub relation: String,
}

/// How a tool runs.
///
/// A new kind of tool is a variant here, an arm of [`Tool::run`] and of [`Runner::placement`], and its form in a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runner {
    /// One of the thirteen built-in functions.
    Arithmetic(Arithmetic),
    /// A relation, looked up in a knowledge base.
    Relation(Relation),
    /// The result is the tool's name; arguments mean nothing (VirtualHome's actions and objects).
    Literal,
    /// The caller runs it.
    Client,
    /// A server of the Model Context Protocol runs it.
    Mcp(McpTool),
    /// An HTTP endpoint runs it.
    Http(HttpTool),
}

/// A tool of an MCP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpTool {
    /// The server.
    pub server: McpServer,
    /// The tool's name there, which may hold characters that a tool's name in a pack may not.
    pub name: String,
    /// The server says that a call changes nothing: it may be repeated after a failure.
    pub read_only: bool,
}

/// How an MCP server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum McpServer {
    /// A program and its arguments, spoken to over its standard input and output.
    Command(Vec<String>),
    /// A streamable HTTP endpoint.
    Url(String),
}

impl fmt::Display for McpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(words) => f.write_str(&words.join(" ")),
            Self::Url(url) => f.write_str(url),
        }
    }
}

/// A tool that is an HTTP endpoint. Arguments named in the URL go there, those in `query` into the query, all others into a
/// JSON body; of `GET` and `DELETE`, which have none, into the query too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTool {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// The URL, with `{name}` where an argument goes.
    pub url: String,
    /// Arguments that go into the query.
    pub query: Vec<String>,
}

impl HttpTool {
    /// The methods that are known.
    pub const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
}

impl Runner {
    /// Whether a failed call may be made again.
    pub fn may_repeat(&self) -> bool {
        match self {
            Self::Arithmetic(_) | Self::Relation(_) | Self::Literal => true,
            Self::Client => false,
            Self::Mcp(tool) => tool.read_only,
            Self::Http(tool) => tool.method == "GET",
        }
    }

    /// Where the result of such a tool goes if nothing else is said.
    pub fn placement(&self) -> Placement {
        match self {
            Self::Arithmetic(_) | Self::Relation(_) => Placement::Splice,
            Self::Literal => Placement::Literal,
            Self::Client | Self::Mcp(_) | Self::Http(_) => Placement::Message,
        }
    }
}

impl From<Function> for Runner {
    /// The function, rounded as the reference does, with guards.
    fn from(function: Function) -> Self {
        Self::Arithmetic(Arithmetic { function, rounding: Rounding::default(), guards: Guards::default() })
    }
}

/// A tool. [`ToolSet::new`](crate::ToolSet::new) checks what its fields hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name, unique in a set: `add`.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// Its arguments, as a JSON schema of type `object`.
    pub parameters: Value,
    /// Worked uses, as text with the call written out: `… 2+3=<add>(2, 3)=5.`
    pub examples: Vec<String>,
    /// Where its result goes.
    pub placement: Placement,
    /// How it runs.
    pub runner: Runner,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The tool has run.
    Done {
        /// Its result.
        text: String,
        /// The result is a number: a digit written right after it would change it.
        numeric: bool,
    },
    /// The tool runs elsewhere, which is the caller's to arrange: generation stops here, and goes on with the result that the caller brings.
    Client,
}

/// Why a call has no result. The call is then undone, and something else is written in its place.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The arguments can't be read.
    #[error(transparent)]
    Arguments(#[from] ArgumentError),
    /// A guard objects.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The call names nobody to look up.
    #[error("no subject was named, one is expected: relation(subject)")]
    NoSubject,
    /// The knowledge base failed.
    #[error("{0}")]
    Knowledge(String),
    /// The function has no value there.
    #[error(transparent)]
    Arithmetic(#[from] ArithmeticError),
}

impl Arithmetic {
    /// Reads the arguments, checks them, calls the function, checks the result.
    fn run(self, args: &str) -> Result<Outcome, CallError> {
        let args = parse_arguments(args)?;
        self.guards.validate(self.function, &args)?;
        let text = self.function.call(&args, self.rounding)?;
        self.guards.admit(&text)?;
        Ok(Outcome::Done { text, numeric: true })
    }
}

impl Relation {
    /// Looks a subject up. Several answers stand side by side; none is an answer too.
    fn run(&self, args: &str) -> Result<Outcome, CallError> {
        let subject = subject(args);
        if subject.is_empty() {
            return Err(CallError::NoSubject);
        }
        let answers =
            self.base.answers(&self.relation, subject).map_err(|e| CallError::Knowledge(e.to_string()))?;
        let numeric = matches!(answers.as_slice(), [one] if one.ends_with(|c: char| c.is_ascii_digit()));
        let text = if answers.is_empty() { NO_ENTRY.to_owned() } else { answers.join(", ") };
        Ok(Outcome::Done { text, numeric })
    }
}

/// The subject of a call: what stands in the quotes around it, or else in its first, or all of it. Quotes inside a name stay.
fn subject(args: &str) -> &str {
    const QUOTES: [char; 4] = ['"', '“', '”', '\''];
    let args = args.trim();
    let inner = args.strip_prefix(['"', '“']);
    // `"Peru", "x"` is two arguments.
    let one = |name: &&str| !name.contains("\", \"");
    let around = inner.and_then(|rest| rest.strip_suffix(['"', '”'])).filter(one);
    let first = || inner.and_then(|rest| rest.find(['"', '”']).map(|end| &rest[..end]));
    around.or_else(first).unwrap_or(args).trim_matches(QUOTES).trim()
}

impl Tool {
    /// What a prompt shows of it, in the layout of OpenAI's API.
    pub fn definition(&self) -> Value {
        let function = serde_json::json!({
            "name": self.name, "description": self.description, "parameters": self.parameters
        });
        serde_json::json!({"type": "function", "function": function})
    }

    /// A tool that looks a subject up.
    pub fn relation(
        name: impl Into<String>,
        description: impl Into<String>,
        relation: impl Into<String>,
        base: KnowledgeBase,
    ) -> Self {
        let runner = Runner::Relation(Relation { base, relation: relation.into() });
        Self {
            name: name.into(),
            description: description.into(),
            parameters: serde_json::json!({
                "type": "object",
                "properties": {"subject": {"type": "string", "description": "whom or what it is asked of"}},
                "required": ["subject"],
            }),
            examples: Vec::new(),
            placement: runner.placement(),
            runner,
        }
    }

    /// A tool without arguments whose result is its own name.
    pub fn literal(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            parameters: no_parameters(),
            examples: Vec::new(),
            placement: Runner::Literal.placement(),
            runner: Runner::Literal,
        }
    }

    /// A tool that the caller runs, with the schema of its arguments.
    pub fn client(name: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            parameters,
            examples: Vec::new(),
            placement: Runner::Client.placement(),
            runner: Runner::Client,
        }
    }

    /// Runs the tool on what the model wrote between `(` and `)`.
    ///
    /// # Errors
    /// Arguments that can't be read or make no sense, and calls that have no result.
    pub fn run(&self, args: &str) -> Result<Outcome, CallError> {
        match &self.runner {
            Runner::Arithmetic(arithmetic) => arithmetic.run(args),
            Runner::Relation(relation) => relation.run(args),
            Runner::Literal => Ok(Outcome::Done { text: self.name.clone(), numeric: false }),
            Runner::Client | Runner::Mcp(_) | Runner::Http(_) => Ok(Outcome::Client),
        }
    }

    /// Arguments by name as [`Tool::run`] reads them: the values in the order of the schema's `required`, then those that
    /// it doesn't require; lists laid out.
    ///
    /// ```
    /// let power = toolken_tools::Tool::from(toolken_tools::Function::Power);
    /// assert_eq!(power.in_order(&serde_json::json!({"exponent": 3, "base": 2})), "2, 3");
    /// ```
    pub fn in_order(&self, arguments: &Value) -> String {
        fn lay_out(value: &Value, out: &mut Vec<String>) {
            match value {
                Value::Object(map) => map.values().for_each(|value| lay_out(value, out)),
                Value::Array(list) => list.iter().for_each(|value| lay_out(value, out)),
                Value::String(text) => out.push(text.clone()),
                other => out.push(other.to_string()),
            }
        }
        let required: Vec<&str> = self.parameters["required"]
            .as_array()
            .map_or_else(Vec::new, |names| names.iter().filter_map(Value::as_str).collect());
        let mut out = Vec::new();
        match arguments {
            Value::Object(map) => {
                required.iter().filter_map(|&name| map.get(name)).for_each(|value| lay_out(value, &mut out));
                let others = map.iter().filter(|(name, _)| !required.contains(&name.as_str()));
                others.for_each(|(_, value)| lay_out(value, &mut out));
            }
            other => lay_out(other, &mut out),
        }
        out.join(", ")
    }

    /// The tool as it stands in a text: `<add>`. A name that has brackets of its own keeps them (`[WALK]`, `<plate>`).
    pub fn marker(&self) -> String {
        match self.name.as_bytes() {
            [b'<', .., b'>'] | [b'[', .., b']'] => self.name.clone(),
            _ => format!("<{}>", self.name),
        }
    }

    /// Whether a call's result stands in the text, in its place: what runs elsewhere has it in the conversation, wherever it would like to
    /// have it.
    pub fn stands_in_text(&self) -> bool {
        match self.placement {
            Placement::Literal => true,
            Placement::Splice => matches!(self.runner, Runner::Arithmetic(_) | Runner::Relation(_)),
            Placement::Message => false,
        }
    }

    /// The start of a call as it stands in a text: `<add>(`. What follows are the arguments and `)`.
    pub fn opening(&self) -> String {
        self.marker() + "("
    }
}

/// A function as a tool, with its own name, description and examples.
impl From<Function> for Tool {
    fn from(function: Function) -> Self {
        let runner = Runner::from(function);
        Self {
            name: function.name().to_owned(),
            description: function.description().to_owned(),
            parameters: function.parameters(),
            examples: function.examples().iter().map(|&text| text.to_owned()).collect(),
            placement: runner.placement(),
            runner,
        }
    }
}

/// The schema of a tool that takes no arguments.
pub(crate) fn no_parameters() -> Value {
    serde_json::json!({"type": "object", "properties": {}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(text: &str) -> Result<Outcome, CallError> {
        Ok(Outcome::Done { text: text.to_owned(), numeric: true })
    }

    #[test]
    fn a_call_runs_on_what_the_model_wrote() {
        assert_eq!(Tool::from(Function::Add).run("$1,250, 10%)"), done("1250.1"));
        assert_eq!(Tool::from(Function::Divide).run("(10, 4"), done("2.5"));
        assert!(matches!(Tool::from(Function::Add).run("two, 3"), Err(CallError::Arguments(_))));
        assert!(matches!(
            Tool::from(Function::Log).run("8, 2"),
            Err(CallError::Guard(GuardError::Count { .. }))
        ));
        assert!(matches!(
            Tool::from(Function::Power).run("9, 90"),
            Err(CallError::Guard(GuardError::TooLong { .. }))
        ));
        assert!(matches!(Tool::from(Function::Divide).run("9, 0"), Err(CallError::Arithmetic(_))));
    }

    #[test]
    fn the_reference_has_no_guards() {
        let runner =
            Arithmetic { function: Function::Log, rounding: Rounding::Reference, guards: Guards::Off };
        let tool = Tool { runner: Runner::Arithmetic(runner), ..Function::Log.into() };
        assert_eq!(tool.run("8, 2"), done("3"));
    }

    #[test]
    fn literal_tools_write_their_name_and_client_tools_wait() {
        let walk = Tool::literal("[WALK]", "go to a room or an object");
        assert_eq!(walk.run(""), Ok(Outcome::Done { text: "[WALK]".to_owned(), numeric: false }));
        assert_eq!(Tool::client("weather", "…", no_parameters()).run("{}"), Ok(Outcome::Client));
    }

    #[test]
    fn relations_are_looked_up_and_a_miss_is_a_result() {
        let fact = |subject: &str, answers: &[&str]| crate::Fact {
            relation: "P36".into(),
            subject: subject.into(),
            aliases: vec!["Helvetia".into()].into_iter().filter(|_| subject == "Switzerland").collect(),
            answers: answers.iter().map(|&a| a.to_owned()).collect(),
        };
        let facts = [
            fact("Switzerland", &["Bern"]),
            fact("South Africa", &["Cape Town", "Pretoria"]),
            fact("1984", &["42"]),
        ];
        let tool =
            Tool::relation("capital", "", "P36", KnowledgeBase::in_memory("test", facts).expect("a base"));
        let text = |args: &str| {
            tool.run(args).map(|outcome| match outcome {
                Outcome::Done { text, numeric } => (text, numeric),
                Outcome::Client => unreachable!("it runs here"),
            })
        };
        let words = |text: &str| Ok((text.to_owned(), false));
        assert_eq!(text("Switzerland"), words("Bern"));
        assert_eq!(text("\"SWITZERLAND\""), words("Bern"));
        assert_eq!(text(" “the switzerland”, please"), words("Bern"));
        assert_eq!(text("helvetia"), words("Bern"));
        assert_eq!(text("South-Africa (country"), words("Cape Town, Pretoria"));
        assert_eq!(text("the South Africa (country)"), words("Cape Town, Pretoria"));
        assert_eq!(subject("\"Arthur \"Art\" Lee\""), "Arthur \"Art\" Lee");
        assert_eq!(subject("Arthur \"Art\" Lee"), "Arthur \"Art\" Lee");
        assert_eq!(subject("\"Peru\", \"x\", 3"), "Peru");
        assert_eq!(subject("\"Peru\", \"x\""), "Peru");
        assert_eq!(text("1984"), Ok(("42".to_owned(), true)));
        assert_eq!(text("Atlantis"), words(NO_ENTRY));
        assert_eq!(text(" \"\" "), Err(CallError::NoSubject));
    }

    /// The examples teach the model how a call looks: they must be true.
    #[test]
    fn examples_hold() {
        for function in Function::ALL {
            let tool = Tool::from(function);
            assert!(!tool.examples.is_empty(), "{function}");
            for example in &tool.examples {
                let (_, call) = example.split_once(&tool.opening()).expect("a call");
                let (args, rest) = call.split_once(")=").expect("a result");
                let result = rest.split([' ', '\n']).next().expect("a word").trim_end_matches('.');
                assert_eq!(tool.run(args), done(result), "{example}");
            }
        }
    }
}
