//! A grid's directory: what it is of, and its rows.

use super::{Kind, MapOfRows, Row, Unit};
use crate::BenchError;
use crate::journal::{Entry, Journal, write_whole};
use crate::task::TrainingSet;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

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
    pub fn called(&self) -> String {
        lm::told_apart(&self.model, &self.model_digest)
    }
}

impl Entry for Vec<Row> {
    type Meta = GridMeta;
    type Key = Option<(Kind, String)>;
    const META: &'static str = "grid.toml";
    const RECORDS: &'static str = "grid.jsonl";

    fn key(&self) -> Self::Key {
        self.first().map(|row| key(&row.unit))
    }

    fn other(found: &GridMeta) -> String {
        let of = format!("{}, {} examples, {}", found.training, found.examples, found.called());
        format!("a grid of other data, another model or version is there ({of})")
    }
}

fn key(unit: &Unit) -> (Kind, String) {
    (unit.kind, unit.key())
}

/// A grid's directory: a line a unit, so that no unit is ever there in part.
pub type GridFile = Journal<Vec<Row>>;

impl GridFile {
    /// All rows of a grid's directory, in an order that does not depend on which was done first.
    ///
    /// # Errors
    /// As [`Journal::open`]; if it was made by other rules.
    pub fn rows(folder: &Path) -> Result<Vec<Row>, BenchError> {
        let version = Self::meta(folder)?.version;
        if version != VERSION {
            let message = format!(
                "a grid by the rules of version {version}, these are of version {VERSION}: make it again in another directory"
            );
            return Err(BenchError::data(folder.join(Vec::<Row>::META), message));
        }
        Ok(Self::read(folder)?.into_iter().flatten().collect())
    }

    /// Whether a unit's rows are there.
    pub fn has_unit(&self, unit: &Unit) -> bool {
        self.has(&Some(key(unit)))
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
        let path = self.folder().join(MAPS);
        let json = serde_json::to_vec(maps).map_err(|e| BenchError::data(&path, e.to_string()))?;
        write_whole(&path, &json)
    }
}
