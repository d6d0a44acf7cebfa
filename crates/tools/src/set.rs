//! Several tools in a fixed order: the order of a head's rows.

use crate::{
    arithmetic::{Function, Rounding},
    guards::Guards,
    number::shown,
    tool::{Placement, Runner, Tool},
};
use serde_json::Value;
use std::collections::HashMap;

/// The longest name, in bytes.
const LONGEST_NAME: usize = 128;
/// The longest description, example or schema (as JSON), in bytes.
const LONGEST_TEXT: usize = 64 * 1024;
/// The most examples a tool may have.
const MOST_EXAMPLES: usize = 1000;

/// Tools in order, with names that are unique and fields that have been checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolSet {
    tools: Vec<Tool>,
    index: HashMap<String, usize>,
}

/// A tool that can't be in a set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tool {number} `{tool}`: {field}: {message}", number = index + 1)]
pub struct ToolError {
    /// Which tool, from 0.
    pub index: usize,
    /// Its name, as far as it is known.
    pub tool: String,
    /// The field at fault.
    pub field: &'static str,
    /// What was found, and what was expected.
    pub message: String,
}

impl ToolSet {
    /// A set of these tools, in this order.
    ///
    /// # Errors
    /// The first tool with an empty, over-long or repeated name, an over-long text, a schema that describes no object, or a
    /// placement that its runner can't serve.
    pub fn new(tools: Vec<Tool>) -> Result<Self, ToolError> {
        let mut index = HashMap::with_capacity(tools.len());
        for (i, tool) in tools.iter().enumerate() {
            let error = |(field, message)| ToolError { index: i, tool: shown(&tool.name), field, message };
            check(tool).map_err(error)?;
            if let Some(first) = index.insert(tool.name.clone(), i) {
                return Err(error(("name", format!("tool {} has it already, names must differ", first + 1))));
            }
        }
        Ok(Self { tools, index })
    }

    /// The thirteen arithmetic functions, in the reference's order.
    pub fn arithmetic() -> Self {
        let tools: Vec<Tool> = Function::ALL.into_iter().map(Tool::from).collect();
        let index = tools.iter().enumerate().map(|(i, tool)| (tool.name.clone(), i)).collect();
        Self { tools, index }
    }

    /// The same tools, with this rounding and these guards for every arithmetic function.
    pub fn with_arithmetic(mut self, rounding: Rounding, guards: Guards) -> Self {
        for tool in &mut self.tools {
            if let Runner::Arithmetic(arithmetic) = &mut tool.runner {
                arithmetic.rounding = rounding;
                arithmetic.guards = guards;
            }
        }
        self
    }

    /// Number of tools.
    pub fn len(&self) -> usize {
        self.tools.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// The tool at a position.
    pub fn get(&self, index: usize) -> Option<&Tool> {
        self.tools.get(index)
    }

    /// The position of the tool of that name.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The tool of that name.
    pub fn by_name(&self, name: &str) -> Option<&Tool> {
        self.get(self.index(name)?)
    }

    /// The tools in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Tool> {
        self.tools.iter()
    }

    /// Their names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.iter().map(|tool| tool.name.as_str())
    }
}

impl<'a> IntoIterator for &'a ToolSet {
    type Item = &'a Tool;
    type IntoIter = std::slice::Iter<'a, Tool>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

type Fault = (&'static str, String);

fn check(tool: &Tool) -> Result<(), Fault> {
    let name = &tool.name;
    if name.is_empty() {
        return Err(("name", "it is empty".to_owned()));
    }
    if name.len() > LONGEST_NAME {
        return Err(("name", format!("{} bytes, at most {LONGEST_NAME} are allowed", name.len())));
    }
    if name.trim() != name || name.chars().any(char::is_control) {
        return Err(("name", "expected no control characters, and no white space at its ends".to_owned()));
    }
    short_enough("description", &tool.description)?;
    if tool.examples.len() > MOST_EXAMPLES {
        return Err((
            "examples",
            format!("{} of them, at most {MOST_EXAMPLES} are allowed", tool.examples.len()),
        ));
    }
    tool.examples.iter().try_for_each(|example| short_enough("examples", example))?;
    short_enough("parameters", &tool.parameters.to_string())?;
    check_schema(&tool.parameters).map_err(|message| ("parameters", message))?;
    if (tool.placement == Placement::Literal) != (tool.runner == Runner::Literal) {
        return Err((
            "placement",
            "`literal` goes with `run = \"literal\"`, and with nothing else".to_owned(),
        ));
    }
    Ok(())
}

fn short_enough(field: &'static str, text: &str) -> Result<(), Fault> {
    if text.len() > LONGEST_TEXT {
        return Err((field, format!("{} bytes, at most {LONGEST_TEXT} are allowed", text.len())));
    }
    Ok(())
}

/// The outermost level of a JSON schema for arguments by name.
fn check_schema(schema: &Value) -> Result<(), String> {
    let Value::Object(schema) = schema else {
        return Err("expected a JSON schema, which is an object".to_owned());
    };
    if schema.get("type").is_none_or(|kind| kind != "object") {
        return Err("expected a schema with `\"type\": \"object\"`".to_owned());
    }
    let none = serde_json::Map::new();
    let properties = match schema.get("properties") {
        None => &none,
        Some(Value::Object(properties)) => properties,
        Some(_) => return Err("`properties`: expected an object, a schema by name".to_owned()),
    };
    if let Some((name, _)) =
        properties.iter().find(|(_, property)| !property.is_object() && !property.is_boolean())
    {
        return Err(format!(
            "`properties.{}`: expected a schema, which is an object or a truth value",
            shown(name)
        ));
    }
    match schema.get("required") {
        None => Ok(()),
        Some(Value::Array(required)) => match required.iter().find(|name| !is_key(properties, name)) {
            Some(name) => {
                Err(format!("`required`: {} is not among the properties", shown(&name.to_string())))
            }
            None => Ok(()),
        },
        Some(_) => Err("`required`: expected a list of property names".to_owned()),
    }
}

fn is_key(properties: &serde_json::Map<String, Value>, name: &Value) -> bool {
    name.as_str().is_some_and(|name| properties.contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_thirteen_are_a_valid_set() {
        let set = ToolSet::arithmetic();
        assert_eq!(ToolSet::new(set.tools.clone()), Ok(set.clone()));
        assert_eq!(set.len(), 13);
        assert_eq!(set.index("permutate"), Some(12));
        assert_eq!(set.by_name("log").map(Tool::opening).as_deref(), Some("<log>("));
        assert_eq!(set.by_name("<log>"), None);
        assert_eq!(set.names().next(), Some("add"));
    }

    #[test]
    fn rounding_and_guards_are_set_for_all() {
        let set = ToolSet::arithmetic().with_arithmetic(Rounding::Full, Guards::Off);
        let run = |name, args| set.by_name(name).expect("a function").run(args).expect("a result");
        assert_eq!(
            run("add", "0.384, 1.63"),
            crate::Outcome::Done { text: "2.014".to_owned(), numeric: true }
        );
        assert_eq!(run("log", "8, 2"), crate::Outcome::Done { text: "3".to_owned(), numeric: true });
    }

    #[test]
    fn bad_tools_are_refused_by_field() {
        let good = || Tool::client("weather", "the weather somewhere", json!({"type": "object"}));
        let cases: Vec<(&str, &str, Tool)> = vec![
            ("name", "empty", Tool { name: String::new(), ..good() }),
            ("name", "129 bytes", Tool { name: "n".repeat(129), ..good() }),
            ("name", "white space", Tool { name: " weather".to_owned(), ..good() }),
            ("name", "control", Tool { name: "wea\nther".to_owned(), ..good() }),
            ("description", "65537 bytes", Tool { description: "d".repeat(65537), ..good() }),
            ("examples", "65537 bytes", Tool { examples: vec!["e".repeat(65537)], ..good() }),
            ("examples", "1001 of them", Tool { examples: vec![String::new(); 1001], ..good() }),
            ("parameters", "JSON schema", Tool { parameters: json!(["city"]), ..good() }),
            ("parameters", "\"object\"", Tool { parameters: json!({"city": {"type": "string"}}), ..good() }),
            ("parameters", "\"object\"", Tool { parameters: json!({"type": "array"}), ..good() }),
            (
                "parameters",
                "`properties`",
                Tool { parameters: json!({"type": "object", "properties": 1}), ..good() },
            ),
            (
                "parameters",
                "`properties.a`",
                Tool { parameters: json!({"type": "object", "properties": {"a": 1}}), ..good() },
            ),
            (
                "parameters",
                "`required`",
                Tool { parameters: json!({"type": "object", "required": "a"}), ..good() },
            ),
            (
                "parameters",
                "\"a\" is not",
                Tool { parameters: json!({"type": "object", "required": ["a"]}), ..good() },
            ),
            ("placement", "literal", Tool { placement: Placement::Literal, ..good() }),
        ];
        for (field, message, tool) in cases {
            let error = ToolSet::new(vec![Tool::from(Function::Add), tool]).expect_err(message);
            assert_eq!((error.index, error.field), (1, field), "{error}");
            assert!(error.message.contains(message), "{error}");
        }
        let error = ToolSet::new(vec![good(), good()]).expect_err("a repeated name");
        assert_eq!((error.index, error.field), (1, "name"));
        assert_eq!(error.to_string(), "tool 2 `weather`: name: tool 1 has it already, names must differ");
    }
}
