//! A model's own function calling: turns of many conversations together, until each has ended without a call.

use crate::BenchError;
use crate::answer::{Answered, OnAnswer};
use crate::written::{CallMade, JsonCall, json_calls};
use decode::{Calling, Counts, Engine, Finish, Generation, Prompt, Request, Served, Settings};
use lm::{Chat, ChatTemplate, FrozenLm, Message, ToolCall};
use serde_json::{Value, json};
use std::num::NonZeroUsize;
use tools::{Tool, ToolSet};

/// How conversations go.
pub struct Turns<'a> {
    /// The model; its chat template lists tools.
    pub lm: &'a dyn FrozenLm,
    /// The tools, as the template lists them.
    pub tools: &'a ToolSet,
    /// What is said once it calls no more: how to end.
    pub closing: &'a str,
    /// Tokens of a turn at most.
    pub max_tokens: usize,
    /// Turns at most; what is called in the last comes to nothing, and the answer is one that was cut.
    pub most: usize,
    /// Whether who only repeats earlier calls has what it will get. (Steps of a plan may repeat.)
    pub repeats_end: bool,
    /// Conversations that decode together.
    pub batch: NonZeroUsize,
    /// The engine that generates in the model's stead, if one does.
    pub served: Option<Served>,
}

impl Turns<'_> {
    /// Has conversations that begin with these messages of the user, telling of each as it ends.
    ///
    /// # Errors
    /// If the model has no chat template, or fails; the first error of `done`.
    pub fn answer(&self, first: &[String], done: &mut OnAnswer<'_>) -> Result<(), BenchError> {
        let template = ChatTemplate::of(self.lm.tokenizer())?;
        let schemas: Vec<Value> = self.tools.iter().map(Tool::definition).collect();
        let begin = |message: &String| Conversation {
            messages: vec![Message::user(message.clone())],
            closing: Some(self.closing),
            seen: Vec::new(),
            answered: None,
            turns: 0,
        };
        let mut conversations: Vec<Conversation<'_>> = first.iter().map(begin).collect();
        let mut open: Vec<usize> = (0..first.len()).collect();
        let mut engine = Engine::words_only(self.lm);
        if let Some(served) = &self.served {
            engine = engine.served_by(served.clone())?;
        }
        let mut engine = engine.batch(self.batch);
        let settings = Settings {
            calling: Calling::Off,
            max_tokens: self.max_tokens,
            stop: vec!["</tool_call>".into()],
            ..Settings::default()
        };
        while !open.is_empty() {
            // No more than a batch at once: a run that is stopped then loses no more than that.
            let now: Vec<usize> = open.iter().copied().take(self.batch.get()).collect();
            let request = |&i: &usize| {
                let messages = &conversations[i].messages;
                let chat = Chat { messages, tools: &schemas, add_generation_prompt: true };
                let prompt = Prompt::Rendered(template.render(&chat)?);
                Ok(Request { settings: settings.clone(), ..Request::new(prompt) })
            };
            let requests = now.iter().map(request).collect::<Result<Vec<_>, BenchError>>()?;
            for (&i, generation) in now.iter().zip(engine.run(&requests)?) {
                if let Some(answered) = conversations[i].turn(self, &generation) {
                    done(i, answered)?;
                    open.retain(|&other| other != i);
                }
            }
        }
        Ok(())
    }
}

/// One question's turns.
struct Conversation<'a> {
    messages: Vec<Message>,
    /// How to end, while it has not been told.
    closing: Option<&'a str>,
    /// Its calls so far.
    seen: Vec<JsonCall>,
    answered: Option<Answered>,
    turns: usize,
}

impl Conversation<'_> {
    /// Takes a turn of the model: runs its calls, asks for the answer, or ends with it.
    fn turn(&mut self, how: &Turns<'_>, generation: &Generation) -> Option<Answered> {
        let text = generation.text.trim();
        let mut calls = json_calls(text);
        // What the turn's own limit has cut is no call yet.
        if generation.finish == Finish::MaxTokens {
            calls.pop_if(|last| last.arguments.is_err());
        }
        let so_far = self.answered.get_or_insert_with(|| Answered {
            text: String::new(),
            finish: generation.finish.clone(),
            calls: Vec::new(),
            ranked: Vec::new(),
            tokens: Counts::default(),
            took_micros: 0,
            decisions: Vec::new(),
        });
        let (sum, turn) = (&mut so_far.tokens, &generation.tokens);
        (sum.prompt, sum.chosen) = (sum.prompt + turn.prompt, sum.chosen + turn.chosen);
        so_far.finish = generation.finish.clone();
        self.turns += 1;
        so_far.text.push_str(if so_far.text.is_empty() { "" } else { "\n" });
        so_far.text.push_str(text);
        if matches!(generation.finish, Finish::ContextFull { .. }) {
            return self.answered.take();
        }
        if self.turns >= how.most {
            if !calls.is_empty() {
                so_far.finish = Finish::MaxTokens;
            }
            return self.answered.take();
        }
        // A model that only repeats itself has what it will get.
        if calls.is_empty() || how.repeats_end && calls.iter().all(|call| self.seen.contains(call)) {
            let Some(closing) = self.closing.take() else { return self.answered.take() };
            self.messages.push(Message::assistant(text));
            self.messages.push(Message::user(closing));
            return None;
        }
        let whole = |call: &JsonCall| {
            let arguments = call.arguments.as_ref().ok()?;
            Some(ToolCall::new(None, call.name.clone(), object(arguments)))
        };
        self.messages.push(match calls.iter().map(whole).collect::<Option<Vec<_>>>() {
            Some(made) => Message::calls("", made),
            // What is no JSON stands as it was written.
            None => Message::assistant(text),
        });
        self.seen.extend(calls.iter().cloned());
        for call in &calls {
            let (name, made) = (&call.name, CallMade::run_json(how.tools, call));
            let result = match (&made.result, &made.error) {
                (Some(result), _) => result.clone(),
                (None, reason) => format!("error: {}", reason.as_deref().unwrap_or("no result")),
            };
            so_far.text.push_str(&format!("\n[{name}] {result}"));
            match made.result {
                Some(_) => so_far.tokens.calls += 1,
                None => so_far.tokens.failed_calls += 1,
            }
            self.messages.push(Message::tool(None, name.clone(), result));
            so_far.calls.push(made);
        }
        None
    }
}

/// Arguments as a template wants them, an object.
fn object(arguments: &Value) -> Value {
    if arguments.is_object() { arguments.clone() } else { json!({ "args": arguments }) }
}
