//! A household script: read, and acted out in the built-in household.
#![no_main]

use tools::household::{Home, builtin, run};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let tasks = builtin();
    let mut home = Home::new(tasks.base.clone(), tasks.names.clone());
    let outcome = run(&mut home, text.lines().take(60));
    assert_eq!(outcome.ok, outcome.error.is_none());
});
