//! GSM8K-XL (ToolkenGPT's release): questions of GSM8K's test whose numbers are enlarged; four operations.

use super::{Prompts, Question, Task, TaskName, files};
use crate::BenchError;
use crate::score::Scoring;
use corpus::Corpus;
use corpus::import::gsm8k_solution;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use tools::{Function, Tool, ToolSet};

/// The tools, in the reference's order.
pub(super) const TOOLS: [Function; 4] =
    [Function::Add, Function::Subtract, Function::Multiply, Function::Divide];

/// What goes into a place of a question: 4096, or what stands as it is written, `27/64`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Number(f64),
    Text(String),
}

#[derive(Deserialize)]
struct Entry {
    question: String,
    answer: String,
    /// The original's values: they stand where nothing was enlarged.
    #[serde(default)]
    v: Vec<Value>,
    enhanced_v: Vec<Value>,
    enhanced_process: Vec<String>,
    enhanced_result: f64,
}

pub fn task(data: &Path) -> Result<Task, BenchError> {
    let folder = data.join("toolkengpt/gsm8k-xl");
    let tools = ToolSet::new(TOOLS.map(Tool::from).to_vec())?;
    let instruction = "Answer the question step by step. End with \"####\" and the answer as a plain number.";
    let entries: Vec<Entry> = files::json_lines(&folder.join("test.json"))?;
    let question = |(i, entry): (usize, &Entry)| Question {
        id: id(i),
        text: fill(&entry.question, entry),
        answer: number(entry.enhanced_result),
        tools: tools_of(entry),
        answers: Vec::new(),
    };
    Ok(Task {
        name: TaskName::Gsm8kXl,
        version: 2,
        questions: entries.iter().enumerate().map(question).collect(),
        prompts: Prompts::toolkengpt(&folder.join("template"), &tools, instruction)?,
        texts: super::own_texts(&tools),
        tools,
        scoring: Scoring::Number { mark: "####".into() },
        published_bias: 3.0,
        max_tokens: 220,
    })
}

/// The tools of a solution's equations; none where the first is no single tool's, as the first tool is then not known.
fn tools_of(entry: &Entry) -> Vec<String> {
    let operators: Vec<_> = entry.enhanced_process.iter().map(|equation| operator(equation)).collect();
    let known = operators.first().is_some_and(Option::is_some);
    operators.into_iter().flatten().filter(|_| known).map(str::to_owned).collect()
}

/// The gold solutions with the enlarged numbers, as a corpus to score heads on, teacher-forced.
#[derive(Clone, Debug)]
pub struct FilledSolutions {
    /// The solutions; the id of each is its question's.
    pub corpus: Corpus,
    /// Equations.
    pub equations: usize,
    /// Solutions that could not be used, by reason; and equations left out since they mix operators.
    pub left_out: BTreeMap<String, usize>,
}

/// Fills GSM8K-XL's 568 gold solutions with the enlarged numbers.
///
/// An equation with more than one kind of operator is no single tool's call: it is neither a call nor trained on.
///
/// # Errors
/// A file that is missing or damaged.
pub fn filled_solutions(data: &Path) -> Result<FilledSolutions, BenchError> {
    let entries: Vec<Entry> = files::json_lines(&data.join("toolkengpt/gsm8k-xl/test.json"))?;
    let (mut examples, mut left_out, mut equations) = (Vec::new(), BTreeMap::new(), 0);
    for (i, entry) in entries.iter().enumerate() {
        let answer = fill(&entry.answer, entry);
        let count = answer.matches("<<").count();
        equations += count;
        match gsm8k_solution(&id(i), &fill(&entry.question, entry), &answer) {
            Ok((example, reason)) => {
                if let Some(reason) = reason {
                    *left_out.entry(format!("equation: {reason}")).or_insert(0) +=
                        count - example.calls.len();
                }
                examples.push(example);
            }
            Err(reason) => *left_out.entry(format!("solution: {reason}")).or_insert(0) += 1,
        }
    }
    let names = TOOLS.iter().map(|tool| tool.name().to_owned()).collect();
    Ok(FilledSolutions { corpus: Corpus::with_tools(examples, names)?, equations, left_out })
}

fn id(index: usize) -> String {
    format!("xl-{index:03}")
}

/// Puts the enlarged numbers and the results of the enlarged equations into their places.
fn fill(text: &str, entry: &Entry) -> String {
    let mut text = text.to_owned();
    let originals = entry.v.iter().skip(entry.enhanced_v.len());
    for (i, value) in entry.enhanced_v.iter().chain(originals).enumerate() {
        let value = match value {
            Value::Number(x) => number(*x),
            Value::Text(text) => text.clone(),
        };
        text = text.replace(&format!("{{v_{}}}", i + 1), &value);
    }
    for (i, process) in entry.enhanced_process.iter().enumerate() {
        let result =
            process.rsplit('=').next().and_then(|x| x.trim().parse().ok()).map_or_else(String::new, number);
        text = text.replace(&format!("{{r_{}}}", i + 1), &result);
    }
    text
}

/// A number as a solution writes it: whole where it is whole, else with at most four decimals.
fn number(x: f64) -> String {
    let rounded = (x * 1e4).round() / 1e4;
    if (x - x.round()).abs() <= 1e-9 * x.abs().max(1.0) {
        format!("{:.0}", x.round())
    } else {
        format!("{rounded}")
    }
}

/// The tool of `4096-27-64 = 4005.0`, where it is one.
fn operator(process: &str) -> Option<&'static str> {
    let expression =
        process.split('=').next()?.trim().trim_start_matches('-').replace("e-", "e").replace("e+", "e");
    let found: Vec<(char, &str)> = [('+', "add"), ('-', "subtract"), ('*', "multiply"), ('/', "divide")]
        .into_iter()
        .filter(|(sign, _)| expression.contains(*sign))
        .collect();
    match found.as_slice() {
        [(_, tool)] => Some(tool),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        serde_json::from_str(
            r#"{"question": "Ann has {v_1} and eats {v_2}. What is a half?", "answer": "{v_1} - {v_2} = <<{v_1}-{v_2}={r_1}>>{r_1}\n{r_1}/2=<<{r_1}/2={r_2}>>{r_2}\n#### {r_2}",
            "enhanced_v": [4096, 0.5], "enhanced_process": ["4096-0.5 = 4095.5", "4095.5/2 = 2047.75"], "enhanced_result": 2047.75}"#,
        )
        .expect("an entry")
    }

    #[test]
    fn numbers_go_to_their_places() {
        let entry = entry();
        assert_eq!(fill(&entry.question, &entry), "Ann has 4096 and eats 0.5. What is a half?");
        let (example, reason) =
            gsm8k_solution("x", &fill(&entry.question, &entry), &fill(&entry.answer, &entry)).unwrap();
        assert!(
            example.text.ends_with("4096 - 0.5 = 4095.5 4095.5/2=2047.75 #### 2047.75"),
            "{}",
            example.text
        );
        let calls: Vec<(&str, &str)> = example
            .calls
            .iter()
            .map(|call| (call.tool.as_str(), &example.text[call.start..call.end]))
            .collect();
        assert_eq!(calls, [("subtract", "4095.5"), ("divide", "2047.75")]);
        assert_eq!(reason, None);
    }

    #[test]
    fn fractions_and_what_was_not_enlarged_stand_as_they_are_written() {
        let entry: Entry = serde_json::from_str(
            r#"{"question": "He gives {v_2} of {v_1} to a {v_3}.", "answer": "", "v": [20, "3/4", "friend"], "enhanced_v": [8000, "27/64"],
            "enhanced_process": ["27/64*8000 = 3375.0"], "enhanced_result": 3375.0}"#,
        )
        .expect("an entry");
        assert_eq!(fill(&entry.question, &entry), "He gives 27/64 of 8000 to a friend.");
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        for (x, text) in [
            (4005.0, "4005"),
            (14.999999999999998, "15"),
            (194.8815866605875, "194.8816"),
            (0.12, "0.12"),
            (-3.5, "-3.5"),
        ] {
            assert_eq!(number(x), text);
        }
        assert_eq!(operator("4096-27-64 = 4005.0"), Some("subtract"));
        assert_eq!(operator("30/100*5832000.0 = 1749600.0"), None);
    }
}
