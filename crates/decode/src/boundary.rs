//! Where an object of a call's arguments may end, or hold a property more that the schema leaves open. (Which of several properties
//! comes next, one that must be there or one ahead of it that need not, is not such a place.)
//!
//! There a small model goes on too often, with what nobody mentioned. How much more likely than the end going on must be is a
//! number, chosen from calls that are known to be right: [`Extended::boundaries`] says what the model holds of them.

use crate::DecodeError;
use crate::choose::best;
use crate::draft::{Draft, context_full};
use crate::extended::{Extended, Kind};
use crate::prefix::common;
use crate::prepared::Prepared;
use crate::remote::Emitted;
use crate::request::{Conversation, Prompt, Request, WorkedCall};
use crate::row::message::{Framed, Shown};
use crate::settings::{Arguments, Settings};
use lm::{Matrix, Sequence, Tokenizer};
use std::sync::Arc;

/// A place in a call where both are possible.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boundary {
    /// log P(another property) − log P(the object's end), by the model.
    pub odds: f32,
    /// The call has another property there.
    pub goes_on: bool,
}

/// What a JSON text is in the middle of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Within {
    string: bool,
    escaped: bool,
    open: Vec<u8>,
    /// An object was just opened: it has no property yet.
    empty: bool,
}

/// What a token decides of an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    End,
    GoOn,
    Neither,
}

impl Within {
    /// What is open behind a text.
    pub fn text(text: &[u8]) -> Self {
        let mut within = Self::default();
        text.iter().for_each(|&byte| within.take(byte));
        within
    }

    /// A string is open.
    pub fn string(&self) -> bool {
        self.string
    }

    fn take(&mut self, byte: u8) {
        let outside = !self.string;
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.string => self.escaped = true,
            b'"' => self.string = !self.string,
            b'{' | b'[' if outside => self.open.push(byte),
            b'}' | b']' if outside => drop(self.open.pop()),
            _ => {}
        }
        self.empty = outside && (byte == b'{' || self.empty && byte == b' ');
    }

    /// The first thing that a token which follows decides of an object: that it ends, or that it has another property.
    fn does(&self, token: &[u8]) -> Does {
        if !token.iter().any(|byte| b"},\"".contains(byte)) {
            return Does::Neither;
        }
        let mut within = self.clone();
        for &byte in token {
            match byte {
                b'}' if !within.string => return Does::End,
                b',' if !within.string && within.open.last() == Some(&b'{') => return Does::GoOn,
                b'"' if !within.string && within.empty => return Does::GoOn,
                _ => within.take(byte),
            }
        }
        Does::Neither
    }
}

/// Of words behind this text with their scores, log P(another property) − log P(the end); none where only one of them is possible
/// (above −∞).
fn odds(words: impl Iterator<Item = (u32, f32)>, tokenizer: &Tokenizer, within: &Within) -> Option<f32> {
    let (mut on, mut end) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (id, score) in words.filter(|(_, score)| *score > f32::NEG_INFINITY) {
        match within.does(tokenizer.token_bytes(id)) {
            Does::GoOn => on = log_add(on, f64::from(score)),
            Does::End => end = log_add(end, f64::from(score)),
            Does::Neither => {}
        }
    }
    (on - end).is_finite().then_some((on - end) as f32)
}

/// All words with their scores, by id.
fn numbered(words: &[f32]) -> impl Iterator<Item = (u32, f32)> {
    (0..).zip(words.iter().copied())
}

/// Of arguments that an engine wrote greedily, as far as they go on by the margin: the object ends where it might as well have ended and
/// going on was not likelier by so much. Nothing if they stay as they are. `may_end` says whether a text is a whole call.
///
/// Nested objects are left as they are: what follows one would have been written otherwise.
pub(crate) fn held_back(
    written: &[Emitted],
    tokenizer: &Tokenizer,
    margin: f32,
    may_end: impl Fn(&[u8]) -> bool,
) -> Option<Vec<u8>> {
    let (mut text, mut within) = (Vec::new(), Within::default());
    for emitted in written {
        let token = tokenizer.token_bytes(emitted.id);
        if within.does(token) == Does::GoOn
            && odds(emitted.top.iter().copied(), tokenizer, &within).is_some_and(|odds| odds < margin)
        {
            let mut at = within.clone();
            let goes_on = |at: &Within, byte| (byte == b',' && !at.string) || (byte == b'"' && at.empty);
            let kept = token.iter().take_while(|&&byte| {
                let stays = !goes_on(&at, byte);
                at.take(byte);
                stays
            });
            let ended = [&text[..], &kept.copied().collect::<Vec<u8>>(), b"}"].concat();
            if may_end(&ended) {
                return Some(ended);
            }
        }
        token.iter().for_each(|&byte| within.take(byte));
        text.extend_from_slice(token);
    }
    None
}

/// ln(eᵃ + eᵇ).
fn log_add(a: f64, b: f64) -> f64 {
    let max = a.max(b);
    if max == f64::NEG_INFINITY { max } else { max + ((a - max).exp() + (b - max).exp()).ln() }
}

/// Makes going on less likely by `margin` in log odds, where the object might as well end. What is neither, as a number's next digit,
/// keeps its probability.
pub(crate) fn hold_back(words: &mut [f32], tokenizer: &Tokenizer, text: &[u8], margin: f32) {
    let within = Within::text(text);
    let does = |id: usize| within.does(tokenizer.token_bytes(id as u32));
    // A word that does neither is no matter of ours, and the usual case.
    if margin == 0.0 || best(words).is_none_or(|(id, _)| does(id) == Does::Neither) {
        return;
    }
    let Some(odds) = odds(numbered(words), tokenizer, &within) else { return };
    // P(end) is σ(−odds); both are moved to the new odds, and their sum stays.
    let ln_sigmoid = |x: f64| -log_add(0.0, -x);
    let (old, new) = (f64::from(odds), f64::from(odds - margin));
    let (end, on) = (ln_sigmoid(-new) - ln_sigmoid(-old), ln_sigmoid(new) - ln_sigmoid(old));
    for (id, score) in words.iter_mut().enumerate().filter(|(_, score)| **score > f32::NEG_INFINITY) {
        match does(id) {
            Does::End => *score += end as f32,
            Does::GoOn => *score += on as f32,
            Does::Neither => {}
        }
    }
}

impl Extended<'_> {
    /// What the model holds of a call that is right, in answer to a conversation: the places of `arguments` at which an object may end
    /// or go on. They are read as they would be written under [`Arguments::Examples`], after the calls that are `shown`. Of
    /// `sequence`, which was given to an earlier call or is new, what begins alike is not read again.
    ///
    /// # Errors
    /// [`DecodeError::Request`] for a tool that has no row, or whose calls do not stand in messages, and for a template or context
    /// that the call does not fit; the model's.
    pub fn boundaries(
        &self,
        conversation: Conversation,
        tool: &str,
        shown: &[WorkedCall],
        arguments: &str,
        sequence: &mut Sequence,
    ) -> Result<Vec<Boundary>, DecodeError> {
        let refused = |message: String| DecodeError::Request { index: 0, message };
        let settings = Settings { arguments: Arguments::Examples, ..Settings::default() };
        let request = Request { settings, ..Request::new(Prompt::Chat(conversation)) };
        let prepared = Prepared::new(0, request, self)?;
        let row = self.row(tool).ok_or_else(|| refused(self.unknown_tool(tool)))?;
        let callable = &self.callables[row];
        let Kind::Message(grammar) = &callable.kind else {
            return Err(refused(format!("calls of `{tool}` do not stand in messages")));
        };
        let shown = Shown { calls: shown.into(), ..Shown::of(callable, self.context()) };
        let draft = Draft::new(Arc::new(prepared));
        let framed = Framed::new(&draft, &shown, self).map_err(refused)?;
        let written = self.encode_segment(arguments)?;
        let ids = [&framed.ids[..], &written].concat();
        if ids.len() > self.context() {
            return Err(refused(context_full(self.context())));
        }
        sequence.truncate(common(sequence.ids(), &framed.ids).min(framed.ids.len().saturating_sub(1)));
        let read = sequence.ids().len();
        let hidden = self.lm.extend(&mut [(sequence, &ids[read..])])?;
        let mut constraint = grammar.begin();
        let mut within = Within::default();
        let mut boundaries = Vec::new();
        for (k, &id) in written.iter().enumerate() {
            let token = self.tokenizer().token_bytes(id);
            let does = within.does(token);
            if does != Does::Neither {
                let state =
                    Matrix::new(1, hidden.cols(), hidden.row(framed.ids.len() - 1 - read + k).to_vec());
                let mut words = self.lm.logits(&state)?.row(0).to_vec();
                if constraint.mask(&mut words).is_ok()
                    && let Some(odds) = odds(numbered(&words), self.tokenizer(), &within)
                {
                    boundaries.push(Boundary { odds, goes_on: does == Does::GoOn });
                }
            }
            token.iter().for_each(|&byte| within.take(byte));
            if constraint.push(id).is_err() {
                break; // not as the schema has it: what follows says nothing
            }
        }
        Ok(boundaries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text_is_inside_a_string_or_not() {
        for (text, inside) in [
            ("", false),
            ("{\"a", true),
            ("{\"a\"", false),
            ("{\"a\\\"", true),
            ("\"\\\\\"", false),
            ("\"]}", true),
        ] {
            assert_eq!(Within::text(text.as_bytes()).string(), inside, "{text}");
        }
    }

    #[test]
    fn what_a_token_does_depends_on_where_it_stands() {
        for (text, token, does) in [
            ("{\"a\": 1", "}", Does::End),
            ("{\"a\": 1", ", \"", Does::GoOn),
            ("{\"a\": 1", "2", Does::Neither),
            ("{\"a\": \"x", "\"}", Does::End),
            ("{\"a\": \"x", "\",", Does::GoOn),
            ("{\"a\": \"x", "}", Does::Neither),
            ("{\"a\": \"x", ", y", Does::Neither),
            ("{\"a\": \"x\\", "\",", Does::Neither),
            ("{\"a\": {\"b\": 1", "},", Does::End),
            ("{\"a\": [\"x", "\",", Does::Neither),
            ("{\"a\": [\"x", "\"],", Does::GoOn),
            ("{\"a\": [\"x", "\"]}", Does::End),
            ("{\"a\": [1", ", ", Does::Neither),
            ("{\"a\": [{\"b\": 1}", "]}", Does::End),
            ("{\"a\": [{\"b\": 1}", ", {\"", Does::GoOn),
            ("", "{}", Does::End),
            ("", "{\"", Does::GoOn),
            ("{", "\"a", Does::GoOn),
            ("{", "}", Does::End),
            ("{\"a\": ", "{}", Does::End),
            ("{\"a\": ", "\"", Does::Neither),
            ("{\"a\": 1, ", "\"b", Does::Neither),
        ] {
            assert!(Within::text(text.as_bytes()).does(token.as_bytes()) == does, "{text} {token}");
        }
    }
}
