//! `tools.toml` as text: how each tool is written, and how it is read and checked.

use super::PackError;
use crate::{
    arithmetic::{Function, Rounding},
    guards::Guards,
    knowledge::KnowledgeBase,
    number::shown,
    set::{ToolError, ToolSet},
    tool::{Arithmetic, HttpTool, McpServer, McpTool, Placement, Relation, Runner, Tool, no_parameters},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The version of `tools.toml` that is written, and the only one that is read.
const FORMAT: i64 = 1;

/// The file as it is written.
#[derive(Serialize)]
struct FileForm {
    format: i64,
    tools: Vec<ToolForm>,
}

/// The file as it is read: tools one by one, so that an error can name the tool.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LooseFile {
    format: i64,
    #[serde(default)]
    tools: Vec<Spanned<toml::Value>>,
}

/// One tool in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolForm {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    run: toml::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    placement: Option<Placement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    examples: Option<Vec<String>>,
}

/// `run = { builtin = … }`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BuiltinForm {
    builtin: String,
    #[serde(default)]
    rounding: Rounding,
    #[serde(default)]
    guards: Guards,
}

/// `run = { mcp = … }`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct McpForm {
    mcp: ServerForm,
    tool: String,
    #[serde(default)]
    read_only: bool,
}

/// A command with its arguments, or a URL.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ServerForm {
    Command(Vec<String>),
    Url(String),
}

/// `run = { http = … }`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpForm {
    http: String,
    #[serde(default)]
    query: Vec<String>,
}

/// `run = { relation = "P36", facts = ["facts.redb"] }`; the files are beside `tools.toml` or have a path of their own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RelationForm {
    relation: String,
    facts: Vec<PathBuf>,
}

impl ToolForm {
    fn of(tool: &Tool, folder: &Path) -> Result<Self, toml::ser::Error> {
        Ok(Self {
            name: tool.name.clone(),
            description: Some(tool.description.clone()),
            run: write_runner(&tool.runner, folder)?,
            placement: Some(tool.placement),
            // The alternate form is indented JSON.
            parameters: Some(format!("{:#}", tool.parameters)),
            examples: Some(tool.examples.clone()),
        })
    }
}

/// The text of a `tools.toml` in `folder`.
pub(super) fn write(tools: &ToolSet, folder: &Path) -> Result<String, toml::ser::Error> {
    let tools = tools.iter().map(|tool| ToolForm::of(tool, folder)).collect::<Result<_, _>>()?;
    toml::to_string_pretty(&FileForm { format: FORMAT, tools })
}

fn write_runner(runner: &Runner, folder: &Path) -> Result<toml::Value, toml::ser::Error> {
    use serde::ser::Error;
    let word = |word: &str| toml::Value::String(word.to_owned());
    fn table(form: impl Serialize) -> toml::Value {
        toml::Value::try_from(form).unwrap_or_else(|_| toml::Value::Table(toml::Table::new())) // strings are always TOML
    }
    Ok(match runner {
        Runner::Relation(Relation { base, relation }) => {
            let files = base.files().ok_or_else(|| {
                toml::ser::Error::custom(
                    "facts in memory cannot be kept in a pack: write them to a file first",
                )
            })?;
            // What is not beside the tools has a path of its own, wherever the program is run.
            let place = |file: &Path| match file.strip_prefix(folder) {
                Ok(beside) => beside.to_owned(),
                Err(_) => std::path::absolute(file).unwrap_or_else(|_| file.to_owned()),
            };
            let facts = files.into_iter().map(place).collect();
            toml::Value::try_from(RelationForm { relation: relation.clone(), facts })?
        }
        Runner::Client => word("client"),
        Runner::Literal => word("literal"),
        Runner::Mcp(tool) => table(McpForm {
            mcp: match tool.server.clone() {
                McpServer::Command(words) => ServerForm::Command(words),
                McpServer::Url(url) => ServerForm::Url(url),
            },
            tool: tool.name.clone(),
            read_only: tool.read_only,
        }),
        Runner::Http(tool) => {
            table(HttpForm { http: format!("{} {}", tool.method, tool.url), query: tool.query.clone() })
        }
        Runner::Arithmetic(Arithmetic { function, rounding, guards }) => {
            let mut table = toml::Table::new();
            table.insert("builtin".to_owned(), word(function.name()));
            if *rounding == Rounding::Full {
                table.insert("rounding".to_owned(), word("full"));
            }
            if *guards == Guards::Off {
                table.insert("guards".to_owned(), word("off"));
            }
            toml::Value::Table(table)
        }
    })
}

/// The tools in the text of `tools.toml`, which was read from `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<ToolSet, PackError> {
    let file_error = |message| PackError::File { path: path.to_owned(), message };
    let file: LooseFile =
        toml::from_str(text).map_err(|error| file_error(error.to_string().trim_end().to_owned()))?;
    if file.format != FORMAT {
        return Err(file_error(format!(
            "format {} of tool packs is not known: this version reads format {FORMAT}",
            file.format
        )));
    }
    let starts: Vec<usize> = file.tools.iter().map(|tool| tool.span().start).collect();
    let tool_error = |source: ToolError| {
        let before = starts.get(source.index).and_then(|&start| text.get(..start)).unwrap_or_default();
        PackError::Tool { path: path.to_owned(), line: before.matches('\n').count() + 1, source }
    };
    let mut bases = Bases { folder: path.parent().unwrap_or(Path::new("")), open: HashMap::new() };
    let mut tools = Vec::with_capacity(file.tools.len());
    for (index, form) in file.tools.into_iter().enumerate() {
        let form = form.into_inner();
        let name = form.get("name").and_then(toml::Value::as_str).map_or("?".to_owned(), shown);
        let tool = read_tool(form, &mut bases)
            .map_err(|(field, message)| tool_error(ToolError { index, tool: name, field, message }))?;
        tools.push(tool);
    }
    ToolSet::new(tools).map_err(tool_error)
}

type Fault = (&'static str, String);

/// The knowledge bases of a pack: tools of one file share it.
struct Bases<'p> {
    folder: &'p Path,
    open: HashMap<Vec<PathBuf>, KnowledgeBase>,
}

impl Bases<'_> {
    fn of(&mut self, files: Vec<PathBuf>) -> Result<KnowledgeBase, String> {
        if let Some(base) = self.open.get(&files) {
            return Ok(base.clone());
        }
        let layers = files.iter().map(|file| KnowledgeBase::open(&self.folder.join(file)));
        let base = layers
            .reduce(|all, layer| Ok(all?.and(layer?)))
            .ok_or("`facts` names no file, at least one is expected")?
            .map_err(|error| error.to_string())?;
        self.open.insert(files, base.clone());
        Ok(base)
    }
}

fn read_tool(form: toml::Value, bases: &mut Bases<'_>) -> Result<Tool, Fault> {
    let form: ToolForm = form
        .try_into()
        .map_err(|error: toml::de::Error| ("fields", error.to_string().trim_end().to_owned()))?;
    let runner = read_runner(form.run, bases).map_err(|message| ("run", message))?;
    let standard = match &runner {
        Runner::Arithmetic(arithmetic) => Tool::from(arithmetic.function),
        Runner::Relation(Relation { base, relation }) => {
            Tool::relation("", "", relation.as_str(), base.clone())
        }
        Runner::Literal => Tool::literal("", ""),
        Runner::Client | Runner::Mcp(_) | Runner::Http(_) => {
            Tool { placement: runner.placement(), ..Tool::client("", "", no_parameters()) }
        }
    };
    let parameters = match form.parameters {
        None => standard.parameters,
        Some(json) => serde_json::from_str::<Value>(&json)
            .map_err(|error| ("parameters", format!("no JSON: {error}")))?,
    };
    Ok(Tool {
        name: form.name,
        description: form.description.unwrap_or(standard.description),
        parameters,
        examples: form.examples.unwrap_or(standard.examples),
        placement: form.placement.unwrap_or(standard.placement),
        runner,
    })
}

fn read_runner(run: toml::Value, bases: &mut Bases<'_>) -> Result<Runner, String> {
    const EXPECTED: &str = "expected \"client\", \"literal\", { builtin = \"…\" }, { relation = \"…\", facts = [\"…\"] }, \
                            { mcp = …, tool = \"…\" } or { http = \"GET …\" }";
    match run {
        toml::Value::String(word) if word == "client" => Ok(Runner::Client),
        toml::Value::String(word) if word == "literal" => Ok(Runner::Literal),
        toml::Value::Table(table) if table.contains_key("relation") => {
            let RelationForm { relation, facts } =
                table.try_into().map_err(|error| format!("{}: {EXPECTED}", error.to_string().trim_end()))?;
            Ok(Runner::Relation(Relation { base: bases.of(facts)?, relation }))
        }
        toml::Value::Table(table) if table.contains_key("mcp") => {
            let McpForm { mcp, tool, read_only } =
                table.try_into().map_err(|error| format!("{}: {EXPECTED}", error.to_string().trim_end()))?;
            let server = match mcp {
                ServerForm::Command(words) if words.first().is_none_or(String::is_empty) => {
                    return Err("`mcp` is an empty command".to_owned());
                }
                ServerForm::Command(words) => McpServer::Command(words),
                ServerForm::Url(url) if is_url(&url) => McpServer::Url(url),
                ServerForm::Url(text) => {
                    return Err(format!(
                        "`mcp` is {}: expected a URL, or a command as a list of words",
                        shown(&text)
                    ));
                }
            };
            Ok(Runner::Mcp(McpTool { server, name: tool, read_only }))
        }
        toml::Value::Table(table) if table.contains_key("http") => {
            let HttpForm { http, query } =
                table.try_into().map_err(|error| format!("{}: {EXPECTED}", error.to_string().trim_end()))?;
            match http.split_once(' ') {
                Some((method, url)) if HttpTool::METHODS.contains(&method) && is_url(url) => {
                    Ok(Runner::Http(HttpTool { method: method.to_owned(), url: url.to_owned(), query }))
                }
                _ => Err(format!("`http` is {}: expected a method and a URL", shown(&http))),
            }
        }
        toml::Value::Table(table) => {
            let BuiltinForm { builtin, rounding, guards } =
                table.try_into().map_err(|error| format!("{}: {EXPECTED}", error.to_string().trim_end()))?;
            let function: Function = builtin.parse().map_err(|error| format!("{error}"))?;
            Ok(Runner::Arithmetic(Arithmetic { function, rounding, guards }))
        }
        other => Err(format!("found {}: {EXPECTED}", shown(&other.to_string()))),
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Tools of every kind, with all that is awkward to write.
    pub(in crate::pack) fn mixed() -> ToolSet {
        let add = Tool::from(Function::Add);
        let exact = Arithmetic { function: Function::Divide, rounding: Rounding::Full, guards: Guards::Off };
        let weather = json!({
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "a \"town\", or '''quotes'''\nand lines"},
                "day": {"type": ["integer", "null"], "default": null, "minimum": -1.5e300}
            },
            "required": ["place"]
        });
        ToolSet::new(vec![
            Tool { name: "plus".to_owned(), ..add },
            Tool { runner: Runner::Arithmetic(exact), ..Function::Divide.into() },
            Tool { examples: vec!["line\nline".to_owned(), "".to_owned()], ..Tool::literal("[WALK]", "") },
            Tool::client("weather", "das Wetter, „so“ \t\u{7f} 天気", weather),
            Tool { placement: Placement::Splice, ..Tool::client("price", "", no_parameters()) },
            Tool {
                runner: Runner::Mcp(McpTool {
                    server: McpServer::Command(vec!["a program".to_owned(), "--x=\"y\"".to_owned()]),
                    name: "files/read.all".to_owned(),
                    read_only: true,
                }),
                ..Tool::client("read_all", "", no_parameters())
            },
            Tool {
                runner: Runner::Mcp(McpTool {
                    server: McpServer::Url("http://localhost:9/mcp".to_owned()),
                    name: "n".to_owned(),
                    read_only: false,
                }),
                ..Tool::client("n", "", no_parameters())
            },
            Tool {
                runner: Runner::Http(HttpTool {
                    method: "GET".to_owned(),
                    url: "https://example.org/{id}".to_owned(),
                    query: vec!["q".to_owned()],
                }),
                ..Tool::client("h", "", no_parameters())
            },
        ])
        .expect("valid tools")
    }

    fn parse_text(text: &str) -> Result<ToolSet, PackError> {
        parse(Path::new("tools.toml"), text)
    }

    #[test]
    fn a_short_file_has_the_builtin_defaults() {
        let text = "format = 1\n[[tools]]\nname = \"add\"\nrun = { builtin = \"add\" }\n[[tools]]\nname = \"[SIT]\"\nrun = \"literal\"\n";
        let expected = vec![Function::Add.into(), Tool::literal("[SIT]", "")];
        assert_eq!(parse_text(text).expect("valid"), ToolSet::new(expected).expect("valid"));
    }

    #[test]
    fn bad_files_are_refused_with_file_line_tool_and_field() {
        let tool = |fields: &str| {
            format!("format = 1\n\n[[tools]]\nname = \"first\"\nrun = \"client\"\n\n[[tools]]\n{fields}\n")
        };
        let named = |fields: &str| tool(&format!("name = \"second\"\n{fields}"));
        let client = |fields: &str| named(&format!("run = \"client\"\n{fields}"));
        let cases: &[(String, &[&str])] = &[
            (String::new(), &["missing field `format`"]),
            ("format = 2".to_owned(), &["format 2", "reads format 1"]),
            ("format = \"1\"".to_owned(), &["line 1", "invalid type"]),
            ("format = 1\nversion = 2".to_owned(), &["line 2", "unknown field `version`"]),
            ("format = 1\n[[tools]".to_owned(), &["line 2"]),
            ("format = 1\ntools = 3".to_owned(), &["line 2"]),
            ("format = 1\ntools = [3]".to_owned(), &["line 2", "`?`"]),
            (tool(""), &["line 7", "tool 2 `?`", "missing field `name`"]),
            (tool("name = 3\nrun = \"client\""), &["line 7", "tool 2 `?`", "invalid type"]),
            (tool("name = \"\"\nrun = \"client\""), &["line 7", "tool 2 ``", "name: it is empty"]),
            (
                tool("name = \"first\"\nrun = \"client\""),
                &["line 7", "`first`", "name: tool 1 has it already"],
            ),
            (named(""), &["line 7", "`second`", "missing field `run`"]),
            (named("run = \"shell\""), &["`second`: run", "found \"shell\"", "expected"]),
            (named("run = 1979-05-27"), &["`second`: run", "expected"]),
            (named("run = { mcp = [], tool = \"x\" }"), &["`second`: run", "empty command"]),
            (named("run = { mcp = \"ftp://x\", tool = \"x\" }"), &["`second`: run", "expected a URL"]),
            (named("run = { http = \"FETCH http://x\" }"), &["`second`: run", "a method and a URL"]),
            (named("run = { builtin = \"eval\" }"), &["`second`: run", "`eval`", "permutate"]),
            (
                named("run = { builtin = \"add\", shell = \"rm\" }"),
                &["`second`: run", "unknown field `shell`"],
            ),
            (named("run = { builtin = \"add\", rounding = \"up\" }"), &["`second`: run", "`up`", "`full`"]),
            (client("colour = 1"), &["line 7", "`second`", "unknown field `colour`"]),
            (client("description = 1"), &["`second`", "description", "invalid type"]),
            (client("examples = \"one\""), &["`second`", "examples", "invalid type"]),
            (client("placement = \"above\""), &["`second`", "placement", "`above`", "`splice`"]),
            (client("placement = \"literal\""), &["`second`: placement"]),
            (client("parameters = '{'"), &["`second`: parameters", "no JSON", "line 1"]),
            (client("parameters = '[]'"), &["`second`: parameters", "JSON schema"]),
            (client(&format!("parameters = '{}'", "[".repeat(5000))), &["`second`: parameters", "recursion"]),
            (format!("format = 1\nx = {}", "[".repeat(5000)), &["tools.toml"]),
        ];
        for (text, parts) in cases {
            let error = parse_text(text).expect_err(text).to_string();
            assert!(error.starts_with("tools.toml"), "{error}");
            for part in *parts {
                assert!(error.contains(part), "no `{part}` in: {error}\nfor\n{text}");
            }
        }
    }

    /// Tools of a pack look up in the file beside it; one in memory cannot be kept.
    #[test]
    fn relations_are_kept_with_their_file() {
        use crate::{Fact, Outcome};
        let folder = tempfile::tempdir().expect("a folder");
        let fact = || Fact {
            relation: "P36".into(),
            subject: "Peru".into(),
            answers: vec!["Lima".into()],
            ..Fact::default()
        };
        KnowledgeBase::create(&folder.path().join("facts.redb"), "test", [fact()]).expect("a file");
        let text = "format = 1\n[[tools]]\nname = \"capital\"\nrun = { relation = \"P36\", facts = [\"facts.redb\"] }\n";
        let read = |text: &str| parse(&folder.path().join("tools.toml"), text);
        let tools = read(text).expect("valid");
        let lima = Outcome::Done { text: "Lima".to_owned(), numeric: false };
        assert_eq!(tools.by_name("capital").expect("a tool").run("Peru").as_ref(), Ok(&lima));
        let written = write(&tools, folder.path()).expect("written");
        assert!(written.contains("[\"facts.redb\"]"), "beside it again: {written}");
        let elsewhere = write(&tools, &folder.path().join("other")).expect("written");
        assert!(elsewhere.contains(&folder.path().join("facts.redb").display().to_string()), "{elsewhere}");
        let again = read(&written).expect("valid");
        assert_eq!(again.by_name("capital").expect("a tool").run("peru").as_ref(), Ok(&lima));
        for (bad, message) in [("[\"none.redb\"]", "none.redb"), ("[]", "no file"), ("3", "expected")] {
            let error = read(&text.replace("[\"facts.redb\"]", bad)).expect_err(bad).to_string();
            assert!(error.contains(message) && error.contains("capital"), "{error}");
        }
        let memory = KnowledgeBase::in_memory("memory", [fact()]).expect("a base");
        let tools = ToolSet::new(vec![Tool::relation("capital", "", "P36", memory)]).expect("valid");
        assert!(write(&tools, folder.path()).expect_err("in memory").to_string().contains("file first"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}", damage in 0usize..4000) {
            let mut damaged = write(&mixed(), Path::new("")).expect("written");
            let at = (0..=damage.min(damaged.len())).rev().find(|&i| damaged.is_char_boundary(i)).unwrap_or(0);
            damaged.insert_str(at, &text);
            let _ = parse_text(&damaged);
            damaged.truncate(at);
            let _ = parse_text(&damaged);
        }
    }
}
