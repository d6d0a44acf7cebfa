//! A directory that survives being killed: what it is of, in TOML, and a line of JSON a record.
//!
//! The first file is written whole and renamed. Records are added at the end of the second; a last line that was torn is cut
//! off when the journal is opened again, so at most what was in flight is lost.

use crate::BenchError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// The names of a journal's files.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// What it is of.
    pub meta: &'static str,
    /// Its records.
    pub records: &'static str,
}

/// An open journal of records `R`.
#[derive(Debug)]
pub struct Journal<R> {
    path: PathBuf,
    file: File,
    records: PhantomData<R>,
}

impl<R: Serialize + DeserializeOwned> Journal<R> {
    /// Opens a journal, or begins one, and returns it with the records that are there. It is locked while it is open, where the
    /// file system has locks.
    ///
    /// `other` describes what was found where it is of something else.
    ///
    /// # Errors
    /// [`BenchError::Data`] if the directory is of something else, has records and does not say what of, is open elsewhere, or a
    /// record cannot be read.
    pub fn open<M: Serialize + DeserializeOwned + PartialEq>(
        folder: &Path,
        names: Names,
        of: &M,
        other: impl FnOnce(&M) -> String,
    ) -> Result<(Self, Vec<R>), BenchError> {
        fs::create_dir_all(folder).map_err(|e| BenchError::io(folder, e))?;
        let path = folder.join(names.records);
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
        let records: Vec<R> = parse(&whole_lines(&mut file, &path)?, &path)?;
        let meta_path = folder.join(names.meta);
        if meta_path.exists() {
            let found: M = self::meta(folder, names)?;
            if found != *of {
                let message = format!("{}: give another directory", other(&found));
                return Err(BenchError::data(meta_path, message));
            }
        } else if !records.is_empty() {
            let message = format!("there are records, but no {}: give another directory", names.meta);
            return Err(BenchError::data(path, message));
        } else {
            let text = toml::to_string(of).map_err(|e| BenchError::data(&meta_path, e.to_string()))?;
            write_whole(&meta_path, text.as_bytes())?;
        }
        Ok((Self { path, file, records: PhantomData }, records))
    }

    /// Adds records, all of them at once.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&mut self, records: &[R]) -> Result<(), BenchError> {
        let mut lines = String::new();
        for record in records {
            let line =
                serde_json::to_string(record).map_err(|e| BenchError::data(&self.path, e.to_string()))?;
            lines.push_str(&line);
            lines.push('\n');
        }
        let mut write = || {
            self.file.seek(SeekFrom::End(0))?;
            self.file.write_all(lines.as_bytes())?;
            self.file.sync_data()
        };
        write().map_err(|e| BenchError::io(&self.path, e))
    }
}

/// What a journal's directory is of.
///
/// # Errors
/// If there is none, or it cannot be read.
pub fn meta<M: DeserializeOwned>(folder: &Path, names: Names) -> Result<M, BenchError> {
    let path = folder.join(names.meta);
    let text = fs::read_to_string(&path).map_err(|e| BenchError::io(&path, e))?;
    toml::from_str(&text).map_err(|e| BenchError::data(&path, e.to_string()))
}

/// All whole records of a journal's directory, which may be open elsewhere.
///
/// # Errors
/// As [`Journal::open`].
pub fn read<R: DeserializeOwned>(folder: &Path, names: Names) -> Result<Vec<R>, BenchError> {
    let path = folder.join(names.records);
    let mut bytes = fs::read(&path).map_err(|e| BenchError::io(&path, e))?;
    bytes.truncate(bytes.iter().rposition(|&byte| byte == b'\n').unwrap_or(0));
    let text = String::from_utf8(bytes).map_err(|e| BenchError::data(&path, e.to_string()))?;
    parse(&text, &path)
}

/// Writes a file whole, or not at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BenchError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        // Not a `NamedTempFile::new_in`, which is for its owner's eyes only.
        let mut file = tempfile::Builder::new().make_in(folder, |path| File::create_new(path))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        std::io::Result::Ok(())
    };
    write().map_err(|e| BenchError::io(path, e))
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

    const NAMES: Names = Names { meta: "it.toml", records: "it.jsonl" };

    fn open(folder: &Path, meta: &[(String, u32)]) -> Result<(Journal<u32>, Vec<u32>), BenchError> {
        let meta: std::collections::BTreeMap<_, _> = meta.iter().cloned().collect();
        Journal::open(folder, NAMES, &meta, |found| format!("of {found:?}"))
    }

    /// Killed at any byte of the last write: what was whole is there, and the rest can be added again.
    #[test]
    fn a_torn_line_is_cut_off_wherever_it_is_torn() {
        let folder = tempfile::tempdir().unwrap();
        let of = [("seed".to_owned(), 1)];
        let (mut journal, found) = open(folder.path(), &of).unwrap();
        assert!(found.is_empty());
        journal.add(&[10, 200]).unwrap();
        drop(journal);
        let path = folder.path().join(NAMES.records);
        let whole = fs::read(&path).unwrap();
        for len in 0..=whole.len() {
            fs::write(&path, &whole[..len]).unwrap();
            let (mut journal, found) = open(folder.path(), &of).unwrap();
            let expected: &[u32] = match len {
                0..3 => &[],
                3..7 => &[10],
                _ => &[10, 200],
            };
            assert_eq!(found, expected, "cut after {len} bytes");
            journal.add(&[7]).unwrap();
            let read: Vec<u32> = read(folder.path(), NAMES).unwrap();
            assert_eq!(read, [expected, &[7]].concat());
        }
    }

    #[test]
    fn a_journal_of_something_else_and_a_damaged_line_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(folder.path(), &[("seed".to_owned(), 1)]).unwrap();
        let message = open(folder.path(), &[("seed".to_owned(), 2)]).unwrap_err().to_string();
        assert!(message.contains("it.toml") && message.contains("another directory"), "{message}");
        journal.add(&[1, 2]).unwrap();
        let message = open(folder.path(), &[("seed".to_owned(), 1)]).unwrap_err().to_string();
        assert!(message.contains("another process"), "{message}");
        drop(journal);
        fs::write(folder.path().join(NAMES.records), "1\nx\n3\n").unwrap();
        let message = open(folder.path(), &[("seed".to_owned(), 1)]).unwrap_err().to_string();
        assert!(message.contains("it.jsonl") && message.contains("line 2"), "{message}");
    }
}
