//! A grid's directory: what it is of, and its rows.

use super::{MapOfRows, Row, Unit};
use crate::BenchError;
use crate::task::TrainingSet;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const META: &str = "grid.toml";
const ROWS: &str = "grid.jsonl";
const MAPS: &str = "maps.json";

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

/// The rows of a grid, on disk.
#[derive(Debug)]
pub struct GridFile {
    folder: PathBuf,
    rows: File,
    done: HashSet<String>,
}

impl GridFile {
    /// Opens a grid, or begins one. What an interruption left half written is dropped.
    ///
    /// # Errors
    /// [`BenchError::Data`] if the directory holds another grid, or a row that cannot be read.
    pub fn open(folder: &Path, meta: &GridMeta) -> Result<Self, BenchError> {
        fs::create_dir_all(folder).map_err(|e| BenchError::io(folder, e))?;
        let path = folder.join(META);
        if path.exists() {
            let found = Self::meta(folder)?;
            if found != *meta {
                return Err(BenchError::data(
                    path,
                    format!(
                        "a grid of other data, another model or version is there ({}, {} examples, {}): give another directory",
                        found.training.as_str(),
                        found.examples,
                        found.model
                    ),
                ));
            }
        } else {
            let text = toml::to_string(meta).map_err(|e| BenchError::data(&path, e.to_string()))?;
            crate::file::write_whole(&path, text.as_bytes())?;
        }
        let path = folder.join(ROWS);
        let mut rows = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| BenchError::io(&path, e))?;
        let whole = crate::file::whole_lines(&mut rows, &path)?;
        let done = parse(&whole, &path)?.into_iter().map(|row| row.unit.key()).collect();
        Ok(Self { folder: folder.to_owned(), rows, done })
    }

    /// What a grid's directory is of.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn meta(folder: &Path) -> Result<GridMeta, BenchError> {
        let path = folder.join(META);
        let text = fs::read_to_string(&path).map_err(|e| BenchError::io(&path, e))?;
        toml::from_str(&text).map_err(|e| BenchError::data(&path, e.to_string()))
    }

    /// All rows of a grid's directory.
    ///
    /// # Errors
    /// As [`GridFile::open`].
    pub fn read(folder: &Path) -> Result<Vec<Row>, BenchError> {
        let path = folder.join(ROWS);
        let mut text = String::new();
        File::open(&path)
            .and_then(|mut file| file.read_to_string(&mut text))
            .map_err(|e| BenchError::io(&path, e))?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        parse(whole, &path)
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
        crate::file::write_whole(&path, &json)
    }

    /// Whether a unit's rows are there.
    pub fn has(&self, unit: &Unit) -> bool {
        self.done.contains(&unit.key())
    }

    /// Adds a unit's rows, all at once.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&mut self, rows: &[Row]) -> Result<(), BenchError> {
        let path = self.folder.join(ROWS);
        let mut lines = String::new();
        for row in rows {
            let line = serde_json::to_string(row).map_err(|e| BenchError::data(&path, e.to_string()))?;
            lines.push_str(&line);
            lines.push('\n');
        }
        let write = |file: &mut File| {
            file.seek(SeekFrom::End(0))?;
            file.write_all(lines.as_bytes())?;
            file.sync_data()
        };
        write(&mut self.rows).map_err(|e| BenchError::io(&path, e))?;
        self.done.extend(rows.iter().map(|row| row.unit.key()));
        Ok(())
    }
}

fn parse(text: &str, path: &Path) -> Result<Vec<Row>, BenchError> {
    let read = |(i, line)| {
        serde_json::from_str(line).map_err(|e| {
            BenchError::data(path, format!("line {}: {e}: delete the line, and run the grid again", i + 1))
        })
    };
    text.lines().enumerate().map(read).collect()
}
