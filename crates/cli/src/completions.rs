//! `toolken completions`: a script that completes this command line in a shell.

use crate::{Cli, exit::Exit, output};
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;

pub const EXAMPLES: &str = "\
Examples:
  toolken completions bash > ~/.local/share/bash-completion/completions/toolken
  toolken completions zsh > ~/.zfunc/_toolken";

#[derive(clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        // Into memory first: the generator panics where writing fails.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "toolken", &mut script);
        output::stdout().write_all(&script)?;
        Ok(Exit::Done)
    }
}
