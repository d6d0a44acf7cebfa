//! An engine of a few lines: it says what is looked up by how the text so far ends, over either protocol.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Face {
    Llama,
    Vllm,
}

/// What is answered instead, to a path: status and bytes.
type Instead = Box<dyn Fn(&str) -> Option<(u16, Vec<u8>)> + Send + Sync>;

pub struct Script {
    face: Face,
    tokenizer: lm::Tokenizer,
    /// After a text that ends so, this token; the longest ending decides, and of equals the first that is not forbidden.
    rules: Vec<(String, u32)>,
    pub instead: Option<Instead>,
    /// Bodies of the completions asked for.
    pub asked: Vec<Value>,
}

pub struct Server {
    port: u16,
    pub script: Arc<Mutex<Script>>,
    ended: Arc<AtomicBool>,
}

/// All bytes as GPT-2 spells them, then a start, an end, and two tools.
pub fn tokenizer_json() -> Value {
    let mut next = 256;
    let spelled = (0..=255_u8).map(|byte| match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae.. => char::from(byte),
        _ => {
            next += 1;
            char::from_u32(next - 1).expect("a character")
        }
    });
    let vocab: serde_json::Map<_, _> =
        spelled.enumerate().map(|(id, token)| (token.to_string(), json!(id))).collect();
    let added = ["<s>", "</s>", "<tool:add>", "<tool:multiply>"].iter().enumerate();
    let added: Vec<_> = added
        .map(|(i, token)| json!({"id": 256 + i, "content": token, "special": i < 2, "normalized": false}))
        .collect();
    json!({
        "added_tokens": added,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    })
}

pub const END: u32 = 257;
pub const ADD: u32 = 258;
pub const MULTIPLY: u32 = 259;

impl Server {
    pub fn start(face: Face) -> Self {
        let tokenizer =
            lm::Tokenizer::from_json_bytes(tokenizer_json().to_string().as_bytes(), Path::new("t"));
        let script = Script {
            face,
            tokenizer: tokenizer.expect("a tokenizer"),
            rules: Vec::new(),
            instead: None,
            asked: Vec::new(),
        };
        let script = Arc::new(Mutex::new(script));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let ended = Arc::new(AtomicBool::new(false));
        let (theirs, over) = (Arc::clone(&script), Arc::clone(&ended));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let script = Arc::clone(&theirs);
                std::thread::spawn(move || converse(stream, &script));
            }
        });
        Self { port, script, ended }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn with(self, change: impl FnOnce(&mut Script)) -> Self {
        change(&mut self.script.lock().unwrap());
        self
    }

    /// After a text that ends in `after`, these characters.
    pub fn says(self, after: &str, text: &str) -> Self {
        self.with(|script| {
            for (at, byte) in text.bytes().enumerate() {
                // Bytes of ASCII are their own ids here only by their place among the 256.
                script.rules.push((format!("{after}{}", &text[..at]), u32::from(byte)));
            }
        })
    }

    pub fn calls(self, after: &str, tool: &str) -> Self {
        let id = if tool == "add" { ADD } else { MULTIPLY };
        self.with(|script| script.rules.push((after.to_owned(), id)))
    }

    pub fn instead(self, answer: impl Fn(&str) -> Option<(u16, Vec<u8>)> + Send + Sync + 'static) -> Self {
        self.with(|script| script.instead = Some(Box::new(answer)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port)); // wakes it to see that
    }
}

fn converse(stream: TcpStream, script: &Mutex<Script>) {
    let Ok(mut writing) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let (status, bytes) = script.lock().unwrap().answer(&path, body);
        if status == 0 {
            std::thread::sleep(std::time::Duration::from_secs(5)); // never, as far as the client waits
            return;
        }
        let head =
            format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nLocation: /elsewhere\r\n\r\n", bytes.len());
        if writing.write_all(head.as_bytes()).and_then(|()| writing.write_all(&bytes)).is_err() {
            return;
        }
    }
}

impl Script {
    fn answer(&mut self, path: &str, body: Value) -> (u16, Vec<u8>) {
        if let Some(answer) = self.instead.as_ref().and_then(|instead| instead(path)) {
            return answer;
        }
        let found = match (self.face, path) {
            (Face::Llama, "/props") => {
                json!({"default_generation_settings": {"n_ctx": 512}, "build_info": "b1-test"})
            }
            (Face::Llama, "/v1/models") => json!({"data": [{"id": "m", "meta": {"n_vocab": 260}}]}),
            (Face::Vllm, "/v1/models") => {
                json!({"object": "list", "data": [{"id": "exported", "owned_by": "vllm", "max_model_len": 512}]})
            }
            (_, "/tokenize") => {
                let text = body.get("content").or(body.get("prompt")).and_then(Value::as_str).unwrap_or("");
                let ids = self.tokenizer.encode(text, lm::Specials::Text).expect("ids");
                json!({"tokens": ids, "count": ids.len(), "max_model_len": 512})
            }
            (Face::Llama, "/completion") | (Face::Vllm, "/v1/completions") => self.complete(&body),
            _ => return (404, br#"{"error": {"message": "not here"}}"#.to_vec()),
        };
        (200, found.to_string().into_bytes())
    }

    /// Next after these tokens, of those that are not forbidden.
    fn next(&self, ids: &[u32], forbidden: &[u32]) -> u32 {
        let text: Vec<u8> = ids.iter().flat_map(|&id| self.tokenizer.token_bytes(id)).copied().collect();
        let text = String::from_utf8_lossy(&text).into_owned();
        let fits = self.rules.iter().filter(|(after, id)| text.ends_with(after) && !forbidden.contains(id));
        let longest = fits.clone().map(|(after, _)| after.len()).max();
        fits.clone().find(|(after, _)| Some(after.len()) == longest).map_or(END, |(_, id)| *id)
    }

    fn complete(&mut self, body: &Value) -> Value {
        self.asked.push(body.clone());
        let llama = self.face == Face::Llama;
        let list = |name: &str| body[name].as_array().cloned().unwrap_or_default();
        let ids = |name: &str| -> Vec<u32> {
            list(name).iter().map(|id| id.as_u64().expect("an id") as u32).collect()
        };
        let forbidden: Vec<u32> = match llama {
            true => (list("logit_bias").iter())
                .filter(|pair| pair[1] == false)
                .map(|pair| pair[0].as_u64().expect("an id") as u32)
                .collect(),
            false => (body["logit_bias"].as_object().expect("an object").iter())
                .filter(|(_, bias)| bias.as_f64() == Some(-100.0))
                .map(|(id, _)| id.parse().expect("an id"))
                .collect(),
        };
        let most = body[if llama { "n_predict" } else { "max_tokens" }].as_u64().expect("a cap") as usize;
        let stops: Vec<String> =
            list("stop").iter().map(|stop| stop.as_str().expect("a text").to_owned()).collect();
        let (stop_ids, mut read) = (ids("stop_token_ids"), ids("prompt"));
        let (mut out, mut text, mut why) = (Vec::new(), String::new(), json!("length"));
        while out.len() < most {
            let id = self.next(&read, &forbidden);
            out.push(id);
            read.push(id);
            if id == END {
                why = Value::Null;
                break;
            }
            text += &self.tokenizer.token_text(id);
            if stop_ids.contains(&id) {
                why = json!(id);
                break;
            }
            if let Some(stop) = stops.iter().find(|stop| text.contains(stop.as_str())) {
                why = json!(stop);
                break;
            }
        }
        if llama {
            let place = |&id: &u32| {
                let token = self.tokenizer.token_text(id);
                json!({"id": id, "token": token, "bytes": [], "logprob": -0.1,
                    "top_logprobs": [{"id": id, "token": token, "bytes": [], "logprob": -0.1}]})
            };
            let stop_type = match &why {
                Value::Null => "eos",
                Value::String(why) if why == "length" => "limit",
                _ => "word",
            };
            // As the real one: the positions of a stopping word are not told of.
            let told = out.len() - usize::from(stop_type == "word");
            json!({"tokens": out, "stop_type": stop_type,
                "completion_probabilities": out[..told].iter().map(place).collect::<Vec<_>>()})
        } else {
            let length = why == "length";
            let named: Vec<String> = out.iter().map(|id| format!("token_id:{id}")).collect();
            let top: Vec<Value> = named.iter().map(|name| json!({ name: -0.1 })).collect();
            json!({"id": "cmpl-1", "object": "text_completion", "model": body["model"], "choices": [{
                "index": 0, "text": text, "token_ids": out,
                "finish_reason": if length { "length" } else { "stop" },
                "stop_reason": if length { Value::Null } else { why },
                "logprobs": {"tokens": named, "token_logprobs": [], "top_logprobs": top, "text_offset": []},
            }]})
        }
    }
}
