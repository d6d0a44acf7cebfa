//! What speaks for a tool before it has examples: its name and description, put to the model as a user's message. The state
//! that opens the assistant's turn is then one at which the tool is to be called.

use head::words_of_name;
use tools::Tool;

/// The message that stands for a tool.
pub(crate) fn message(tool: &Tool) -> String {
    let name = words_of_name(&tool.name);
    let description: String = tool.description.trim().chars().take(400).collect();
    match (name.is_empty(), description.is_empty()) {
        (_, true) => name,
        (true, _) => description,
        (false, false) => format!("{name}: {description}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_what_its_name_and_description_say() {
        let tool = |name: &str, description: &str| Tool::client(name, description, serde_json::json!({}));
        assert_eq!(message(&tool("getWeather", "The weather.\n")), "get Weather: The weather.");
        assert_eq!(message(&tool("get_weather", "")), "get weather");
        assert_eq!(message(&tool("x", &"ü".repeat(1000))).chars().count(), 403);
    }
}
