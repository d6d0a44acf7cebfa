//! `toolken pack fit`.

use crate::{exit::Exit, model::Which, options, output, progress};
use anyhow::Context;
use head::Head;
use pack::{Cache, Examples, FitSettings, FitStage, Fitted, Report};
use std::path::PathBuf;
use std::time::Instant;
use tools::{Pack, ToolSet};

pub const EXAMPLES: &str = "\
Examples:
  toolken pack fit office --model qwen2.5-coder-0.5b
  toolken pack fit office --false-call-cost 3
  toolken pack fit office --seed 1 --json";

#[derive(clap::Args)]
pub struct Args {
    /// The pack's folder
    dir: PathBuf,
    #[command(flatten)]
    options: Options,
}

/// How a pack is fitted.
#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    pub which: Which,
    /// Folds of the cross-validation
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(2..=100))]
    folds: u64,
    /// Decides the folds
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A number, or `auto`: by cross-validation. A pack that grows keeps the λ it has unless this is given
    #[arg(long, value_name = "λ", value_parser = lambda)]
    lambda: Option<Lambda>,
    /// What a call costs where none is wanted, in right calls: more than 1 makes calls rarer, less makes them more frequent. A pack
    /// that grows keeps what it was fitted with [default: 1]
    #[arg(long, value_name = "CALLS")]
    false_call_cost: Option<f64>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Where λ is from.
#[derive(Clone, Copy, Debug)]
enum Lambda {
    Auto,
    Given(f64),
}

fn lambda(text: &str) -> Result<Lambda, String> {
    match text {
        "auto" => Ok(Lambda::Auto),
        _ => options::lambda(text).map(Lambda::Given).map_err(|e| format!("{e}, or auto")),
    }
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let pack = Pack::at(&self.dir);
        let (tools, examples) = pack::load_definitions(&pack)?;
        self.options.fit(&pack, &tools, &examples, Definitions::AsTheyAre, None)
    }
}

/// Whether a pack's tools and examples are those in its files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Definitions {
    /// They are: a `tools.toml` written by hand keeps its comments.
    AsTheyAre,
    /// They are written with the head.
    Changed,
}

impl Options {
    /// Fits, writes the head into the pack, and says how it went.
    pub fn fit(
        &self,
        pack: &Pack,
        tools: &ToolSet,
        examples: &Examples,
        definitions: Definitions,
        earlier: Option<&Head>,
    ) -> anyhow::Result<Exit> {
        for (message, [one, other]) in examples.contradictions() {
            let name =
                |tool: Option<&str>| tool.map_or_else(|| "no tool".to_owned(), |tool| format!("`{tool}`"));
            tracing::warn!(
                "{message:?} is an example of {} and of {}: keep one of them",
                name(one),
                name(other)
            );
        }
        let fitted = Head::load(&pack.head_path()).ok();
        let model = self.which.for_head(earlier.or(fitted.as_ref())).load()?;
        if let Some(head) = earlier {
            head.check_model(model.card()).with_context(|| {
                format!("{} was fitted for another model: name it with --model, or fit the whole pack anew with `toolken pack fit`", pack.dir().display())
            })?;
        }
        let date = chrono::Utc::now().format("%Y-%m-%d").to_string();
        // A tool more changes λ little: the pack's is kept, so that adding one takes seconds.
        let lambda = match self.lambda {
            Some(Lambda::Given(lambda)) => Some(lambda),
            Some(Lambda::Auto) => None,
            None => earlier.and_then(|head| head.meta.lambda),
        };
        let kept = || earlier.and_then(|_| pack::load_report(pack)).map(|report| report.false_call_cost);
        let false_call_cost = self.false_call_cost.or_else(kept).unwrap_or(1.0);
        let settings =
            FitSettings { folds: self.folds as usize, seed: self.seed, lambda, false_call_cost, date };
        let bar = progress::bar("contexts", "contexts", 0);
        let fits = progress::bar("heads", "fits", 0);
        let calls = progress::bar("arguments", "calls", 0);
        let started = Instant::now();
        let (mut read, mut kept, mut total) = (started, 0, 0);
        let cache = pack.dir().join("features.safetensors");
        let fitted = pack::fit(
            model.as_ref(),
            tools,
            examples,
            Some(Cache { path: &cache, grows: true }),
            &settings,
            &mut |stage| match stage {
                FitStage::Reading(e) => {
                    bar.set_length(e.total as u64);
                    bar.set_position(e.done as u64);
                    (read, kept, total) = (Instant::now(), e.kept, e.total);
                }
                FitStage::Fitting(done, all) => {
                    bar.finish_and_clear();
                    fits.set_length(all as u64);
                    fits.set_position(done as u64);
                }
                FitStage::Arguments(done, all) => {
                    fits.finish_and_clear();
                    calls.set_length(all as u64);
                    calls.set_position(done as u64);
                }
            },
        )?;
        fits.finish_and_clear();
        calls.finish_and_clear();
        // Nothing was written so far: a failure leaves the pack as it was. Tools and examples go first, since a pack with a
        // tool that its head does not have yet still works; a head with a tool that the pack does not have would not.
        if definitions == Definitions::Changed {
            pack.save_tools(tools)?;
            examples.save(&pack.examples_path())?;
        }
        pack::save(pack, &fitted)?;
        if self.json {
            output::json(&fitted.report)?;
        } else {
            show(&fitted)?;
            output::text(format_args!(
                "Model {}, seed {}, {} folds. Read {} contexts in {:.1} s ({kept} were kept), fitted in {:.1} s.\nWrote {}.\n",
                lm::called(&fitted.head.meta.model, &fitted.head.meta.model_digest),
                self.seed,
                fitted.folds,
                total - kept,
                read.duration_since(started).as_secs_f64(),
                read.elapsed().as_secs_f64(),
                pack.head_path().display()
            ))?;
        }
        Ok(Exit::Done)
    }
}

fn show(fitted: &Fitted) -> anyhow::Result<()> {
    output::text(format_args!("{}\n{}", tools_table(&fitted.report), fitted.report))?;
    Ok(())
}

/// A report's tools, one a line.
pub fn tools_table(report: &Report) -> comfy_table::Table {
    let share = |x: Option<f64>| x.map_or_else(|| "–".into(), |x| format!("{x:.2}"));
    let mut table = output::table(["tool", "examples", "precision", "recall", "confused with", "wants more"]);
    for tool in &report.tools {
        let confused = tool.confused_with.iter().take(3).map(|(name, n)| format!("{name} {n}"));
        table.add_row([
            tool.tool.clone(),
            tool.examples.to_string(),
            share(tool.precision),
            share(tool.recall),
            confused.collect::<Vec<_>>().join(", "),
            if tool.wants == 0 { String::new() } else { tool.wants.to_string() },
        ]);
    }
    table
}
