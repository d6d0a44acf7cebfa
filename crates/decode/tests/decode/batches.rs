//! What comes of a request does not depend on its company.

use crate::mock::{Mock, ask_with, timeless};
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use toolken_decode::{Engine, Generation, Request, Settings};

/// A model that is never sure, so that draws differ.
fn dreamer() -> Mock {
    Mock::new(&["add", "divide"])
        .scores("", &[("a", 2.0), ("b", 2.0), ("c", 1.5), ("@add", 2.0), ("@divide", 1.0), ("</s>", 0.5)])
        .scores("(", &[("1", 2.0), ("2", 2.0)])
        .scores("(1", &[(",", 2.0), (")", 1.0)])
        .scores("(2", &[(",", 2.0), (")", 1.0), ("x", 1.0)])
        .scores(",", &[("0", 1.0), ("3", 1.0)])
        .scores(",0", &[(")", 5.0)])
        .scores(",3", &[(")", 5.0)])
}

fn requests(count: u64) -> Vec<Request> {
    let request = |i: u64| {
        let temperature = if i % 4 == 3 { 0.0 } else { 1.0 };
        let top_p = if i.is_multiple_of(2) { 1.0 } else { 0.9 };
        let settings = Settings {
            temperature,
            top_p,
            seed: i / 2,
            max_tokens: 5 + i as usize % 9,
            ..Settings::default()
        };
        ask_with(&format!("The prompt, number {}:", i % 5), settings)
    };
    (0..count).map(request).collect()
}

fn run(mock: &Mock, batch: usize, requests: &[Request]) -> Vec<Generation> {
    let (head, tools) = (mock.head(), mock.tool_set());
    let mut engine = Engine::new(mock, &head, &tools).unwrap().batch(NonZeroUsize::new(batch).unwrap());
    engine.run(requests).unwrap().into_iter().map(timeless).collect()
}

#[test]
fn a_batch_gives_what_single_runs_give() {
    let mock = dreamer();
    let requests = requests(24);
    let singles: Vec<Generation> =
        requests.iter().flat_map(|request| run(&mock, 1, std::slice::from_ref(request))).collect();
    assert!(singles.iter().any(|generation| generation.tokens.calls > 0));
    assert!(singles.iter().any(|generation| generation.tokens.failed_calls > 0));
    for batch in [1, 2, 5, 24, 100] {
        assert_eq!(run(&mock, batch, &requests), singles, "batch of {batch}");
    }
}

#[test]
fn rows_are_refilled_up_to_the_cap() {
    let mock = dreamer();
    run(&mock, 3, &requests(10));
    assert_eq!(mock.widest.load(Ordering::Relaxed), 3);
    run(&mock, 100, &requests(10));
    assert_eq!(mock.widest.load(Ordering::Relaxed), 10);
}

#[test]
fn a_seed_gives_the_same_draws_and_another_seed_others() {
    let mock = dreamer();
    let of_seed = |seed| {
        let settings = Settings { temperature: 1.0, max_tokens: 40, seed, ..Settings::default() };
        run(&mock, 1, &[ask_with("A:", settings)]).remove(0).text
    };
    assert_eq!(of_seed(1), of_seed(1));
    assert_ne!(of_seed(1), of_seed(2));
}

#[test]
fn the_common_beginning_of_prompts_is_read_once() {
    let mock = Mock::new(&["add"]);
    let requests =
        ["common: one", "common: six", "common: two"].map(|prompt| ask_with(prompt, Settings::default()));
    run(&mock, 8, &requests);
    let common = 1 + "common: ".len();
    assert_eq!(mock.tokens_read(), common + "one".len() + "six".len() + "two".len());
    // One prompt is the beginning of another: each still has a last token to read.
    let same = ["the same text", "the same text", "the same text but longer"];
    run(&mock, 8, &same.map(|prompt| ask_with(prompt, Settings::default())));
    assert_eq!(mock.tokens_read(), (1 + "the same tex".len()) + 1 + 1 + "t but longer".len());
    // Two templates, asked in turn: each is read once.
    let two = ["a template: one", "b template: one", "a template: six", "b template: six"];
    run(&mock, 2, &two.map(|prompt| ask_with(prompt, Settings::default())));
    assert_eq!(mock.tokens_read(), 1 + 2 * "a template: ".len() + 4 * "one".len());
}

#[test]
fn the_next_run_keeps_what_it_shares_with_the_last() {
    let mock = Mock::new(&["add"]);
    let (head, tools) = (mock.head(), mock.tool_set());
    let mut engine = Engine::new(&mock, &head, &tools).unwrap();
    for (prompt, read) in
        [("a template: one", 16), ("a template: two", 3), ("a template: two", 1), ("other", 5)]
    {
        engine.run(&[ask_with(prompt, Settings::default())]).unwrap();
        assert_eq!(mock.tokens_read(), read, "{prompt}");
    }
}

#[test]
fn no_requests_give_nothing() {
    let mock = Mock::new(&["add"]);
    assert_eq!(run(&mock, 4, &[]), []);
    assert_eq!(mock.tokens_read(), 0);
}
