//! A task's prompts: the data's own templates, and what is derived from them.
//!
//! A template is a header and worked answers, separated by empty lines, then `Q: [QUESTION]\nA:`. The one with calls
//! writes them out: `147+354=<add>(147,354)=501`. Prompts of ReAct are made of it mechanically, so that every method sees
//! the same worked answers.

use crate::BenchError;
use decode::Template;
use std::collections::BTreeMap;
use std::path::Path;
use tools::ToolSet;

/// The prompts of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompts {
    plain: Template,
    with_calls: String,
    /// Descriptions of all tools, and worked answers with calls.
    with_descriptions: Option<Template>,
    /// By tool: worked answers that call this tool alone.
    of_tool: BTreeMap<String, Template>,
    /// What is said before a question that stands alone.
    instruction: String,
}

impl Prompts {
    /// Prompts of these texts; `instruction` is for the model that sees a question without worked answers.
    pub fn new(
        plain: impl Into<String>,
        with_calls: impl Into<String>,
        of_tool: BTreeMap<String, Template>,
        instruction: impl Into<String>,
    ) -> Self {
        let with_calls = with_calls.into();
        let (plain, instruction) = (Template::new(plain), instruction.into());
        Self { plain, with_calls, with_descriptions: None, of_tool, instruction }
    }

    /// The same, with a prompt that describes all tools.
    #[must_use]
    pub fn described(self, with_descriptions: impl Into<String>) -> Self {
        Self { with_descriptions: Some(Template::new(with_descriptions)), ..self }
    }

    /// Descriptions of all tools, worked answers with calls, and the question.
    ///
    /// # Errors
    /// If the task has no such prompt.
    pub fn with_descriptions(&self, question: &str) -> Result<String, BenchError> {
        let missing = || BenchError::Setting("the task has no prompt that describes all tools".into());
        Ok(self.with_descriptions.as_ref().ok_or_else(missing)?.render(question))
    }

    /// Prompts of a folder of ToolkenGPT's: `llama_general.txt`, `llama_func.txt` and `llama_<TOOL>.txt`.
    ///
    /// # Errors
    /// A file that is missing, or a template without a place for the question.
    pub fn toolkengpt(folder: &Path, tools: &ToolSet, instruction: &str) -> Result<Self, BenchError> {
        let read = |path: &Path| {
            let text = super::files::text(path)?;
            match text.contains(Template::QUESTION) {
                true => Ok(text),
                false => {
                    Err(BenchError::data(path, "a template without a place for the question, [QUESTION]"))
                }
            }
        };
        let of_tool = tools
            .names()
            .map(|tool| Ok((tool.to_owned(), Template::new(read(&super::files::template_of(folder, tool))?))))
            .collect::<Result<_, BenchError>>()?;
        let (plain, with_calls) =
            (read(&folder.join("llama_general.txt"))?, read(&folder.join("llama_func.txt"))?);
        Ok(Self::new(plain, with_calls, of_tool, instruction))
    }

    /// Worked answers without calls, and the question.
    pub fn plain(&self, question: &str) -> String {
        self.plain.render(question)
    }

    /// Worked answers with calls written out, and the question.
    pub fn with_calls(&self, question: &str) -> String {
        Template::new(self.with_calls.as_str()).render(question)
    }

    /// Worked answers that call one tool alone, and the question; of a tool without such, those of all tools. What ends an
    /// answer (`mark`) is added where a worked one has none: they were made to show how arguments are filled in.
    pub fn with_calls_of(&self, tool: &str, question: &str, mark: Option<&str>) -> String {
        let Some(template) = self.of_tool.get(tool) else {
            return self.with_calls(question);
        };
        let end = |block: &str| -> String {
            let block = block.trim_end();
            let result =
                question_and_answer(block).and_then(|(_, answer)| Some(calls_in(answer).0.pop()?.result));
            match (mark, result) {
                (Some(mark), Some(result)) if !block.contains(mark) => {
                    let so = if mark.starts_with('#') { "" } else { "So, the " };
                    let (stop, end) = if so.is_empty() { ("", "") } else { (".", ".") };
                    format!("{}{stop} {so}{mark} {result}{end}", block.trim_end_matches('.'))
                }
                _ => block.to_owned(),
            }
        };
        let blocks: Vec<String> = template.render(Template::QUESTION).split("\n\n").map(end).collect();
        Template::new(blocks.join("\n\n")).render(question)
    }

    /// By tool: worked answers that call it alone.
    pub fn by_tool(&self) -> &BTreeMap<String, Template> {
        &self.of_tool
    }

    /// What a model is told that sees no worked answers.
    pub fn instruction(&self) -> &str {
        &self.instruction
    }

    /// ReAct: the worked answers as thoughts, actions and observations, and the question.
    pub fn react(&self, question: &str) -> String {
        let step = |before: &str, call: &Written<'_>| {
            let action = format!("<{}>({})", call.tool, call.arguments);
            format!("Thought: {before}\nAction: {action}\nObservation: {}\n", call.result)
        };
        let rule = "Every step is a thought, an action, which is a call, and an observation, which is the call's result.";
        self.steps(rule, step, question)
    }

    /// ReAct whose actions are tool tokens: the action ends where the tool token stands, and its result follows.
    pub fn react_with_tokens(&self, question: &str) -> String {
        let step = |before: &str, call: &Written<'_>| {
            let (thought, expression) = expression_at_end(before);
            let thought = if thought.is_empty() { "The next step is" } else { thought };
            format!("Thought: {thought}\nAction: {expression}={}\n", call.result)
        };
        let rule = "Every step is a thought, and an action, which is an operation with its result.";
        self.steps(rule, step, question)
    }

    fn steps(&self, rule: &str, step: impl Fn(&str, &Written<'_>) -> String, question: &str) -> String {
        let mut out = String::new();
        for block in self.with_calls.split("\n\n").filter(|block| !block.trim().is_empty()) {
            let Some((asked, answer)) = question_and_answer(block) else {
                out.push_str(&format!("{}\n{rule}\n\n", block.trim_end()));
                continue;
            };
            if asked.contains(Template::QUESTION) {
                out.push_str(&format!("{asked}\nThought:"));
                continue;
            }
            if out.is_empty() {
                out.push_str(&format!("{rule}\n\n"));
            }
            let (calls, rest) = calls_in(answer);
            let steps: String = calls.iter().map(|call| step(tidy(call.before), call)).collect();
            let rest = rest.trim_start_matches([' ', '.', ',', ';']);
            out.push_str(&format!("{asked}\n{steps}Thought: {}\n\n", rest.trim_end()));
        }
        out.replace(Template::QUESTION, question)
    }
}

/// A call as a worked answer writes it.
struct Written<'a> {
    /// What stands between the call before and this one.
    before: &'a str,
    tool: &'a str,
    arguments: &'a str,
    result: &'a str,
}

/// A worked answer's question line, and its answer without `A:`.
fn question_and_answer(block: &str) -> Option<(&str, &str)> {
    let at = ["\nA:", "\nAnswer:"].into_iter().find_map(|mark| Some((block.find(mark)?, mark.len())))?;
    Some((block[..at.0].trim_start(), block[at.0 + at.1..].trim()))
}

/// The calls of a worked answer, and what follows the last.
fn calls_in(answer: &str) -> (Vec<Written<'_>>, &str) {
    let (mut calls, mut rest) = (Vec::new(), answer);
    while let Some((before, tool, arguments, after)) = next_call(rest) {
        let result = after.strip_prefix('=').unwrap_or(after);
        let end = result.find(|c: char| !(c.is_ascii_digit() || "-.,".contains(c))).unwrap_or(result.len());
        let number = result[..end].trim_end_matches(['.', ',']);
        calls.push(Written { before, tool, arguments, result: number });
        rest = &result[number.len()..];
    }
    (calls, rest)
}

/// The first `<tool>(arguments)`: what stands before it, its parts, and what follows.
fn next_call(text: &str) -> Option<(&str, &str, &str, &str)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find('<')?;
        let parts = || {
            let (tool, rest) = text[start + 1..].split_once('>')?;
            let named = !tool.is_empty() && tool.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let (arguments, after) = rest.strip_prefix('(').filter(|_| named)?.split_once(')')?;
            Some((&text[..start], tool, arguments, after))
        };
        match parts() {
            Some(parts) => return Some(parts),
            None => from = start + 1,
        }
    }
}

/// A thought without the punctuation that joined it to the sentence before, and without `=` at its end.
fn tidy(text: &str) -> &str {
    text.trim_start_matches([' ', '.', ',', ';', '=']).trim_end_matches([' ', '=', '$'])
}

/// Splits off the expression that a text ends in: the words at its end with a digit or an operator in them.
fn expression_at_end(text: &str) -> (&str, &str) {
    let mathematical = |word: &str| {
        word.chars().any(|c| c.is_ascii_digit() || "+*/^=%".contains(c)) || matches!(word, "-" | "x" | "mod")
    };
    let mut start = text.len();
    for (at, word) in
        text.split_whitespace().map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word)).rev()
    {
        if !mathematical(word) {
            break;
        }
        start = at;
    }
    (text[..start].trim_end(), &text[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITH_CALLS: &str = "Answer with <add>, <power>:\n\nQ: How much?\nA: It grows by 1.04^11 = <power>(1.04,11)=1.54 times. \
                              So 1.54+1=<add>(1.54,1)=2.54. The answer is 2.54.\n\nQ: [QUESTION]\nA:";

    fn prompts() -> Prompts {
        Prompts::new("Q: [QUESTION]\nA:", WITH_CALLS, BTreeMap::new(), "")
    }

    #[test]
    fn worked_answers_become_thoughts_actions_and_observations() {
        let rule = "Every step is a thought, an action, which is a call, and an observation, which is the call's result.";
        assert_eq!(
            prompts().react("How many?"),
            format!(
                "Answer with <add>, <power>:\n{rule}\n\nQ: How much?\n\
                 Thought: It grows by 1.04^11\nAction: <power>(1.04,11)\nObservation: 1.54\n\
                 Thought: times. So 1.54+1\nAction: <add>(1.54,1)\nObservation: 2.54\n\
                 Thought: The answer is 2.54.\n\nQ: How many?\nThought:"
            )
        );
    }

    #[test]
    fn worked_answers_of_one_tool_end_as_the_task_wants_it() {
        let add = Template::new(
            "With <add>:\n\nQ: How many?\nA: There are 1+2=<add>(1, 2)=3.\n\nQ: [QUESTION]\nA:",
        );
        let prompts =
            Prompts::new("Q: [QUESTION]\nA:", WITH_CALLS, BTreeMap::from([("add".to_owned(), add)]), "");
        let of = |mark| prompts.with_calls_of("add", "And now?", mark);
        let with = |end: &str| {
            format!("With <add>:\n\nQ: How many?\nA: There are 1+2=<add>(1, 2)=3{end}\n\nQ: And now?\nA:")
        };
        assert_eq!(of(Some("answer is")), with(". So, the answer is 3."));
        assert_eq!(of(Some("####")), with(" #### 3"));
        assert_eq!(of(None), with("."));
        assert!(prompts.with_calls_of("power", "And now?", None).contains("<power>(1.04,11)"));
    }

    #[test]
    fn actions_of_tool_tokens_are_operations() {
        let text = prompts().react_with_tokens("How many?");
        assert!(text.contains("Thought: It grows by\nAction: 1.04^11=1.54\n"), "{text}");
        assert!(text.contains("Thought: times. So\nAction: 1.54+1=2.54\n"), "{text}");
        assert!(!text.contains("<power>("), "{text}");
    }

    #[test]
    fn an_expression_is_what_a_text_ends_in() {
        for (text, thought, expression) in [
            ("is 147+354", "is", "147+354"),
            ("will be 5572 mod 3241", "will be", "5572 mod 3241"),
            ("so log(98.74)", "so", "log(98.74)"),
            ("8/256", "", "8/256"),
            ("the sum", "the sum", ""),
            ("", "", ""),
        ] {
            assert_eq!(expression_at_end(text), (thought, expression), "{text}");
        }
    }
}
