//! A directory that survives being killed: what it is of, in TOML, and a line of JSON a record.
//!
//! The first file is written whole and renamed. Records are added at the end of the second; a last line that was torn is cut
//! off when the journal is opened again, so at most what was in flight is lost.

use crate::BenchError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What a journal keeps.
pub trait Entry: Serialize + DeserializeOwned {
    /// What a directory of such records is of.
    type Meta: Serialize + DeserializeOwned + PartialEq;
    /// What tells records apart; they are read in its order.
    type Key: Ord;
    /// The name of the file that says what the records are of.
    const META: &'static str;
    /// The name of the file of records.
    const RECORDS: &'static str;

    /// What tells this record from others.
    fn key(&self) -> Self::Key;

    /// Whether records of `found` are those of `of`.
    fn same(found: &Self::Meta, of: &Self::Meta) -> bool {
        found == of
    }

    /// Describes what is there, where that is something else.
    fn other(found: &Self::Meta) -> String;
}

/// An open journal of records `R`.
#[derive(Debug)]
pub struct Journal<R: Entry> {
    folder: PathBuf,
    file: File,
    done: BTreeSet<R::Key>,
}

impl<R: Entry> Journal<R> {
    /// Opens a journal, or begins one. What an interruption left half written is dropped. It is locked while it is open, where
    /// the file system has locks.
    ///
    /// # Errors
    /// [`BenchError::Data`] if the directory is of something else, has records and does not say what of, is open elsewhere, or a
    /// record cannot be read.
    pub fn open(folder: &Path, of: &R::Meta) -> Result<Self, BenchError> {
        fs::create_dir_all(folder).map_err(|e| BenchError::io(folder, e))?;
        let path = folder.join(R::RECORDS);
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| BenchError::io(&path, e))?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let message = "another process is writing here: wait for it, or give another directory";
            return Err(BenchError::data(path, message.to_owned()));
        }
        let meta = folder.join(R::META);
        let is_empty = !fs::read(&path).map_err(|e| BenchError::io(&path, e))?.contains(&b'\n');
        if meta.exists() {
            let found = Self::meta(folder)?;
            if !R::same(&found, of) && is_empty {
                // Nothing came of it but a head perhaps, which is not these settings'.
                if let Some(head) = head_in(folder)? {
                    let differ = differences(&found, of).join(", ");
                    let message = format!(
                        "it was kept by a run with other settings ({differ}): delete it, or give another directory"
                    );
                    return Err(BenchError::data(head, message));
                }
                write_meta(&meta, of)?;
            } else if !R::same(&found, of) {
                let differ = differences(&found, of).join(", ");
                let message = format!("{}; other are {differ}: give another directory", R::other(&found));
                return Err(BenchError::data(meta, message));
            }
        } else if !is_empty {
            let message = format!("there are records, but no {}: give another directory", R::META);
            return Err(BenchError::data(path, message));
        } else {
            write_meta(&meta, of)?;
        }
        let records: Vec<R> = parse(&whole_lines(&mut file, &path)?, &path)?;
        Ok(Self { folder: folder.to_owned(), file, done: records.iter().map(R::key).collect() })
    }

    /// Whether a directory is of such records.
    pub fn is_at(folder: &Path) -> bool {
        folder.join(R::META).exists()
    }

    /// What a directory is of.
    ///
    /// # Errors
    /// If it does not say so, or that cannot be read.
    pub fn meta(folder: &Path) -> Result<R::Meta, BenchError> {
        let path = folder.join(R::META);
        let text = fs::read_to_string(&path).map_err(|e| BenchError::io(&path, e))?;
        toml::from_str(&text).map_err(|e| BenchError::data(&path, e.to_string()))
    }

    /// All whole records of a directory, which may be open elsewhere, in the order of their keys.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn read(folder: &Path) -> Result<Vec<R>, BenchError> {
        let path = folder.join(R::RECORDS);
        let mut bytes = fs::read(&path).map_err(|e| BenchError::io(&path, e))?;
        bytes.truncate(bytes.iter().rposition(|&byte| byte == b'\n').unwrap_or(0));
        let text = String::from_utf8(bytes).map_err(|e| BenchError::data(&path, e.to_string()))?;
        let mut records: Vec<R> = parse(&text, &path)?;
        // What stands there twice counts once.
        let mut seen = BTreeSet::new();
        records.retain(|record| seen.insert(record.key()));
        records.sort_by_cached_key(R::key);
        Ok(records)
    }

    /// The directory.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a record is there.
    pub fn has<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        R::Key: std::borrow::Borrow<Q>,
    {
        self.done.contains(key)
    }

    /// Adds records, all of them at once.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&mut self, records: &[R]) -> Result<(), BenchError> {
        let path = self.folder.join(R::RECORDS);
        let mut lines = String::new();
        for record in records {
            let line = serde_json::to_string(record).map_err(|e| BenchError::data(&path, e.to_string()))?;
            lines.push_str(&line);
            lines.push('\n');
        }
        let mut write = || {
            self.file.seek(SeekFrom::End(0))?;
            self.file.write_all(lines.as_bytes())?;
            self.file.sync_data()
        };
        write().map_err(|e| BenchError::io(&path, e))?;
        self.done.extend(records.iter().map(R::key));
        Ok(())
    }
}

fn write_meta(path: &Path, of: &impl Serialize) -> Result<(), BenchError> {
    let text = toml::to_string(of).map_err(|e| BenchError::data(path, e.to_string()))?;
    write_whole(path, text.as_bytes())
}

/// A head in a directory, if there is one.
fn head_in(folder: &Path) -> Result<Option<PathBuf>, BenchError> {
    let io = |e| BenchError::io(folder, e);
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("head") && name.ends_with(".safetensors") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The names of the fields in which two values differ, those of tables within as `head.seed`.
fn differences(a: &impl Serialize, b: &impl Serialize) -> Vec<String> {
    fn compare(a: Option<&toml::Value>, b: Option<&toml::Value>, name: &str, found: &mut Vec<String>) {
        match (a, b) {
            (Some(toml::Value::Table(a)), Some(toml::Value::Table(b))) => {
                let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
                for key in keys {
                    let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                    compare(a.get(key), b.get(key), &name, found);
                }
            }
            (a, b) if a != b => found.push(name.to_owned()),
            _ => {}
        }
    }
    let mut found = Vec::new();
    let (a, b) = (toml::Value::try_from(a).ok(), toml::Value::try_from(b).ok());
    compare(a.as_ref(), b.as_ref(), "", &mut found);
    found
}

/// Writes a file whole, or not at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BenchError> {
    files::write(path, bytes).map_err(|e| BenchError::io(path, e))
}

/// The lines of a file that were written to their end; a torn last line is cut off the file.
fn whole_lines(file: &mut File, path: &Path) -> Result<String, BenchError> {
    let mut bytes = Vec::new();
    let mut read = || {
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        if end < bytes.len() {
            file.set_len(end as u64)?;
            bytes.truncate(end);
        }
        std::io::Result::Ok(())
    };
    read().map_err(|e| BenchError::io(path, e))?;
    String::from_utf8(bytes)
        .map_err(|_| BenchError::data(path, "not UTF-8: the file is damaged; move it away"))
}

fn parse<R: DeserializeOwned>(text: &str, path: &Path) -> Result<Vec<R>, BenchError> {
    let read = |(i, line)| {
        serde_json::from_str(line).map_err(|e| {
            BenchError::data(path, format!("line {}: {e}: delete the line, and run again", i + 1))
        })
    };
    text.lines().enumerate().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    impl Entry for u32 {
        type Meta = BTreeMap<String, u32>;
        type Key = u32;
        const META: &'static str = "it.toml";
        const RECORDS: &'static str = "it.jsonl";

        fn key(&self) -> u32 {
            *self
        }

        fn other(found: &Self::Meta) -> String {
            format!("of {found:?}")
        }
    }

    fn open(folder: &Path, seed: u32) -> Result<Journal<u32>, BenchError> {
        Journal::open(folder, &[("seed".to_owned(), seed)].into())
    }

    /// Killed at any byte of the last write: what was whole is there, and the rest can be added again.
    #[test]
    fn a_torn_line_is_cut_off_wherever_it_is_torn() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = open(folder.path(), 1).unwrap();
        assert!(!journal.has(&10));
        journal.add(&[10, 200]).unwrap();
        drop(journal);
        let path = folder.path().join(u32::RECORDS);
        let whole = fs::read(&path).unwrap();
        for len in 0..=whole.len() {
            fs::write(&path, &whole[..len]).unwrap();
            let mut journal = open(folder.path(), 1).unwrap();
            let expected: &[u32] = match len {
                0..3 => &[],
                3..7 => &[10],
                _ => &[10, 200],
            };
            let read = || Journal::<u32>::read(folder.path()).unwrap();
            assert_eq!(read(), expected, "cut after {len} bytes");
            assert_eq!((journal.has(&10), journal.has(&200)), (len >= 3, len >= 7));
            journal.add(&[7]).unwrap();
            assert_eq!(read(), [&[7], expected].concat(), "in the order of their keys");
        }
    }

    #[test]
    fn settings_that_nothing_came_of_give_way() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path(), 1).unwrap());
        let head = folder.path().join("head.safetensors");
        fs::write(&head, "of the first").unwrap();
        drop(open(folder.path(), 1).unwrap());
        // A head of the other settings is in the way, and not deleted.
        let message = open(folder.path(), 2).unwrap_err().to_string();
        assert!(message.contains("head.safetensors") && message.contains("delete it"), "{message}");
        fs::remove_file(&head).unwrap();
        open(folder.path(), 2).unwrap().add(&[1]).unwrap();
        assert!(open(folder.path(), 1).is_err());
    }

    #[test]
    fn a_journal_of_something_else_and_a_damaged_line_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = open(folder.path(), 1).unwrap();
        journal.add(&[1, 2]).unwrap();
        let message = open(folder.path(), 1).unwrap_err().to_string();
        assert!(message.contains("another process"), "{message}");
        drop(journal);
        let message = open(folder.path(), 2).unwrap_err().to_string();
        assert!(message.contains("it.toml") && message.contains("seed: give another directory"), "{message}");
        fs::write(folder.path().join(u32::RECORDS), "1\n2\n1\n").unwrap();
        assert_eq!(
            Journal::<u32>::read(folder.path()).unwrap(),
            [1, 2],
            "what stands there twice counts once"
        );
        fs::write(folder.path().join(u32::RECORDS), "1\nx\n3\n").unwrap();
        let message = open(folder.path(), 1).unwrap_err().to_string();
        assert!(message.contains("it.jsonl") && message.contains("line 2"), "{message}");
        fs::write(folder.path().join(u32::RECORDS), "1\n").unwrap();
        fs::remove_file(folder.path().join(u32::META)).unwrap();
        let message = open(folder.path(), 1).unwrap_err().to_string();
        assert!(message.contains("no it.toml"), "{message}");
    }
}
