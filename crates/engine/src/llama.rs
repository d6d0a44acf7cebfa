//! llama.cpp's server: its own endpoint `/completion`, which takes and gives token ids.

use crate::http::{Http, field, id};
use decode::{Completed, Completion, Emitted, End, Remote};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// The adapter.
pub(crate) struct Llama {
    pub http: Arc<Http>,
    /// The tools' tokens as the server prints them: it stops at texts, not at tokens.
    pub spelled: HashMap<u32, String>,
}

impl Remote for Llama {
    fn complete(&self, wanted: &Completion<'_>) -> Result<Completed, String> {
        let answered = self.http.post("/completion", &self.body(wanted)).map_err(String::from);
        let completed = answered.and_then(|answer| read(&answer));
        completed.map_err(|message| format!("llama.cpp's server at {}: {message}", self.http.url()))
    }
}

impl Llama {
    fn body(&self, wanted: &Completion<'_>) -> Value {
        let bias = wanted.bias.iter().map(|&(id, bias)| match bias.is_finite() {
            true => json!([id, bias]),
            false => json!([id, false]), // never
        });
        let tools = wanted.stop_tokens.iter().filter_map(|id| self.spelled.get(id));
        let mut body = json!({
            "prompt": wanted.prompt,
            "n_predict": wanted.max_tokens,
            "temperature": wanted.temperature,
            "top_p": wanted.top_p,
            // It has no seeds of 64 bits.
            "seed": wanted.seed & 0xffff_ffff,
            // A draw is from softmax(logits / temperature), cut to top_p: nothing else that is on by default.
            "samplers": ["temperature", "top_p"],
            "repeat_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "logit_bias": bias.collect::<Vec<_>>(),
            "stop": wanted.stop.iter().chain(tools).collect::<Vec<_>>(),
            "n_probs": wanted.top,
            "cache_prompt": true,
            "return_tokens": true,
            "stream": false,
            "response_fields": ["tokens", "stop_type", "completion_probabilities"],
        });
        if let (Some(schema), Some(body)) = (wanted.schema, body.as_object_mut()) {
            body.insert("json_schema".into(), schema.clone());
        }
        body
    }
}

fn read(answer: &Value) -> Result<Completed, String> {
    let tokens = field(answer, "tokens")?.as_array().ok_or("its `tokens` are no list")?;
    let end = match field(answer, "stop_type")?.as_str() {
        Some("eos") => End::Text,
        Some("word") => End::Stop,
        Some("limit") => End::Length,
        _ => {
            return Err(format!(
                "its `stop_type` is {:.40}: expected eos, word or limit",
                answer["stop_type"]
            ));
        }
    };
    let mut told =
        answer["completion_probabilities"].as_array().map_or(&[][..], Vec::as_slice).iter().peekable();
    let mut emitted = Vec::with_capacity(tokens.len());
    for token in tokens {
        let id = id(token)?;
        // Positions in the middle of a character are left out, and those of a stop text at the end.
        let here = told.next_if(|place| place["id"].as_u64() == Some(id.into()));
        let logprob = here.and_then(|place| place["logprob"].as_f64()).map(|logprob| logprob as f32);
        emitted.push(Emitted { id, logprob, top: here.map(top).unwrap_or_default() });
    }
    Ok(Completed { tokens: emitted, end })
}

fn top(place: &Value) -> Vec<(u32, f32)> {
    let each = place["top_logprobs"].as_array().map_or(&[][..], Vec::as_slice).iter();
    each.filter_map(|one| Some((id(&one["id"]).ok()?, one["logprob"].as_f64()? as f32))).collect()
}
