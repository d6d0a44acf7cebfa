//! What a generation tells about itself.

use crate::mock::{Mock, ask, ask_with, timeless};
use serde_json::json;
use toolken_decode::{Engine, Event, Generation, Settings, Token};

fn stumbler() -> Mock {
    Mock::new(&["add", "divide"])
        .says("A:", "is")
        .scores("A:is", &[("@divide", 2f32.ln() + 40.0), ("@add", 40.0), (" ", 39.0)])
        .says("<divide>(", "1, 0)")
        .says("<add>(", "2, 3)")
        .says("A:is 5", "!")
}

#[test]
fn the_trace_as_json() {
    let generation =
        timeless(stumbler().run(ask_with("A:", Settings { alternatives: 2, ..Settings::default() })));
    let mut trace = serde_json::to_value(&generation).unwrap();
    assert_eq!(serde_json::from_value::<Generation>(trace.clone()).unwrap(), generation);
    let divide_by_zero = trace["decisions"][0]["attempts"][0]["error"].take();
    assert!(!divide_by_zero.as_str().unwrap().is_empty());
    // exp: divide 2, add 1, the space 1/e.
    let total = 3.0 + (-1f64).exp();
    for (path, expected) in [
        ("/decisions/0/p_tool", 3.0 / total),
        ("/decisions/0/alternatives/0/p", 2.0 / total),
        ("/decisions/0/alternatives/1/p", 1.0 / total),
    ] {
        let found = trace.pointer_mut(path).unwrap().take();
        assert!((found.as_f64().unwrap() - expected).abs() < 1e-5, "{path}: {found}, expected {expected}");
    }
    let expected = json!({
        "text": "is 5!",
        "finish": {"reason": "end-of-text"},
        "tokens": {"prompt": 3, "chosen": 4, "results": 2, "arguments": 10, "aside": 0, "calls": 1, "failed_calls": 1},
        "decisions": [{
            "position": 2,
            "at": 2,
            "by": "greedy",
            "p_tool": null,
            "alternatives": [{"tool": "divide", "p": null}, {"tool": "add", "p": null}],
            "attempts": [
                {"tool": "divide", "arguments": "1, 0", "tokens": 5, "error": null, "micros": 0},
                {"tool": "add", "arguments": "2, 3", "tokens": 5, "result": "5", "micros": 0},
            ],
            "chosen": {"tool": "add"},
        }],
        "micros": 0,
    });
    assert_eq!(trace, expected);
}

#[test]
fn near_misses_are_recorded_from_a_threshold_on_and_all_tokens_at_zero() {
    let mock = Mock::new(&["add"]).scores("A:", &[("x", 1.0), ("@add", 0.0)]).says("A:x", "y");
    let recorded = |record_above| {
        let generation = mock.run(ask_with("A:", Settings { record_above, ..Settings::default() }));
        generation
            .decisions
            .into_iter()
            .map(|decision| (decision.position, decision.chosen.unwrap()))
            .collect::<Vec<_>>()
    };
    let word = |text: &str| Token::Word(text.into());
    assert_eq!(recorded(0.5), []); // P(tool) is about 0.21
    assert_eq!(recorded(0.1), [(0, word("x"))]);
    assert_eq!(recorded(0.0), [(0, word("x")), (1, word("y")), (2, word("</s>"))]);
}

#[test]
fn events_tell_the_same_story_as_the_outcome() {
    let mock = stumbler();
    let (head, tools) = (mock.head(), mock.tool_set());
    let mut told = Vec::new();
    let generations = Engine::new(&mock, &head, &tools)
        .unwrap()
        .run_with(&[ask("A:")], &mut |request, event| {
            assert_eq!(request, 0);
            told.push(match event {
                Event::Text(delta) => delta,
                Event::CallStart(tool) => format!("{tool}("),
                Event::CallEnd(attempt) => {
                    format!("{}) {}", attempt.arguments, attempt.outcome.result().is_some())
                }
                Event::Done(generation) => format!("{:?}", generation.finish),
                other => panic!("{other:?}"),
            });
        })
        .unwrap();
    let expected = ["i", "s", "divide(", "1, 0) false", "add(", "2, 3) true", " 5", "!", "EndOfText"];
    assert_eq!(told, expected);
    assert_eq!(generations[0].text, "is 5!");
}
