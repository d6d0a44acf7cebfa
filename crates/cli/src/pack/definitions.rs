//! Where a pack's tools and examples come from.

use anyhow::{Context, bail};
use pack::Examples;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tools::{McpServer, Pack, Tool, ToolSet};

/// How long a server may take to start and to list its tools.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub struct Sources {
    /// A JSON file: OpenAI's or Anthropic's `tools` array, the answer of MCP's tools/list, or an OpenAPI 3 document; may be given
    /// several times
    #[arg(long, value_name = "FILE")]
    tools: Vec<PathBuf>,
    /// A tools.toml by hand, or the folder that has one
    #[arg(long, value_name = "FILE")]
    toml: Vec<PathBuf>,
    /// An MCP server: a command line (no shell reads it), or a URL; may be given several times
    #[arg(long, value_name = "COMMAND|URL")]
    mcp: Vec<String>,
    /// A variable of the environment that MCP servers' processes get, beside path, home and language; may be given several
    /// times
    #[arg(long, value_name = "NAME")]
    pass_env: Vec<String>,
    /// Put this before the names of the tools that are taken in
    #[arg(long, default_value = "")]
    prefix: String,
    /// Examples: JSON lines {"user", "tool", "arguments"}, of which the user's message alone must be there, or chat files in OpenAI's fine-tuning layout {"messages"}
    #[arg(long, value_name = "FILE")]
    examples: Vec<PathBuf>,
}

impl Sources {
    /// Adds what the sources have to a pack's tools and examples.
    pub fn add_to(&self, tools: &ToolSet, examples: &mut Examples) -> anyhow::Result<ToolSet> {
        let mut found: Vec<Tool> = Vec::new();
        for path in &self.tools {
            let text = files::read_text(path).with_context(|| path.display().to_string())?;
            let document =
                serde_json::from_str(&text).with_context(|| format!("{}: no JSON", path.display()))?;
            found.extend(pack::from_json(&document).with_context(|| path.display().to_string())?);
        }
        for path in &self.toml {
            let file = if path.is_dir() { Pack::at(path).tools_path() } else { path.clone() };
            found.extend(Pack::tools_of(&file)?.iter().cloned());
        }
        for server in &self.mcp {
            found.extend(mcp::list(&server_of(server)?, &self.pass_env, LIMIT)?);
        }
        for tool in &mut found {
            tool.name.insert_str(0, &self.prefix);
        }
        if let Some(twin) = found.iter().find(|tool| tools.index(&pack::call_name(&tool.name)).is_some()) {
            bail!(
                "the pack has a tool `{}` already: give this one another name with --prefix, or take the other out of tools.toml",
                pack::call_name(&twin.name)
            );
        }
        for (i, tool) in found.iter().enumerate() {
            if found[..i].iter().any(|earlier| earlier.name == tool.name) {
                bail!(
                    "two of the tools are named `{}`: take one out, or add it by itself with `toolken pack add-tool` and a --prefix",
                    tool.name
                );
            }
        }
        let names: Vec<String> = found.iter().map(|tool| tool.name.clone()).collect();
        let added = pack::rename_for_calls(found, tools);
        let renamed: BTreeMap<&str, &str> = (names.iter().map(String::as_str))
            .zip(added.iter().map(|tool| tool.name.as_str()))
            .filter(|(name, new)| name != new)
            .collect();
        for (name, new) in &renamed {
            tracing::warn!(
                "the tool `{name}` goes by `{new}` here: a call's name has up to 64 ASCII letters, digits, `_` and `-`"
            );
        }
        pack::enforceable(&added)?;
        let all = ToolSet::new(tools.iter().cloned().chain(added.clone()).collect())?;
        for path in &self.examples {
            let mut more = Examples::read(path)?;
            for example in &mut more.0 {
                example.rename_tools(&|name| renamed.get(name).map(|new| (*new).to_owned()));
            }
            more.check(&all).with_context(|| path.display().to_string())?;
            examples.0.extend(more.0);
        }
        examples.check(&all)?;
        Ok(all)
    }
}

/// A command line in words, quotes as a shell has them but nothing else of it; or a URL.
fn server_of(text: &str) -> anyhow::Result<McpServer> {
    if text.starts_with("http://") || text.starts_with("https://") {
        return Ok(McpServer::Url(text.to_owned()));
    }
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut quote) = (None::<String>, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() || words.is_empty() {
        bail!("--mcp {text:?}: expected a command line or a URL");
    }
    Ok(McpServer::Command(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_cut_into_words() {
        let words = |text| match server_of(text) {
            Ok(McpServer::Command(words)) => words,
            other => panic!("{other:?}"),
        };
        assert_eq!(words("a  -b 'c d' \"\" e'f g'"), ["a", "-b", "c d", "", "ef g"]);
        assert!(server_of("a 'b").is_err() && server_of(" ").is_err());
        assert_eq!(server_of("http://h/mcp").unwrap(), McpServer::Url("http://h/mcp".into()));
    }
}
