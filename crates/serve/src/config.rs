//! What a server is told when it starts.

use decode::Arguments;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a server; the defaults are meant for one machine and one person.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens; loopback unless there is a token.
    pub address: SocketAddr,
    /// What `Authorization: Bearer` must bring.
    pub token: Option<String>,
    /// The name under which the model is known to clients.
    pub model_name: String,
    /// Packs that are loaded at the start; each is known by its folder's name.
    pub packs: Vec<PathBuf>,
    /// A folder whose packs may be loaded by name while the server runs.
    pub packs_dir: Option<PathBuf>,
    /// Tools that the server runs itself: names, or prefixes that end in `*`. All others are returned to the client.
    pub execute: Vec<String>,
    /// What becomes of a tool in a request that no pack has.
    pub unknown_tools: UnknownTools,
    /// Requests that decode together.
    pub batch: usize,
    /// Requests that wait; one more is answered with 429.
    pub queue: usize,
    /// Open connections.
    pub connections: usize,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Tokens of a conversation with its answer, and of what is written aside, if fewer than the model takes.
    pub context: Option<usize>,
    /// Tokens of an answer where the request names no number, and at most.
    pub max_tokens: usize,
    /// How long a request's head, and then its body, may take to arrive.
    pub read_limit: Duration,
    /// Variables of the server's environment that MCP servers' processes get, beside path, home and language.
    pub passed_environment: Vec<String>,
    /// How long a tool may take; an MCP server's start has as long, apart.
    pub tool_limit: Duration,
    /// Bytes of a tool's result that go into a conversation.
    pub result_bytes: usize,
    /// What is added to a tool's result that the model is to answer from; empty for nothing. Small models otherwise write the
    /// call again, in words.
    pub after_result: String,
    /// Where the arguments of a call are written.
    pub arguments: Arguments,
    /// Turns with calls that are run here before the answer must be text.
    pub rounds: usize,
    /// How long a shutdown waits for requests under way.
    pub drain: Duration,
    /// The engine that generates in the model's stead, if one does.
    pub served: Option<decode::Served>,
}

/// What becomes of a tool in a request that no pack has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownTools {
    /// The request is refused.
    Refuse,
    /// The tool is placed by its name and description, as one without examples.
    Prior,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            token: None,
            model_name: "toolken".to_owned(),
            packs: Vec::new(),
            packs_dir: None,
            execute: Vec::new(),
            unknown_tools: UnknownTools::Refuse,
            batch: 8,
            queue: 64,
            connections: 512,
            body_bytes: 1 << 20,
            context: None,
            max_tokens: 512,
            read_limit: Duration::from_secs(15),
            passed_environment: Vec::new(),
            tool_limit: Duration::from_secs(20),
            result_bytes: 4096,
            after_result: pack::AFTER_RESULT.to_owned(),
            arguments: Arguments::Examples,
            rounds: 6,
            drain: Duration::from_secs(20),
            served: None,
        }
    }
}

impl Config {
    /// Whether the server runs this tool itself.
    pub(crate) fn executes(&self, tool: &str) -> bool {
        self.execute.iter().any(|rule| allows(rule, tool))
    }
}

/// Whether a rule, a name or the beginning of names with a star, is about this tool.
pub(crate) fn allows(rule: &str, tool: &str) -> bool {
    match rule.strip_suffix('*') {
        Some(prefix) => tool.starts_with(prefix),
        None => rule == tool,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_executed_unless_it_is_named() {
        let config = Config { execute: vec!["time".into(), "git_*".into()], ..Config::default() };
        assert!(config.executes("time") && config.executes("git_log"));
        assert!(!config.executes("time2") && !config.executes("fetch"));
        assert!(!Config::default().executes("time"));
    }
}
