//! `/v1/completions` as vLLM has it: OpenAI's protocol with token ids in both directions, stop tokens and schemas.
//!
//! Written from vLLM's documentation (its completion protocol of version 0.12 to 0.28), and run against 0.32.0 on a processor: its
//! exchanges are among the tests (`tests/served/vllm-0.32.0.jsonl`).

use crate::http::{Http, field, id};
use decode::{Completed, Completion, Emitted, End, Remote};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// OpenAI's range of a logit bias; its ends forbid a token, or all others.
const RANGE: f32 = 100.0;

/// The adapter.
pub(crate) struct OpenAi {
    pub http: Arc<Http>,
    /// The model's name there.
    pub model: String,
}

impl Remote for OpenAi {
    fn complete(&self, wanted: &Completion<'_>) -> Result<Completed, String> {
        let answered = self.http.post("/v1/completions", &self.body(wanted)).map_err(String::from);
        let completed = answered.and_then(|answer| read(&answer));
        completed.map_err(|message| format!("the engine at {}: {message}", self.http.url()))
    }
}

impl OpenAi {
    fn body(&self, wanted: &Completion<'_>) -> Value {
        let bias = wanted.bias.iter().map(|&(id, bias)| (id.to_string(), json!(bias.clamp(-RANGE, RANGE))));
        let mut body = json!({
            "model": self.model,
            "prompt": wanted.prompt,
            "add_special_tokens": false,
            "max_tokens": wanted.max_tokens,
            "temperature": wanted.temperature,
            "top_p": wanted.top_p,
            // Its seeds have a sign.
            "seed": wanted.seed & (i64::MAX as u64),
            // Not those of the model's generation_config.json.
            "top_k": 0,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "logit_bias": bias.collect::<Map<_, _>>(),
            "stop": wanted.stop,
            "stop_token_ids": wanted.stop_tokens,
            "include_stop_str_in_output": true,
            "skip_special_tokens": false,
            "spaces_between_special_tokens": false,
            "return_token_ids": true,
            "return_tokens_as_token_ids": true,
            "stream": false,
        });
        if let Some(body) = body.as_object_mut() {
            if wanted.top > 0 {
                body.insert("logprobs".into(), json!(wanted.top));
            }
            if let Some(schema) = wanted.schema {
                let format = json!({
                    "type": "json_schema",
                    "json_schema": {"name": "arguments", "schema": schema, "strict": true},
                });
                body.insert("response_format".into(), format);
            }
        }
        body
    }
}

fn read(answer: &Value) -> Result<Completed, String> {
    let choice = field(answer, "choices")?.get(0).ok_or("its answer has no choice")?;
    let logprobs = choice.get("logprobs").filter(|logprobs| logprobs.is_object());
    let named = logprobs.and_then(|logprobs| logprobs.get("tokens")?.as_array());
    let mut ids = match (choice.get("token_ids").and_then(Value::as_array), named) {
        (Some(ids), _) => ids.iter().map(id).collect::<Result<Vec<_>, _>>()?,
        (None, Some(named)) => named
            .iter()
            .map(|name| name.as_str().and_then(token_id).ok_or("its tokens have no ids"))
            .collect::<Result<Vec<_>, _>>()?,
        (None, None) => {
            let message = "its answer has no `token_ids`: it must be able to return token ids, as vLLM 0.10.2 and later do";
            return Err(message.to_owned());
        }
    };
    let end = match field(choice, "finish_reason")?.as_str() {
        Some("length") => End::Length,
        Some("stop") => match choice.get("stop_reason") {
            None | Some(Value::Null) => End::Text,
            Some(Value::String(_)) => End::Stop,
            Some(token) => {
                // The token that stopped it is among those of the answer in some versions only.
                let token = id(token)?;
                if ids.last() != Some(&token) {
                    ids.push(token);
                }
                End::Stop
            }
        },
        _ => {
            return Err(format!(
                "its `finish_reason` is {:.40}: expected stop or length",
                choice["finish_reason"]
            ));
        }
    };
    let places = logprobs.and_then(|logprobs| logprobs.get("top_logprobs")?.as_array());
    let top = |at: usize| -> Vec<(u32, f32)> {
        let Some(place) = places.and_then(|places| places.get(at)?.as_object()) else { return Vec::new() };
        let each = place.iter().filter_map(|(name, p)| Some((token_id(name)?, p.as_f64()? as f32)));
        let mut top: Vec<_> = each.collect();
        top.sort_by(|a, b| b.1.total_cmp(&a.1));
        top
    };
    let tokens =
        ids.into_iter().enumerate().map(|(at, id)| Emitted { id, logprob: None, top: top(at) }).collect();
    Ok(Completed { tokens, end })
}

/// `token_id:7`.
fn token_id(name: &str) -> Option<u32> {
    name.strip_prefix("token_id:")?.parse().ok()
}
