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
            let from = Pack::at(dir);
            let (tools, more, head) = pack::load(&from)?;
            all.extend(tools.iter().cloned());
            if self.heads {
                let head = super::head_of(&from, head, &tools, &more)?;
                heads.push((tools, head));
            }
            examples.0.extend(more.0);
        }
        let tools = ToolSet::new(all).context("two packs have a tool of the same name")?;
        let fitted: Vec<_> = heads.iter().map(|(tools, head)| (tools, head)).collect();
        let joined = self.heads.then(|| pack::merge(&fitted)).transpose()?;
        pack.save_tools(&tools)?;
        examples.save(&pack.examples_path())?;
        if let Some((_, mut head)) = joined {
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
