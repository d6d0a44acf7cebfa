//! How to generate: one struct with documented defaults, checked before anything is computed.

use crate::DecodeError;
use serde::{Deserialize, Serialize};

/// How one request is generated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Who may call tools, and when. Default: [`Calling::Auto`].
    pub calling: Calling,
    /// Tools are candidates only in lines of the generated text that begin with this; elsewhere there are words alone.
    /// Default: everywhere.
    pub in_lines: Option<String>,
    /// Where a call's arguments are written. Default: [`Arguments::InPlace`].
    pub arguments: Arguments,
    /// Added to every tool's logit; `None` takes the head's own bias. Default: `None`.
    pub bias: Option<f32>,
    /// 0 chooses the best token; above 0 a token is drawn from softmax(logits / temperature). Default: 0.
    pub temperature: f32,
    /// Draws come from the smallest set of best tokens that holds this share of the probability, in (0, 1]. Default: 1.
    pub top_p: f32,
    /// Seed of this request's draws. They depend on nothing else, so a batch does not change them. Default: 0.
    pub seed: u64,
    /// Cap on the tokens chosen outside of calls; a call, result and all, counts as one. Default: 256.
    pub max_tokens: usize,
    /// Cap on all tokens that are chosen, those of calls' arguments among them: a call may have as many as are left, and what is undone
    /// counts. Default: none.
    pub max_total: Option<usize>,
    /// Cap on the calls whose result enters the text. When one more is called for the generation *ends*
    /// ([`Finish::MaxCalls`](crate::Finish::MaxCalls)): going on without tools would guess what the tool knows. Of calls in messages a turn
    /// makes no more, and ends with them ([`Finish::Calls`](crate::Finish::Calls)). Default: 16.
    pub max_calls: usize,
    /// Cap on the tokens of one call's arguments. A call that hits it is undone; one in a message ends the generation
    /// ([`Finish::MaxTokens`](crate::Finish::MaxTokens)). Default: 64.
    pub max_argument_tokens: usize,
    /// After a failed call, how many more tools may be tried at that position before the best word is taken. Default: 4.
    pub max_backtracks: usize,
    /// The text ends before the first of these. Default: none.
    pub stop: Vec<String>,
    /// The text ends with the first line that this stands in. Default: none.
    pub last_line: Option<String>,
    /// A decision is put in the trace when P(tool) is at least this: 0 records every token, 1 hardly more than the calls.
    /// Calls, failed or not, are always recorded. Default: 0.1.
    pub record_above: f32,
    /// How many of the best tokens a recorded decision lists. Default: 5.
    pub alternatives: usize,
    /// How many of the best tools a recorded decision lists beside them. Default: 0.
    pub rival_tools: usize,
    /// Tells every word's log probability as it is chosen, with this many of the best tokens. Default: no.
    pub logprobs: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            calling: Calling::Auto,
            in_lines: None,
            arguments: Arguments::InPlace,
            bias: None,
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
            max_tokens: 256,
            max_total: None,
            max_calls: 16,
            max_argument_tokens: 64,
            max_backtracks: 4,
            stop: Vec::new(),
            last_line: None,
            record_above: 0.1,
            alternatives: 5,
            rival_tools: 0,
            logprobs: None,
        }
    }
}

/// Who may call tools, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calling {
    /// A tool is called when it wins against the words.
    #[default]
    Auto,
    /// Tools are off: the plain language model.
    Off,
    /// The first token is the best tool, whatever the words say; after it as [`Calling::Auto`].
    Force,
}

/// Where a call's arguments are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arguments {
    /// After the text so far: its KV state is kept.
    #[default]
    InPlace,
    /// In a prompt of their own that shows worked calls of this tool; see [`Engine::demos`](crate::Engine::demos).
    Demos,
    /// Of a call that stands in a message of its own: in a prompt of its own, in which the chat template shows this one tool's
    /// definition, so that descriptions of parameters count. Of other calls, after the text so far.
    Definition,
    /// As [`Arguments::Definition`], with what the tool was [taught](crate::Extended::taught): worked calls as earlier turns, and a
    /// margin for parameters that need not be there. (Of what an engine elsewhere wrote the margin takes off the end alone: the object ends
    /// where it should have.)
    Examples,
}

impl Settings {
    /// Refuses values out of their range.
    ///
    /// # Errors
    /// [`DecodeError::Setting`] for the first that is.
    pub fn check(&self) -> Result<(), DecodeError> {
        fn refuse(
            name: &'static str,
            found: impl ToString,
            expected: &'static str,
        ) -> Result<(), DecodeError> {
            Err(DecodeError::Setting { name, found: found.to_string(), expected })
        }
        if let Some(bias) = self.bias.filter(|bias| !bias.is_finite()) {
            return refuse("bias", bias, "finite");
        }
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return refuse("temperature", self.temperature, "finite and at least 0");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return refuse("top_p", self.top_p, "above 0 and at most 1");
        }
        if !(0.0..=1.0).contains(&self.record_above) {
            return refuse("record_above", self.record_above, "between 0 and 1");
        }
        let at_least_one = [
            ("max_tokens", self.max_tokens),
            ("max_total", self.max_total.unwrap_or(1)),
            ("max_calls", self.max_calls),
            ("max_argument_tokens", self.max_argument_tokens),
        ];
        if let Some((name, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
            return refuse(name, 0, "at least 1");
        }
        if self.stop.iter().any(String::is_empty) {
            return refuse("stop", "an empty string", "strings of at least one character");
        }
        if self.last_line.as_ref().is_some_and(String::is_empty) {
            return refuse("last_line", "an empty string", "at least one character");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_pass_and_each_bad_value_is_named() {
        assert!(Settings::default().check().is_ok());
        let with = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            match settings.check() {
                Err(DecodeError::Setting { name, .. }) => name,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(with(|s| s.bias = Some(f32::NAN)), "bias");
        assert_eq!(with(|s| s.temperature = -0.1), "temperature");
        assert_eq!(with(|s| s.temperature = f32::NAN), "temperature");
        assert_eq!(with(|s| s.top_p = 0.0), "top_p");
        assert_eq!(with(|s| s.top_p = 1.5), "top_p");
        assert_eq!(with(|s| s.top_p = f32::NAN), "top_p");
        assert_eq!(with(|s| s.record_above = 2.0), "record_above");
        assert_eq!(with(|s| s.max_tokens = 0), "max_tokens");
        assert_eq!(with(|s| s.max_total = Some(0)), "max_total");
        assert_eq!(with(|s| s.max_calls = 0), "max_calls");
        assert_eq!(with(|s| s.max_argument_tokens = 0), "max_argument_tokens");
        assert_eq!(with(|s| s.stop = vec![String::new()]), "stop");
        assert_eq!(with(|s| s.last_line = Some(String::new())), "last_line");
    }

    #[test]
    fn a_config_file_may_name_a_few_settings_and_no_unknown_ones() {
        let settings: Settings = serde_json::from_str(r#"{"arguments": "demos", "top_p": 0.9}"#).unwrap();
        assert_eq!(settings, Settings { arguments: Arguments::Demos, top_p: 0.9, ..Settings::default() });
        assert!(serde_json::from_str::<Settings>(r#"{"temprature": 1}"#).is_err());
    }
}
