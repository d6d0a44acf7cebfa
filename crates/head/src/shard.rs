//! Extraction in shards: many machines fill one store's parts, one puts the store together.
//!
//! A store's parts do not depend on who computes them, so a shard is no more than a share of their numbers: shard i of N
//! computes the parts i, i + N, …. They go to a [`Depot`], a place that all machines reach, which also gets `plan.json`:
//! what the finished store's manifest will be. [`merge`] needs nothing else, neither model nor corpus.
//!
//! A depot keeps whole files or none. So a worker that dies leaves whole parts, which its successor skips; two workers on
//! one shard put the same bytes twice at worst. What a depot holds is checked when it is merged, every byte of it.

use crate::extract::Plan;
use crate::store::{Manifest, check_part_bytes, part_name};
use crate::{ExtractProgress, HeadError, Store};
use corpus::Corpus;
use lm::FrozenLm;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

const PLAN: &str = "plan.json";
/// Numbers of missing parts that a message lists.
const LISTED: usize = 8;

/// Shard `index` of `count`, from 0.
///
/// ```
/// use toolken_head::Shard;
/// let shard: Shard = "3/8".parse()?;
/// assert_eq!(shard, Shard::new(3, 8)?);
/// assert!("8/8".parse::<Shard>().is_err());
/// # Ok::<(), toolken_head::HeadError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// # Errors
    /// [`HeadError::Setting`] unless `index < count`.
    pub fn new(index: usize, count: usize) -> Result<Self, HeadError> {
        match index < count {
            true => Ok(Self { index, count }),
            false => Err(HeadError::Setting(format!(
                "shard {index} of {count}: shards are numbered from 0, so the last of {count} is {}",
                count.saturating_sub(1)
            ))),
        }
    }

    /// Its parts among `parts`.
    fn parts(self, parts: usize) -> Vec<usize> {
        (self.index..parts).step_by(self.count).collect()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = HeadError;

    /// `i/N`.
    fn from_str(text: &str) -> Result<Self, HeadError> {
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        let (index, count) = numbers.ok_or_else(|| {
            HeadError::Setting(format!("shard {text:?}: expected i/N, as 0/8 for the first of eight"))
        })?;
        Self::new(index, count)
    }
}

/// A place for stores in the making, by their address: a shared folder, or a bucket of an object store.
///
/// A file is there as a whole or not at all, and what was put last under a name is what is read.
pub trait Depot {
    /// The addresses of all stores of which there is something.
    ///
    /// # Errors
    /// If the place cannot be reached.
    fn stores(&self) -> Result<BTreeSet<String>, HeadError>;

    /// The names of a store's files.
    ///
    /// # Errors
    /// If the place cannot be reached; there being none is no error.
    fn files(&self, store: &str) -> Result<BTreeSet<String>, HeadError>;

    /// A file.
    ///
    /// # Errors
    /// If it is not there or cannot be read.
    fn get(&self, store: &str, name: &str) -> Result<Vec<u8>, HeadError>;

    /// Puts a file, whatever was there under its name.
    ///
    /// # Errors
    /// If it cannot be written.
    fn put(&self, store: &str, name: &str, bytes: Vec<u8>) -> Result<(), HeadError>;

    /// Where it is, for messages.
    fn place(&self) -> PathBuf;
}

/// A folder as a depot: on one machine, or shared by many.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    fn names(path: &Path) -> Result<BTreeSet<String>, HeadError> {
        let io = |e| HeadError::io(path, e);
        let entries = match fs::read_dir(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries.map_err(io)?,
        };
        let mut names = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(io)?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                names.insert(name);
            }
        }
        Ok(names)
    }
}

impl Depot for Folder {
    fn stores(&self) -> Result<BTreeSet<String>, HeadError> {
        Self::names(&self.0)
    }

    fn files(&self, store: &str) -> Result<BTreeSet<String>, HeadError> {
        Self::names(&self.0.join(store))
    }

    fn get(&self, store: &str, name: &str) -> Result<Vec<u8>, HeadError> {
        let path = self.0.join(store).join(name);
        fs::read(&path).map_err(|e| HeadError::io(path, e))
    }

    fn put(&self, store: &str, name: &str, bytes: Vec<u8>) -> Result<(), HeadError> {
        let folder = self.0.join(store);
        fs::create_dir_all(&folder).map_err(|e| HeadError::io(&folder, e))?;
        let path = folder.join(name);
        files::write(&path, &bytes).map_err(|e| HeadError::io(&path, e))
    }

    fn place(&self) -> PathBuf {
        self.0.clone()
    }
}

/// Extracts one shard of a corpus' features into a depot, and returns the store's address.
///
/// What is there already is not computed again: the same call resumes a run that was killed, and repeats one that was not
/// for the price of tokenising the corpus.
///
/// # Errors
/// As [`extract`](crate::extract()); the depot's; [`HeadError::File`] if the depot's plan is another one.
pub fn extract_shard(
    lm: &dyn FrozenLm,
    corpus: &Corpus,
    shard: Shard,
    depot: &dyn Depot,
    progress: &mut dyn FnMut(ExtractProgress),
) -> Result<String, HeadError> {
    let start = Instant::now();
    let plan = Plan::new(lm, corpus)?;
    let address = plan.manifest().address.clone();
    let path = depot.place().join(&address).join(PLAN);
    let json = plan.manifest().json(&path)?;
    let files = depot.files(&address)?;
    if !files.contains(PLAN) {
        depot.put(&address, PLAN, json)?;
    } else if depot.get(&address, PLAN)? != json {
        let message = "is the plan of another extraction, or of another version of this program: delete the store's folder";
        return Err(HeadError::file(path, message));
    }
    let parts = shard.parts(plan.manifest().parts.len());
    let is_there = |part| files.contains(&part_name(part));
    plan.run(lm, corpus, &parts, is_there, depot, start, progress)?;
    Ok(address)
}

/// Puts a store together in `cache_dir/`[address](crate::StoreKey::address) from the parts in a depot: what a single
/// process would have written, byte for byte. Parts that are in `cache_dir` already are not fetched.
///
/// `store` is the address; without one, the depot must hold one store only. `progress` is told parts done and all.
///
/// # Errors
/// [`HeadError::File`] names what is missing or damaged and what to do; the depot's and the system's errors.
pub fn merge(
    depot: &dyn Depot,
    store: Option<&str>,
    cache_dir: &Path,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Store, HeadError> {
    let address = match store {
        Some(address) => address.to_owned(),
        None => only_store(depot)?,
    };
    let directory = cache_dir.join(&address);
    let files = depot.files(&address)?;
    if !files.contains(PLAN) {
        if Store::is_finished(&directory) {
            return Store::open(&directory);
        }
        let message =
            format!("has no {PLAN}: no shard of this store has been started, or its address is another");
        return Err(HeadError::file(depot.place().join(&address), message));
    }
    let manifest = read_plan(depot, &address)?;
    let count = manifest.parts.len();
    let missing: Vec<usize> = (0..count)
        .filter(|&part| !files.contains(&part_name(part)) && !directory.join(part_name(part)).exists())
        .collect();
    if !missing.is_empty() {
        let listed: Vec<String> = missing.iter().take(LISTED).map(usize::to_string).collect();
        let more = if missing.len() > LISTED { ", …" } else { "" };
        let message = format!(
            "{} of {count} parts are missing ({}{more}): run the shards again that have not ended well; part p is of shard p mod N",
            missing.len(),
            listed.join(", ")
        );
        return Err(HeadError::file(depot.place().join(&address), message));
    }
    fs::create_dir_all(&directory).map_err(|e| HeadError::io(&directory, e))?;
    for part in 0..count {
        let (name, path) = (part_name(part), directory.join(part_name(part)));
        if !path.exists() {
            let bytes = depot.get(&address, &name)?;
            check_part_bytes(&bytes, &manifest, part).map_err(|found| {
                let message = format!("{found}. Delete it, and run the shard again that has part {part}");
                HeadError::file(depot.place().join(&address).join(&name), message)
            })?;
            files::write(&path, &bytes).map_err(|e| HeadError::io(&path, e))?;
        }
        progress(part + 1, count);
    }
    let store = Store::finish(&directory, manifest)?;
    // Of the making of a store in its own place nothing else is left.
    match fs::remove_file(directory.join(PLAN)) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(HeadError::io(directory.join(PLAN), e)),
        _ => Ok(store),
    }
}

fn only_store(depot: &dyn Depot) -> Result<String, HeadError> {
    let stores = depot.stores()?;
    match stores.len() {
        1 => Ok(stores.into_iter().next().unwrap_or_default()),
        0 => Err(HeadError::file(depot.place(), "holds no store: extract shards into it first")),
        n => Err(HeadError::file(
            depot.place(),
            format!(
                "holds {n} stores, name one with --store: {}",
                stores.into_iter().collect::<Vec<_>>().join(", ")
            ),
        )),
    }
}

/// The plan, which must be the one of the address that it lies under.
fn read_plan(depot: &dyn Depot, address: &str) -> Result<Manifest, HeadError> {
    let path = depot.place().join(address).join(PLAN);
    let manifest: Manifest = serde_json::from_slice(&depot.get(address, PLAN)?).map_err(|e| {
        HeadError::file(&path, format!("damaged plan: {e}: delete it, and run a shard again"))
    })?;
    let found = manifest.key.address();
    if manifest.address != address || found != address {
        let message = format!(
            "names the store {}, its key gives {found}, expected {address}: delete it, and run a shard again",
            manifest.address
        );
        return Err(HeadError::file(path, message));
    }
    Ok(manifest)
}
