//! `toolken tools list`: what the arithmetic functions are called and take.

use crate::{exit::Exit, output};
use serde_json::{Value, json};
use tools::Function;

pub const EXAMPLES: &str = "\
Examples:
  toolken tools list
  toolken tools list --json";

#[derive(clap::Args)]
pub struct Args {
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        if self.json {
            output::json(&Function::ALL.map(as_json).to_vec())?;
        } else {
            let mut table = output::table(["tool", "takes", "what it does"]);
            for function in Function::ALL {
                table.add_row([function.name(), &function.arity().to_string(), function.description()]);
            }
            output::text(format_args!("{table}\n"))?;
        }
        Ok(Exit::Done)
    }
}

fn as_json(function: Function) -> Value {
    json!({
        "name": function.name(),
        "description": function.description(),
        "parameters": function.parameters(),
    })
}
