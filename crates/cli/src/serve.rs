//! `toolken serve`.

use crate::engine::Elsewhere;
use crate::{exit::Exit, model::Which, output, pack::Arguments};
use anyhow::{Context, bail};
use clap::ValueEnum;
use head::Head;
use lm::FrozenLm;
use serve::{Config, UnknownTools};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;
use tools::Pack;

pub const EXAMPLES: &str = "\
Examples:
  toolken serve --pack office --model qwen2.5-coder-0.5b
  toolken serve --pack office --execute 'git_*' --execute get_current_time
  toolken serve --pack office --model qwen2.5-coder-tools.gguf --engine http://127.0.0.1:8081
  TOOLKEN_TOKEN=… toolken serve --pack office --listen 0.0.0.0:8080

Without --execute every call is returned to the client; built-in arithmetic is always computed here. The token is read from
the environment variable TOOLKEN_TOKEN, so that no list of processes shows it.";

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    elsewhere: Elsewhere,
    /// A pack to load at the start; may be given several times
    #[arg(long, value_name = "PACK")]
    pack: Vec<PathBuf>,
    /// A folder whose packs may be loaded by name while the server runs
    #[arg(long, value_name = "DIR")]
    packs_dir: Option<PathBuf>,
    /// Where to listen; beyond loopback only with a token
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// A tool that the server runs itself, or a prefix that ends in *; may be given several times
    #[arg(long, value_name = "TOOL")]
    execute: Vec<String>,
    /// A variable of the environment that MCP servers' processes get, beside path, home and language; may be given several
    /// times
    #[arg(long, value_name = "NAME")]
    pass_env: Vec<String>,
    /// What becomes of a tool in a request that no pack has
    #[arg(long, value_enum, default_value = "refuse")]
    unknown_tools: Policy,
    /// Requests that decode together
    #[arg(long, default_value = "8")]
    batch: NonZeroUsize,
    /// Requests that wait; one more is answered with 429
    #[arg(long, default_value = "64")]
    queue: NonZeroUsize,
    /// Tokens of a conversation with its answer, and of a definition with a call, if fewer than the model takes
    #[arg(long)]
    context: Option<NonZeroUsize>,
    /// Tokens of an answer at most
    #[arg(long, default_value = "512")]
    max_tokens: NonZeroUsize,
    /// Seconds that a request's head, and then its body, may take to arrive
    #[arg(long, default_value_t = 15, value_parser = seconds())]
    read_seconds: u64,
    /// Added to a tool's result that the model is to answer from; '' for nothing
    #[arg(long, value_name = "TEXT", default_value = pack::AFTER_RESULT)]
    after_result: String,
    /// Where the arguments of a call are written
    #[arg(long, value_enum, default_value_t)]
    arguments: Arguments,
    /// Seconds that a tool may take
    #[arg(long, default_value_t = 20, value_parser = seconds())]
    tool_seconds: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Policy {
    /// The request is refused
    Refuse,
    /// The tool is placed by its name and description, as one without examples
    Prior,
}

/// A second to a day.
fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=86_400)
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        if let Some(dir) = self.packs_dir.as_ref().filter(|dir| !dir.is_dir()) {
            bail!("--packs-dir {}: there is no such folder", dir.display());
        }
        // A pack without a sound head is refused by name further on.
        let heads = self.pack.iter().filter_map(|dir| Head::load(&Pack::at(dir).head_path()).ok());
        let which = self.which.for_head(heads.into_iter().next().as_ref());
        let mut config = Config {
            address: self.listen,
            token: std::env::var("TOOLKEN_TOKEN").ok().filter(|token| !token.is_empty()),
            model_name: which.name().rsplit('/').next().unwrap_or("toolken").to_owned(),
            packs: self.pack.clone(),
            packs_dir: self.packs_dir.clone(),
            execute: self.execute.clone(),
            passed_environment: self.pass_env.clone(),
            unknown_tools: match self.unknown_tools {
                Policy::Refuse => UnknownTools::Refuse,
                Policy::Prior => UnknownTools::Prior,
            },
            batch: self.batch.get(),
            queue: self.queue.get(),
            context: self.context.map(NonZeroUsize::get),
            max_tokens: self.max_tokens.get(),
            read_limit: Duration::from_secs(self.read_seconds),
            after_result: self.after_result.clone(),
            arguments: self.arguments.into(),
            tool_limit: Duration::from_secs(self.tool_seconds),
            ..Config::default()
        };
        let head = match (&self.pack[..], self.elsewhere.is_wanted()) {
            ([one], true) => Some(Head::load(&Pack::at(one).head_path())?),
            (_, true) => {
                bail!("with --engine give one --pack: the one that the engine's export was made with")
            }
            (_, false) => None,
        };
        let model: Box<dyn FrozenLm> = match self.elsewhere.connect(which.name(), head)? {
            Some(there) => {
                config.served = Some(there.served);
                Box::new(there.model)
            }
            None => which.load_for_text()?,
        };
        // The process serves one model from here to its end.
        let model = Box::leak(model);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.context("starting the runtime")?;
        let served = runtime.block_on(async {
            let server = serve::start(model, config).await?;
            let address = server.address()?;
            // In one piece: whoever waits for the address may read no more.
            output::text(format!("http://{address}/ (API under /v1, ^C ends)\n{}", server.summary()))?;
            server.run(asked_to_stop()).await?;
            anyhow::Ok(Exit::Done)
        });
        // What has not ended by now, a fit or an engine that does not answer, is not waited for: files are written whole or not at all.
        runtime.shutdown_background();
        served
    }
}

/// Ready when the process is asked to end.
async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await; // without a handler there is nothing to wait for
}
