//! Prompts of tasks whose tools are relations.

use super::Prompts;
use decode::Template;
use std::collections::BTreeMap;
use tools::ToolSet;

/// A question about a relation, with its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The relation.
    pub relation: String,
    /// The subject.
    pub subject: String,
    /// The question.
    pub question: String,
    /// The answer.
    pub answer: String,
}

/// The prompt that decides: the answer follows at once.
fn ask(question: &str) -> String {
    format!("Question: {question}\nAnswer: The answer is")
}

impl Asked {
    /// As a text with the call written out.
    fn with_call(&self) -> String {
        format!("{} <{}>({})", ask(&self.question), self.relation, self.subject)
    }
}

/// Worked calls of a relation that its arguments are written after. With one alone a small model repeats its subject.
pub const WORKED: usize = 3;

/// Prompts: the bare question; the first worked call of each relation; descriptions of all relations with a few worked
/// calls; and for the arguments of each relation, worked calls of that one.
pub fn prompts(tools: &ToolSet, worked: &[Asked]) -> Prompts {
    const FEW: usize = 4;
    let place = ask(Template::QUESTION);
    let shown =
        |few: &[Asked]| few.iter().map(|asked| format!("{}\n\n", asked.with_call())).collect::<String>();
    let names: Vec<String> = tools.names().map(|name| format!("<{name}>")).collect();
    let rule = format!("Answer each question with a call of the right relation: {}.", names.join(", "));
    let lines: String =
        tools.iter().map(|tool| format!("<{}> {}\n", tool.name, tool.description.trim())).collect();
    let described = format!("Answer each question with a call of the right relation.\n\n{lines}");
    let mut first: Vec<Asked> = Vec::new();
    for asked in worked {
        if first.iter().all(|known| known.relation != asked.relation) {
            first.push(asked.clone());
        }
    }
    let of_tool: BTreeMap<String, Template> = first
        .iter()
        .map(|asked| {
            let same: Vec<Asked> = worked.iter().filter(|a| a.relation == asked.relation).cloned().collect();
            (asked.relation.clone(), Template::new(format!("{}{place}", shown(&same))))
        })
        .collect();
    let instruction = "Answer the question with a name, a number or a date, and nothing else.";
    Prompts::new(place.clone(), format!("{rule}\n\n{}{place}", shown(&first)), of_tool, instruction)
        .described(format!("{described}\n{}{place}", shown(&first[..first.len().min(FEW)])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tools::{KnowledgeBase, Tool};

    #[test]
    fn prompts_show_what_their_methods_may_see() {
        let base = KnowledgeBase::in_memory("none", []).unwrap();
        let tool = |name: &str| Tool::relation(name, format!("gets {name}"), name, base.clone());
        let tools = ToolSet::new(vec![tool("P1"), tool("P2")]).unwrap();
        let asked = |relation: &str| Asked {
            relation: relation.into(),
            subject: "Ada".into(),
            question: format!("What is {relation} of Ada?"),
            answer: "x".into(),
        };
        let prompts = prompts(&tools, &[asked("P1"), asked("P2")]);
        assert_eq!(prompts.plain("Q?"), "Question: Q?\nAnswer: The answer is");
        let called = prompts.with_calls("Q?");
        assert!(called.contains(
            "What is P2 of Ada?\nAnswer: The answer is <P2>(Ada)\n\nQuestion: Q?\nAnswer: The answer is"
        ));
        assert!(!called.contains("gets P1"));
        assert!(prompts.with_descriptions("Q?").unwrap().contains("<P2> gets P2\n"));
        let one = prompts.by_tool()["P1"].render("Q?");
        assert!(one.contains("<P1>(Ada)") && !one.contains("P2"));
    }
}
