//! A grid's directory: what it is of, and its rows.

use super::{MapOfRows, Row, Unit};
use crate::BenchError;
use crate::journal::{self, Journal, Names, write_whole};
use crate::task::TrainingSet;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

const NAMES: Names = Names { meta: "grid.toml", records: "grid.jsonl" };
const MAPS: &str = "maps.json";

/// Version of the grid's rules.
pub const VERSION: u32 = 6;

/// What a grid is of: everything besides its cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GridMeta {
    /// Version of the grid's rules.
    pub version: u32,
    /// The training set.
    pub training: TrainingSet,
    /// Training examples, and the seed of their sample where it is one.
    pub examples: usize,
    /// The seed of the sample.
    pub sample_seed: u64,
    /// SHA-256 of the training corpus.
    pub corpus: String,
    /// SHA-256 of the corpus that is scored, where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_corpus: Option<String>,
    /// The model's name.
    pub model: String,
    /// SHA-256 of its weights.
    pub model_digest: String,
    /// The engine and its arithmetic.
    pub engine: String,
    /// mean‖h‖² over the training positions.
    pub mean_square_norm: f64,
}

impl GridMeta {
    /// The model, as people call it.
    pub fn called(&self) -> &str {
        lm::called(&self.model, &self.model_digest)
    }
}

/// The rows of a grid, on disk.
#[derive(Debug)]
pub struct GridFile {
    folder: PathBuf,
    /// A line a unit, so that no unit is ever there in part.
    units: Journal<Vec<Row>>,
    done: HashSet<String>,
}

impl GridFile {
    /// Opens a grid, or begins one. What an interruption left half written is dropped.
    ///
    /// # Errors
    /// [`BenchError::Data`] if the directory holds another grid, or a row that cannot be read.
    pub fn open(folder: &Path, meta: &GridMeta) -> Result<Self, BenchError> {
        let other = |found: &GridMeta| {
            let (training, examples) = (found.training, found.examples);
            let of = format!("{training}, {examples} examples, {}", found.called());
            format!("a grid of other data, another model or version is there ({of})")
        };
        let (units, found) = Journal::open(folder, NAMES, meta, other)?;
        let done = found.iter().flatten().map(|row: &Row| row.unit.key()).collect();
        Ok(Self { folder: folder.to_owned(), units, done })
    }

    /// Whether a directory is of such a grid.
    pub fn is_at(folder: &Path) -> bool {
        folder.join(NAMES.meta).exists()
    }

    /// What a grid's directory is of.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn meta(folder: &Path) -> Result<GridMeta, BenchError> {
        journal::meta(folder, NAMES)
    }

    /// All rows of a grid's directory, in an order that does not depend on which was done first.
    ///
    /// # Errors
    /// As [`GridFile::open`]; if it was made by other rules.
    pub fn read(folder: &Path) -> Result<Vec<Row>, BenchError> {
        let version = Self::meta(folder)?.version;
        if version != VERSION {
            let message = format!(
                "a grid by the rules of version {version}, these are of version {VERSION}: make it again in another directory"
            );
            return Err(BenchError::data(folder.join(NAMES.meta), message));
        }
        // Units stand there as they were done, several at a time.
        let mut units = journal::read::<Vec<Row>>(folder, NAMES)?;
        units.sort_by_cached_key(|rows| rows.first().map(|row| (row.unit.kind, row.unit.key())));
        Ok(units.into_iter().flatten().collect())
    }

    /// The maps of a grid's directory; none if they are not made yet.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn maps(folder: &Path) -> Result<Vec<(String, MapOfRows)>, BenchError> {
        let path = folder.join(MAPS);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| BenchError::data(&path, e.to_string())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(BenchError::io(&path, e)),
        }
    }

    /// Keeps maps.
    ///
    /// # Errors
    /// The system's.
    pub fn set_maps(&self, maps: &[(String, MapOfRows)]) -> Result<(), BenchError> {
        let path = self.folder.join(MAPS);
        let json = serde_json::to_vec(maps).map_err(|e| BenchError::data(&path, e.to_string()))?;
        write_whole(&path, &json)
    }

    /// Whether a unit's rows are there.
    pub fn has(&self, unit: &Unit) -> bool {
        self.done.contains(&unit.key())
    }

    /// Adds a unit's rows, all at once.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&mut self, rows: Vec<Row>) -> Result<(), BenchError> {
        let unit = [rows];
        self.units.add(&unit)?;
        self.done.extend(unit.iter().flatten().map(|row| row.unit.key()));
        Ok(())
    }
}
