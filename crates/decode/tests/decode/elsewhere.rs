//! An engine elsewhere gives what a model of our own gives: every greedy request of these tests that [`Mock::run`] answers is
//! answered once more by an engine that completes tokens, and nothing but times and alternatives may differ.

use crate::mock::{Mock, ask, ask_with, timeless};
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use toolken_decode::{
    Calling, Completed, Completion, DecodeError, Emitted, End, Engine, Event, Finish, Generation, Remote,
    Request, Served, Settings,
};
use tools::ToolSet;

/// An engine over the mock's own scores: extended vocabulary, greedy, as engines complete prompts.
pub struct Elsewhere {
    mock: Mock,
    /// The longest prompt that it was asked to go on after, and the number of requests.
    asked: AtomicUsize,
}

impl Elsewhere {
    fn best(&self, ids: &[u32], bias: &[(u32, f32)]) -> (u32, Vec<(u32, f32)>) {
        let raw = self.mock.hidden(ids);
        let mut scores = raw.clone();
        for &(id, bias) in bias {
            scores[id as usize] += bias;
        }
        let first = |best: usize, at: usize| if scores[at] > scores[best] { at } else { best };
        let best = (1..scores.len()).fold(0, first);
        let mass: f32 = raw.iter().map(|x| x.exp()).sum();
        let mut top: Vec<(u32, f32)> =
            raw.iter().enumerate().map(|(id, x)| (id as u32, (x.exp() / mass).ln())).collect();
        top.sort_by(|a, b| b.1.total_cmp(&a.1));
        (best as u32, top)
    }

    /// What enforces a schema there, in the form of JSON that is ours.
    fn matcher(&self, schema: &Value) -> Matcher {
        let (size, end) = (self.mock.vocab() as u32, self.mock.word("</s>"));
        let word = |id: u32| match id == end {
            true => [&[TokTrie::SPECIAL_TOKEN_MARKER], self.mock.bytes(id)].concat(),
            false => self.mock.bytes(id).to_vec(),
        };
        let words: Vec<Vec<u8>> = (0..size).map(word).collect();
        let environment = ApproximateTokEnv::new(TokTrie::from(&TokRxInfo::new(size, end), &words));
        let factory = ParserFactory::new_simple(&(Arc::new(environment) as _)).unwrap();
        let mut schema = schema.clone();
        schema["x-guidance"] =
            json!({"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": false});
        Matcher::new(factory.create_parser(TopLevelGrammar::from_json_schema(schema)))
    }
}

impl Remote for Elsewhere {
    fn complete(&self, wanted: &Completion<'_>) -> Result<Completed, String> {
        assert!(wanted.max_tokens > 0 && !wanted.prompt.is_empty());
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut ids = wanted.prompt.to_vec();
        let (mut tokens, mut text) = (Vec::new(), Vec::new());
        let mut schema = wanted.schema.map(|schema| self.matcher(schema));
        while tokens.len() < wanted.max_tokens {
            let mut bias = wanted.bias.to_vec();
            if let Some(schema) = &mut schema {
                let mask = schema.compute_mask_or_eos().unwrap();
                let barred = (0..self.mock.vocab() as u32).filter(|&id| !mask.is_allowed(id));
                bias.extend(barred.map(|id| (id, f32::NEG_INFINITY)));
            }
            let (id, mut top) = self.best(&ids, &bias);
            if let Some(schema) = schema.as_mut().filter(|_| id != self.mock.word("</s>")) {
                schema.consume_token(id).unwrap();
            }
            top.truncate(wanted.top);
            tokens.push(Emitted { id, logprob: None, top });
            ids.push(id);
            if id == self.mock.word("</s>") {
                return Ok(Completed { tokens, end: End::Text });
            }
            if wanted.stop_tokens.contains(&id) {
                return Ok(Completed { tokens, end: End::Stop });
            }
            text.extend_from_slice(self.mock.bytes(id));
            let so_far = String::from_utf8_lossy(&text);
            if wanted.stop.iter().any(|stop| so_far.contains(stop.as_str())) {
                return Ok(Completed { tokens, end: End::Stop });
            }
        }
        Ok(Completed { tokens, end: End::Length })
    }
}

pub fn served(mock: &Mock, context: usize) -> Served {
    let tools = mock.tool_names().iter().enumerate();
    Served {
        tools: tools.map(|(k, name)| (name.clone(), (mock.vocab() + k) as u32)).collect(),
        context,
        engine: Arc::new(Elsewhere { mock: mock.copy(), asked: AtomicUsize::new(0) }),
    }
}

/// What must be the same: all but the times, the alternatives and the share of the tools, and words' decisions, which are told
/// only as far as the engine tells.
fn essence(generation: &Generation) -> Generation {
    let mut essence = timeless(generation.clone());
    essence.decisions.retain(|decision| !decision.attempts.is_empty());
    for decision in &mut essence.decisions {
        decision.p_tool = 0.0;
        decision.alternatives.clear();
        decision.tools.clear();
    }
    essence
}

/// Compares; called for everything that [`Mock::run_all`] runs.
pub fn same_elsewhere(mock: &Mock, requests: &[Request], here: &[Generation]) {
    let comparable = |request: &Request| request.settings.temperature == 0.0 && request.schema.is_none();
    // A prompt that an engine goes on after leaves room for a token: where the context is full it ends a token earlier.
    let full = |generation: &Generation| matches!(generation.finish, Finish::ContextFull { .. });
    if mock.fails_on.is_some() || mock.is_short() || here.iter().any(full) || !requests.iter().all(comparable)
    {
        return;
    }
    same_with(mock, &mock.tool_set(), requests, here);
}

/// What a request tells as it goes, pieces of a kind put together.
fn told(engine: Engine<'_>, request: &Request) -> Vec<(&'static str, String)> {
    let mut told: Vec<(&'static str, String)> = Vec::new();
    let mut engine = engine;
    engine
        .run_with(std::slice::from_ref(request), &mut |_, event| {
            let (kind, piece) = match event {
                Event::Text(delta) => ("text", delta),
                Event::CallStart(tool) => ("start", tool),
                Event::Arguments(delta) => ("arguments", delta),
                Event::CallEnd(attempt) => ("end", attempt.arguments),
                Event::Word { .. } | Event::Done(_) => return,
            };
            match told.last_mut() {
                Some((last, text)) if *last == kind => *text += &piece,
                _ => told.push((kind, piece)),
            }
        })
        .unwrap();
    told
}

/// Nothing is told in another order than here.
pub fn tells_the_same(mock: &Mock, tools: &ToolSet, request: &Request) {
    let engine = || Engine::new(mock, &mock.head(), tools).unwrap();
    let there = engine().served_by(served(mock, 1000)).unwrap();
    assert_eq!(told(engine(), request), told(there, request));
}

/// As [`same_elsewhere`], with other tools, of requests that are known to be comparable.
pub fn same_with(mock: &Mock, tools: &ToolSet, requests: &[Request], here: &[Generation]) {
    let engine = Engine::new(mock, &mock.head(), tools).unwrap().served_by(served(mock, 1000));
    let there = engine.unwrap().run(requests).unwrap();
    for (here, there) in here.iter().zip(&there) {
        assert_eq!(essence(here), essence(there));
    }
}

#[test]
fn the_text_so_far_is_told_in_order_and_adds_up() {
    let mock = Mock::new(&["add"])
        .says("A:", " It is")
        .scores(" is", &[("@add", 9.0)])
        .says("<add>(", "1, 2)")
        .says(" is 3", ", sure");
    let (head, tools) = (mock.head(), mock.tool_set());
    let mut engine = Engine::new(&mock, &head, &tools).unwrap().served_by(served(&mock, 1000)).unwrap();
    let told = Mutex::new(String::new());
    let requests = vec![ask("A:"); 5];
    let done = engine
        .run_with(&requests, &mut |request, event| {
            if let (3, Event::Text(delta)) = (request, event) {
                told.lock().unwrap().push_str(&delta);
            }
        })
        .unwrap();
    assert_eq!(done.len(), 5);
    assert_eq!(*told.lock().unwrap(), " It is 3, sure");
    assert_eq!(done[3].text, " It is 3, sure");
    let calls: Vec<_> = done[3].calls().map(|call| (call.tool.as_str(), call.arguments.as_str())).collect();
    assert_eq!(calls, [("add", "1, 2")]);
    let decision = done[3].decisions.iter().find(|decision| !decision.attempts.is_empty()).unwrap();
    assert!(decision.p_tool > 0.99, "{decision:?}");
}

#[test]
fn a_tool_that_the_engine_does_not_have_is_named() {
    let mock = Mock::new(&["add", "ln"]);
    let mut without = served(&mock, 1000);
    without.tools.pop();
    let (head, tools) = (mock.head(), mock.tool_set());
    let error = Engine::new(&mock, &head, &tools).unwrap().served_by(without).err().unwrap();
    assert!(error.to_string().contains("`ln`"), "{error}");
}

/// Whatever an engine answers, a generation ends or an error says what was wrong.
#[test]
fn an_engine_may_answer_anything() {
    struct Liar(Mutex<u64>);
    impl Remote for Liar {
        fn complete(&self, wanted: &Completion<'_>) -> Result<Completed, String> {
            let mut state = self.0.lock().unwrap();
            let mut next = |below: u64| {
                *state =
                    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (*state >> 33) % below
            };
            if next(20) == 0 {
                return Err("the engine has gone".into());
            }
            let count = next(wanted.max_tokens as u64 + 2) as usize;
            let token = |id| Emitted {
                id,
                logprob: None,
                top: vec![(id, f32::NAN), (7, 3.0), (u32::MAX, f32::NEG_INFINITY)],
            };
            let tokens =
                (0..count.min(9)).map(|_| token(if next(9) == 0 { u32::MAX } else { next(120) as u32 }));
            let tokens = tokens.collect();
            Ok(Completed { tokens, end: [End::Text, End::Length, End::Stop][next(3) as usize] })
        }
    }
    let mock = Mock::new(&["add", "[WALK]"]);
    let (head, tools) = (mock.head(), mock.tool_set());
    let (mut done, mut failed) = (0, 0);
    for seed in 0..300 {
        let engine = Arc::new(Liar(Mutex::new(seed)));
        let served = Served { engine, ..served(&mock, 60) };
        let calling = [Calling::Auto, Calling::Off, Calling::Force][seed as usize % 3];
        let settings = Settings { max_tokens: 40, calling, logprobs: Some(3), ..Settings::default() };
        let mut engine = Engine::new(&mock, &head, &tools).unwrap().served_by(served).unwrap();
        match engine.run(&[ask_with("A:", settings)]) {
            Ok(generations) => {
                done += 1;
                assert!(generations[0].tokens.chosen <= 40);
            }
            Err(DecodeError::Engine { .. }) => failed += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(done > 20 && failed > 20, "{done} {failed}");
}
