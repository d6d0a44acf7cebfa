//! Where a generation ends.

use crate::mock::{Mock, ask, ask_with};
use std::collections::BTreeMap;
use toolken_decode::{Arguments, Engine, Finish, Request, Settings, Template};

/// Calls at every turn: `1 1 1 …`.
fn caller() -> Mock {
    Mock::new(&["add"]).scores("", &[("@add", 5.0), ("x", 1.0)]).says("<add>(", "1)")
}

#[test]
fn a_cap_on_tokens_counts_a_call_as_one() {
    let generation = caller().run(ask_with("A:", Settings { max_tokens: 3, ..Settings::default() }));
    assert_eq!((generation.text.as_str(), &generation.finish), (" 1 1 1", &Finish::MaxTokens));
    assert_eq!(generation.tokens.chosen, 3);
}

#[test]
fn a_cap_on_calls_ends_the_text_where_one_more_was_called_for() {
    let generation = caller().run(ask_with("A:", Settings { max_calls: 2, ..Settings::default() }));
    assert_eq!((generation.text.as_str(), &generation.finish), (" 1 1", &Finish::MaxCalls));
    let last = generation.decisions.last().unwrap();
    assert!(last.attempts.is_empty() && last.chosen.is_none(), "{last:?}");
}

#[test]
fn a_cap_on_arguments_undoes_the_call() {
    let mock = Mock::new(&["add"]).scores("A:", &[("@add", 5.0), ("x", 1.0)]).says("<add>(", "1111)");
    let capped = |max_argument_tokens| {
        mock.run(ask_with("A:", Settings { max_argument_tokens, ..Settings::default() }))
    };
    assert_eq!(capped(5).text, " 1111");
    let generation = capped(4);
    assert_eq!(generation.text, "x");
    assert_eq!(generation.tokens.arguments, 4);
    let reason = generation.decisions[0].attempts[0].outcome.error().unwrap();
    assert!(reason.contains("cap of 4 tokens"), "{reason}");
}

/// Words, calls and their arguments, undone ones too: no more than the cap on all of them, whatever it is.
#[test]
fn a_cap_on_all_tokens_is_never_passed() {
    let mocks = [
        caller(),
        Mock::new(&["add"])
            .scores("", &[("@add", 5.0), ("x", 1.0)])
            .scores("<add>(", &[("1", 5.0)])
            .scores("1", &[("1", 5.0)]),
        Mock::new(&["add", "ln"])
            .scores("", &[("@add", 5.0), ("@ln", 4.0), ("x", 1.0)])
            .says("<add>(", "x)")
            .says("<ln>(", "1)"),
    ];
    for (which, mock) in mocks.iter().enumerate() {
        for most in 1..40 {
            let settings =
                Settings { max_total: Some(most), max_tokens: 30, max_calls: 9, ..Settings::default() };
            let generation = mock.run(ask_with("A:", settings));
            let tokens = generation.tokens;
            assert!(tokens.chosen + tokens.arguments <= most, "{which}, {most}: {generation:?}");
            let ended = matches!(generation.finish, Finish::MaxTokens | Finish::MaxCalls);
            assert!(ended, "{which}, {most}: {generation:?}");
        }
    }
}

#[test]
fn a_stop_string_may_straddle_tokens_and_is_cut_off() {
    let mock =
        Mock::new(&["add"]).says("A:", "six").scores("A:six", &[("\n\n", 5.0)]).says("six\n\n", "Q: more");
    let stop = |stop: &str| {
        mock.run(ask_with("A:", Settings { stop: vec!["zzz".into(), stop.into()], ..Settings::default() }))
    };
    for (string, text) in [("\nQ:", "six\n"), ("x\n", "si"), ("\n\n", "six"), ("six", "")] {
        let generation = stop(string);
        assert_eq!(
            (generation.text.as_str(), &generation.finish),
            (text, &Finish::Stop { string: string.into() })
        );
    }
    // The prompt's own end is not searched.
    assert_eq!(stop(":s").finish, Finish::EndOfText);
}

#[test]
fn a_stop_string_may_begin_before_a_result_and_end_in_it() {
    let mock = Mock::new(&["add"]).says("A:", "#").scores("A:#", &[("@add", 5.0)]).says("<add>(", "2, 3)");
    let generation = mock.run(ask_with("A:", Settings { stop: vec!["# 5".into()], ..Settings::default() }));
    assert_eq!((generation.text.as_str(), generation.tokens.calls), ("", 1));
}

#[test]
fn stop_strings_mean_nothing_inside_arguments() {
    let mock = Mock::new(&["add"]).scores("A:", &[("@add", 5.0)]).says("<add>(", "2, 3)");
    let generation = mock.run(ask_with("A:", Settings { stop: vec![",".into()], ..Settings::default() }));
    assert_eq!((generation.text.as_str(), &generation.finish), (" 5", &Finish::EndOfText));
}

#[test]
fn a_prompt_that_does_not_fit_is_an_outcome() {
    let mock = Mock::new(&["add"]).context(10).says("A:", "ok");
    let generations = mock.run_all(&[ask("12345678A:"), ask("A:"), ask("1234567A:")]);
    assert_eq!(generations[0].finish, Finish::ContextFull { len: 11, max: 10 });
    assert_eq!(generations[0].text, "");
    assert_eq!((generations[1].text.as_str(), &generations[1].finish), ("ok", &Finish::EndOfText));
    // The prompt fits exactly: one token can be chosen, none after it.
    assert_eq!(
        (generations[2].text.as_str(), &generations[2].finish),
        ("o", &Finish::ContextFull { len: 11, max: 10 })
    );
}

#[test]
fn a_call_that_does_not_fit_is_undone() {
    let mock = |context| {
        let mock = Mock::new(&["add"]).context(context).scores("A:", &[("@add", 5.0), ("x", 1.0)]);
        mock.says("<add>(", "2, 3)").says("A:x", "y")
    };
    // <s>A: <add>(2, 3 are 14 tokens.
    assert_eq!(mock(14).run(ask("A:")).text, " 5");
    for context in [5, 9, 10, 11, 13] {
        let generation = mock(context).run(ask("A:"));
        assert_eq!(generation.text, "xy", "{context}");
        let reason = generation.decisions[0].attempts[0].outcome.error().unwrap();
        assert!(reason.contains(&format!("context of {context} tokens")), "{reason}");
    }
}

#[test]
fn a_prompt_of_worked_calls_that_does_not_fit_undoes_the_call() {
    let mock = Mock::new(&["add"]).context(30).scores("A:", &[("@add", 5.0), ("x", 1.0)]);
    let (head, tools) = (mock.head(), mock.tool_set());
    for template in ["a template that is longer than the context of the model A:[QUESTION]", "[QUESTION]"] {
        let demos = BTreeMap::from([("add".to_string(), Template::new(template))]);
        let mut engine = Engine::new(&mock, &head, &tools).unwrap().demos(demos).unwrap();
        let settings = Settings { arguments: Arguments::Demos, ..Settings::default() };
        let request =
            Request { question: Some("a question of twenty-five.".into()), ..ask_with("A:", settings) };
        let generation = engine.run(&[request]).unwrap().remove(0);
        assert_eq!((generation.text.as_str(), generation.tokens.failed_calls), ("x", 1));
    }
}

#[test]
fn a_result_that_fills_the_context_is_still_in_the_text() {
    let mock = Mock::new(&["[LONG]"]).context(6).scores("A:", &[("@[LONG]", 5.0)]);
    let generation = mock.run(ask("A:"));
    assert_eq!(generation.text, " [LONG]");
    assert_eq!(generation.finish, Finish::ContextFull { len: 10, max: 6 });
}
