//! `toolken bench`: the papers' benchmarks, every method, and a report that says what is significant.

mod grid;
mod home;
mod report;
mod run;

use crate::exit::Exit;
use clap::Subcommand;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  toolken bench grid arithmetic --out grids/arithmetic
  toolken bench grid funcqa --data data --out grids/funcqa
  toolken bench run arithmetic exact --out runs/arithmetic-exact --limit 40
  toolken bench home exact --out runs/home
  toolken bench report grids/* runs/* --out report.html";

#[derive(Subcommand)]
pub enum Command {
    /// Fit and score heads, teacher-forced: methods, priors, λ, weightings, seeds
    #[command(after_help = grid::EXAMPLES)]
    Grid(grid::Args),
    /// Answer a task's questions by one method
    #[command(after_help = run::EXAMPLES)]
    Run(Box<run::Args>),
    /// Plan for a household by one method; a simulator says what the plans are worth
    #[command(after_help = home::EXAMPLES)]
    Home(home::Args),
    /// Write grids and runs as one HTML page, with statistics
    #[command(after_help = report::EXAMPLES)]
    Report(report::Args),
}

impl Command {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Grid(args) => args.run(),
            Self::Run(args) => args.run(),
            Self::Home(args) => args.run(),
            Self::Report(args) => args.run(),
        }
    }
}

/// Other people's data.
#[derive(clap::Args)]
pub struct Data {
    /// The folder of other people's data: toolkengpt/, gsm8k/, kamel/ and virtualhome/ (README: Data); built-in tasks need none
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}
