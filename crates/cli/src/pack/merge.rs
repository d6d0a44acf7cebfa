//! `toolken pack merge`.

use crate::{exit::Exit, output};
use anyhow::{Context, bail};
use pack::Examples;
use std::path::PathBuf;
use tools::{Pack, ToolSet};

pub const EXAMPLES: &str = "\
Examples:
  toolken pack merge both --from office --from clock && toolken pack fit both
  toolken pack merge both --from office --from clock --heads

Without --heads tools and examples are merged, to be fitted together: only so do the tools of one pack learn to be told from
those of the other. With it the heads are joined as they are.";

#[derive(clap::Args)]
pub struct Args {
    /// The folder of the new pack
    dir: PathBuf,
    /// A pack to take in; may be given several times
    #[arg(long, value_name = "PACK", required = true)]
    from: Vec<PathBuf>,
    /// Join the heads too, each with its own threshold
    #[arg(long)]
    heads: bool,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let pack = Pack::at(&self.dir);
        if let Some(file) = pack.files().into_iter().find(|file| file.exists()) {
            bail!("{} is there already: choose a new folder", file.display());
        }
        let (mut all, mut examples, mut heads) = (Vec::new(), Examples::default(), Vec::new());
        for dir in &self.from {
            let (tools, more, head) = pack::load(&Pack::at(dir))?;
            all.extend(tools.iter().cloned());
            examples.0.extend(more.0);
            heads.push((dir, tools, head));
        }
        let tools = ToolSet::new(all).context("two packs have a tool of the same name")?;
        let joined = match self.heads {
            false => None,
            true => {
                let mut fitted = Vec::new();
                for (dir, tools, head) in &heads {
                    let head = head.as_ref().with_context(|| format!("{} has no head", dir.display()))?;
                    fitted.push((tools, head));
                }
                Some(pack::merge(&fitted)?.1)
            }
        };
        pack.save_tools(&tools)?;
        examples.save(&pack.examples_path())?;
        if let Some(mut head) = joined {
            head.meta.corpus_digest = pack::digest(&tools, &examples);
            head.save(&pack.head_path())?;
        }
        output::text(format_args!(
            "{}: {} tools, {} examples{}\n",
            self.dir.display(),
            tools.len(),
            examples.0.len(),
            if self.heads { ", heads joined" } else { "; fit it with `toolken pack fit`" }
        ))?;
        Ok(Exit::Done)
    }
}
