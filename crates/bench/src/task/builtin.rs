//! Word problems of our own as a task: nothing is downloaded.

use super::{Prompts, Question, Task, TaskName};
use crate::BenchError;
use crate::arithmetic::{demos, evaluate};
use crate::score::Scoring;
use corpus::arithmetic::{Problem, Split, few_shot_prompt, generate};
use decode::Template;
use tools::ToolSet;

/// Questions.
const QUESTIONS: usize = 200;
/// Decides them; the same for everybody, so that figures are comparable.
const SEED: u64 = 0;

pub fn task() -> Result<Task, BenchError> {
    let tools = ToolSet::arithmetic();
    let ask = format!("Q: {}\nA:", Template::QUESTION);
    let names: Vec<String> = tools.names().map(|name| format!("<{name}>")).collect();
    let worked: String = tools
        .iter()
        .filter_map(|tool| tool.examples.first())
        .map(|example| format!("{example}\n\n"))
        .collect();
    let with_calls = format!("Answer the following questions with {}:\n\n{worked}{ask}", names.join(", "));
    let instruction = "Answer the question in one short sentence that ends with the answer, a plain number.";
    let questions = generate(Split::Test, SEED, QUESTIONS, evaluate)?.into_iter().map(question).collect();
    Ok(Task {
        name: TaskName::Arithmetic,
        version: 2,
        questions,
        prompts: Prompts::new(
            format!("{}{ask}", few_shot_prompt()),
            with_calls,
            demos(tools.names()),
            instruction,
        ),
        texts: super::own_texts(&tools),
        tools,
        scoring: Scoring::Ending,
        published_bias: 0.0,
        max_tokens: 60,
    })
}

fn question(problem: Problem) -> Question {
    Question {
        tools: problem.tools().map(str::to_owned).collect(),
        id: problem.example.id.clone(),
        text: problem.bare_question().to_owned(),
        answer: problem.answer.clone(),
        answers: Vec::new(),
    }
}
