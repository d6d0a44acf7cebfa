//! MCP servers as a client: their tools, and calls to them, over stdio and streamable HTTP.
//!
//! This is the only crate that knows `rmcp`. A [`Client`] is a connection to one server; every wait has a limit.
//!
//! ```no_run
//! # async fn example() -> Result<(), toolken_mcp::McpError> {
//! use std::time::Duration;
//! let server = tools::McpServer::Command(vec!["mcp-server-time".into()]);
//! let client = toolken_mcp::Client::connect(&server, &[], Duration::from_secs(30)).await?;
//! for tool in client.tools(Duration::from_secs(10)).await? {
//!     println!("{}: {}", tool.name, tool.description);
//! }
//! # Ok(())
//! # }
//! ```

mod bounded;

use bounded::Bounded;
use rmcp::model::{CallToolRequestParams, ContentBlock, JsonObject};
use rmcp::service::{RoleClient, RunningService, ServiceExt};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use std::future::Future;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tools::{McpServer, McpTool, Runner, Tool};

/// Variables of our own environment that a server's process gets; all others may hold secrets that are none of its business.
const PASSED: [&str; 14] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "APPDATA",
];
/// The longest message that a server may send, in bytes: a line of its process, an answer's body, an event of a stream. A longer
/// one is not read to its end.
const LONGEST_MESSAGE: usize = 4 << 20;

/// What can go wrong with a server.
#[derive(Debug, thiserror::Error)]
pub enum McpError {
    /// It could not be started or reached.
    #[error("MCP server `{server}`: {message}")]
    Connect {
        /// The server.
        server: String,
        /// What happened.
        message: String,
    },
    /// It did not answer in time.
    #[error("MCP server `{server}` did not answer within {seconds} s")]
    Timeout {
        /// The server.
        server: String,
        /// The limit.
        seconds: u64,
    },
    /// It answered with an error of the protocol, or went away.
    #[error("MCP server `{server}`: {message}")]
    Protocol {
        /// The server.
        server: String,
        /// Its word on it.
        message: String,
    },
    /// The tool ran and says that it failed.
    #[error("{0}")]
    Tool(String),
}

/// A connection to a server. A child process ends with it.
pub struct Client {
    server: McpServer,
    service: RunningService<RoleClient, ()>,
    /// Killed when it is dropped.
    _process: Option<Child>,
}

impl Client {
    /// Starts or reaches a server and greets it. A process that is started sees of our environment what every program needs
    /// (its path, home, language) and the variables named in `passed`.
    ///
    /// # Errors
    /// [`McpError::Connect`], [`McpError::Timeout`].
    pub async fn connect(server: &McpServer, passed: &[String], limit: Duration) -> Result<Self, McpError> {
        let failed = |message: String| McpError::Connect { server: server.to_string(), message };
        let (service, process) = match server {
            McpServer::Command(words) => {
                let (program, arguments) =
                    words.split_first().ok_or_else(|| failed("the command is empty".to_owned()))?;
                let names = PASSED.iter().copied().chain(passed.iter().map(String::as_str));
                let environment = names.filter_map(|name| Some((name, std::env::var_os(name)?)));
                let mut command = Command::new(program);
                command.args(arguments).env_clear().envs(environment).kill_on_drop(true);
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
                let mut process = command.spawn().map_err(|e| failed(format!("cannot start it: {e}")))?;
                let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
                    return Err(failed("it has no standard input or output".to_owned()));
                };
                let transport = (Bounded::new(output, LONGEST_MESSAGE), input);
                let service = within(server, limit, ().serve(transport)).await?;
                (service.map_err(|e| failed(e.to_string()))?, Some(process))
            }
            McpServer::Url(url) => {
                // The process's provider for https; another one may stand already, which is as good.
                let _ = rustls::crypto::ring::default_provider().install_default();
                let config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
                    .max_json_response_size(LONGEST_MESSAGE)
                    .max_sse_event_size(LONGEST_MESSAGE);
                let transport = StreamableHttpClientTransport::from_config(config);
                let service = within(server, limit, ().serve(transport)).await?;
                (service.map_err(|e| failed(e.to_string()))?, None)
            }
        };
        Ok(Self { server: server.clone(), service, _process: process })
    }

    /// The server's tools, all pages, under the names that the server has for them.
    ///
    /// # Errors
    /// [`McpError::Timeout`], [`McpError::Protocol`].
    pub async fn tools(&self, limit: Duration) -> Result<Vec<Tool>, McpError> {
        let listed = within(&self.server, limit, self.service.list_all_tools()).await?;
        let listed = listed.map_err(|e| self.protocol(e.to_string()))?;
        Ok(listed.into_iter().map(|tool| self.tool(tool)).collect())
    }

    fn tool(&self, tool: rmcp::model::Tool) -> Tool {
        let mut schema = (*tool.input_schema).clone();
        schema.entry("type").or_insert_with(|| json!("object"));
        schema.entry("properties").or_insert_with(|| json!({}));
        let read_only = tool.annotations.as_ref().and_then(|hints| hints.read_only_hint).unwrap_or(false);
        let name = tool.name.into_owned();
        let description = tool.description.map_or_else(|| tool.title.unwrap_or_default(), |d| d.into_owned());
        Tool {
            runner: Runner::Mcp(McpTool { server: self.server.clone(), name: name.clone(), read_only }),
            ..Tool::client(name, description, Value::Object(schema))
        }
    }

    /// Calls a tool; the result is its text, with other content named in brackets.
    ///
    /// # Errors
    /// [`McpError::Tool`] where the tool says that it failed; [`McpError::Timeout`], [`McpError::Protocol`].
    pub async fn call(&self, tool: &str, arguments: JsonObject, limit: Duration) -> Result<String, McpError> {
        let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let result = within(&self.server, limit, self.service.call_tool(request)).await?;
        let result = result.map_err(|e| self.protocol(e.to_string()))?;
        let mut text = result.content.iter().map(shown).collect::<Vec<_>>().join("\n");
        if text.is_empty() {
            text = result.structured_content.map_or_else(String::new, |value| value.to_string());
        }
        if result.is_error == Some(true) { Err(McpError::Tool(text)) } else { Ok(text) }
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.service.is_closed()
    }

    fn protocol(&self, message: String) -> McpError {
        McpError::Protocol { server: self.server.to_string(), message }
    }
}

/// A server's tools, for callers without an asynchronous runtime.
///
/// # Errors
/// As [`Client::connect`] and [`Client::tools`]; the system's, if no runtime can be made.
pub fn list(server: &McpServer, passed: &[String], limit: Duration) -> Result<Vec<Tool>, McpError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|e| McpError::Connect { server: server.to_string(), message: e.to_string() })?;
    runtime.block_on(async {
        let client = Client::connect(server, passed, limit).await?;
        let tools = client.tools(limit).await;
        // A child that does not end by itself is killed with the client.
        let _ = tokio::time::timeout(Duration::from_secs(2), client.service.cancel()).await;
        tools
    })
}

fn shown(content: &ContentBlock) -> String {
    match content {
        ContentBlock::Text(text) => text.text.clone(),
        other => {
            let value = serde_json::to_value(other).unwrap_or_default();
            match value.pointer("/resource/text").and_then(Value::as_str) {
                Some(text) => text.to_owned(),
                None => format!("[{}]", value["type"].as_str().unwrap_or("content")),
            }
        }
    }
}

async fn within<T>(
    server: &McpServer,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, McpError> {
    let timeout = |_| McpError::Timeout { server: server.to_string(), seconds: limit.as_secs() };
    tokio::time::timeout(limit, work).await.map_err(timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A server that begins every answer with `start` and then sends `filler` for ever; how many bytes it got rid of.
    fn endless(start: &'static str, filler: &'static str) -> (McpServer, std::sync::mpsc::Receiver<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut head = [0; 8192];
                let _ = stream.read(&mut head);
                let mut sent = 0;
                let block = filler.repeat((64 << 10) / filler.len());
                let begun = stream.write_all(start.as_bytes()).is_ok();
                while begun && stream.write_all(block.as_bytes()).is_ok() && sent < 64 << 20 {
                    sent += block.len();
                }
                if tell.send(sent).is_err() {
                    return;
                }
            }
        });
        (McpServer::Url(format!("http://{address}/mcp")), told)
    }

    #[tokio::test]
    async fn a_server_that_sends_without_end_is_left() {
        for (start, filler) in [
            ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", " "),
            ("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ", "x"),
            ("HTTP/1.1 500 No\r\nContent-Type: application/json\r\n\r\n", " "),
        ] {
            let (server, told) = endless(start, filler);
            let error = Client::connect(&server, &[], Duration::from_secs(60)).await.err();
            assert!(matches!(error, Some(McpError::Connect { .. })), "{start}: {error:?}");
            let sent = told.recv_timeout(Duration::from_secs(60)).unwrap();
            assert!(sent < 4 * LONGEST_MESSAGE, "{start}: {sent} bytes went out");
        }
    }
    #[tokio::test]
    async fn an_https_address_is_spoken_to_in_tls() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let first = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 3];
            stream.read_exact(&mut head).unwrap();
            head
        });
        let server = McpServer::Url(format!("https://{address}/mcp"));
        let error = Client::connect(&server, &[], Duration::from_secs(60)).await.err();
        assert!(matches!(error, Some(McpError::Connect { .. })), "{error:?}");
        // RFC 8446, 5.1: a handshake record, legacy version 3.1.
        assert_eq!(first.join().unwrap(), [22, 3, 1]);
    }
}
