//! Requests as OpenAI's API has them. Fields that are not known are ignored, as clients send many.

use crate::error::ApiError;
use axum::http::StatusCode;
use decode::{Calling, Settings};
use lm::Message;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The most stop strings, their longest, and the most alternatives a token.
const MOST_STOPS: usize = 16;
const LONGEST_STOP: usize = 256;
const MOST_LOGPROBS: usize = 20;
const MOST_MESSAGES: usize = 2048;
const MOST_TOOLS: usize = 1024;

/// `POST /v1/chat/completions`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ChatRequest {
    pub model: Option<String>,
    pub messages: Vec<Message>,
    pub tools: Option<Vec<Value>>,
    /// The API's former `tools`.
    pub functions: Option<Value>,
    pub tool_choice: Option<Value>,
    pub parallel_tool_calls: Option<bool>,
    pub response_format: Option<Value>,
    #[serde(default)]
    pub logprobs: Option<bool>,
    pub top_logprobs: Option<usize>,
    /// What this server adds to the API.
    #[serde(default, deserialize_with = "null_is_default")]
    pub toolken: Extension,
    #[serde(flatten)]
    pub sampling: Sampling,
}

fn null_is_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    d: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

/// `POST /v1/completions`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct CompletionRequest {
    pub model: Option<String>,
    pub prompt: Value,
    pub logprobs: Option<usize>,
    #[serde(default)]
    pub echo: Option<bool>,
    #[serde(flatten)]
    pub sampling: Sampling,
}

/// What both have.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Sampling {
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    pub temperature: Option<f32>,
    pub top_p: Option<f32>,
    pub seed: Option<i64>,
    pub stop: Option<Value>,
    pub max_tokens: Option<usize>,
    pub max_completion_tokens: Option<usize>,
    pub n: Option<usize>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct StreamOptions {
    #[serde(default)]
    pub include_usage: bool,
}

/// The field `toolken` of a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Extension {
    /// All tools of the packs are on, without `tools`.
    pub all_tools: bool,
    /// The answer brings every decision with its probabilities, and every call.
    pub trace: bool,
    /// Calls are returned, whatever the server would run.
    pub return_calls: bool,
}

/// Which tools a turn may call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Choice {
    None,
    Auto,
    Required,
    Named(String),
}

impl Sampling {
    pub fn settings(&self, most: usize) -> Result<Settings, ApiError> {
        if self.n.is_some_and(|n| n != 1) {
            return Err(ApiError::bad(
                "n",
                "only n = 1 is served: send the request several times with other seeds",
            ));
        }
        let temperature = self.temperature.unwrap_or(0.0);
        if !(0.0..=2.0).contains(&temperature) {
            return Err(ApiError::bad("temperature", "expected a number from 0 to 2"));
        }
        let top_p = self.top_p.unwrap_or(1.0);
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(ApiError::bad("top_p", "expected a number above 0 and at most 1"));
        }
        let max_tokens = self.max_completion_tokens.or(self.max_tokens).unwrap_or(most);
        if max_tokens == 0 {
            return Err(ApiError::bad("max_tokens", "expected at least 1"));
        }
        let stop = match &self.stop {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(stop)) => vec![stop.clone()],
            Some(Value::Array(stops)) => stops
                .iter()
                .map(|stop| stop.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| ApiError::bad("stop", "expected strings"))?,
            Some(_) => return Err(ApiError::bad("stop", "expected a string or a list of strings")),
        };
        if stop.len() > MOST_STOPS || stop.iter().any(|stop| stop.is_empty() || stop.len() > LONGEST_STOP) {
            return Err(ApiError::bad(
                "stop",
                format!("expected at most {MOST_STOPS} strings of 1 to {LONGEST_STOP} bytes"),
            ));
        }
        // Without a seed draws differ from request to request.
        let seed = self.seed.map_or_else(rand::random, |seed| seed as u64);
        Ok(Settings {
            temperature,
            top_p,
            seed,
            stop,
            max_tokens: max_tokens.min(most),
            max_argument_tokens: max_tokens.min(most),
            record_above: 1.0,
            ..Settings::default()
        })
    }

    pub fn include_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }
}

/// Fields of a request among which the one at fault is looked for, more than the API has, and the longest body: it is read once more
/// for each.
const MOST_FIELDS: usize = 64;
const MOST_SEARCHED: usize = 1 << 16;

/// Reads a request's body; `what` it should be. What is at fault is named by its field: serde does not say which, where fields are
/// flattened.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, ApiError> {
    let error = match serde_json::from_slice(body) {
        Ok(request) => return Ok(request),
        Err(error) => error,
    };
    let message = format!("the body is no {what}: {error}");
    let fields = match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) if body.len() <= MOST_SEARCHED && fields.len() <= MOST_FIELDS => fields,
        _ => return Err(ApiError::new(StatusCode::BAD_REQUEST, message)),
    };
    let without = |key: &String| {
        let mut rest = fields.clone();
        rest.remove(key);
        serde_json::from_value::<T>(Value::Object(rest)).map_err(|e| e.to_string())
    };
    // Without the field at fault there is no fault; or none but that it is missing.
    let needed = |key: &String| without(key).is_err_and(|e| e.contains(&format!("missing field `{key}`")));
    let at_fault =
        fields.keys().find(|key| without(key).is_ok()).or_else(|| fields.keys().find(|key| needed(key)));
    Err(match at_fault {
        Some(key) => {
            let fault = error.to_string();
            let fault = fault.split(" at line ").next().unwrap_or_default();
            ApiError::bad(key, format!("`{key}`: {fault}"))
        }
        None => ApiError::new(StatusCode::BAD_REQUEST, message),
    })
}

impl ChatRequest {
    pub fn check(&self) -> Result<(), ApiError> {
        if self.messages.is_empty() || self.messages.len() > MOST_MESSAGES {
            return Err(ApiError::bad("messages", format!("expected 1 to {MOST_MESSAGES} messages")));
        }
        if self.functions.is_some() {
            return Err(ApiError::bad("functions", "`functions` is the API's former form: give `tools`"));
        }
        if self.logprobs != Some(true) && self.top_logprobs.is_some_and(|top| top > 0) {
            return Err(ApiError::bad("top_logprobs", "`top_logprobs` goes with `logprobs`: true"));
        }
        if self.tools.as_ref().is_some_and(|tools| tools.len() > MOST_TOOLS) {
            return Err(ApiError::bad("tools", format!("expected at most {MOST_TOOLS} tools")));
        }
        Ok(())
    }

    pub fn settings(&self, most: usize) -> Result<Settings, ApiError> {
        let mut settings = self.sampling.settings(most)?;
        if self.logprobs == Some(true) {
            let top = self.top_logprobs.unwrap_or(0);
            if top > MOST_LOGPROBS {
                return Err(ApiError::bad("top_logprobs", format!("expected at most {MOST_LOGPROBS}")));
            }
            settings.logprobs = Some(top);
        }
        if self.toolken.trace {
            settings.record_above = 0.0;
            settings.rival_tools = 8;
            settings.alternatives = 6;
        }
        Ok(settings)
    }

    pub fn choice(&self) -> Result<Choice, ApiError> {
        let bad = || {
            ApiError::bad(
                "tool_choice",
                "expected \"none\", \"auto\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": …}}",
            )
        };
        match &self.tool_choice {
            None | Some(Value::Null) => Ok(Choice::Auto),
            Some(Value::String(word)) => match word.as_str() {
                "none" => Ok(Choice::None),
                "auto" => Ok(Choice::Auto),
                "required" => Ok(Choice::Required),
                _ => Err(bad()),
            },
            Some(value) => value
                .pointer("/function/name")
                .and_then(Value::as_str)
                .map(|name| Choice::Named(name.to_owned()))
                .ok_or_else(bad),
        }
    }

    /// The schema that the whole answer must have.
    pub fn schema(&self) -> Result<Option<Value>, ApiError> {
        let Some(format) = self.response_format.as_ref().filter(|format| !format.is_null()) else {
            return Ok(None);
        };
        match format["type"].as_str() {
            Some("text") => Ok(None),
            Some("json_object") => Ok(Some(json!({"type": "object"}))),
            Some("json_schema") => match format.pointer("/json_schema/schema") {
                Some(schema) if schema.is_object() => Ok(Some(schema.clone())),
                _ => Err(ApiError::bad(
                    "response_format",
                    "expected {\"type\": \"json_schema\", \"json_schema\": {\"schema\": {…}}}",
                )),
            },
            _ => Err(ApiError::bad("response_format", "expected the type text, json_object or json_schema")),
        }
    }
}

impl Choice {
    pub fn calling(&self) -> Calling {
        match self {
            Self::None => Calling::Off,
            Self::Auto => Calling::Auto,
            Self::Required | Self::Named(_) => Calling::Force,
        }
    }
}
