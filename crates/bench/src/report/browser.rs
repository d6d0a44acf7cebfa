//! A browser over single questions with their traces.

use super::{PlansOf, RunOf};
use crate::BenchError;
use crate::home::HomeRecord;
use crate::page::script_json;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What the script fills.
pub const HTML: &str = r#"<div class="controls">
<label>task <select id="b-task"></select></label>
<label>A <select id="b-a"></select></label>
<label>B <select id="b-b"></select></label>
<label>show <select id="b-show"><option value="all">all</option><option value="ab">A right, B wrong</option><option value="ba">B right, A wrong</option><option value="both">both right</option><option value="none">both wrong</option><option value="failed">a call failed</option></select></label>
<label>find <input id="b-find" type="search"></label>
<span id="b-count"></span>
</div>
<div id="b-list"></div>"#;

const SCRIPT: &str = include_str!("browser.js");

#[derive(Serialize)]
struct Asked<'a> {
    id: &'a str,
    text: &'a str,
    expected: &'a str,
    tools: &'a [String],
    answers: BTreeMap<String, Answer<'a>>,
}

#[derive(Serialize)]
struct Answer<'a> {
    text: Cow<'a, str>,
    strict: bool,
    lax: bool,
    calls: Vec<String>,
    failed: bool,
    /// Decisions between words and tools: what was chosen, and the rivals with their probabilities.
    decisions: Vec<String>,
    ranked: &'a [String],
}

/// The browser's script with its data.
///
/// # Errors
/// If the data cannot be written as JSON.
pub fn script(runs: &[RunOf], plans: &[PlansOf]) -> Result<String, BenchError> {
    let mut tasks: BTreeMap<String, BTreeMap<&str, Asked<'_>>> = BTreeMap::new();
    for run in runs {
        let meta = &run.meta;
        let task = format!(
            "{}, version {}, {} questions; {}",
            meta.task,
            meta.task_version,
            meta.questions(),
            meta.model_and_engine()
        );
        let questions = tasks.entry(task).or_default();
        let label = meta.label();
        for record in &run.records {
            let question = &record.question;
            let asked = questions.entry(question.id.as_str()).or_insert_with(|| Asked {
                id: &question.id,
                text: &question.text,
                expected: &question.answer,
                tools: &question.tools,
                answers: BTreeMap::new(),
            });
            let answered = &record.answered;
            let calls = answered.calls.iter().map(|call| match (&call.result, &call.error) {
                (Some(result), _) => format!("{}({}) = {result}", call.tool, call.arguments),
                (None, reason) => {
                    let reason = reason.as_deref().unwrap_or("no result");
                    format!("{}({}) failed: {reason}", call.tool, call.arguments)
                }
            });
            let answer = Answer {
                text: Cow::Borrowed(&answered.text),
                strict: record.score.strict,
                lax: record.score.lax,
                calls: calls.collect(),
                failed: answered.calls.iter().any(|call| call.error.is_some()),
                decisions: answered.decisions.iter().map(decision).collect(),
                ranked: &answered.ranked,
            };
            asked.answers.insert(label.clone(), answer);
        }
    }
    for run in plans {
        let meta = &run.meta;
        let questions = tasks
            .entry(format!("household {}, {}, {}", meta.household, meta.called(), meta.engine))
            .or_default();
        let label = format!("{}, {}, seed {}", meta.method(), meta.train, meta.fold_seed);
        for record in &run.records {
            let asked = questions.entry(record.task.as_str()).or_insert_with(|| Asked {
                id: &record.task,
                text: &record.title,
                expected: "what the task wants",
                tools: &[],
                answers: BTreeMap::new(),
            });
            asked.answers.insert(label.clone(), plan(record));
        }
    }
    let data: BTreeMap<String, Vec<Asked<'_>>> =
        tasks.into_iter().map(|(task, asked)| (task, asked.into_values().collect())).collect();
    let json = script_json(&data).map_err(|e| BenchError::Setting(format!("the report's questions: {e}")))?;
    Ok(format!("const DATA = {json};\n{SCRIPT}"))
}

/// A plan, its lines as the text and the simulator's reason below it.
fn plan(record: &HomeRecord) -> Answer<'_> {
    let score = &record.score;
    let reason =
        score.reason.as_ref().map(|reason| format!("rejected after {} lines: {reason}", score.steps));
    Answer {
        text: Cow::Owned(record.plan.join("\n")),
        strict: score.success,
        lax: score.relaxed,
        failed: reason.is_some(),
        calls: reason.into_iter().collect(),
        decisions: Vec::new(),
        ranked: &[],
    }
}

fn decision(decision: &decode::Decision) -> String {
    let name = |token: &decode::Token| match token {
        decode::Token::Tool(name) => format!("<{name}>"),
        decode::Token::Word(word) => format!("{word:?}"),
    };
    let rivals: Vec<String> =
        decision.alternatives.iter().map(|rival| format!("{} {:.3}", name(&rival.token), rival.p)).collect();
    let chosen = decision.chosen.as_ref().map_or_else(|| "nothing".into(), name);
    format!("at {}: {chosen}; P(tool) {:.3}; {}", decision.at, decision.p_tool, rivals.join(", "))
}
