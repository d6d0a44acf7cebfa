//! `toolken home run`: a script, step by step.

use super::Where;
use crate::{exit::Exit, output};
use anyhow::{Context, bail};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read;
use std::path::PathBuf;
use tools::household::{
    Change, Home, NodeId, Relation, StepEnd, parse_script, run, run_lines, to_python_json,
};

pub const EXAMPLES: &str = "\
Examples:
  toolken home run script.txt
  printf '[WALK] <fridge> (1)\\n[OPEN] <fridge> (1)\\n' | toolken home run -
  toolken home run --task home-07a
  toolken home run script.txt --base base_graph.json.gz --tasks tasks.jsonl.gz --task file1003_2

A line is an action and the things that it is done to: [POUR] <milk> (1) <cup> (1). The number counts the things of that name in
the script, from 1. WALK, RUN and FIND make a thing known; other actions work on known things alone.

The exit code is 1 if a line was refused, 2 if one can't be read.";

#[derive(clap::Args)]
pub struct Args {
    /// The script, a line an action; `-` for standard input; by default the task's own
    #[arg(required_unless_present = "task")]
    script: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
    /// Print the outcome as one line of JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let tasks = self.place.tasks()?;
        let (mut home, task) = self.place.home(&tasks)?;
        let script = self.script(task.map(|task| task.script.as_slice()))?;
        let meant = |line: &String| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        if let Some(at) =
            script.iter().position(|line| meant(line) && !line.contains('[')).filter(|_| !self.json)
        {
            bail!("line {}: no [ACTION]: {}; a line is like [WALK] <fridge> (1)", at + 1, script[at].trim());
        }
        let lines = match parse_script(script.iter().map(String::as_str)) {
            Ok(lines) => lines,
            Err(_) if self.json => {
                output::text(to_python_json(&run(&mut home, script.iter().map(String::as_str)))? + "\n")?;
                return Ok(Exit::BadInput);
            }
            Err((number, error)) => {
                let line = script.get(number - 1).map_or("", String::as_str);
                output::text("")?;
                eprintln!("error: line {number}: {error}: {line}");
                return Ok(Exit::BadInput);
            }
        };
        let mut text = String::new();
        if let Some(task) = task {
            writeln!(text, "Task {}: {}. {}", task.id, task.title, task.goal)?;
        }
        let room =
            |home: &Home| home.room().map_or("no room".to_owned(), |room| format!("the {}", room.class_name));
        writeln!(text, "The character is in {}.", room(&home))?;
        let width = lines.iter().map(|line| line.to_string().chars().count()).max().unwrap_or(0);
        let (mut number, mut before) = (0, home.change());
        let outcome = run_lines(&mut home, &lines, &mut |line, step, home| {
            number += 1;
            let told = match &step.end {
                StepEnd::Done => {
                    let after = home.change();
                    let mut told = differences(&before, &after, home);
                    told.extend(step.messages.iter().map(|said| format!("said: {}", bare(said))));
                    before = after;
                    if told.is_empty() { "done, nothing has changed".to_owned() } else { told.join("; ") }
                }
                StepEnd::Refused if step.messages.is_empty() => {
                    "REFUSED: nothing of that name is in a room (VirtualHome says nothing here)".to_owned()
                }
                StepEnd::Refused => {
                    let said: BTreeSet<&str> = step.messages.iter().map(|said| bare(said)).collect();
                    format!("REFUSED: {}", said.into_iter().collect::<Vec<_>>().join("; "))
                }
                StepEnd::Fault(fault) => {
                    format!("REFUSED: VirtualHome's executor breaks down on this action: {fault}")
                }
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{number:>3}  {:width$}  {told}", line.to_string());
        });
        if self.json {
            output::text(to_python_json(&outcome)? + "\n")?;
        } else {
            writeln!(text, "{} of {} lines done.", outcome.steps, lines.len())?;
            if let Some(task) = task {
                let done = match (outcome.ok, task.reached(&home)) {
                    (true, true) => "The task is done.",
                    (false, true) => {
                        "The task is not done: its goal is reached, but not all lines were done."
                    }
                    (_, false) => "The task is not done.",
                };
                writeln!(text, "{done}")?;
            }
            output::text(text)?;
        }
        Ok(if outcome.ok { Exit::Done } else { Exit::Failed })
    }

    fn script(&self, of_task: Option<&[String]>) -> anyhow::Result<Vec<String>> {
        let text = match (&self.script, of_task) {
            (Some(path), _) if path.as_os_str() == "-" => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).context("reading standard input")?;
                text
            }
            (Some(path), _) => {
                std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?
            }
            (None, Some(script)) => return Ok(script.to_vec()),
            (None, None) => bail!("give a script, or a task with --task"),
        };
        Ok(text.lines().map(str::to_owned).collect())
    }
}

/// A message without the line that it is about.
fn bare(message: &str) -> &str {
    message.split(" when executing \"").next().unwrap_or(message)
}

/// What a step did, in words. What is close to what is counted, not listed.
fn differences(before: &Change, after: &Change, home: &Home) -> Vec<String> {
    let mut told = Vec::new();
    let name = |id: NodeId| home.node(id).to_string();
    let ids: BTreeSet<NodeId> = before.states.iter().chain(&after.states).map(|node| node.id).collect();
    for id in ids {
        let of =
            |change: &Change| change.states.iter().find(|node| node.id == id).map(|node| node.states.clone());
        if of(before) != of(after) {
            let states: Vec<&str> = home.node(id).states.iter().map(|state| state.name()).collect();
            let states = if states.is_empty() { "without states".to_owned() } else { states.join(" ") };
            told.push(format!("{} is {states}", name(id)));
        }
    }
    type Edges = BTreeSet<(NodeId, Relation, NodeId)>;
    let edges = |of: &[tools::household::Edge]| of.iter().map(|e| (e.0, e.1, e.2)).collect::<Edges>();
    let (added, back) = (edges(&after.add_edges), edges(&before.add_edges));
    let (removed, gone) = (edges(&after.remove_edges), edges(&before.remove_edges));
    let came: Edges = &(&added - &back) | &(&gone - &removed);
    let went: Edges = &(&back - &added) | &(&removed - &gone);
    for (sign, edges) in [("", &came), ("no longer ", &went)] {
        for &(from, relation, to) in edges.iter().filter(|edge| edge.1 != Relation::Close) {
            told.push(format!("{} {sign}{} {}", name(from), words(relation), name(to)));
        }
    }
    let close = |edges: &Edges| edges.iter().filter(|edge| edge.1 == Relation::Close).count();
    if close(&came) + close(&went) > 0 {
        told.push(format!("close: +{} −{} edges", close(&came), close(&went)));
    }
    told
}

fn words(relation: Relation) -> &'static str {
    match relation {
        Relation::Between => "between",
        Relation::Close => "close to",
        Relation::Facing => "facing",
        Relation::HoldsLeft => "holds in the left hand",
        Relation::HoldsRight => "holds in the right hand",
        Relation::Inside => "in",
        Relation::On => "on",
        Relation::Sitting => "sitting on",
    }
}
