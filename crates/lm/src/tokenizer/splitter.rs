//! Cuts given tokens out of a text: at every place the longest that stands there, from left to right.

use std::borrow::Cow;
use std::collections::HashMap;

/// A piece of a text.
#[derive(Debug, PartialEq)]
pub(super) enum Part<'a> {
    /// One of the given tokens stood here.
    Token(u32),
    /// Text between them; never empty.
    Text(&'a str),
}

/// The tokens to cut out.
pub(super) struct Splitter {
    ids: HashMap<Box<[u8]>, u32>,
    /// By first byte: the lengths of the tokens that start with it, longest first.
    lengths: Box<[Vec<usize>; 256]>,
}

impl Splitter {
    /// Tokens without bytes are left out.
    pub fn new<'a>(tokens: impl Iterator<Item = (&'a [u8], u32)>) -> Self {
        let mut lengths = Box::new([const { Vec::new() }; 256]);
        let mut ids = HashMap::new();
        for (bytes, id) in tokens {
            if let [first, ..] = bytes {
                lengths[usize::from(*first)].push(bytes.len());
                ids.entry(bytes.into()).or_insert(id);
            }
        }
        for of_byte in lengths.iter_mut() {
            of_byte.sort_unstable_by(|a, b| b.cmp(a));
            of_byte.dedup();
        }
        Self { ids, lengths }
    }

    /// The parts of `text`, in order, without gaps.
    pub fn split<'a>(&self, text: &'a str) -> Vec<Part<'a>> {
        let mut parts = Vec::new();
        let (mut start, mut at) = (0, 0);
        while at < text.len() {
            let Some((id, len)) = self.at(&text.as_bytes()[at..]) else {
                at += 1;
                continue;
            };
            if start < at {
                parts.push(Part::Text(&text[start..at]));
            }
            parts.push(Part::Token(id));
            at += len;
            start = at;
        }
        if start < text.len() {
            parts.push(Part::Text(&text[start..]));
        }
        parts
    }

    /// The text with `mark` in every token that stands in it, after the token's first character: none is left whole. A token
    /// of one character gives way to the mark.
    pub fn cut<'a>(&self, text: &'a str, mark: char) -> Cow<'a, str> {
        let mut out = String::new();
        let mut start = 0;
        for (at, first) in text.char_indices() {
            let Some((_, len)) = self.at(&text.as_bytes()[at..]) else { continue };
            let within = first.len_utf8();
            out += &text[start..if len > within { at + within } else { at }];
            out.push(mark);
            start = at + within;
        }
        if start == 0 { Cow::Borrowed(text) } else { Cow::Owned(out + &text[start..]) }
    }

    /// The longest token that `text` starts with. Tokens are whole UTF-8 strings, so one never matches inside a character.
    fn at(&self, text: &[u8]) -> Option<(u32, usize)> {
        let lengths = &self.lengths[usize::from(*text.first()?)];
        lengths.iter().find_map(|&len| Some((*self.ids.get(text.get(..len)?)?, len)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_token_at_the_leftmost_place_wins() {
        let tokens: [(&[u8], u32); 4] = [(b"<a>", 1), (b"<a><b>", 2), (b"b", 3), ("é".as_bytes(), 4)];
        let splitter = Splitter::new(tokens.into_iter());
        assert_eq!(
            splitter.split("x<a><b><a>bé"),
            [Part::Text("x"), Part::Token(2), Part::Token(1), Part::Token(3), Part::Token(4)]
        );
        assert_eq!(splitter.split("ê<a"), [Part::Text("ê<a")]);
        assert_eq!(splitter.split(""), []);
    }

    #[test]
    fn a_cut_text_has_no_token_left() {
        let tokens: [(&[u8], u32); 4] = [(b"<a>", 1), (b"<a><b>", 2), (b"b", 3), ("é!".as_bytes(), 4)];
        let splitter = Splitter::new(tokens.into_iter());
        for (text, cut) in [
            ("x<a>y", "x<|a>y"),
            ("<a><b>", "<|a><|>"), // the one character `b` is itself a token
            ("é!é", "é|!é"),
            ("<<a>", "<<|a>"),
            ("plain", "plain"),
            ("", ""),
        ] {
            let found = splitter.cut(text, '|');
            assert_eq!(found, cut, "{text}");
            let whole = |piece: &str| splitter.split(piece).iter().any(|part| matches!(part, Part::Token(_)));
            assert!(!found.split('|').any(whole), "{text}");
        }
    }
}
