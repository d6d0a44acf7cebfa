//! A conversation's next turn: generations, and between them the calls that are run here.

use crate::config::Config;
use crate::error::ApiError;
use crate::execute::Executor;
use crate::metrics::Metrics;
use crate::scheduler::Scheduler;
use decode::{
    Calling, Conversation, Decision, Event, Extended, Finish, Generation, Prompt, Request, TopToken,
};
use lm::{Message, Role, ToolCall};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::Sender;
use tools::ToolSet;

/// What a turn is made with.
pub(crate) struct Turn {
    pub client: String,
    pub request: Request,
    pub conversation: Conversation,
    pub extended: Arc<Extended<'static>>,
    pub tools: Arc<ToolSet>,
    /// Tools that are run here, by name.
    pub executed: Vec<String>,
}

/// What a turn tells, in order; `Done` or `Failed` is the last.
#[derive(Debug)]
pub(crate) enum Piece {
    Text(String),
    Word {
        id: u32,
        logprob: f32,
        top: Vec<TopToken>,
    },
    /// A call that the client is to run: its place among those of the turn, its id, its tool.
    CallStart {
        index: usize,
        id: String,
        name: String,
    },
    Arguments {
        index: usize,
        delta: String,
    },
    /// A call that was run here.
    Ran(Value),
    Done(Outcome),
    Failed(ApiError),
}

/// What came of a turn.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub finish: &'static str,
    pub prompt_tokens: usize,
    pub completion_tokens: usize,
    /// Every generation's decisions, and the calls that were run.
    pub trace: Value,
}

/// The server's side of a turn.
#[derive(Clone)]
pub(crate) struct Stage {
    pub scheduler: Arc<Scheduler>,
    pub executor: Arc<Executor>,
    pub metrics: Arc<Metrics>,
    pub config: Arc<Config>,
}

/// What a failed call's text begins with.
const FAILED: &str = "Error: ";

/// The receiver is gone: nobody wants the rest.
struct Left;

impl Stage {
    /// Makes the turn. Ends early where the receiver is dropped, and takes the generation with it.
    pub async fn play(self, turn: Turn, pieces: Sender<Piece>) {
        let last = match self.rounds(turn, &pieces).await {
            Ok(Ok(outcome)) => Piece::Done(outcome),
            Ok(Err(error)) => Piece::Failed(error),
            Err(Left) => return,
        };
        let _ = pieces.send(last).await; // whoever asked may have left
    }

    async fn rounds(
        &self,
        mut turn: Turn,
        pieces: &Sender<Piece>,
    ) -> Result<Result<Outcome, ApiError>, Left> {
        let (mut prompt_tokens, mut completion_tokens) = (0, 0);
        let mut generations = Vec::new();
        let mut ran: Vec<Value> = Vec::new();
        let mut done: Vec<(Made, String)> = Vec::new();
        for round in 0.. {
            let prompt = Prompt::Chat(self.noted(&turn));
            let mut request = Request { prompt, ..turn.request.clone() };
            request.disabled_tools.extend(self.answered(&turn));
            // All rounds are one answer.
            let left = request.settings.max_tokens.saturating_sub(completion_tokens).max(1);
            request.settings.max_total = Some(left);
            let (generation, shown_calls) =
                match self.generate(&turn, request, !ran.is_empty(), pieces).await? {
                    Ok(done) => done,
                    Err(error) => return Ok(Err(error)),
                };
            prompt_tokens += generation.tokens.prompt;
            completion_tokens += generation.tokens.chosen + generation.tokens.arguments;
            generations.push(shown(&generation));
            if let Finish::ContextFull { len, max } = generation.finish
                && generation.text.is_empty()
                && round == 0
            {
                return Ok(Err(ApiError {
                    code: Some("context_length_exceeded"),
                    ..ApiError::bad(
                        "messages",
                        format!("the conversation has {len} tokens, the model takes {max}"),
                    )
                }));
            }
            let calls: Vec<(String, String, String)> = generation
                .client_calls()
                .map(|(id, call)| (id.to_owned(), call.tool.clone(), call.arguments.clone()))
                .collect();
            // A call that a limit cut short is valid, but may not say all that was meant: it is shown, not run.
            let here = generation.finish == Finish::Calls
                && !calls.is_empty()
                && calls.iter().all(|(_, tool, _)| turn.executed.contains(tool));
            if !here {
                // Calls that would have run here are the client's now, like those beside them.
                let hidden = calls.iter().filter(|(_, tool, _)| turn.executed.contains(tool));
                for (index, (id, name, arguments)) in (shown_calls..).zip(hidden) {
                    let (id, name, delta) = (id.clone(), name.clone(), arguments.clone());
                    pieces.send(Piece::CallStart { index, id, name }).await.map_err(|_| Left)?;
                    pieces.send(Piece::Arguments { index, delta }).await.map_err(|_| Left)?;
                }
                let finish = match generation.finish {
                    Finish::Calls => "tool_calls",
                    Finish::EndOfText | Finish::Stop { .. } => "stop",
                    Finish::MaxTokens | Finish::MaxCalls | Finish::ContextFull { .. } => "length",
                };
                let trace = json!({"generations": generations, "ran": ran});
                return Ok(Ok(Outcome { finish, prompt_tokens, completion_tokens, trace }));
            }
            // A call that was run is not run again, with the same arguments, for the same request.
            let known = |call: &(String, String, String)| done.iter().any(|(made, _)| *made == made_of(call));
            let again = calls.iter().any(known);
            if calls.iter().all(known) && generation.text.is_empty() {
                turn.request.settings.calling = Calling::Off;
                continue;
            }
            // What is said after the results is not the end of the sentence before.
            if !generation.text.trim().is_empty() {
                pieces.send(Piece::Text("\n\n".to_owned())).await.map_err(|_| Left)?;
            }
            let results = self.run_calls(&turn, &calls, &mut done, &mut ran, pieces).await?;
            let call = |(id, tool, arguments): &(String, String, String)| {
                let arguments = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
                ToolCall::new(Some(id.clone()), tool.as_str(), arguments)
            };
            let messages = &mut turn.conversation.messages;
            messages.push(Message::calls(generation.text.clone(), calls.iter().map(call).collect()));
            for ((id, tool, _), result) in calls.iter().zip(results) {
                messages.push(Message::tool(Some(id.clone()), tool.as_str(), result));
            }
            // What was asked for has been called; from here on the model decides, and in the end it must answer.
            turn.request.settings.calling =
                if again || round + 1 >= self.config.rounds { Calling::Off } else { Calling::Auto };
        }
        Err(Left) // the loop ends by itself
    }

    /// The conversation as the model reads it: where a tool's result is the last thing, with the note on how to answer from it.
    /// An answer that is to be JSON is not told to be none.
    fn noted(&self, turn: &Turn) -> Conversation {
        let mut conversation = turn.conversation.clone();
        let note = self.config.after_result.as_str();
        if let Some(last) = conversation.messages.last_mut()
            && last.role == Role::Tool
            && !note.is_empty()
            && turn.request.schema.is_none()
        {
            last.content = pack::with_note(&last.content, note);
        }
        conversation
    }

    /// The tools whose results the model is told to answer from: calling them once more for the same request is what small
    /// models do instead. Another tool may follow.
    fn answered(&self, turn: &Turn) -> Vec<String> {
        let messages = &turn.conversation.messages;
        let last = messages.last().is_some_and(|message| message.role == Role::Tool);
        if !last || self.config.after_result.is_empty() || turn.request.settings.calling != Calling::Auto {
            return Vec::new();
        }
        let since = || messages.iter().rev().take_while(|message| message.role != Role::User);
        // A call that failed may be made again, otherwise.
        let failed = |call: &ToolCall| {
            since().any(|message| {
                message.tool_call_id.is_some()
                    && message.tool_call_id == call.id
                    && message.content.starts_with(FAILED)
            })
        };
        let calls = since().flat_map(|message| &message.tool_calls);
        let mut names: Vec<String> = calls.map(|call| call.function.name.clone()).collect();
        names.retain(|name| {
            let of = |message: &&Message| message.tool_calls.iter().any(|call| call.function.name == *name);
            let last = since().find(of).into_iter().flat_map(|message| &message.tool_calls);
            turn.extended.tools().any(|tool| tool == name)
                && !last.filter(|call| call.function.name == *name).any(failed)
        });
        names
    }

    /// One generation, told piece by piece, and how many calls the client was told of. `goes_on` after tools have run.
    async fn generate(
        &self,
        turn: &Turn,
        request: Request,
        goes_on: bool,
        pieces: &Sender<Piece>,
    ) -> Result<Result<(Generation, usize), ApiError>, Left> {
        let extended = Arc::clone(&turn.extended);
        let mut outputs = match self.scheduler.submit(&turn.client, request, extended, goes_on) {
            Ok(outputs) => outputs,
            Err(error) => return Ok(Err(error)),
        };
        let mut index: Option<usize> = None;
        let mut next = 0;
        loop {
            let output = tokio::select! {
                output = outputs.recv() => output,
                () = pieces.closed() => return Err(Left),
            };
            let piece = match output {
                Some(Ok(Event::Text(text))) => Piece::Text(text),
                Some(Ok(Event::Word { id, logprob, top })) => Piece::Word { id, logprob, top },
                Some(Ok(Event::CallStart(name))) => {
                    // Tools that are run here, in the text or by the server, are not the client's business.
                    let client = !turn.executed.contains(&name)
                        && turn.tools.by_name(&name).is_some_and(|tool| !tool.stands_in_text());
                    index = client.then_some(next);
                    let Some(index) = index else { continue };
                    next += 1;
                    Piece::CallStart { index, id: call_id(), name }
                }
                Some(Ok(Event::Arguments(delta))) => match index {
                    Some(index) => Piece::Arguments { index, delta },
                    None => continue,
                },
                Some(Ok(Event::CallEnd(attempt))) => match attempt.outcome.result() {
                    Some(result) => Piece::Ran(json!({
                        "tool": attempt.tool, "arguments": attempt.arguments, "result": result, "micros": attempt.micros,
                    })),
                    None => continue,
                },
                Some(Ok(Event::Done(generation))) => return Ok(Ok((*generation, next))),
                Some(Err(failure)) => return Ok(Err(failure.answer("messages"))),
                None => return Ok(Err(ApiError::internal("the engine ended"))),
            };
            pieces.send(piece).await.map_err(|_| Left)?;
        }
    }

    /// Runs a turn's calls, all at once, one that is made twice once, and one that is done, or has failed, not again; a failure's text
    /// is what the model reads.
    async fn run_calls(
        &self,
        turn: &Turn,
        calls: &[(String, String, String)],
        done: &mut Vec<(Made, String)>,
        ran: &mut Vec<Value>,
        pieces: &Sender<Piece>,
    ) -> Result<Vec<String>, Left> {
        let mut tasks = Vec::new();
        let mut distinct: Vec<Made> = done.iter().map(|(made, _)| made.clone()).collect();
        for made @ (_, tool, arguments) in calls {
            if distinct.contains(&made_of(made)) {
                continue;
            }
            distinct.push(made_of(made));
            let (executor, config) = (Arc::clone(&self.executor), Arc::clone(&self.config));
            let (tool, arguments) = (turn.tools.by_name(tool).cloned(), arguments.clone());
            let task = tokio::spawn(async move {
                let started = Instant::now();
                let result = match tool {
                    Some(tool) => executor.run(&tool, &arguments, &config).await,
                    None => Err("there is no such tool".to_owned()),
                };
                (result, started.elapsed())
            });
            tasks.push((task, made));
        }
        for (task, made) in tasks {
            let (_, tool, arguments) = made;
            let (result, elapsed) = match task.await {
                Ok(finished) => finished,
                Err(error) => (Err(format!("the tool failed: {error}")), std::time::Duration::ZERO),
            };
            Metrics::add(&self.metrics.tool_calls, 1);
            let failed = result.is_err();
            let text = match result {
                Ok(text) => text,
                Err(error) => {
                    Metrics::add(&self.metrics.tool_failures, 1);
                    format!("{FAILED}{error}")
                }
            };
            let call = json!({
                "tool": tool, "arguments": arguments, "result": text, "failed": failed,
                "micros": u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            });
            ran.push(call.clone());
            pieces.send(Piece::Ran(call)).await.map_err(|_| Left)?;
            done.push((made_of(made), text));
        }
        let result = |call| {
            let found = done.iter().find(|(made, _)| *made == made_of(call));
            found.map(|(_, text)| text.clone()).unwrap_or_default()
        };
        Ok(calls.iter().map(result).collect())
    }
}

/// What decides a call's result: the tool, and its arguments whatever their spacing.
type Made = (String, Value);

fn made_of((_, tool, arguments): &(String, String, String)) -> Made {
    (tool.clone(), serde_json::from_str(arguments).unwrap_or(Value::Null))
}

fn shown(generation: &Generation) -> Value {
    let decisions: Vec<&Decision> = generation.decisions.iter().collect();
    json!({
        "text": generation.text, "finish": generation.finish, "tokens": generation.tokens, "decisions": decisions,
        "micros": generation.micros,
    })
}

/// An id that no other call has: nine letters and digits, which is what some templates insist on.
fn call_id() -> String {
    use rand::distr::{Alphanumeric, SampleString};
    Alphanumeric.sample_string(&mut rand::rng(), 9)
}
