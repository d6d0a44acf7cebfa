//! Shards: which one this process computes, where the parts go, and how the store is put together.

use crate::{exit::Exit, extract::cache_dir, output, progress};
use anyhow::bail;
use head::{Depot, Folder, HeadError, Shard};
use serde_json::json;
use std::env::VarError;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  toolken extract merge /shared/features
  toolken extract merge s3://bucket/features --features ./features --json";

/// `toolken extract merge`.
#[derive(clap::Args)]
pub struct Merge {
    /// Where the shards put their parts: a folder, or s3://, gs:// or az://
    from: String,
    /// The store's address, if there are several
    #[arg(long)]
    store: Option<String>,
    /// The folder of feature stores; by default the one merged from, if it is a folder, else beside the models' cache
    #[arg(long)]
    features: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Merge {
    pub fn run(self) -> anyhow::Result<Exit> {
        let depot = depot(&self.from)?;
        let default =
            || if self.from.contains("://") { cache_dir("features") } else { self.from.clone().into() };
        let features = self.features.clone().unwrap_or_else(default);
        let bar = progress::bar("merge", "parts", 0);
        let store = head::merge(depot.as_ref(), self.store.as_deref(), &features, &mut |done, total| {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        let store = store?;
        let directory = store.directory().display().to_string();
        if self.json {
            output::json(&json!({ "store": directory, "positions": store.positions() }))?;
        } else {
            output::text(format_args!("{} labelled positions in {directory}\n", store.positions()))?;
        }
        Ok(Exit::Done)
    }
}

/// The place that a path or URL names.
///
/// # Errors
/// A scheme that is not known, or not in this build.
pub fn depot(place: &str) -> anyhow::Result<Box<dyn Depot>> {
    match place.split_once("://") {
        None => Ok(Box::new(Folder(place.into()))),
        Some(("file", path)) => Ok(Box::new(Folder(path.into()))),
        #[cfg(feature = "object-store")]
        Some(_) => Ok(Box::new(super::remote::Bucket::open(place)?)),
        #[cfg(not(feature = "object-store"))]
        Some(_) => bail!(HeadError::Setting(format!(
            "{place}: object stores are not in this build: build with `--features object-store`, or give a folder"
        ))),
    }
}

/// `i/N`; `auto/N`, i from what Kubernetes or Slurm says of this task; or `auto`, with N from Slurm too.
#[derive(Clone, Debug)]
pub struct ShardArg(String);

impl std::str::FromStr for ShardArg {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl ShardArg {
    /// The shard that it names.
    ///
    /// # Errors
    /// A shard that cannot be, or variables that are not set.
    pub fn shard(&self) -> anyhow::Result<Shard> {
        self.resolve(&|name| match std::env::var(name) {
            Ok(value) => Some(value),
            Err(VarError::NotPresent) => None,
            Err(VarError::NotUnicode(value)) => Some(value.to_string_lossy().into_owned()),
        })
    }

    fn resolve(&self, variable: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Shard> {
        let count = match self.0.strip_prefix("auto") {
            None => return Ok(self.0.parse()?),
            Some(count) => count,
        };
        let whole = |name: &str| -> anyhow::Result<Option<usize>> {
            let Some(text) = variable(name) else { return Ok(None) };
            match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => bail!(HeadError::Setting(format!("${name} is {text:?}, expected a whole number"))),
            }
        };
        let (index, known) = match (whole("JOB_COMPLETION_INDEX")?, whole("SLURM_ARRAY_TASK_ID")?) {
            (Some(index), _) => (index, None),
            (None, Some(task)) => {
                let tasks = whole("SLURM_ARRAY_TASK_COUNT")?;
                let said = count.strip_prefix('/').and_then(|count| count.parse().ok());
                let first = whole("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
                if first > 0 && said.zip(tasks).is_some_and(|(said, tasks): (usize, usize)| said != tasks) {
                    bail!(HeadError::Setting(format!(
                        "--shard {}: the Slurm array has other tasks than that and begins at {first}, so which shard this one's is is \
                         not known: say it, as {task}/N",
                        self.0
                    )));
                }
                let Some(index) = task.checked_sub(first) else {
                    bail!(HeadError::Setting(format!("$SLURM_ARRAY_TASK_ID {task} is below $SLURM_ARRAY_TASK_MIN {first}")));
                };
                (index, tasks)
            }
            (None, None) => bail!(HeadError::Setting(
                "--shard auto: neither JOB_COMPLETION_INDEX (a Kubernetes Indexed Job) nor SLURM_ARRAY_TASK_ID (a Slurm array) \
                 is set: run it in such a job, or say which shard, as 0/8"
                    .into()
            )),
        };
        let count = match (count.strip_prefix('/').map(str::parse), known) {
            (Some(Ok(count)), _) => count,
            (None, Some(count)) if count > 0 && self.0 == "auto" => count,
            _ => bail!(HeadError::Setting(format!(
                "--shard {}: expected auto/N, N the number of shards (only a Slurm array says it itself)",
                self.0
            ))),
        };
        Ok(Shard::new(index, count)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn resolved(text: &str, variables: &[(&str, &str)]) -> Result<Shard, String> {
        let variable =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned());
        ShardArg(text.into()).resolve(&variable).map_err(|e| e.to_string())
    }

    #[test]
    fn a_shard_is_told_or_found_in_the_jobs_variables() {
        let shard = |index, count| Ok(Shard::new(index, count).unwrap());
        assert_eq!(resolved("3/8", &[("JOB_COMPLETION_INDEX", "5")]), shard(3, 8));
        assert_eq!(resolved("auto/8", &[("JOB_COMPLETION_INDEX", "5")]), shard(5, 8));
        assert_eq!(resolved("auto/8", &[("SLURM_ARRAY_TASK_ID", "5")]), shard(5, 8));
        let slurm =
            [("SLURM_ARRAY_TASK_ID", "3"), ("SLURM_ARRAY_TASK_MIN", "1"), ("SLURM_ARRAY_TASK_COUNT", "4")];
        assert_eq!(resolved("auto", &slurm), shard(2, 4));
        assert_eq!(resolved("auto/4", &slurm), shard(2, 4));
        let again =
            [("SLURM_ARRAY_TASK_ID", "5"), ("SLURM_ARRAY_TASK_MIN", "5"), ("SLURM_ARRAY_TASK_COUNT", "1")];
        let message = resolved("auto/64", &again).unwrap_err();
        assert!(message.contains("5/N"), "one task run again: {message}");
        for (text, variables, part) in [
            ("auto/8", &[][..], "JOB_COMPLETION_INDEX"),
            ("auto", &[("JOB_COMPLETION_INDEX", "1")], "auto/N"),
            ("auto/8", &[("JOB_COMPLETION_INDEX", "8")], "shard 8 of 8"),
            ("auto/8", &[("JOB_COMPLETION_INDEX", "x")], "whole number"),
            ("auto/x", &[("JOB_COMPLETION_INDEX", "1")], "auto/N"),
            ("autox", &[("SLURM_ARRAY_TASK_ID", "1"), ("SLURM_ARRAY_TASK_COUNT", "4")], "auto/N"),
            ("auto", &[("SLURM_ARRAY_TASK_ID", "1"), ("SLURM_ARRAY_TASK_MIN", "2")], "below"),
            ("8/8", &[], "shard 8 of 8"),
            ("0/0", &[], "shard 0 of 0"),
            ("three", &[], "expected i/N"),
        ] {
            let error = resolved(text, variables).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
