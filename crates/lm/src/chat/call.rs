//! The place that a call's arguments have in a rendered conversation.

use super::{Chat, ChatTemplate, Message, ToolCall};
use crate::LmError;
use serde_json::Value as Json;

/// Stands for the arguments while the template renders a call: a text that the conversation does not hold.
fn mark(conversation: &str) -> String {
    let mut mark = "\u{e000}arguments\u{e001}".to_owned();
    while conversation.contains(&mark) {
        mark.push('\u{e001}');
    }
    mark
}

/// A conversation in which the last thing is a call whose arguments are yet to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFrame {
    /// All that stands before the arguments' `{`.
    pub before: String,
    /// What the template writes after their `}`: the call's end, and the turn's.
    pub after: String,
}

impl ChatTemplate {
    /// The conversation `messages`, then an assistant's turn that says `content`, makes `calls`, and calls the tool `name`;
    /// the prompt shows `tools`.
    ///
    /// # Errors
    /// As [`ChatTemplate::render`]; [`LmError::Chat`] if the template does not write arguments as a JSON object.
    pub fn call_frame(
        &self,
        messages: &[Message],
        content: &str,
        calls: &[ToolCall],
        id: Option<String>,
        name: &str,
        tools: &[Json],
    ) -> Result<CallFrame, LmError> {
        let said = serde_json::json!([messages, content, calls, name, tools]);
        let mark = mark(&said.to_string());
        let arguments = serde_json::json!({ &mark: &mark });
        let mut turn = calls.to_vec();
        turn.push(ToolCall::new(id, name, arguments));
        let mut messages = messages.to_vec();
        messages.push(Message::calls(content, turn));
        let text = self.render(&Chat { tools, ..Chat::whole(&messages) })?;
        let frame = || {
            let first = text.find(&mark)?;
            let second = first + mark.len() + text[first + mark.len()..].find(&mark)?;
            let start = text[..first].rfind('{')?;
            let end = second + text[second..].find('}')? + 1;
            let frame = CallFrame { before: text[..start].to_owned(), after: text[end..].to_owned() };
            (!frame.after.contains(&mark)).then_some(frame)
        };
        frame().ok_or_else(|| {
            LmError::Chat(
                "it does not write a call's arguments as a JSON object, which is the only form that is generated here: \
                 use another model, or give the model's files a template that does"
                    .into(),
            )
        })
    }
}
