//! JSON over HTTP, with limits on everything that the other side decides.

use serde_json::Value;
use std::io::Read;
use std::time::Duration;

/// Bytes of an answer that are read at most: a thousand tokens with the best twenty of each are 3 MB.
const LARGEST: u64 = 64 << 20;
/// Characters of an answer that are shown in an error.
const SHOWN: usize = 300;

/// How engines are spoken to.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long one answer may take.
    pub timeout: Duration,
    /// The key that the engine asks for, if it does.
    pub key: Option<String>,
    /// The model's name, for engines that serve several; by default their first.
    pub model: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(300), key: None, model: None }
    }
}

/// One engine's address.
pub(crate) struct Http {
    agent: ureq::Agent,
    url: String,
    key: Option<String>,
    timeout: Duration,
}

/// Why there is no answer.
pub(crate) struct Refused {
    /// The status, if the engine answered at all.
    pub status: Option<u16>,
    pub message: String,
}

impl From<Refused> for String {
    fn from(refused: Refused) -> Self {
        refused.message
    }
}

impl Http {
    pub fn new(url: &str, options: &Options) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(options.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .build();
        let url = url.trim_end_matches('/').trim_end_matches("/v1").to_owned();
        Self { agent: agent.into(), url, key: options.key.clone(), timeout: options.timeout }
    }

    /// Where the engine is.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn get(&self, path: &str) -> Result<Value, Refused> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        self.answer(path, request.call())
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Refused> {
        let mut request = self.agent.post(format!("{}{path}", self.url)).content_type("application/json");
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        self.answer(path, request.send(&body.to_string()))
    }

    fn answer(
        &self,
        path: &str,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value, Refused> {
        let silent = |message: String| Refused { status: None, message };
        let mut response = response.map_err(|e| silent(self.fault(&e)))?;
        let status = response.status().as_u16();
        let refused = |message: String| Refused { status: Some(status), message };
        let mut bytes = Vec::new();
        // One byte more than is taken shows that there was more; the rest is not read.
        let read = response.body_mut().as_reader().take(LARGEST + 1).read_to_end(&mut bytes);
        read.map_err(|e| refused(format!("its answer to {path} broke off: {e}")))?;
        if bytes.len() as u64 > LARGEST {
            return Err(refused(format!("its answer to {path} is longer than {} MB", LARGEST >> 20)));
        }
        if status != 200 {
            return Err(refused(format!("it answered {path} with status {status}: {}", said(&bytes))));
        }
        serde_json::from_slice(&bytes)
            .map_err(|e| refused(format!("its answer to {path} is no JSON ({e}): {}", said(&bytes))))
    }

    fn fault(&self, error: &ureq::Error) -> String {
        match error {
            ureq::Error::Timeout(_) => {
                format!(
                    "it did not answer within {} s: give it longer, or less to do",
                    self.timeout.as_secs()
                )
            }
            ureq::Error::BadUri(_) => format!("{error}: expected a URL like http://127.0.0.1:8080"),
            _ => format!("it cannot be reached: {error}"),
        }
    }
}

/// What an engine says of an error, in the places where engines say it, or the beginning of the answer.
fn said(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let json: Option<Value> = serde_json::from_slice(bytes).ok();
    let places = ["/error/message", "/message", "/detail", "/error"];
    let message =
        json.as_ref().and_then(|json| places.iter().find_map(|place| json.pointer(place)?.as_str()));
    let shown: String = message.unwrap_or(text.trim()).chars().take(SHOWN).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.replace(['\r', '\n'], " ") }
}

/// A part of an answer that must be there.
pub(crate) fn field<'v>(value: &'v Value, name: &str) -> Result<&'v Value, String> {
    value.get(name).ok_or_else(|| {
        let shown: String = value.to_string().chars().take(SHOWN).collect();
        format!("its answer has no `{name}`: {shown}")
    })
}

/// A token id.
pub(crate) fn id(value: &Value) -> Result<u32, String> {
    value
        .as_u64()
        .and_then(|id| u32::try_from(id).ok())
        .ok_or_else(|| format!("{:.40} is no token id", value.to_string()))
}
