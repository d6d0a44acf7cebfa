//! A model's chat template.

use super::json::{python_json, tojson};
use super::message::shielded;
use super::time::strftime_now;
use super::{Message, Role, ToolCall};
use crate::tokenizer::Shield;
use crate::{LmError, Tokenizer};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, Value, context};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::sync::Arc;

/// Steps that one rendering may take: a conversation takes some tens a message, an endless loop is stopped.
const FUEL: u64 = 50_000_000;
const NAME: &str = "chat";

/// What is rendered.
#[derive(Clone, Copy, Debug)]
pub struct Chat<'a> {
    /// The conversation.
    pub messages: &'a [Message],
    /// Tools that the prompt shows to the model, in the layout of the API: `{"type": "function", "function": {…}}`.
    pub tools: &'a [Json],
    /// Whether the assistant's turn is opened at the end.
    pub add_generation_prompt: bool,
}

impl<'a> Chat<'a> {
    /// A conversation that the model is to answer, without tools in the prompt.
    pub fn turn(messages: &'a [Message]) -> Self {
        Self { messages, tools: &[], add_generation_prompt: true }
    }

    /// A conversation as it is, without tools in the prompt.
    pub fn whole(messages: &'a [Message]) -> Self {
        Self { messages, tools: &[], add_generation_prompt: false }
    }
}

/// A compiled chat template; cloning is cheap.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    source: Arc<str>,
    bos: String,
    eos: String,
    carries_calls: bool,
    lists_tools: bool,
    /// What keeps control tokens out of the messages' texts; a template without a tokenizer knows of none.
    shield: Option<Shield>,
}

impl ChatTemplate {
    /// Compiles a template. `bos` and `eos` are what it sees as `bos_token` and `eos_token`.
    ///
    /// # Errors
    /// [`LmError::Chat`] if it is no Jinja template.
    pub fn new(source: &str, bos: Option<&str>, eos: Option<&str>) -> Result<Self, LmError> {
        let mut environment = Environment::new();
        let syntax =
            SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(|e| fault(&e))?;
        environment.set_syntax(syntax);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", tojson);
        environment.add_function("strftime_now", |format: &str| strftime_now(format));
        environment.add_function("raise_exception", |message: &str| -> Result<Value, Error> {
            Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("the template refuses the conversation: {message}"),
            ))
        });
        environment.add_template_owned(NAME, source.to_owned()).map_err(|e| fault(&e))?;
        let mut template = Self {
            environment: Arc::new(environment),
            source: source.into(),
            bos: bos.unwrap_or_default().to_owned(),
            eos: eos.unwrap_or_default().to_owned(),
            carries_calls: false,
            lists_tools: false,
            shield: None,
        };
        template.carries_calls = template.shows_calls();
        template.lists_tools = template.shows_tools();
        Ok(template)
    }

    /// The template in a model's files.
    ///
    /// # Errors
    /// [`LmError::Chat`] if there is none (base models have none), or it is no Jinja template.
    pub fn of(tokenizer: &Tokenizer) -> Result<Self, LmError> {
        let source = tokenizer.chat_template().ok_or_else(|| {
            LmError::Chat(
                "the model's files hold none, so it cannot be talked to in messages: use an instruction-tuned model \
                 (its GGUF has `tokenizer.chat_template`), or complete plain text"
                    .into(),
            )
        })?;
        let text = |id: Option<u32>| id.map(|id| tokenizer.token_text(id));
        let template = Self::new(source, text(tokenizer.bos()).as_deref(), text(tokenizer.eos()).as_deref())?;
        Ok(template.shielding(tokenizer))
    }

    /// The template for this tokenizer's model: no message makes one of its control tokens.
    #[must_use]
    pub fn shielding(self, tokenizer: &Tokenizer) -> Self {
        Self { shield: Some(tokenizer.shield()), ..self }
    }

    /// The template's source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the template writes calls and their results itself.
    pub fn carries_calls(&self) -> bool {
        self.carries_calls
    }

    /// Whether the template shows tools to the model. One that has no place for them is still good for all that does not depend
    /// on it: a call's arguments are then written without the tool's definition.
    ///
    /// # Errors
    /// [`LmError::Chat`] if it would drop them without a word.
    pub fn can_list_tools(&self) -> Result<(), LmError> {
        if self.lists_tools {
            return Ok(());
        }
        Err(LmError::Chat(
            "the template has no place for tools, so the model would not see them: use a model whose template lists tools \
             (Qwen2.5's does), or tool tokens, which need none in the prompt"
                .into(),
        ))
    }

    /// The text of a conversation.
    ///
    /// A template that knows nothing of calls would drop them without a word. For such a one calls are written into the
    /// assistant's text, and results into a user's message, in the tags that most templates with calls use
    /// (`<tool_call>`, `<tool_response>`).
    ///
    /// A message that spells a control token does not make one: the text is to be read with
    /// [`Tokenizer::encode_rendered`].
    ///
    /// # Errors
    /// [`LmError::Chat`] if the template refuses the conversation or fails on it.
    pub fn render(&self, chat: &Chat<'_>) -> Result<String, LmError> {
        let Some(shield) = &self.shield else { return self.render_calls(chat) };
        let messages: Cow<[Message]> = match chat.messages.iter().all(|m| m.is_shielded(shield)) {
            true => Cow::Borrowed(chat.messages),
            false => chat.messages.iter().map(|message| message.shielded(shield)).collect(),
        };
        let tools: Vec<Json> = chat.tools.iter().map(|tool| shielded(tool, shield)).collect();
        self.render_calls(&Chat { messages: &messages, tools: &tools, ..*chat })
    }

    fn render_calls(&self, chat: &Chat<'_>) -> Result<String, LmError> {
        let calls = |message: &Message| !message.tool_calls.is_empty() || message.role == Role::Tool;
        if !self.carries_calls && chat.messages.iter().any(calls) {
            return self.render_as_is(&Chat { messages: &without_calls(chat.messages), ..*chat });
        }
        self.render_as_is(chat)
    }

    fn render_as_is(&self, chat: &Chat<'_>) -> Result<String, LmError> {
        let template = self.environment.get_template(NAME).map_err(|e| fault(&e))?;
        let tools = if chat.tools.is_empty() { Value::from(()) } else { Value::from(Serde(chat.tools)) };
        let variables = context! {
            messages => Value::from(Serde(chat.messages)),
            tools,
            documents => (),
            add_generation_prompt => chat.add_generation_prompt,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
        };
        template.render(variables).map_err(|e| fault(&e))
    }

    /// Renders a call and a result to see whether the template shows them.
    fn shows_calls(&self) -> bool {
        const NAME: &str = "probe_of_a_name";
        const RESULT: &str = "probe_of_a_result";
        const ID: &str = "probe0123"; // some templates insist on nine letters and digits
        let call = ToolCall::new(Some(ID.into()), NAME, serde_json::json!({"a": 1}));
        let messages = [
            Message::user("a"),
            Message::calls("", vec![call]),
            Message::tool(Some(ID.into()), NAME, RESULT),
        ];
        let text = self.render_as_is(&Chat::whole(&messages));
        text.is_ok_and(|text| text.to_lowercase().contains(NAME) && text.contains(RESULT))
    }

    /// Renders a tool's definition to see whether the template shows it.
    fn shows_tools(&self) -> bool {
        const NAME: &str = "probe_of_a_name";
        let function = serde_json::json!({
            "name": NAME,
            "description": "a",
            "parameters": {"type": "object", "properties": {"b": {"type": "string", "description": "c"}}, "required": ["b"]},
        });
        let tool = serde_json::json!({"type": "function", "function": function});
        let messages = [Message::user("a")];
        let chat = Chat { tools: &[tool], ..Chat::turn(&messages) };
        self.render_as_is(&chat).is_ok_and(|text| text.to_lowercase().contains(NAME))
    }
}

/// The same conversation in text alone.
fn without_calls(messages: &[Message]) -> Vec<Message> {
    let mut plain: Vec<Message> = Vec::with_capacity(messages.len());
    let mut after_result = false;
    for message in messages {
        let is_result = message.role == Role::Tool;
        match plain.last_mut().filter(|_| is_result && after_result) {
            // Results of one turn's calls stand in one message: many templates want roles to alternate.
            Some(results) => results.content += &format!("\n{}", response(message)),
            None if is_result => plain.push(Message::user(response(message))),
            None => plain.push(Message {
                tool_calls: Vec::new(),
                content: with_calls(message),
                ..message.clone()
            }),
        }
        after_result = is_result;
    }
    plain
}

fn response(message: &Message) -> String {
    format!("<tool_response>\n{}\n</tool_response>", message.content)
}

fn with_calls(message: &Message) -> String {
    let mut content = message.content.clone();
    for call in &message.tool_calls {
        if !content.is_empty() {
            content.push('\n');
        }
        let name = Json::from(call.function.name.as_str());
        content += &format!(
            "<tool_call>\n{{\"name\": {name}, \"arguments\": {}}}\n</tool_call>",
            python_json(&call.function.arguments)
        );
    }
    content
}

fn fault(error: &Error) -> LmError {
    let place = error.line().map_or_else(String::new, |line| format!("line {line}: "));
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    LmError::Chat(format!("{place}{detail}"))
}
