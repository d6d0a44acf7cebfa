//! `toolken pack try`.

use super::Arguments;
use crate::{exit::Exit, model::Which, output};
use anyhow::bail;
use decode::{Alternative, Token};
use pack::{Decided, Question};
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use tools::Pack;

pub const EXAMPLES: &str = "\
Examples:
  toolken pack try office 'Remind me of the bread in ten minutes.'
  toolken pack try office --json < messages.txt

A tool is called where it is more likely than the best single word. What no tool should be called for belongs among the examples as
{\"user\": …} without a tool.";

#[derive(clap::Args)]
pub struct Args {
    /// The pack's folder
    dir: PathBuf,
    /// The message; without one, messages are read from standard input, a line each
    message: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Where the arguments of a call are written
    #[arg(long, value_enum, default_value_t)]
    arguments: Arguments,
    /// Print a line of JSON a message
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        if self.message.as_ref().is_some_and(|message| message.trim().is_empty()) {
            bail!("the message is empty: say something, or leave it out to be asked line by line");
        }
        let pack = Pack::at(&self.dir);
        let (tools, examples, head) = pack::load(&pack)?;
        let head = super::head_of(&pack, head, &tools, &examples)?;
        let model = self.which.for_head(Some(&head)).load_for_text()?;
        let extended = super::extended(model.as_ref(), &pack, &head, &tools, &examples)?;
        let decide = |messages: Vec<String>| -> anyhow::Result<()> {
            let question = |user| Question { before: Vec::new(), user, tool: None, expected: None };
            let questions: Vec<Question> = messages.into_iter().map(question).collect();
            let mut shown = Ok(());
            let mut show = |one: &Decided| {
                if shown.is_ok() {
                    shown = if self.json { output::json(one) } else { output::text(told(one)) };
                }
            };
            pack::evaluate(model.as_ref(), &extended, &questions, self.arguments.into(), &mut show)?;
            Ok(shown?)
        };
        if let Some(message) = &self.message {
            decide(vec![message.clone()])?;
            return Ok(Exit::Done);
        }
        let meant =
            |line: &std::io::Result<String>| line.as_ref().map_or(true, |line| !line.trim().is_empty());
        let mut lines = std::io::stdin().lock().lines().filter(meant);
        if !std::io::stdin().is_terminal() {
            decide(lines.collect::<Result<_, _>>()?)?;
            return Ok(Exit::Done);
        }
        output::text("Messages, a line each; ^D ends.\n")?;
        lines.try_for_each(|line| decide(vec![line?]))?;
        Ok(Exit::Done)
    }
}

fn told(one: &Decided) -> String {
    let call = match (&one.called, &one.arguments) {
        (Some(tool), Some(arguments)) => format!("{tool}({arguments})"),
        _ => "no tool".to_owned(),
    };
    let chance = |Alternative { token, p }: &Alternative| match token {
        Token::Tool(name) => format!("{name} {p:.3}"),
        Token::Word(word) => format!("{word:?} {p:.3}"),
    };
    let tools: Vec<String> = one.tools.iter().map(chance).collect();
    let word = one.word.as_ref().map_or_else(|| "none of the best".to_owned(), chance);
    format!("{call}\n  tools: {}; the best word: {word}\n", tools.join(", "))
}
