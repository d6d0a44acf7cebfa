//! FuncQA (ToolkenGPT's release): thirteen functions, questions of one call and of several.

use super::{Prompts, Question, Task, TaskName, files};
use crate::BenchError;
use crate::score::Scoring;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;
use tools::ToolSet;

#[derive(Deserialize)]
struct Entry {
    question: String,
    answer: Value,
    /// Of one-hop questions.
    #[serde(default)]
    func: String,
    /// Of multi-hop questions.
    #[serde(default)]
    calculation: Vec<String>,
}

pub fn one_hop(data: &Path) -> Result<Task, BenchError> {
    let folder = data.join("toolkengpt/funcqa");
    let tools = ToolSet::arithmetic();
    let instruction =
        "Answer the question. End with the sentence \"So, the answer is\" and the answer as a plain number.";
    Ok(Task {
        name: TaskName::FuncQaOneHop,
        version: 1,
        questions: questions(&folder.join("funcqa_oh.json"), "oh")?,
        prompts: Prompts::toolkengpt(&folder.join("template_oh"), &tools, instruction)?,
        texts: super::own_texts(&tools),
        tools,
        scoring: Scoring::Number { mark: "answer is".into() },
        published_bias: 2.7,
        max_tokens: 96,
    })
}

pub fn multi_hop(data: &Path) -> Result<Task, BenchError> {
    let folder = data.join("toolkengpt/funcqa");
    let tools = ToolSet::arithmetic();
    let instruction = "Answer the question step by step. End with \"####\" and the answer as a plain number.";
    Ok(Task {
        name: TaskName::FuncQaMultiHop,
        version: 1,
        questions: questions(&folder.join("funcqa_mh.json"), "mh")?,
        prompts: Prompts::toolkengpt(&folder.join("template_mh"), &tools, instruction)?,
        texts: super::own_texts(&tools),
        tools,
        scoring: Scoring::Number { mark: "####".into() },
        published_bias: 4.0,
        max_tokens: 160,
    })
}

fn questions(path: &Path, short: &str) -> Result<Vec<Question>, BenchError> {
    let entries: Vec<Entry> = files::json(path)?;
    let question = |(i, entry): (usize, Entry)| {
        let answer = match entry.answer {
            Value::Number(number) => number.to_string(),
            Value::String(text) if text.replace(',', "").trim().parse::<f64>().is_ok() => {
                text.trim().to_owned()
            }
            other => {
                return Err(BenchError::data(path, format!("entry {i}: the answer {other} is no number")));
            }
        };
        let calls = entry.calculation.iter().chain((!entry.func.is_empty()).then_some(&entry.func));
        let tool = |call: &String| Some(call.trim().strip_prefix('<')?.split_once('>')?.0.to_owned());
        Ok(Question {
            id: format!("{short}-{i:03}"),
            text: entry.question.trim().to_owned(),
            answer,
            tools: calls.filter_map(tool).collect(),
            answers: Vec::new(),
        })
    };
    entries.into_iter().enumerate().map(question).collect()
}
