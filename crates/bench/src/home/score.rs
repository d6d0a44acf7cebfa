//! What a plan is worth.

use serde::{Deserialize, Serialize};
use tools::household::{Home, HomeTask, Line, run_lines};

/// A plan's figures: ToolkenGPT's four.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanScore {
    /// All lines are carried out, and in the end every node is as the task wants it.
    pub success: bool,
    /// It is so after some line, whatever comes later.
    pub relaxed: bool,
    /// There is a line, and all lines are carried out.
    pub executable: bool,
    /// There is a line, all lines can be read, and every object they name is in the household.
    pub grounded: bool,
    /// Lines that were carried out.
    pub steps: usize,
    /// The simulator's reason, where it rejects the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl PlanScore {
    /// Acts a plan out in the household of a task.
    ///
    /// `unreadable` says what follows the lines, where it is none.
    pub fn of(task: &HomeTask, mut home: Home, lines: &[Line], unreadable: Option<&str>) -> Self {
        let unreadable = unreadable.or(lines.is_empty().then_some("the plan has no line"));
        let known = lines.iter().flat_map(Line::things).all(|thing| home.has(&thing.name));
        let mut relaxed = false;
        let outcome = run_lines(&mut home, lines, &mut |_, step, home| {
            relaxed |= step.done() && task.reached(home);
        });
        let executable = outcome.ok && unreadable.is_none();
        Self {
            success: executable && task.reached(&home),
            relaxed,
            executable,
            grounded: known && unreadable.is_none(),
            steps: outcome.steps,
            reason: outcome.error.or(unreadable.map(str::to_owned)),
        }
    }
}
