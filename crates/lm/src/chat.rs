//! Chat: conversations, and how a model's own template writes them.
//!
//! A model's files hold a Jinja template that turns messages into the text that the model was trained on. [`ChatTemplate`]
//! renders it as the `transformers` library does: the same functions, filters and white-space rules, so that a prompt here
//! is the prompt there, byte for byte. The result wrote its own special tokens: encode it with
//! [`Tokenizer::encode_rendered`](crate::Tokenizer::encode_rendered), without a start token.
//!
//! ```
//! use toolken_lm::{Chat, ChatTemplate, Message};
//! let source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
//! let template = ChatTemplate::new(source, None, None)?;
//! let messages = [Message::user("What is 2 + 3?")];
//! assert_eq!(template.render(&Chat::turn(&messages))?, "<user>What is 2 + 3?\n<assistant>");
//! # Ok::<(), toolken_lm::LmError>(())
//! ```

mod call;
mod json;
mod message;
mod template;
mod time;

pub use call::CallFrame;
pub use json::python_json;
pub use message::{Function, Message, Role, ToolCall};
pub use template::{Chat, ChatTemplate};
