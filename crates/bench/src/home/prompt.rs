//! What a model reads before a plan, and plans as training texts.

use super::vocabulary::{END, Vocabulary};
use corpus::{Call, Example};
use tools::household::{Home, Line};

/// A worked example of our own. Its title and hint stand in no task that is planned, so it is the same for all folds.
const WORKED: &str = "\
Task 1:
I am in ['bedroom']. The objects I can manipulate are ['bedroom', 'cat', 'cupboard', 'food_food', 'kitchen', 'plate'].
Goal:
Feed the cat
Hint:
Take food out of the cupboard in the kitchen and give it to the cat.
Plan:
[WALK] <kitchen>
[WALK] <cupboard>
[OPEN] <cupboard>
[FIND] <food_food>
[GRAB] <food_food>
[FIND] <plate>
[PUTBACK] <food_food> <plate>
[END]

Task 2:
";

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The room that the character is in.
    pub room: String,
    /// The objects of the vocabulary that are there, sorted.
    pub objects: Vec<String>,
    /// The task's title.
    pub title: String,
    /// How it is to be done, in a sentence.
    pub hint: String,
}

impl Question {
    /// The question of a household at its start.
    pub fn new(home: &Home, vocabulary: &Vocabulary, title: &str, hint: &str) -> Self {
        let mut objects: Vec<String> = (vocabulary.kinds().iter())
            .filter_map(|kind| match kind {
                super::vocabulary::Kind::Object(name) if home.has(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        objects.sort();
        let room = home.room().map_or_else(|| "house".to_owned(), |room| room.class_name.clone());
        Self { room, objects, title: title.to_owned(), hint: hint.to_owned() }
    }

    /// What it is about, for retrieval.
    pub fn about(&self) -> String {
        format!("{}. {}", self.title, self.hint)
    }

    /// What is asked, up to where the plan begins.
    pub fn asked(&self) -> String {
        let objects: Vec<String> = self.objects.iter().map(|object| format!("'{object}'")).collect();
        let (room, objects) = (&self.room, objects.join(", "));
        let (title, hint) = (self.title.trim(), self.hint.trim());
        format!(
            "I am in ['{room}']. The objects I can manipulate are [{objects}].\nGoal:\n{title}\nHint:\n{hint}"
        )
    }

    /// The text up to the plan, with its line break, without a worked example.
    pub fn body(&self) -> String {
        format!("{}\nPlan:\n", self.asked())
    }

    /// The text that a plan in tokens goes on.
    pub fn prompt(&self) -> String {
        format!("{WORKED}{}", self.body())
    }

    /// The question with its plan, as a text to train on: every token of the plan is a call, and the plan alone is trained on.
    pub fn example(&self, id: String, plan: &[Vec<String>]) -> Example {
        let mut text = self.prompt();
        let start = text.len();
        let mut calls = Vec::new();
        let mut call = |text: &mut String, token: &str| {
            let start = text.len();
            text.push_str(token);
            calls.push(Call { tool: token.to_owned(), start, end: text.len(), args: None });
        };
        for line in plan {
            for (place, token) in line.iter().enumerate() {
                if place > 0 {
                    text.push(' ');
                }
                call(&mut text, token);
            }
            text.push('\n');
        }
        call(&mut text, END);
        let loss = Some(vec![[start, text.len()]]);
        Example { id, text, calls, loss, only_tools: false, group: None }
    }
}

/// A line as tokens: the action, then the objects; which of several things of a class is not said.
pub fn tokens(line: &Line) -> Vec<String> {
    let action = format!("[{}]", line.action().name());
    std::iter::once(action).chain(line.things().iter().map(|thing| format!("<{}>", thing.name))).collect()
}

/// A training text without the worked example before it.
pub fn without_worked(text: &str) -> &str {
    text.strip_prefix(WORKED).unwrap_or(text)
}
