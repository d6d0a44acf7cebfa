//! Cuts text into words, which byte-pair merges never cross.

use crate::LmError;
use fancy_regex::{Regex, RegexBuilder};

/// GPT-2's words.
pub(super) const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// Qwen 2's: digits alone, a mark can open a word, lines end words.
pub(super) const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Llama 3's: as Qwen's, with digits in groups of up to three.
pub(super) const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Every digit alone.
pub(super) const DIGIT: &str = r"\p{N}";
/// Digits apart from the rest.
pub(super) const DIGITS: &str = r"\p{N}+";

/// How often one search may step back. The patterns above do it once for each of a run of spaces; a foreign pattern that
/// does it without end is given up with an error.
const BACKTRACK_LIMIT: usize = 10_000_000;

/// Patterns applied one after the other, each to what the one before left; matches and what lies between them are words.
pub(super) struct Words {
    patterns: Vec<Regex>,
}

impl Words {
    /// Compiles the patterns; with none the whole text is one word.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, String> {
        let compile = |pattern: S| {
            let pattern = pattern.as_ref();
            RegexBuilder::new(pattern)
                .backtrack_limit(BACKTRACK_LIMIT)
                .build()
                .map_err(|e| format!("the pattern {pattern:?} that cuts words is not valid: {e}"))
        };
        Ok(Self { patterns: patterns.into_iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// Calls `each` with every word, in order; the words cover the text.
    pub fn split(
        &self,
        text: &str,
        each: &mut dyn FnMut(&str) -> Result<(), LmError>,
    ) -> Result<(), LmError> {
        split(&self.patterns, text, each)
    }

    pub fn patterns(&self) -> Vec<&str> {
        self.patterns.iter().map(Regex::as_str).collect()
    }
}

fn split(
    patterns: &[Regex],
    text: &str,
    each: &mut dyn FnMut(&str) -> Result<(), LmError>,
) -> Result<(), LmError> {
    if text.is_empty() {
        return Ok(());
    }
    let Some((pattern, rest)) = patterns.split_first() else {
        return each(text);
    };
    let mut end = 0;
    for found in pattern.find_iter(text) {
        let found = found.map_err(|e| {
            LmError::Tokenizer(format!("cutting a text of {} bytes into words: {e}", text.len()))
        })?;
        split(rest, &text[end..found.start()], each)?;
        split(rest, found.as_str(), each)?;
        end = found.end();
    }
    split(rest, &text[end..], each)
}
