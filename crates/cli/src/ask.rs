//! `toolken ask`: a question in, the answer and its trace out.

use crate::demo::heads::Plan;
use crate::engine::Elsewhere;
use crate::options::Arguments;
use crate::{arithmetic, exit::Exit, model::Which, output};
use anyhow::{Context, bail};
use decode::{
    Calling, Decision, Engine, Event, Finish, Generation, Prompt, Request, Settings, Template, Token,
};
use head::Head;
use lm::{Decoder, FrozenLm, ModelCard};
use serde_json::json;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use tools::{Pack, Tool, ToolSet};

pub const EXAMPLES: &str = "\
Examples:
  toolken ask 'A crate holds 36 bottles. How many bottles do 27 crates hold?'
  toolken ask --head head.safetensors --json 'What is the square root of 1764?'
  toolken ask --pack tools/ --prompt template.txt --arguments in-place
  toolken ask --engine http://127.0.0.1:8080 --model smollm2-tools.gguf 'What is the square root of 1764?'

Without a question, questions are read line by line. Without --head or --pack it is the demo's head that answers, fitted
first if need be. A template has [QUESTION] where the question goes.";

#[derive(clap::Args)]
pub struct Args {
    /// The question; without one, questions are read from standard input, a line each
    question: Option<String>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    elsewhere: Elsewhere,
    /// A head whose tools are built in
    #[arg(long, conflicts_with = "pack")]
    head: Option<PathBuf>,
    /// A tool pack: tools.toml and head.safetensors
    #[arg(long)]
    pack: Option<PathBuf>,
    /// A file with the prompt, `[QUESTION]` in it; by default worked word problems
    #[arg(long, value_name = "FILE")]
    prompt: Option<PathBuf>,
    /// Answer with words alone
    #[arg(long)]
    no_tools: bool,
    /// Where a call's arguments are written; by default after worked calls, if all tools have some
    #[arg(long, value_enum, conflicts_with = "no_tools")]
    arguments: Option<Arguments>,
    /// Added to every tool's logit; by default the head's own
    #[arg(long, allow_hyphen_values = true, conflicts_with = "no_tools")]
    bias: Option<f32>,
    /// 0 takes the best token, above 0 tokens are drawn
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Draw from the best tokens that hold this share of the probability
    #[arg(long, default_value_t = 1.0)]
    top_p: f32,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Tokens of an answer at most
    #[arg(long, default_value_t = 100)]
    max_tokens: usize,
    /// The answer ends before this text; may be given several times
    #[arg(long, default_value = "\n")]
    stop: Vec<String>,
    /// Print one line of JSON an answer, with the whole trace
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let template = self.template()?;
        if self.question.as_ref().is_some_and(|question| question.trim().is_empty()) {
            bail!("the question is empty: ask something, or leave it out to be asked line by line");
        }
        let of_talk = self.pack.as_ref().filter(|dir| dir.join("examples.jsonl").exists());
        if let (Some(dir), None) = (of_talk, &self.prompt) {
            bail!(
                "{}: this pack was fitted on conversations, and `ask` completes worked word problems: have it answer with `toolken serve --pack \
                 {0}`, or try a message with `toolken pack try`; --prompt FILE asks in another prompt",
                dir.display()
            );
        }
        let given = self.given_head()?;
        let which = self.which.for_head(given.as_ref());
        let there = self.elsewhere.connect(which.name(), given)?;
        let (model, head, tools): (Box<dyn FrozenLm>, _, _);
        let mut served = None;
        match there {
            Some(there) => {
                let given = self.pack.as_ref().map(|dir| Pack::at(dir).load_tools()).transpose()?;
                tools = match given {
                    Some(tools) => tools,
                    None => there.tools()?.map_or_else(|| built_in(&there.head), Ok)?,
                };
                model = Box::new(there.model);
                (head, served) = (Some(there.head).filter(|_| !self.no_tools), Some(there.served));
            }
            None => {
                model = which.load_for_text()?;
                (head, tools) = match self.no_tools {
                    true => (None, ToolSet::default()),
                    false => {
                        let (head, tools) = self.head_and_tools(model.as_ref())?;
                        (Some(head), tools)
                    }
                };
            }
        }
        // Of the tools that the head has a row for: a pack may have one more, until it is fitted.
        let names = head.iter().flat_map(|head| head.tools.iter().map(String::as_str));
        let worked = arithmetic::demos(names.clone());
        let arguments = match self.arguments {
            Some(arguments) => arguments.into(),
            None if names.clone().all(|name| worked.contains_key(name)) => decode::Arguments::Demos,
            None => decode::Arguments::InPlace,
        };
        let mut engine = match &head {
            Some(head) => Engine::new(model.as_ref(), head, &tools)?.demos(worked)?,
            None => Engine::words_only(model.as_ref()),
        };
        if let Some(served) = served {
            engine = engine.served_by(served)?;
        }
        let mut answer = |question: &str| self.answer(&mut engine, &template, question, arguments);
        match &self.question {
            Some(question) => answer(question).map(|()| Exit::Done),
            None => line_by_line(&mut answer),
        }
    }

    /// The text around a question.
    fn template(&self) -> anyhow::Result<Template> {
        let Some(path) = &self.prompt else { return Ok(arithmetic::prompt()) };
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        if !text.contains(Template::QUESTION) {
            bail!("{}: no place for the question, {}", path.display(), Template::QUESTION);
        }
        Ok(Template::new(text))
    }

    /// The head that is given.
    fn given_head(&self) -> anyhow::Result<Option<Head>> {
        let packed = self.pack.as_ref().map(|dir| Pack::at(dir).head_path());
        Ok(packed.as_ref().or(self.head.as_ref()).map(|path| Head::load(path)).transpose()?)
    }

    /// The head, and the tools that its rows stand for.
    fn head_and_tools(&self, model: &dyn FrozenLm) -> anyhow::Result<(Head, ToolSet)> {
        if let Some(dir) = &self.pack {
            let pack = Pack::at(dir);
            return Ok((Head::load(&pack.head_path())?, pack.load_tools()?));
        }
        let head = match self.given_head()? {
            Some(head) => head,
            None => {
                let plan = Plan::default();
                let card = match self.which.device {
                    // Fitted in f32, whichever engine makes the text.
                    None => ModelCard { engine: Decoder::F32.into(), ..model.card().clone() },
                    Some(_) => model.card().clone(),
                };
                match plan.kept_exact(&card)? {
                    Some(head) => head,
                    None => {
                        let model = self.which.load()?;
                        plan.exact(
                            model.as_ref(),
                            &plan.kept(model.card())?,
                            &plan.training(model.as_ref())?,
                        )?
                        .0
                    }
                }
            }
        };
        let tools = built_in(&head)?;
        Ok((head, tools))
    }

    fn answer(
        &self,
        engine: &mut Engine<'_>,
        template: &Template,
        question: &str,
        arguments: decode::Arguments,
    ) -> anyhow::Result<()> {
        let request = Request {
            question: Some(question.to_owned()),
            settings: Settings {
                calling: if self.no_tools { Calling::Off } else { Calling::Auto },
                arguments,
                bias: self.bias,
                temperature: self.temperature,
                top_p: self.top_p,
                seed: self.seed,
                max_tokens: self.max_tokens,
                stop: self.stop.clone(),
                ..Settings::default()
            },
            ..Request::new(Prompt::Raw(template.render(question)))
        };
        let mut written = Ok(());
        let generations = engine.run_with(&[request], &mut |_, event| {
            if let (Event::Text(delta), false) = (event, self.json) {
                written = std::mem::replace(&mut written, Ok(())).and_then(|()| output::text(delta));
            }
        })?;
        written?;
        for generation in &generations {
            if self.json {
                output::json(&json!({ "question": question, "generation": generation }))?;
            } else {
                output::text(format_args!("\n{}", trace(generation)))?;
            }
            if let Finish::ContextFull { len, max } = generation.finish {
                return Err(DidNotFit { len, max }.into());
            }
        }
        Ok(())
    }
}

/// Asks every line of standard input. One that does not fit is told, and the others are asked all the same.
fn line_by_line(answer: &mut dyn FnMut(&str) -> anyhow::Result<()>) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    let people = std::io::stdin().is_terminal();
    let mut line = String::new();
    for number in 1.. {
        if people {
            output::text("? ")?;
        }
        line.clear();
        let at = || format!("standard input, line {number}");
        if std::io::stdin().lock().read_line(&mut line).with_context(at)? == 0 {
            break;
        }
        if line.trim().is_empty() {
            continue;
        }
        match answer(line.trim()) {
            Err(error) if error.is::<DidNotFit>() => {
                writeln!(std::io::stderr(), "{}: {error}", at())?;
                exit = Exit::BadInput;
            }
            answered => answered?,
        }
    }
    Ok(exit)
}

/// A question that was longer than the context, or whose answer was.
#[derive(Debug, thiserror::Error)]
#[error(
    "the question in its prompt, or its answer, did not fit: {len} tokens, the model's context has {max}"
)]
struct DidNotFit {
    len: usize,
    max: usize,
}

/// The built-in tools that a head's rows stand for.
fn built_in(head: &Head) -> anyhow::Result<ToolSet> {
    let known = ToolSet::arithmetic();
    let tools = head.tools.iter().map(|name| match known.by_name(name) {
        Some(tool) => Ok(tool.clone()),
        None => bail!(
            "the head's tool `{name}` is not built in: put the head into a pack, whose tools.toml says how it runs, \
             and give --pack DIR"
        ),
    });
    Ok(ToolSet::new(tools.collect::<anyhow::Result<Vec<Tool>>>()?)?)
}

/// The calls of a generation, a line each: what was called, what came of it, and what it was chosen against.
pub fn trace(generation: &Generation) -> String {
    generation.decisions.iter().filter(|decision| !decision.attempts.is_empty()).map(decided).collect()
}

fn decided(decision: &Decision) -> String {
    let mut lines = String::new();
    for attempt in &decision.attempts {
        let outcome = match attempt.outcome.result() {
            Some(result) => format!("= {result}"),
            None => format!("failed: {}", attempt.outcome.error().unwrap_or_default()),
        };
        lines += &format!("  {}({}) {outcome}\n", attempt.tool, attempt.arguments);
    }
    let rivals = decision.alternatives.iter().map(|rival| match &rival.token {
        Token::Tool(name) => format!("<{name}> {:.3}", rival.p),
        Token::Word(word) => format!("{word:?} {:.3}", rival.p),
    });
    lines + &format!("    chosen among {}\n", rivals.collect::<Vec<_>>().join(", "))
}
