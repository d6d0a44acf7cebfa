//! Whole scripts in a household.

use super::act::{Step, StepEnd};
use super::scene::Change;
use super::script::{Line, parse_script};
use super::state::Home;
use serde::Serialize;

/// What came of a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Whether all of it was done.
    pub ok: bool,
    /// Lines that were done.
    pub steps: usize,
    /// Why it was not: all that the simulator said, joined by commas; `parse: …` for a script that can't be read, `internal: …`
    /// where VirtualHome's executor breaks down.
    pub error: Option<String>,
    /// What has become of the scene up to the line that was not done; not given for a script that can't be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// Acts a script out. `home` is left as it is after the last line that was done.
pub fn run<'a>(home: &mut Home, script: impl IntoIterator<Item = &'a str>) -> Outcome {
    match parse_script(script) {
        Ok(lines) => run_lines(home, &lines, &mut |_, _, _| ()),
        Err((_, error)) => {
            Outcome { ok: false, steps: 0, error: Some(format!("parse: {error}")), change: None }
        }
    }
}

/// Acts lines out, telling of each with the household as it then is.
pub fn run_lines(home: &mut Home, lines: &[Line], told: &mut dyn FnMut(&Line, &Step, &Home)) -> Outcome {
    let mut messages = Vec::new();
    for (steps, line) in lines.iter().enumerate() {
        let step = home.step(line);
        told(line, &step, home);
        let done = step.done();
        messages.extend(step.messages);
        if !done {
            let error = match step.end {
                StepEnd::Fault(fault) => format!("internal: {fault}"),
                StepEnd::Done | StepEnd::Refused => messages.join(","),
            };
            return Outcome { ok: false, steps, error: Some(error), change: Some(home.change()) };
        }
    }
    Outcome { ok: true, steps: lines.len(), error: None, change: Some(home.change()) }
}
