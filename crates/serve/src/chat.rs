//! `POST /v1/chat/completions`.

use crate::error::ApiError;
use crate::packs::Selected;
use crate::protocol::{ChatRequest, Choice, parse};
use crate::routes::App;
use crate::turn::{Outcome, Piece, Turn};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use decode::{Conversation, Request, Token, TopToken};
use lm::Chat;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc::{Receiver, channel};
use tokio_stream::wrappers::ReceiverStream;
use tools::ToolSet;

/// Pieces that wait for a slow reader before its turn waits too.
const PIECES: usize = 64;

/// Answers a request, whole or as a stream.
pub(crate) async fn answer(app: &Arc<App>, client: String, body: &[u8]) -> Result<Response, ApiError> {
    let request: ChatRequest = parse(body, "chat request")?;
    request.check()?;
    app.check_model(request.model.as_deref())?;
    let (stream, usage, trace) =
        (request.sampling.stream == Some(true), request.sampling.include_usage(), request.toolken.trace);
    let setting = Arc::clone(app);
    let turn = tokio::task::spawn_blocking(move || prepare(&setting, client, request))
        .await
        .map_err(|e| ApiError::internal(e.to_string()))??;
    let (sender, mut pieces) = channel(PIECES);
    tokio::spawn(app.stage().play(turn, sender));
    let frame = Frame::new(app, "chatcmpl");
    if !stream {
        return whole(app, &frame, pieces, trace).await;
    }
    // A request that fails at once gets a status, not a stream.
    let first = pieces.recv().await.ok_or_else(|| ApiError::internal("the engine ended"))?;
    if let Piece::Failed(error) = first {
        return Err(error);
    }
    let (out, lines) = channel::<Result<String, Infallible>>(PIECES);
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let mut writer = Writer { frame, usage, trace, out };
        let mut next = Some(first);
        // A reader that left ends the writing, and with it the turn.
        if writer.begin().await.is_none() {
            return;
        }
        while let Some(piece) = next {
            if writer.piece(&app, piece).await.is_none() {
                return;
            }
            next = tokio::select! {
                piece = pieces.recv() => piece,
                () = writer.out.closed() => return, // nobody reads, also where nothing is to be written
            };
        }
        writer.line("[DONE]".to_owned()).await;
    });
    Ok(events(lines))
}

/// A stream of server-sent events.
pub(crate) fn events(lines: Receiver<Result<String, Infallible>>) -> Response {
    let mut response = Body::from_stream(ReceiverStream::new(lines)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Everything that needs no model: checks, choice of tools, the prompt's length.
fn prepare(app: &App, client: String, request: ChatRequest) -> Result<Turn, ApiError> {
    let config = &app.config;
    let mut settings = request.settings(config.max_tokens)?;
    settings.arguments = config.arguments;
    let choice = request.choice()?;
    let schema = request.schema()?;
    if let Some(schema) = &schema {
        let compiled = app.packs.grammars.compile(schema);
        compiled
            .map_err(|e| ApiError::bad("response_format", format!("the schema cannot be enforced: {e}")))?;
    }
    let bundle = app.packs.current();
    let requested = request.tools.as_deref().unwrap_or_default();
    let Selected { extended, tools, names } = match requested.is_empty() {
        false => app.packs.select(&bundle, requested, config.unknown_tools)?,
        true => {
            let ours = |tool: &&tools::Tool| {
                request.toolken.all_tools || config.executes(&tool.name) || tool.stands_in_text()
            };
            let names = bundle.tools.iter().filter(ours).map(|tool| tool.name.clone()).collect();
            Selected { extended: Arc::clone(&bundle.extended), tools: Arc::clone(&bundle.tools), names }
        }
    };
    settings.calling = choice.calling();
    let known: HashSet<&str> = names.iter().map(String::as_str).collect();
    let allowed = |name: &str| match &choice {
        Choice::Named(only) => name == only,
        Choice::None | Choice::Auto | Choice::Required => known.contains(name),
    };
    check_choice(&choice, &names, schema.is_some())?;
    let disabled_tools: Vec<String> =
        extended.tools().filter(|name| !allowed(name)).map(str::to_owned).collect();
    let executed = match request.toolken.return_calls {
        true => Vec::new(),
        false => executed(app, &tools),
    };
    let parallel_calls = request.parallel_tool_calls.unwrap_or(true);
    let conversation = Conversation {
        template: app.template.clone(),
        messages: request.messages,
        tools: Vec::new(),
        parallel_calls,
    };
    let length = app.prompt_tokens(&Chat::turn(&conversation.messages))?;
    let most = app.context();
    if length >= most {
        return Err(ApiError {
            code: Some("context_length_exceeded"),
            ..ApiError::bad(
                "messages",
                format!("the conversation has {length} tokens, at most {} are taken", most - 1),
            )
        });
    }
    settings.max_tokens = settings.max_tokens.min(most - length);
    let request = Request { disabled_tools, schema, settings, ..Request::default() };
    Ok(Turn { client, request, conversation, extended, tools, executed })
}

fn check_choice(choice: &Choice, names: &[String], json: bool) -> Result<(), ApiError> {
    match choice {
        Choice::Required if names.is_empty() => Err(ApiError::bad(
            "tool_choice",
            "a tool is required, and the request has none: give `tools`, or \"toolken\": {\"all_tools\": true} for all of the packs",
        )),
        Choice::Named(name) if !names.contains(name) => {
            Err(ApiError::bad("tool_choice", format!("`{name}` is not among the request's tools")))
        }
        Choice::Required | Choice::Named(_) if json => {
            Err(ApiError::bad("tool_choice", "a call and a response_format with JSON exclude each other"))
        }
        _ => Ok(()),
    }
}

/// The tools whose calls stand in messages and are run here.
pub(crate) fn executed(app: &App, tools: &ToolSet) -> Vec<String> {
    let can_run =
        |tool: &&tools::Tool| !tool.stands_in_text() && !matches!(tool.runner, tools::Runner::Client);
    let names = tools.iter().filter(can_run).map(|tool| tool.name.clone());
    names.filter(|name| app.config.executes(name)).collect()
}

/// What every answer and every chunk of one begins with.
pub(crate) struct Frame {
    pub id: String,
    created: u64,
    model: String,
}

impl Frame {
    pub fn new(app: &App, prefix: &str) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            id: format!("{prefix}-{:024x}", rand::random::<u128>() >> 32),
            created: now.map_or(0, |now| now.as_secs()),
            model: app.config.model_name.clone(),
        }
    }

    pub fn object(&self, kind: &str, choices: Value) -> Value {
        json!({"id": self.id, "object": kind, "created": self.created, "model": self.model, "choices": choices})
    }
}

pub(crate) fn usage(outcome: &Outcome) -> Value {
    let (prompt, completion) = (outcome.prompt_tokens, outcome.completion_tokens);
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}

/// A word's entry in `logprobs`.
fn logprob(app: &App, id: u32, logprob: f32, top: &[TopToken]) -> Value {
    let tokenizer = app.model.tokenizer();
    let bytes = tokenizer.token_bytes(id);
    let alternative = |TopToken { token, id, logprob }: &TopToken| {
        let (Token::Word(text) | Token::Tool(text)) = token;
        let bytes = id.map_or(text.as_bytes(), |id| tokenizer.token_bytes(id));
        json!({"token": text, "logprob": logprob, "bytes": bytes})
    };
    json!({
        "token": String::from_utf8_lossy(bytes), "logprob": logprob, "bytes": bytes,
        "top_logprobs": top.iter().map(alternative).collect::<Vec<_>>(),
    })
}

async fn whole(
    app: &Arc<App>,
    frame: &Frame,
    mut pieces: Receiver<Piece>,
    trace: bool,
) -> Result<Response, ApiError> {
    let mut text = String::new();
    let mut calls: Vec<(String, String, String)> = Vec::new();
    let mut logprobs = Vec::new();
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Text(delta) => text += &delta,
            Piece::Word { id, logprob: p, top } => logprobs.push(logprob(app, id, p, &top)),
            Piece::CallStart { id, name, .. } => calls.push((id, name, String::new())),
            Piece::Arguments { index, delta } => {
                if let Some((_, _, arguments)) = calls.get_mut(index) {
                    *arguments += &delta;
                }
            }
            Piece::Ran(_) => {}
            Piece::Failed(error) => return Err(error),
            Piece::Done(outcome) => {
                // One that a limit cut off is among them, as in a stream: the reason to finish says so.
                let tool_calls: Vec<Value> = (calls.iter())
                    .map(|(id, name, arguments)| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}))
                    .collect();
                let content =
                    if text.is_empty() && !tool_calls.is_empty() { Value::Null } else { json!(text) };
                let mut message = json!({"role": "assistant", "content": content, "refusal": null});
                if !tool_calls.is_empty() {
                    message["tool_calls"] = json!(tool_calls);
                }
                let logprobs = if logprobs.is_empty() {
                    Value::Null
                } else {
                    json!({"content": logprobs, "refusal": null})
                };
                let choice = json!({"index": 0, "message": message, "logprobs": logprobs, "finish_reason": outcome.finish});
                let mut body = frame.object("chat.completion", json!([choice]));
                body["usage"] = usage(&outcome);
                if trace {
                    body["toolken"] = outcome.trace;
                }
                return Ok(json_response(&body));
            }
        }
    }
    Err(ApiError::internal("the engine ended"))
}

pub(crate) fn json_response(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.to_string()).into_response()
}

/// Writes a turn as chunks. Every method gives `None` once the reader has left.
struct Writer {
    frame: Frame,
    usage: bool,
    trace: bool,
    out: tokio::sync::mpsc::Sender<Result<String, Infallible>>,
}

impl Writer {
    async fn line(&self, data: String) -> Option<()> {
        self.out.send(Ok(format!("data: {data}\n\n"))).await.ok()
    }

    async fn chunk(&self, delta: Value, logprobs: Value, finish: Value) -> Option<()> {
        let choice = json!({"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish});
        let mut chunk = self.frame.object("chat.completion.chunk", json!([choice]));
        if self.usage {
            chunk["usage"] = Value::Null;
        }
        self.line(chunk.to_string()).await
    }

    async fn begin(&self) -> Option<()> {
        self.chunk(json!({"role": "assistant", "content": ""}), Value::Null, Value::Null).await
    }

    async fn piece(&mut self, app: &App, piece: Piece) -> Option<()> {
        let none = Value::Null;
        match piece {
            Piece::Text(text) => self.chunk(json!({"content": text}), none.clone(), none).await,
            Piece::Word { id, logprob: p, top } => {
                let logprobs = json!({"content": [logprob(app, id, p, &top)], "refusal": null});
                self.chunk(json!({}), logprobs, none).await
            }
            Piece::CallStart { index, id, name } => {
                let call = json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}});
                self.chunk(json!({"tool_calls": [call]}), none.clone(), none).await
            }
            Piece::Arguments { index, delta } => {
                let call = json!({"index": index, "function": {"arguments": delta}});
                self.chunk(json!({"tool_calls": [call]}), none.clone(), none).await
            }
            Piece::Ran(call) if self.trace => {
                let mut chunk = self.frame.object("chat.completion.chunk", json!([]));
                chunk["toolken"] = json!({"ran": call});
                self.line(chunk.to_string()).await
            }
            Piece::Ran(_) => Some(()),
            Piece::Failed(error) => self.line(error.json().to_string()).await,
            Piece::Done(outcome) => {
                self.chunk(json!({}), none, json!(outcome.finish)).await?;
                if self.usage {
                    let mut chunk = self.frame.object("chat.completion.chunk", json!([]));
                    chunk["usage"] = usage(&outcome);
                    self.line(chunk.to_string()).await?;
                }
                if self.trace {
                    let mut chunk = self.frame.object("chat.completion.chunk", json!([]));
                    chunk["toolken"] = outcome.trace;
                    self.line(chunk.to_string()).await?;
                }
                Some(())
            }
        }
    }
}
