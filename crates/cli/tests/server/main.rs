//! Tool packs from definition to answer, on a model of a few thousand weights: the API as clients use it and misuse it.

mod api;
mod client;
mod executed;
mod hostile;
mod life;
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../../../lm/tests/tiny/mod.rs"]
mod tiny;

use client::Server;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Turns, calls and results, each closed by the vocabulary's only control token.
const TEMPLATE: &str = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% for c in m.tool_calls or [] %}\
    <call>{\"name\": {{ c.function.name | tojson }}, \"arguments\": {{ c.function.arguments | tojson }}}</call>\
    {% endfor %}<|endoftext|>{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

/// A folder with a tiny model and packs for it.
struct Place(TempDir);

impl Place {
    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn toolken(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_toolken"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env("TOOLKEN_MODELS", self.at("cache"))
            .env("A_SECRET", "nobody's business")
            .env_remove("RUST_LOG")
            .env_remove("TOOLKEN_TOKEN")
            .stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.toolken(arguments).output().expect("the binary starts");
        assert!(
            output.status.success(),
            "toolken {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Serves the packs with further arguments.
    fn serve(&self, arguments: &[&str]) -> Server {
        let start = ["serve", "--model", "model", "--listen", "127.0.0.1:0"];
        Server::start(self.toolken(&[&start, arguments].concat()))
    }
}

/// Two tools of the client's, five examples each, and one without any.
fn definitions() -> Value {
    let tool = |name: &str, description: &str, properties: Value, required: Value| {
        json!({"type": "function", "function": {"name": name, "description": description, "parameters":
            {"type": "object", "properties": properties, "required": required}}})
    };
    json!([
        tool("clock", "Tells the time.", json!({"zone": {"enum": ["UTC", "CET"]}}), json!(["zone"])),
        tool(
            "lamp",
            "Switches a lamp.",
            json!({"on": {"type": "boolean"}, "level": {"type": "integer", "minimum": 1, "maximum": 9}}),
            json!(["on"])
        ),
        tool("rain", "Says whether it rains.", json!({}), json!([])),
    ])
}

fn examples() -> String {
    let mut lines = String::new();
    for (tool, messages) in [
        (
            "clock",
            ["What time is it?", "Time, please.", "How late is it?", "Tell me the hour.", "The clock?"],
        ),
        (
            "lamp",
            ["Lights on.", "Switch the lamp off.", "Make it brighter.", "Dim the light.", "Lamp to nine."],
        ),
    ] {
        for user in messages {
            lines += &(json!({"user": user, "tool": tool}).to_string() + "\n");
        }
    }
    lines
}

/// The place that all tests share: made once, and only read.
fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = Place(tempfile::tempdir().expect("a folder"));
        fs::create_dir(place.at("model")).expect("a folder");
        tiny::write(&place.at("model"), 1);
        let put = |name: &str, text: &str| fs::write(place.at(name), text).expect("written");
        put("model/chat_template.jinja", TEMPLATE);
        put("tools.json", &definitions().to_string());
        put("examples.jsonl", &examples());
        place.done(&["pack", "new", "home", "--tools", "tools.json", "--examples", "examples.jsonl"]);
        place.done(&["pack", "fit", "home", "--model", "model", "--json"]);
        let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/mcp_server.py");
        place.done(&["pack", "new", "remote", "--mcp", &format!("python3 '{}'", server.display())]);
        let one_each: String =
            ["fine", "says_no", "hangs", "crashes", "huge", "endless", "garbage", "environment"]
                .iter()
                .map(|name| json!({"user": format!("Do what {name} does."), "tool": name}).to_string() + "\n")
                .collect();
        put("remote/examples.jsonl", &one_each);
        place.done(&["pack", "fit", "remote", "--model", "model"]);
        place
    })
}

fn user(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}
