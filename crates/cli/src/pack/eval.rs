//! `toolken pack eval`.

use super::Arguments;
use crate::{exit::Exit, model::Which, output, progress};
use pack::{Decided, Evaluation};
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use tools::Pack;

pub const EXAMPLES: &str = "\
Examples:
  toolken pack eval office held-out.jsonl --model qwen2.5-coder-0.5b
  toolken pack eval office held-out.jsonl --native --json > native.jsonl

The file has a message a line, {\"user\": …, \"tool\": …}; without a tool none is wanted. \"before\": [messages] is what was said
before it, \"expected\": {…} the arguments that the call is to have (an array of them if several will do).";

#[derive(clap::Args)]
pub struct Args {
    /// The pack's folder
    dir: PathBuf,
    /// Messages that the pack was not fitted on
    file: PathBuf,
    #[command(flatten)]
    which: Which,
    /// Instead of the head, the model's own function calling with all tools in the prompt
    #[arg(long)]
    native: bool,
    /// Instructions that every conversation opens with
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Where the arguments of a call are written
    #[arg(long, value_enum, default_value_t)]
    arguments: Arguments,
    /// The first so many messages only
    #[arg(long)]
    limit: Option<NonZeroUsize>,
    /// Print a line of JSON a message, then the figures
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let pack = Pack::at(&self.dir);
        let (tools, examples, head) = pack::load(&pack)?;
        let mut questions = pack::questions(&self.file, &tools)?;
        questions.truncate(self.limit.map_or(usize::MAX, NonZeroUsize::get));
        if let Some(system) = &self.system {
            for question in &mut questions {
                question.before.insert(0, lm::Message::system(system.as_str()));
            }
        }
        let model = self.which.for_head(head.as_ref()).load()?;
        let bar = progress::bar("messages", "messages", questions.len() as u64);
        let mut written = Ok(());
        let mut on_each = |decided: &Decided| {
            bar.inc(1);
            if self.json && written.is_ok() {
                written = output::json(decided);
            }
        };
        let decided = if self.native {
            pack::native_calls(model.as_ref(), &tools, &questions, &mut on_each)?
        } else {
            let head = super::head_of(&pack, head, &tools, &examples)?;
            let extended = super::extended(model.as_ref(), &pack, &head, &tools, &examples)?;
            pack::evaluate(model.as_ref(), &extended, &questions, self.arguments.into(), &mut on_each)?
        };
        bar.finish_and_clear();
        written?;
        let figures = Evaluation::of(&decided);
        let way = if self.native { "native function calling" } else { "tool head" };
        if self.json {
            output::json(&json!({ "way": way, "figures": figures }))?;
            return Ok(Exit::Done);
        }
        for one in decided.iter().filter(|one| one.called != one.question.tool) {
            let name = |tool: &Option<String>| tool.clone().unwrap_or_else(|| "no tool".to_owned());
            output::text(format_args!(
                "  {:?}: wants {}, got {}\n",
                one.question.user,
                name(&one.question.tool),
                name(&one.called)
            ))?;
        }
        output::text(format_args!(
            "{way}, {} messages: right tool or rightly none {}, recall {}, false calls {}; {:.0} tokens a prompt, {:.0} of them read, {:.2} s a decision, {:.2} s with arguments\n",
            figures.messages,
            percent(figures.accuracy),
            percent(figures.recall),
            percent(figures.false_calls),
            figures.prompt_tokens,
            figures.read_tokens,
            figures.decision_seconds,
            figures.seconds
        ))?;
        if let Some(arguments) = &figures.arguments {
            output::text(format_args!(
                "arguments of {} messages that say what they want: {:.1} % exactly these, {:.1} % these, whatever else was filled in\n",
                arguments.messages,
                100.0 * arguments.exact,
                100.0 * arguments.values
            ))?;
        }
        Ok(Exit::Done)
    }
}

/// Of nothing there is no share.
fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", 100.0 * share) } else { "–".to_owned() }
}
