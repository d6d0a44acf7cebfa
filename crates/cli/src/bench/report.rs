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
        let mut seen: Vec<(String, &PathBuf)> = Vec::new();
        for folder in &self.folders {
            let of = if GridFile::is_at(folder) {
                // Parts of a grid may stand in several directories.
                let (meta, rows) = (GridFile::meta(folder)?, GridFile::rows(folder)?);
                grids.push(Grid { meta, rows, maps: GridFile::maps(folder)? });
                continue;
            } else if Run::is_at(folder) {
                let meta = Run::meta(folder)?;
                runs.push(RunOf { meta: meta.clone(), records: Run::read(folder)? });
                format!("{meta:?}")
            } else if HomeRun::is_at(folder) {
                let meta = HomeRun::meta(folder)?;
                plans.push(PlansOf { meta: meta.clone(), records: HomeRun::read(folder)? });
                format!("{meta:?}")
            } else {
                let message = "neither grid.toml, run.toml nor home.toml is there: give directories that bench grid, bench run \
                               or bench home made";
                return Err(BenchError::data(folder, message).into());
            };
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == of) {
                let message = format!("the same as {}, made again: give one of them", first.display());
                return Err(BenchError::data(folder, message).into());
            }
            seen.push((of, folder));
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
