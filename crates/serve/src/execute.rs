//! Running calls here: MCP servers and HTTP endpoints, with limits on time and size.

use crate::config::Config;
use mcp::{Client, McpError};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tools::{HttpTool, McpServer, McpTool, Outcome, Runner, Tool, ToolSet};

/// A server's connection, which one call at a time may make.
type Slot = Arc<Mutex<Option<Arc<Client>>>>;

/// The connections to MCP servers, one each, made when first needed.
#[derive(Default)]
pub(crate) struct Executor {
    clients: Mutex<HashMap<McpServer, Slot>>,
}

impl Executor {
    /// Runs a call. The error is meant for the model and the trace, and holds no secrets.
    pub async fn run(&self, tool: &Tool, arguments: &str, config: &Config) -> Result<String, String> {
        let arguments: Map<String, Value> =
            serde_json::from_str(arguments).map_err(|e| format!("the arguments are no JSON object: {e}"))?;
        let attempts = if tool.runner.may_repeat() { 2 } else { 1 };
        let mut last = String::new();
        let end = Instant::now() + config.tool_limit;
        for attempt in 0..attempts {
            let left = end.saturating_duration_since(Instant::now());
            if attempt > 0 && left.is_zero() {
                break;
            }
            let result = match &tool.runner {
                Runner::Mcp(mcp) => match self.mcp(mcp, arguments.clone(), config, end).await {
                    Ok(text) => Ok(text),
                    Err(McpError::Tool(text)) => Err(Failed::for_good(text)),
                    Err(error) => {
                        tracing::warn!("tool {}: {error}", tool.name);
                        Err(Failed::for_now(without_server(&error, config.tool_limit)))
                    }
                },
                Runner::Http(http) => {
                    let (http, arguments) = (http.clone(), arguments.clone());
                    let (limit, bytes) = (left, config.result_bytes);
                    tokio::task::spawn_blocking(move || call_http(&http, &arguments, limit, bytes))
                        .await
                        .unwrap_or_else(|e| Err(Failed::for_good(e.to_string())))
                }
                Runner::Arithmetic(_) | Runner::Relation(_) | Runner::Literal | Runner::Client => {
                    match tool.run(&tool.in_order(&Value::Object(arguments.clone()))) {
                        Ok(Outcome::Done { text, .. }) => Ok(text),
                        Ok(Outcome::Client) => Err(Failed::for_good("this tool is the client's to run")),
                        Err(error) => Err(Failed::for_good(error.to_string())),
                    }
                }
            };
            match result {
                Ok(text) => return Ok(cut(text, config.result_bytes)),
                Err(Failed { text, again }) => {
                    last = text;
                    if !again {
                        break;
                    }
                }
            }
        }
        Err(cut(last, config.result_bytes))
    }

    /// Ends the connections to servers that no tool of these has any more.
    pub async fn keep(&self, tools: &ToolSet) {
        let wanted = |server: &McpServer| {
            tools.iter().any(|tool| matches!(&tool.runner, Runner::Mcp(mcp) if mcp.server == *server))
        };
        self.clients.lock().await.retain(|server, _| wanted(server));
    }

    async fn mcp(
        &self,
        tool: &McpTool,
        arguments: Map<String, Value>,
        config: &Config,
        mut end: Instant,
    ) -> Result<String, McpError> {
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        let late =
            || McpError::Timeout { server: tool.server.to_string(), seconds: config.tool_limit.as_secs() };
        let slot = Arc::clone(self.clients.lock().await.entry(tool.server.clone()).or_default());
        let client = {
            // Somebody else may be starting it, in vain.
            let mut slot = tokio::time::timeout(left(end), slot.lock()).await.map_err(|_| late())?;
            match slot.as_ref().filter(|client| !client.is_closed()) {
                Some(client) => Arc::clone(client),
                None => {
                    // A start has as long as a call, and takes nothing from it: else a slow one would never be of use.
                    let began = Instant::now();
                    let client =
                        Client::connect(&tool.server, &config.passed_environment, config.tool_limit).await?;
                    end += began.elapsed();
                    Arc::clone(slot.insert(Arc::new(client)))
                }
            }
        };
        let result = client.call(&tool.name, arguments, left(end)).await;
        if let Err(McpError::Timeout { .. } | McpError::Protocol { .. }) = &result {
            // Whatever state the server is in, the next call finds a new one.
            slot.lock().await.take_if(|current| Arc::ptr_eq(current, &client));
        }
        result
    }
}

/// A call that failed.
struct Failed {
    text: String,
    /// The same call may succeed.
    again: bool,
}

impl Failed {
    fn for_good(text: impl Into<String>) -> Self {
        Self { text: text.into(), again: false }
    }

    fn for_now(text: impl Into<String>) -> Self {
        Self { text: text.into(), again: true }
    }
}

/// What the model and clients are told of a server's failure: neither its command line nor its URL, which may hold keys.
fn without_server(error: &McpError, limit: Duration) -> String {
    match error {
        McpError::Connect { .. } => "the MCP server cannot be started or reached".to_owned(),
        McpError::Timeout { .. } => format!("the MCP server did not answer within {} s", limit.as_secs()),
        McpError::Protocol { .. } => "the MCP server broke off, or answered with an error".to_owned(),
        McpError::Tool(text) => text.clone(),
    }
}

/// A text that is not too long; that it was cut is said.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let at = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(at);
        text += &format!(" [cut after {at} bytes]");
    }
    text
}

/// Calls an endpoint. Arguments fill the URL's places and its query; the rest is the JSON body, and of methods that have none in the
/// query too.
fn call_http(
    tool: &HttpTool,
    arguments: &Map<String, Value>,
    limit: Duration,
    most: usize,
) -> Result<String, Failed> {
    let (url, body) = place(tool, arguments).map_err(Failed::for_good)?;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(limit))
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .into();
    let fault = |e: ureq::Error| Failed::for_now(format!("the endpoint cannot be called: {e}"));
    let body = Value::Object(body).to_string();
    let json = "application/json";
    let mut response = match tool.method.as_str() {
        "GET" => agent.get(&url).call(),
        "DELETE" => agent.delete(&url).call(),
        "PUT" => agent.put(&url).content_type(json).send(&body),
        "PATCH" => agent.patch(&url).content_type(json).send(&body),
        _ => agent.post(&url).content_type(json).send(&body),
    }
    .map_err(fault)?;
    let status = response.status();
    let mut bytes = Vec::new();
    // One byte more than is kept shows that there was more; the rest is not read.
    let read = response.body_mut().as_reader().take(most as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|e| Failed::for_now(format!("the endpoint's answer cannot be read: {e}")))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if status.is_success() {
        return Ok(text);
    }
    Err(Failed { text: format!("the endpoint answered {status}: {text}"), again: status.is_server_error() })
}

fn place(tool: &HttpTool, arguments: &Map<String, Value>) -> Result<(String, Map<String, Value>), String> {
    let mut url = tool.url.clone();
    let mut body = Map::new();
    let mut query = Vec::new();
    for (name, value) in arguments {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let place = format!("{{{name}}}");
        if url.contains(&place) {
            // Servers take a segment of dots, however it is encoded, for the folder or the one above, and drop an empty one.
            if matches!(text.as_str(), "" | "." | "..") {
                return Err(format!(
                    "`{name}` stands in the URL's path, where `{text}` cannot: give a value"
                ));
            }
            url = url.replace(&place, &encoded(&text));
        } else if tool.query.contains(name) || matches!(tool.method.as_str(), "GET" | "DELETE") {
            query.push(format!("{}={}", encoded(name), encoded(&text)));
        } else {
            body.insert(name.clone(), value.clone());
        }
    }
    if let Some(at) = url.find('{') {
        return Err(format!("the call leaves a place of the URL open: {}", &url[at..]));
    }
    if !query.is_empty() {
        url += if url.contains('?') { "&" } else { "?" };
        url += &query.join("&");
    }
    Ok((url, body))
}

/// Percent-encoding of all but unreserved characters (RFC 3986): an argument cannot leave its place.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_argument_stays_in_its_place() {
        let tool = HttpTool { method: "POST".into(), url: "http://h/a/{id}".into(), query: vec!["q".into()] };
        let arguments = json!({"id": "../x?y#z", "q": "a&b=c", "rest": [1]});
        let (url, body) = place(&tool, arguments.as_object().unwrap()).unwrap();
        assert_eq!(url, "http://h/a/..%2Fx%3Fy%23z?q=a%26b%3Dc");
        assert_eq!(Value::Object(body), json!({"rest": [1]}));
        for climbing in ["", ".", ".."] {
            let arguments = json!({ "id": climbing });
            assert!(place(&tool, arguments.as_object().unwrap()).unwrap_err().contains("`id`"), "{climbing}");
        }
        assert!(place(&tool, &Map::new()).unwrap_err().contains("{id}"));
    }

    #[test]
    fn long_results_are_cut_at_a_character() {
        assert_eq!(cut("äöü".into(), 3), "ä [cut after 2 bytes]");
        assert_eq!(cut("abc".into(), 3), "abc");
    }
}
