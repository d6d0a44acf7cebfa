//! `toolken model list`: the models that can be asked for by name.

use crate::{exit::Exit, output};
use serde_json::json;

pub const EXAMPLES: &str = "\
Examples:
  toolken model list
  TOOLKEN_MODELS=/data/models toolken model list --json";

#[derive(clap::Args)]
pub struct Args {
    /// Print as JSON, a line a model
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let folder = lm::models_dir();
        let mut table = output::table(["name", "fetched", "what it is", "licence"]);
        for model in lm::known() {
            let path = folder.join(model.file);
            let fetched = path.is_file();
            if self.json {
                output::json(&json!({
                    "name": model.name,
                    "file": path.display().to_string(),
                    "fetched": fetched,
                    "sha256": model.sha256,
                    "licence": model.licence,
                    "about": model.about,
                }))?;
            } else {
                table.add_row([model.name, if fetched { "yes" } else { "no" }, model.about, model.licence]);
            }
        }
        if !self.json {
            output::text(format_args!("{table}\nThey are kept in {}\n", folder.display()))?;
        }
        Ok(Exit::Done)
    }
}
