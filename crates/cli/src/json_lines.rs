//! A filter over JSON lines: one answer a line, from standard input to standard output.

use crate::{exit::Exit, output};
use std::fmt::Display;
use std::io::{self, BufRead, BufReader, BufWriter, Write};

/// Answers every line of standard input. A line that cannot be answered is told to standard error with its number, and
/// the others are answered all the same; the exit code is then [`Exit::BadInput`]. Blank lines have no answer.
///
/// Answers are written out whenever no further line is waiting, so that another program can hold a conversation.
///
/// # Errors
/// The system's.
pub fn answer_each<E: Display>(mut answer: impl FnMut(&str) -> Result<String, E>) -> io::Result<Exit> {
    let mut input = BufReader::new(io::stdin().lock());
    let mut out = BufWriter::new(output::stdout());
    let mut exit = Exit::Done;
    let mut line = Vec::new();
    let mut number = 0;
    while input.read_until(b'\n', &mut line)? > 0 {
        number += 1;
        let answered = match str::from_utf8(&line) {
            Ok(text) if text.trim().is_empty() => Ok(None),
            Ok(text) => answer(text).map(Some).map_err(|error| error.to_string()),
            Err(error) => Err(format!("not UTF-8 from byte {} on", error.valid_up_to())),
        };
        match answered {
            Ok(Some(text)) => writeln!(out, "{text}")?,
            Ok(None) => {}
            Err(error) => {
                exit = Exit::BadInput;
                writeln!(io::stderr(), "error: line {number}: {error}")?;
            }
        }
        if input.buffer().is_empty() {
            out.flush()?;
        }
        line.clear();
    }
    out.flush()?;
    Ok(exit)
}
