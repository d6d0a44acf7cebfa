//! `toolken pack show`.

use super::fit::tools_table;
use crate::{exit::Exit, output};
use serde_json::json;
use std::path::PathBuf;
use tools::{Pack, Runner, Tool};

pub const EXAMPLES: &str = "\
Examples:
  toolken pack show office
  toolken pack show office --json";

#[derive(clap::Args)]
pub struct Args {
    /// The pack's folder
    dir: PathBuf,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

fn runner(tool: &Tool) -> String {
    match &tool.runner {
        Runner::Arithmetic(arithmetic) => format!("built in: {}", arithmetic.function),
        Runner::Relation(relation) => format!("relation: {}", relation.relation),
        Runner::Literal => "literal".to_owned(),
        Runner::Client => "the client".to_owned(),
        Runner::Mcp(tool) => format!("mcp: {} of {}", tool.name, tool.server),
        Runner::Http(tool) => format!("{} {}", tool.method, tool.url),
    }
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let pack = Pack::at(&self.dir);
        let (tools, examples, head) = pack::load(&pack)?;
        let report = pack::load_report(&pack);
        if self.json {
            let listed: Vec<_> = tools
                .iter()
                .map(|tool| json!({"name": tool.name, "description": tool.description, "runs": runner(tool)}))
                .collect();
            let meta = head.map(|head| head.meta);
            output::json(
                &json!({"tools": listed, "examples": examples.0.len(), "head": meta, "report": report}),
            )?;
            return Ok(Exit::Done);
        }
        let mut table = output::table(["tool", "runs", "description"]);
        for tool in &tools {
            let description: String = tool.description.chars().take(80).collect();
            table.add_row([tool.name.clone(), runner(tool), description]);
        }
        output::text(format_args!("{table}\n"))?;
        if head.as_ref().is_some_and(|head| pack::is_stale(head, &tools, &examples)) {
            output::text(
                "Its tools or examples are not those that its head was fitted to: toolken pack fit\n",
            )?;
        }
        match (&head, &report) {
            (Some(head), Some(report)) => output::text(format_args!(
                "{}\n{report}Fitted for {} on {}.\n",
                tools_table(report),
                lm::called(&head.meta.model, &head.meta.model_digest),
                head.meta.date
            ))?,
            (Some(head), None) => output::text(format_args!(
                "A head for {}, without a report.\n",
                lm::called(&head.meta.model, &head.meta.model_digest)
            ))?,
            (None, _) => output::text("Not fitted yet: toolken pack fit\n")?,
        }
        Ok(Exit::Done)
    }
}
