//! Recorded runs, run again: a line in, the same line as it comes out here.

use super::error::HomeError;
use super::python_json::to_python_json;
use super::run::{Outcome, run};
use super::state::Home;
use super::task::{Tasks, lines, read_text};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// What a line of runs asks for; the rest of it is what came of it.
#[derive(Deserialize)]
struct Asked {
    task: String,
    script: Vec<String>,
}

#[derive(Serialize)]
struct Answered<'a> {
    task: &'a str,
    script: &'a [String],
    #[serde(flatten)]
    outcome: Outcome,
}

/// Runs every line of a file of runs, and gives the lines that come of them, one by one.
///
/// # Errors
/// A line that can't be read or names a task that there is not; the first error of `told`.
pub fn replay<E: From<HomeError>>(
    tasks: &Tasks,
    runs: &Path,
    told: &mut dyn FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    let by_id: HashMap<&str, usize> =
        tasks.tasks.iter().enumerate().map(|(at, task)| (task.id.as_str(), at)).collect();
    // Runs of one task follow each other: its household is made once.
    let mut last: Option<(usize, Home)> = None;
    for (number, line) in lines(&read_text(runs)?) {
        let wrong = |message: String| HomeError::data(runs, number, message);
        let Asked { task, script } = serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
        let &at = by_id.get(task.as_str()).ok_or_else(|| {
            wrong(format!("no task `{task}` in the file of tasks, which has {}", tasks.tasks.len()))
        })?;
        if last.as_ref().is_none_or(|(known, _)| *known != at) {
            last = Some((at, tasks.home(&tasks.tasks[at])?));
        }
        let Some((_, home)) = &last else { continue };
        let outcome = run(&mut home.clone(), script.iter().map(String::as_str));
        let answered = Answered { task: &task, script: &script, outcome };
        told(&to_python_json(&answered).map_err(|e| wrong(e.to_string()))?)?;
    }
    Ok(())
}
