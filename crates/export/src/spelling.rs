//! How a tool's token is spelled.
//!
//! Engines print a token by its spelling and find it in prompts by it, so a spelling must be one that no text has by
//! accident, that no other token has, and that no engine takes for a control token by its name (llama.cpp knows ends of
//! text and turn, and code's fill-in-the-middle marks, by name alone).

use crate::ExportError;
use head::bare_name;
use std::collections::BTreeSet;
use std::str::FromStr;

/// Spellings that llama.cpp takes for control tokens wherever they occur (`llama-vocab.cpp`), besides `<|…|>`.
const CONTROL: [&str; 33] = [
    "</s>",
    "<s>",
    "<unk>",
    "<pad>",
    "<bos>",
    "<eos>",
    "<EOT>",
    "_<EOT>",
    "<end_of_turn>",
    "<start_of_turn>",
    "<end_of_utterance>",
    "<eom>",
    "<eos_token>",
    "<fim-prefix>",
    "<fim-suffix>",
    "<fim-middle>",
    "<fim-pad>",
    "<fim_prefix>",
    "<fim_suffix>",
    "<fim_middle>",
    "<fim_pad>",
    "<PRE>",
    "<SUF>",
    "<MID>",
    "<PAD>",
    "<REPO>",
    "<repo_name>",
    "<reponame>",
    "<file_sep>",
    "<fim_repo>",
    "<EOS>",
    "[EOS]",
    "[EOT]",
];

/// How tools' names become tokens: a text with `{}` where the name goes.
///
/// ```
/// use toolken_export::TokenForm;
/// let form: TokenForm = "<tool:{}>".parse()?;
/// assert_eq!(form, TokenForm::default());
/// assert_eq!(form.spell("<school district>"), "<tool:school_district>");
/// # Ok::<(), toolken_export::ExportError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenForm {
    before: String,
    after: String,
}

impl Default for TokenForm {
    fn default() -> Self {
        Self { before: "<tool:".into(), after: ">".into() }
    }
}

impl FromStr for TokenForm {
    type Err = ExportError;

    fn from_str(text: &str) -> Result<Self, ExportError> {
        match text.split_once("{}") {
            Some((before, after))
                if !before.is_empty()
                    && !after.is_empty()
                    && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '▁') =>
            {
                Ok(Self { before: before.into(), after: after.into() })
            }
            _ => Err(ExportError::Setting(format!(
                "token form {text:?}: expected `{{}}` for the tool's name with something before and after it, and no spaces, \
                 as <tool:{{}}>"
            ))),
        }
    }
}

impl TokenForm {
    /// The token of a tool: brackets of its name dropped, white space written `_`.
    pub fn spell(&self, tool: &str) -> String {
        let name: String = bare_name(tool)
            .chars()
            .map(|c| if c.is_whitespace() || c.is_control() || c == '▁' { '_' } else { c })
            .collect();
        format!("{}{name}{}", self.before, self.after)
    }

    /// The tokens of all tools, none of them known to the vocabulary or taken for something else by an engine.
    ///
    /// # Errors
    /// [`ExportError::Tool`] names the tool whose token would collide, and with what.
    pub(crate) fn spell_all(
        &self,
        tools: &[String],
        known: impl Fn(&str) -> Option<u32>,
    ) -> Result<Vec<String>, ExportError> {
        let mut seen = BTreeSet::new();
        tools
            .iter()
            .map(|tool| {
                let token = self.spell(tool);
                let refuse =
                    |why: String| Err(ExportError::tool(tool, format!("{why}: choose another --token-form")));
                if CONTROL.contains(&token.as_str()) || (token.starts_with("<|") && token.ends_with("|>")) {
                    return refuse(format!("engines take a token {token:?} for a control token"));
                }
                if let Some(id) = known(&token) {
                    return refuse(format!("the vocabulary has a token {token:?} already, {id}"));
                }
                if !seen.insert(token.clone()) {
                    return Err(ExportError::tool(
                        tool,
                        format!(
                            "its token {token:?} is another tool's too: rename one of the two, and fit again"
                        ),
                    ));
                }
                Ok(token)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.into()).collect()
    }

    #[test]
    fn a_form_needs_a_place_for_the_name_and_something_around_it() {
        for text in ["", "{}", "<{}", "{}>", "<tool>", "< {}>", "<\u{2581}{}>"] {
            let error = text.parse::<TokenForm>().unwrap_err().to_string();
            assert!(error.contains("<tool:{}>"), "{error}");
        }
        assert_eq!("[{}]".parse::<TokenForm>().unwrap().spell("add"), "[add]");
    }

    #[test]
    fn tokens_are_the_tools_own() {
        let form = TokenForm::default();
        let spelled = form.spell_all(&tools(&["add", "[WALK] <x>", "größe"]), |_| None).unwrap();
        assert_eq!(spelled, ["<tool:add>", "<tool:WALK_x>", "<tool:größe>"]);
        for (form, names, known, part) in [
            ("<{}>", &["add", "eos"][..], None, "control"),
            ("<|{}|>", &["add"][..], None, "control"),
            ("<{}>", &["code"][..], Some(7), "already, 7"),
            ("<{}>", &["a b", "a_b"][..], None, "another tool's"),
        ] {
            let form: TokenForm = form.parse().unwrap();
            let error = form.spell_all(&tools(names), |_| known).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
