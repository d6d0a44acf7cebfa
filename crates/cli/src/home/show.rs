//! `toolken home show`: what there is in a household.

use super::Where;
use crate::{exit::Exit, output};
use serde_json::json;

pub const EXAMPLES: &str = "\
Examples:
  toolken home show
  toolken home show --json
  toolken home show --base base_graph.json.gz --tasks tasks.jsonl.gz --task file1003_2";

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Where,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let tasks = self.place.tasks()?;
        let (home, only) = self.place.home(&tasks)?;
        let shown: Vec<_> =
            tasks.tasks.iter().filter(|task| only.is_none_or(|only| only.id == task.id)).collect();
        if self.json {
            let listed: Vec<_> = (shown.iter())
                .map(|t| json!({"id": t.id, "title": t.title, "goal": t.goal, "script": t.script, "wanted": t.wanted()}))
                .collect();
            output::json(&json!({ "nodes": home.nodes(), "tasks": listed }))?;
            return Ok(Exit::Done);
        }
        let mut table = output::table(["thing", "room", "states", "properties"]);
        for node in home.nodes() {
            let states: Vec<&str> = node.states.iter().map(|state| state.name()).collect();
            let properties: Vec<&str> = node.properties.iter().map(|property| property.name()).collect();
            let room = home.room_around(node.id).map_or("–", |room| &room.class_name).to_owned();
            table.add_row([node.to_string(), room, states.join(" "), properties.join(" ")]);
        }
        let mut listed = output::table(["task", "title", "goal", "lines"]);
        for task in shown {
            listed.add_row([&task.id, &task.title, &task.goal, &task.script.len().to_string()]);
        }
        output::text(format_args!("{table}\n{listed}\n"))?;
        Ok(Exit::Done)
    }
}
