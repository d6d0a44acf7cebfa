//! Calls that fail are undone, and the next best token is taken.

use crate::mock::{Mock, ask, ask_with};
use toolken_decode::{Calling, DecodeError, Generation, Settings, Token};

/// Four tools above the best word; the first three fail, each in its own way.
fn stumbler() -> Mock {
    Mock::new(&["add", "divide", "log", "sqrt"])
        .scores(
            "A:",
            &[("@divide", 9.0), ("@log", 8.0), ("@sqrt", 7.0), ("@add", 6.0), ("x", 5.0), ("y", 4.0)],
        )
        .says("<divide>(", "1, 0)") // no such value
        .says("<log>(", "one)") // no number
        .says("<sqrt>(", "9") // and then the text ends
        .says("<add>(", "2, 3)")
        .says("A: 5", " it is")
        .says("A:x", "yz")
}

fn attempts(generation: &Generation) -> Vec<(&str, bool)> {
    let attempts = generation.decisions.iter().flat_map(|decision| &decision.attempts);
    attempts.map(|attempt| (attempt.tool.as_str(), attempt.outcome.result().is_some())).collect()
}

#[test]
fn the_next_best_tokens_are_tried_in_turn() {
    let generation = stumbler().run(ask("A:"));
    assert_eq!(generation.text, " 5 it is");
    assert_eq!(attempts(&generation), [("divide", false), ("log", false), ("sqrt", false), ("add", true)]);
    assert_eq!(generation.decisions.len(), 1);
    assert_eq!(generation.decisions[0].chosen, Some(Token::Tool("add".into())));
    assert_eq!((generation.tokens.calls, generation.tokens.failed_calls), (1, 3));
    assert_eq!(generation.tokens.arguments, "1, 0)".len() + "one)".len() + "9".len() + "2, 3)".len());
    let reasons: Vec<&str> =
        generation.decisions[0].attempts.iter().filter_map(|attempt| attempt.outcome.error()).collect();
    assert!(reasons[1].contains("argument 1"), "{reasons:?}");
    assert!(reasons[2].contains("ended before"), "{reasons:?}");
}

#[test]
fn after_the_limit_the_best_word_is_taken() {
    for (max_backtracks, tried) in [(0, 1), (1, 2), (2, 3)] {
        let generation = stumbler().run(ask_with("A:", Settings { max_backtracks, ..Settings::default() }));
        assert_eq!(generation.text, "xyz");
        assert_eq!(attempts(&generation).len(), tried);
        assert_eq!(generation.decisions[0].chosen, Some(Token::Word("x".into())));
    }
}

#[test]
fn when_no_tool_is_left_above_it_the_best_word_is_taken() {
    let mock = Mock::new(&["divide", "log"])
        .scores("A:", &[("@divide", 9.0), ("x", 5.0), ("@log", 4.0)])
        .says("<divide>(", "1, 0)")
        .says("A:x", "yz");
    let generation = mock.run(ask("A:"));
    assert_eq!(generation.text, "xyz");
    assert_eq!(attempts(&generation), [("divide", false)]);
}

#[test]
fn a_forced_call_falls_back_to_the_next_tool() {
    let mock = Mock::new(&["divide", "add"])
        .scores("A:", &[("@divide", -1.0), ("@add", -2.0), ("x", 5.0)])
        .says("<divide>(", "1, 0)")
        .says("<add>(", "2, 3)");
    let generation = mock.run(ask_with("A:", Settings { calling: Calling::Force, ..Settings::default() }));
    assert_eq!(generation.text, " 5");
}

/// The mock looks at the end of what it has read, and its state asserts that no token of the undone call is left.
#[test]
fn an_undone_call_leaves_no_trace_in_the_context() {
    let mock = Mock::new(&["divide"])
        .scores("Q A:", &[("@divide", 9.0), ("x", 5.0)])
        .says("<divide>(", "1, 0)")
        .scores("Q A:x", &[("@divide", 9.0), ("y", 5.0)])
        .says("Q A:xy", ".");
    let generation = mock.run(ask("Q A:"));
    assert_eq!(generation.text, "xy.");
    assert_eq!(generation.tokens.failed_calls, 2);
}

#[test]
fn a_number_stays_as_it_is_even_after_a_failed_call_behind_it() {
    let mock = Mock::new(&["add", "divide"])
        .scores("A:", &[("@add", 5.0)])
        .says("<add>(", "2, 3)")
        .scores("A: 5", &[("@divide", 9.0), ("7", 8.0), ("!", 1.0)])
        .says("<divide>(", "1, 0)");
    assert_eq!(mock.run(ask("A:")).text, " 5!");
}

#[test]
fn brackets_may_close_inside_a_longer_token() {
    let mock = Mock::new(&["add"])
        .scores("A:", &[("@add", 5.0)])
        .says("<add>(", "2, 3")
        .scores("<add>(2, 3", &[(")=", 5.0)]);
    let generation = mock.run(ask("A:"));
    assert_eq!(generation.text, " 5");
    assert_eq!(generation.calls().next().unwrap().arguments, "2, 3");
}

#[test]
fn without_a_finite_logit_it_is_the_models_fault() {
    let mock = Mock::new(&["add"]).says("A:", "ab");
    let mut request = ask("A:");
    request.disabled_words = (0..mock.word("<|mark|>") + 1).collect();
    let (head, tools) = (mock.head(), mock.tool_set());
    let error =
        toolken_decode::Engine::new(&mock, &head, &tools).unwrap().run(&[ask("A:"), request]).unwrap_err();
    assert!(matches!(error, DecodeError::NoWord { index: 1, position: 0 }), "{error}");
}
