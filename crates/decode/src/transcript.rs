//! One request's text as it grows: bytes, since a token may hold a part of a character.

use crate::Settings;
use crate::splice::space_after;

/// The text that was generated after a prompt.
pub(crate) struct Transcript {
    /// The last bytes of the prompt.
    prompt: Vec<u8>,
    stops: Vec<String>,
    last_line: Option<String>,
    bytes: Vec<u8>,
    /// The calls behind the results: where in `bytes`, and what stood there before the result.
    calls: Vec<(usize, String)>,
    /// Bytes already given out as events.
    given: usize,
}

impl Transcript {
    pub fn new(prompt: &str, settings: &Settings) -> Self {
        let prompt = prompt.as_bytes()[prompt.len().saturating_sub(8)..].to_vec();
        let (stops, last_line) = (settings.stop.clone(), settings.last_line.clone());
        Self { prompt, stops, last_line, bytes: Vec::new(), calls: Vec::new(), given: 0 }
    }

    /// Bytes generated.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The space that belongs before a call or result put here.
    pub fn space(&self) -> &'static str {
        space_after(if self.bytes.is_empty() { &self.prompt } else { &self.bytes })
    }

    /// Adds a call's result, and keeps the call for [`Transcript::with_calls`].
    pub fn push_result(&mut self, space: &str, call: Option<String>, result: &str) -> Option<String> {
        if let Some(call) = call {
            self.calls.push((self.bytes.len() + space.len(), call));
        }
        self.push(format!("{space}{result}").as_bytes())
    }

    /// Adds bytes. If a stop string is then in the text, or the last line is whole, cuts the text before the first and returns it.
    pub fn push(&mut self, bytes: &[u8]) -> Option<String> {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        // A stop string may have begun in earlier bytes.
        let from = (self.bytes.len() + 1).saturating_sub(longest);
        self.bytes.extend_from_slice(bytes);
        let found = self
            .stops
            .iter()
            .filter_map(|stop| Some((from + find(&self.bytes[from..], stop.as_bytes())?, stop.as_str())));
        let (at, stop) = found.chain(self.last_line_end().map(|at| (at, "\n"))).min_by_key(|(at, _)| *at)?;
        let stop = stop.to_owned();
        self.bytes.truncate(at);
        Some(stop)
    }

    /// Where the line ends that is to be the last.
    fn last_line_end(&self) -> Option<usize> {
        let mark = find(&self.bytes, self.last_line.as_ref()?.as_bytes())?;
        Some(mark + self.bytes[mark..].iter().position(|&byte| byte == b'\n')?)
    }

    /// The text so far with its calls written out, as `<add>(1, 2) = 3`.
    pub fn with_calls(&self) -> String {
        let mut out = Vec::with_capacity(self.bytes.len());
        let mut from = 0;
        for (at, call) in &self.calls {
            out.extend_from_slice(&self.bytes[from..*at]);
            out.extend_from_slice(call.as_bytes());
            out.extend_from_slice(b" = ");
            from = *at;
        }
        out.extend_from_slice(&self.bytes[from..]);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The text not given out yet that no later token can change: what may be the start of a stop string or of a
    /// character is held back, unless this is the `end`.
    pub fn take_delta(&mut self, end: bool) -> String {
        let held = if end { 0 } else { self.held() };
        let until = (self.bytes.len() - held).max(self.given);
        let mut delta = String::new();
        for chunk in self.bytes[self.given..until].utf8_chunks() {
            delta.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                delta.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.given = until;
        delta
    }

    /// Length of the end of the text that is the start of a stop string, or an unfinished character.
    fn held(&self) -> usize {
        let starts_stop = |len: &usize| {
            let tail = &self.bytes[self.bytes.len() - len..];
            self.stops.iter().any(|stop| stop.len() > *len && stop.as_bytes().starts_with(tail))
        };
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let stop = (1..longest.min(self.bytes.len() + 1)).rev().find(starts_stop).unwrap_or(0);
        let before_stop = &self.bytes[..self.bytes.len() - stop];
        let unfinished = (1..4).find(|len| {
            let tail =
                before_stop.len().checked_sub(*len).map(|from| std::str::from_utf8(&before_stop[from..]));
            matches!(tail, Some(Err(e)) if e.valid_up_to() == 0 && e.error_len().is_none())
        });
        stop + unfinished.unwrap_or(0)
    }

    /// Whether the line that is being written begins with this.
    pub fn is_in_line(&self, start: &str) -> bool {
        let last = self.bytes.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        last.starts_with(start.as_bytes())
    }

    /// The whole text; what is no UTF-8 becomes U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops(stops: &[&str]) -> Settings {
        Settings { stop: stops.iter().map(|stop| (*stop).to_string()).collect(), ..Settings::default() }
    }

    #[test]
    fn a_stop_string_may_straddle_pieces_and_the_first_one_wins() {
        let stops = stops(&["\n\nQ:", "END"]);
        let mut text = Transcript::new("", &stops);
        assert_eq!(text.push(b"a\n"), None);
        assert_eq!(text.push(b"\n"), None);
        assert_eq!(text.push(b"Q: END").as_deref(), Some("\n\nQ:"));
        assert_eq!(text.text(), "a");
    }

    #[test]
    fn the_last_line_is_the_first_that_holds_its_mark() {
        let settings = Settings { last_line: Some("answer is".into()), ..stops(&["END"]) };
        let mut text = Transcript::new("", &settings);
        assert_eq!(text.push(b"Thought: so\nThe ans"), None);
        assert_eq!(text.push(b"wer is 4"), None);
        assert_eq!(text.push(b".\nThe answer is 5.\n").as_deref(), Some("\n"));
        assert_eq!(text.text(), "Thought: so\nThe answer is 4.");
        let mut text = Transcript::new("", &settings);
        assert_eq!(text.push(b"The answer is END\n").as_deref(), Some("END"), "whatever comes first");
    }

    /// Whatever the pieces, the deltas add up to the final text and hold nothing of the stop string.
    #[test]
    fn deltas_add_up_to_the_text() {
        let whole = "Zoë: \u{20ac}5 EN ENE\u{1f980}D, END of it".as_bytes();
        for size in 1..whole.len() {
            let stops = stops(&["END"]);
            let mut text = Transcript::new("", &stops);
            let mut given = String::new();
            for piece in whole.chunks(size) {
                let stopped = text.push(piece).is_some();
                given += &text.take_delta(stopped);
                if stopped {
                    break;
                }
                assert!(text.text().starts_with(&given));
            }
            assert_eq!(given, "Zoë: \u{20ac}5 EN ENE\u{1f980}D, ", "pieces of {size}");
            assert_eq!(given, text.text());
        }
    }

    #[test]
    fn bytes_that_are_no_text_come_out_alike_in_pieces_and_whole() {
        let mut text = Transcript::new("", &Settings::default());
        let mut given = String::new();
        for byte in b"a\xff\xe2\x82b\xf0\x9f" {
            text.push(&[*byte]);
            given += &text.take_delta(false);
        }
        given += &text.take_delta(true);
        assert_eq!(given, text.text());
    }

    #[test]
    fn a_finished_text_gives_what_was_held_back() {
        let stops = stops(&["\n\n"]);
        let mut text = Transcript::new("", &stops);
        text.push(b"a\n");
        assert_eq!(text.take_delta(false), "a");
        assert_eq!(text.take_delta(true), "\n");
    }

    #[test]
    fn calls_are_written_out_before_their_results() {
        let mut text = Transcript::new("A:", &Settings::default());
        text.push(b" It is");
        let space = text.space();
        text.push_result(space, Some("<add>(1, 2)".into()), "3");
        text.push(b", twice that=");
        assert_eq!(text.space(), "");
        text.push_result("", Some("<multiply>(3, 2)".into()), "6");
        text.push_result(" ", None, "[END]");
        assert_eq!(text.text(), " It is 3, twice that=6 [END]");
        assert_eq!(text.with_calls(), " It is <add>(1, 2) = 3, twice that=<multiply>(3, 2) = 6 [END]");
    }
}
