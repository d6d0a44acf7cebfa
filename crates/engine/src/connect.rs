//! Which engine answers, and whether the model that it serves is the export.

use crate::EngineError;
use crate::http::{Http, Options, field, id};
use crate::llama::Llama;
use crate::openai::OpenAi;
use decode::{Remote, Served};
use lm::{Specials, Tokenizer};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Texts that vocabularies cut differently.
const SAMPLES: [&str; 2] =
    ["The quick brown fox, 3.14 x 27 = 84.78.", "def f(x):\n    return x**2  # ünïcode"];

/// An engine that answers.
pub struct Engine {
    http: Arc<Http>,
    kind: Kind,
    about: String,
    context: usize,
    /// Size of the vocabulary, where the engine tells.
    vocab: Option<usize>,
}

enum Kind {
    Llama,
    /// With the model's name.
    OpenAi(String),
}

/// How an export spells its tools' tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolTokens {
    /// Every tool's name and its token's spelling.
    pub spelled: Vec<(String, String)>,
    /// Their ids, if they are known: the engine must have them there.
    pub ids: Option<Vec<u32>>,
}

/// Finds out which engine is at a URL.
///
/// # Errors
/// [`EngineError::Unusable`] if nothing answers there, or not as llama.cpp's server or vLLM does.
pub fn connect(url: &str, options: &Options) -> Result<Engine, EngineError> {
    let http = Arc::new(Http::new(url, options));
    let unusable = |message: String| EngineError::Unusable { url: http.url().to_owned(), message };
    let models = |http: &Http| http.get("/v1/models").map_err(String::from);
    match http.get("/props") {
        Ok(props) => {
            let context = props.pointer("/default_generation_settings/n_ctx").and_then(Value::as_u64);
            let Some(context) = context else {
                return Err(unusable(
                    "its /props tell of no context: expected llama.cpp's server".to_owned(),
                ));
            };
            let build = props["build_info"].as_str().unwrap_or("of an unknown build");
            let vocab =
                models(&http).map_err(unusable)?.pointer("/data/0/meta/n_vocab").and_then(Value::as_u64);
            Ok(Engine {
                about: format!("llama.cpp server {build}"),
                kind: Kind::Llama,
                context: context as usize,
                vocab: vocab.map(|vocab| vocab as usize),
                http,
            })
        }
        // It is there and knows no such page.
        Err(refused) if matches!(refused.status, Some(404 | 405)) => {
            let listed = models(&http).map_err(unusable)?;
            let listed = field(&listed, "data").map_err(unusable)?.as_array().cloned().unwrap_or_default();
            let name = |model: &Value| model["id"].as_str().unwrap_or_default().to_owned();
            let chosen = match &options.model {
                Some(wanted) => listed.iter().find(|model| name(model) == *wanted),
                None => listed.first(),
            };
            let Some(model) = chosen else {
                let names: Vec<String> = listed.iter().map(name).collect();
                return Err(unusable(match &options.model {
                    Some(wanted) => format!("it has no model {wanted:?}; it has {names:?}"),
                    None => "it serves no model".to_owned(),
                }));
            };
            let context = model["max_model_len"].as_u64();
            let context = context.ok_or_else(|| {
                unusable(
                    "its /v1/models tell of no `max_model_len`: expected vLLM's server, or llama.cpp's"
                        .to_owned(),
                )
            })?;
            let about = model["owned_by"].as_str().unwrap_or("an engine");
            Ok(Engine {
                about: format!("{about} over /v1/completions"),
                kind: Kind::OpenAi(name(model)),
                context: context as usize,
                vocab: None,
                http,
            })
        }
        Err(refused) => Err(unusable(refused.message)),
    }
}

impl Engine {
    /// Which engine it is.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// The longest context it takes, in tokens.
    pub fn context(&self) -> usize {
        self.context
    }

    /// The engine, ready to be driven, if its model reads text as `tokenizer` does and has every tool as one token.
    ///
    /// # Errors
    /// [`EngineError::OtherModel`] if it serves another; [`EngineError::Unusable`] if it does not say.
    pub fn serving(&self, tokenizer: &Tokenizer, tools: &ToolTokens) -> Result<Served, EngineError> {
        let other = |message: String| EngineError::OtherModel { url: self.http.url().to_owned(), message };
        for text in SAMPLES {
            let (found, expected) = (self.tokens(text)?, tokenizer.encode(text, Specials::Text)?);
            if found != expected {
                return Err(other(format!("it reads {text:?} as {found:?}, expected {expected:?}")));
            }
        }
        let mut ids = Vec::with_capacity(tools.spelled.len());
        for (at, (tool, token)) in tools.spelled.iter().enumerate() {
            let found = self.tokens(token)?;
            let known = tools.ids.as_ref().map(|ids| ids[at]);
            match found[..] {
                [id] if known.is_none_or(|known| known == id) => ids.push((tool.clone(), id)),
                [id] => {
                    let known = known.unwrap_or_default();
                    return Err(other(format!("its token {token} is {id}, the export's {known}")));
                }
                _ => {
                    return Err(other(format!(
                        "it reads {token}, the token of the tool `{tool}`, as {} tokens: have it serve the export that `toolken \
                         export` made with this head",
                        found.len()
                    )));
                }
            }
        }
        if let (Some(vocab), Some(last)) = (self.vocab, ids.iter().map(|(_, id)| *id as usize).max())
            && last >= vocab
        {
            return Err(other(format!("its vocabulary of {vocab} has no token {last}")));
        }
        let http = Arc::clone(&self.http);
        let engine: Arc<dyn Remote> = match &self.kind {
            Kind::Llama => {
                let spelled = tools.spelled.iter().zip(&ids);
                let spelled: HashMap<u32, String> =
                    spelled.map(|((_, token), (_, id))| (*id, token.clone())).collect();
                Arc::new(Llama { http, spelled })
            }
            Kind::OpenAi(model) => Arc::new(OpenAi { http, model: model.clone() }),
        };
        Ok(Served { engine, tools: ids, context: self.context })
    }

    /// The ids of a text.
    fn tokens(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        let body = match &self.kind {
            Kind::Llama => json!({"content": text, "add_special": false, "parse_special": true}),
            Kind::OpenAi(model) => json!({"model": model, "prompt": text, "add_special_tokens": false}),
        };
        let answer = self.http.post("/tokenize", &body).map_err(String::from);
        let ids = answer.and_then(|answer| {
            let tokens = field(&answer, "tokens")?.as_array().ok_or("its `tokens` are no list")?;
            tokens.iter().map(id).collect::<Result<Vec<_>, _>>()
        });
        ids.map_err(|message| EngineError::Unusable { url: self.http.url().to_owned(), message })
    }
}
