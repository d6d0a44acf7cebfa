//! A chat template, which comes with a model's file.
#![no_main]

use lm::{Chat, ChatTemplate, Message};

libfuzzer_sys::fuzz_target!(|source: &str| {
    if let Ok(template) = ChatTemplate::new(source, Some("<s>"), Some("</s>")) {
        let _ = template.render(&Chat::turn(&[Message::user("Hello?")]));
    }
});
