//! Continuous batching: rows that come, go and fail change nothing for the others.

use crate::mock::{Mock, ask_with, timeless};
use std::collections::BTreeMap;
use std::sync::Arc;
use toolken_decode::{
    DecodeError, Engine, Event, Extended, Finish, Generation, Request, Session, SessionSettings, Settings,
};

fn mock() -> Mock {
    Mock::new(&["add"])
        .scores("", &[("a", 2.0), ("b", 1.9), ("@add", 1.0), ("</s>", 0.5)])
        .scores("(", &[("1", 2.0)])
        .scores("(1", &[(",", 2.0)])
        .scores(",", &[("3", 1.0)])
        .scores(",3", &[(")", 5.0)])
}

fn requests(count: u64) -> Vec<Request> {
    let request = |i: u64| {
        let settings =
            Settings { temperature: 1.0, seed: i, max_tokens: 4 + i as usize % 7, ..Settings::default() };
        ask_with(&format!("All of these begin alike, and then comes number {}:", i % 4), settings)
    };
    (0..count).map(request).collect()
}

fn alone(mock: &Mock, request: &Request) -> Generation {
    let (head, tools) = (mock.head(), mock.tool_set());
    timeless(Engine::new(mock, &head, &tools).unwrap().run(std::slice::from_ref(request)).unwrap().remove(0))
}

type Done = BTreeMap<usize, Result<Generation, DecodeError>>;

fn step(session: &mut Session, done: &mut Done) {
    session.step(&mut |key, told| {
        let outcome = match told {
            Ok(Event::Done(generation)) => Ok(*generation),
            Ok(_) => return,
            Err(error) => Err(error),
        };
        assert!(done.insert(key, outcome).is_none(), "request {key} ends once");
    });
}

#[test]
fn requests_that_come_and_go_have_the_answers_they_have_alone() {
    let mock = mock();
    let (head, tools) = (mock.head(), mock.tool_set());
    let extended = Arc::new(Extended::new(&mock, &head, &tools, None).unwrap());
    let requests = requests(20);
    for settings in [
        SessionSettings::default(),
        SessionSettings { prefill: 3, kept_tokens: 100 },
        SessionSettings { prefill: usize::MAX, kept_tokens: 0 },
    ] {
        let mut session = Session::new(&mock, settings);
        let mut done = Done::new();
        for (key, request) in requests.iter().enumerate() {
            session.admit(key, request.clone(), Arc::clone(&extended)).unwrap();
            (0..key % 4).for_each(|_| step(&mut session, &mut done));
            if key == 9 {
                session.cancel(key);
            }
        }
        while !session.is_empty() {
            step(&mut session, &mut done);
        }
        for (key, request) in requests.iter().enumerate().filter(|(key, _)| *key != 9) {
            let result = done.remove(&key).expect("every request ends").unwrap();
            assert_eq!(timeless(result), alone(&mock, request), "{settings:?}, request {key}");
        }
        assert!(done.is_empty(), "a cancelled request is told of no more");
        assert!(session.counts().reused > 0, "{settings:?}: the common beginning is read once");
    }
}

#[test]
fn a_row_that_the_model_fails_on_ends_alone() {
    let mut mock = mock();
    mock.fails_on = Some(mock.word("%"));
    let (head, tools) = (mock.head(), mock.tool_set());
    let extended = Arc::new(Extended::new(&mock, &head, &tools, None).unwrap());
    let mut session = Session::new(&mock, SessionSettings::default());
    let mut requests = requests(5);
    requests[2] = ask_with("This one % cannot be read", Settings::default());
    for (key, request) in requests.iter().enumerate() {
        session.admit(key, request.clone(), Arc::clone(&extended)).unwrap();
    }
    let mut done = Done::new();
    while !session.is_empty() {
        step(&mut session, &mut done);
    }
    for (key, request) in requests.iter().enumerate() {
        match done.remove(&key).expect("every request ends") {
            Err(error) => assert!(key == 2 && error.to_string().contains("cannot be read"), "{key}: {error}"),
            Ok(generation) => assert_eq!(timeless(generation), alone(&mock, request), "request {key}"),
        }
    }
}

/// In a session whose contexts are limited, requests end as with a model that takes no more.
#[test]
fn a_limit_on_contexts_is_a_shorter_model() {
    let mock = mock();
    let requests = requests(12);
    let mut full = 0;
    for limit in [1, 50, 52, 54, 56, 58, 64] {
        let extended = Extended::new(&mock, &mock.head(), &mock.tool_set(), None).unwrap();
        let extended = Arc::new(extended.within(limit).within(usize::MAX));
        let shorter = self::mock().context(limit);
        for (key, request) in requests.iter().enumerate() {
            let mut session = Session::new(&mock, SessionSettings::default());
            session.admit(key, request.clone(), Arc::clone(&extended)).unwrap();
            let mut done = Done::new();
            while !session.is_empty() {
                step(&mut session, &mut done);
            }
            let generation = timeless(done.remove(&key).expect("every request ends").unwrap());
            full += usize::from(matches!(generation.finish, Finish::ContextFull { .. }));
            assert_eq!(generation, alone(&shorter, request), "{limit}, request {key}");
        }
    }
    assert!(full > 12, "{full} of the requests were limited");
}

#[test]
fn a_bad_request_is_refused_and_leaves_the_session_as_it_was() {
    let mock = mock();
    let extended = Arc::new(Extended::new(&mock, &mock.head(), &mock.tool_set(), None).unwrap());
    let mut session = Session::new(&mock, SessionSettings::default());
    let bad = ask_with("a", Settings { top_p: 0.0, ..Settings::default() });
    assert!(matches!(session.admit(7, bad, extended), Err(DecodeError::Request { index: 7, .. })));
    assert!(session.is_empty());
}
