//! `toolken bench report`: grids and runs as one page.

use crate::{exit::Exit, output};
use ::bench::BenchError;
use ::bench::grid::GridFile;
use ::bench::home::HomeRun;
use ::bench::report::{Grid, PlansOf, RunOf, html};
use ::bench::run::Run;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  toolken bench report grids/funcqa runs/oh-exact runs/oh-cot --out report.html
  toolken bench report grids/* runs/* --out report.html";

#[derive(clap::Args)]
pub struct Args {
    /// Directories of grids and runs
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// The HTML file to write
    #[arg(long)]
    out: PathBuf,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let (mut grids, mut runs, mut plans) = (Vec::new(), Vec::new(), Vec::new());
        for folder in &self.folders {
            if folder.join("grid.toml").exists() {
                let (meta, rows) = (GridFile::meta(folder)?, GridFile::read(folder)?);
                grids.push(Grid { meta, rows, maps: GridFile::maps(folder)? });
            } else if folder.join("run.toml").exists() {
                runs.push(RunOf { meta: Run::meta(folder)?, records: Run::read(folder)? });
            } else if HomeRun::is_at(folder) {
                plans.push(PlansOf { meta: HomeRun::meta(folder)?, records: HomeRun::read(folder)? });
            } else {
                let message = "neither grid.toml, run.toml nor home.toml is there: give directories that bench grid, bench run \
                               or bench home made";
                return Err(BenchError::data(folder, message).into());
            }
        }
        output::file(&self.out, html(&grids, &runs, &plans)?.as_bytes())?;
        output::text(format_args!(
            "{} grids and {} runs in {}\n",
            grids.len(),
            runs.len() + plans.len(),
            self.out.display()
        ))?;
        Ok(Exit::Done)
    }
}
