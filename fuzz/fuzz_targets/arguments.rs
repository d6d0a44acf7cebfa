//! What a model wrote as a call's arguments, and the arithmetic on them.
#![no_main]

use tools::{Rounding, ToolSet, call_json, parse_arguments};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = parse_arguments(text);
    let _ = call_json(text, Rounding::Reference);
    for tool in ToolSet::arithmetic().iter() {
        let _ = tool.run(text);
    }
});
