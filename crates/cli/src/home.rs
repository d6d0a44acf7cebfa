//! `toolken home`: a household that scripts act in.

mod replay;
mod run;
mod show;

use crate::exit::Exit;
use clap::Subcommand;
use std::path::PathBuf;
use tools::household::{Home, HomeTask, Tasks, builtin};

pub const EXAMPLES: &str = "\
Examples:
  toolken home show
  toolken home run script.txt
  toolken home run --task home-07a
  toolken home replay --base base_graph.json.gz --tasks tasks.jsonl.gz --runs runs.jsonl.gz";

#[derive(Subcommand)]
pub enum Command {
    /// Run a script, and see what happens step by step
    #[command(after_help = run::EXAMPLES)]
    Run(run::Args),
    /// Run recorded runs again, and print each line as it comes out here
    #[command(after_help = replay::EXAMPLES)]
    Replay(replay::Args),
    /// List the rooms, things and tasks of a household
    #[command(after_help = show::EXAMPLES)]
    Show(show::Args),
}

impl Command {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Run(args) => args.run(),
            Self::Replay(args) => args.run(),
            Self::Show(args) => args.run(),
        }
    }
}

/// Which household: the built-in one unless files are given.
#[derive(clap::Args)]
struct Where {
    /// The base scene, in VirtualHome's layout, gzip or not; by default a small household of our own
    #[arg(long, requires = "tasks")]
    base: Option<PathBuf>,
    /// The tasks, JSON lines, gzip or not
    #[arg(long, requires = "base")]
    tasks: Option<PathBuf>,
    /// Class names that stand for others; by default class_name_equivalence.json beside the base
    #[arg(long, requires = "base")]
    names: Option<PathBuf>,
    /// The task whose start is the household's; by default the base scene
    #[arg(long)]
    task: Option<String>,
}

impl Where {
    fn tasks(&self) -> anyhow::Result<Tasks> {
        Ok(match (&self.base, &self.tasks) {
            (Some(base), Some(tasks)) => Tasks::read(base, tasks, self.names.as_deref())?,
            _ => builtin(),
        })
    }

    /// The household, and the task if one is named.
    fn home<'t>(&self, tasks: &'t Tasks) -> anyhow::Result<(Home, Option<&'t HomeTask>)> {
        let Some(id) = &self.task else {
            return Ok((Home::new(tasks.base.clone(), tasks.names.clone()), None));
        };
        let task = tasks.tasks.iter().find(|task| task.id == *id);
        let task = task.ok_or_else(|| {
            anyhow::anyhow!("there is no task `{id}` among {}: see toolken home show", tasks.tasks.len())
        })?;
        Ok((tasks.home(task)?, Some(task)))
    }
}
