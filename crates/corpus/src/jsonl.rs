//! The file format: one example a line, as JSON.

use crate::{Corpus, CorpusError, Example, Fault, FaultKind, Place};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

/// The longest line that is read. It bounds what a hostile file can make us hold; a text of this length has millions of
/// tokens, more than any model takes.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// Reads a corpus, for use: the first fault ends it.
///
/// # Errors
/// The system's, or the first fault with its line and byte.
pub fn read(path: &Path) -> Result<Corpus, CorpusError> {
    let file = File::open(path).map_err(|source| CorpusError::io(path, source))?;
    let mut examples = Vec::new();
    for line in Lines::new(BufReader::new(file)) {
        let line = line.map_err(|source| CorpusError::io(path, source))?;
        if let Some(fault) = line.faults.into_iter().next() {
            return Err(CorpusError::File { path: path.to_owned(), fault });
        }
        examples.extend(line.example);
    }
    Corpus::new(examples)
}

/// Writes a corpus: to a temporary file beside `path`, which then takes its place, so that no half file is ever seen.
///
/// # Errors
/// The system's.
pub fn write(path: &Path, corpus: &Corpus) -> Result<(), CorpusError> {
    let io = |source| CorpusError::io(path, source);
    let mut file = files::NewFile::at(path).map_err(io)?;
    let mut out = BufWriter::new(file.file());
    for example in corpus.examples() {
        serde_json::to_writer(&mut out, example).map_err(|e| io(e.into()))?;
        out.write_all(b"\n").map_err(io)?;
    }
    out.flush().map_err(io)?;
    drop(out);
    file.place().map_err(io)
}

/// What [`check`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Lines read, blank ones with them.
    pub lines: usize,
    /// Examples without a fault.
    pub sound: usize,
    /// The faults, in the file's order, as many as were asked for.
    pub faults: Vec<Fault>,
    /// How many faults more there are.
    pub more: usize,
}

/// Finds every fault of a file and keeps the first `limit` of them.
///
/// A line that is not JSON, or has a field too many or too few, is one fault: nothing further can be said of it.
///
/// # Errors
/// The system's alone.
pub fn check(path: &Path, limit: usize) -> Result<Findings, CorpusError> {
    let file = File::open(path).map_err(|source| CorpusError::io(path, source))?;
    let mut findings = Findings::default();
    for line in Lines::new(BufReader::new(file)) {
        let line = line.map_err(|source| CorpusError::io(path, source))?;
        findings.lines += 1;
        findings.sound += usize::from(line.example.is_some() && line.faults.is_empty());
        let room = limit - findings.faults.len();
        findings.more += line.faults.len().saturating_sub(room);
        findings.faults.extend(line.faults.into_iter().take(room));
    }
    Ok(findings)
}

/// A line: an example, unless it is blank or cannot be understood, and all that is wrong with it.
struct Line {
    example: Option<Example>,
    faults: Vec<Fault>,
}

/// The lines of a file, one at a time.
struct Lines<R> {
    reader: R,
    number: usize,
    first_use: HashMap<String, usize>,
}

impl<R: BufRead> Lines<R> {
    fn new(reader: R) -> Self {
        Self { reader, number: 0, first_use: HashMap::new() }
    }

    fn understand(&mut self, bytes: &[u8]) -> Line {
        let line = self.number;
        if bytes.len() > MAX_LINE_BYTES {
            let kind = FaultKind::LineTooLong { limit: MAX_LINE_BYTES };
            return Line {
                example: None,
                faults: vec![Fault { line, place: Place::Line(MAX_LINE_BYTES), kind }],
            };
        }
        if bytes.trim_ascii().is_empty() {
            return Line { example: None, faults: Vec::new() };
        }
        let example = match parse(bytes) {
            Ok(example) if example.id.is_empty() => Example { id: line.to_string(), ..example },
            Ok(example) => example,
            Err((place, kind)) => {
                return Line { example: None, faults: vec![Fault { line, place, kind }] };
            }
        };
        let mut faults = example.faults();
        let first = *self.first_use.entry(example.id.clone()).or_insert(line);
        if first != line {
            faults.push((Place::Line(0), FaultKind::RepeatedId { id: example.id.clone(), first }));
        }
        let faults = faults.into_iter().map(|(place, kind)| Fault { line, place, kind }).collect();
        Line { example: Some(example), faults }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = Vec::new();
        // One byte more than a line may have tells a line that is too long from one that just fits.
        let most = MAX_LINE_BYTES as u64 + 1;
        match (&mut self.reader).take(most).read_until(b'\n', &mut bytes) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(e) => return Some(Err(e)),
        }
        self.number += 1;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        } else if bytes.len() > MAX_LINE_BYTES
            && let Err(e) = self.reader.skip_until(b'\n')
        {
            return Some(Err(e));
        }
        Some(Ok(self.understand(&bytes)))
    }
}

fn parse(bytes: &[u8]) -> Result<Example, (Place, FaultKind)> {
    let text = std::str::from_utf8(bytes).map_err(|e| (Place::Line(e.valid_up_to()), FaultKind::NotUtf8))?;
    serde_json::from_str(text).map_err(|e| {
        // The column counts the bytes read so far; the message repeats it with a line number that is always 1.
        let place = Place::Line(e.column().saturating_sub(1));
        let message = e.to_string();
        let message = message.split(" at line 1 ").next().unwrap_or_default().to_owned();
        (place, FaultKind::NotAnExample { message })
    })
}
