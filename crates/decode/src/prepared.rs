//! A request that was checked against its engine and encoded, before anything is computed.

use crate::DecodeError;
use crate::extended::{Callable, Extended, Kind};
use crate::grammar::Grammar;
use crate::request::{Prompt, Request};
use crate::settings::{Arguments, Calling};
use std::collections::HashMap;

/// A request ready to run.
pub(crate) struct Prepared {
    /// Which of the requests, from 0.
    pub index: usize,
    pub request: Request,
    /// The prompt's text.
    pub text: String,
    /// The prompt; never empty.
    pub ids: Vec<u32>,
    /// By row of the head.
    pub disabled_tools: Vec<bool>,
    /// The request's own, else the head's.
    pub bias: f32,
    /// What the whole text must be.
    pub grammar: Option<Grammar>,
}

impl Prepared {
    pub fn new(index: usize, request: Request, extended: &Extended) -> Result<Self, DecodeError> {
        let prepared = || {
            request.settings.check().map_err(|e| e.to_string())?;
            let text = extended.text(&request.prompt).map_err(|e| e.to_string())?.into_owned();
            let ids = extended.encode(&request.prompt, &text).map_err(|e| e.to_string())?;
            if ids.is_empty() {
                return Err(
                    "the prompt is empty and the vocabulary has no start token: give at least one word"
                        .to_string(),
                );
            }
            let mut disabled_tools = disabled_tools(&request, extended)?;
            // Outside of a conversation a call has no message to stand in.
            let in_chat = matches!(request.prompt, Prompt::Chat(_));
            for (callable, off) in extended.callables.iter().zip(&mut disabled_tools) {
                *off |= !in_chat && matches!(callable.kind, Kind::Message(_));
            }
            let enabled = extended.callables.iter().zip(&disabled_tools).filter(|(_, off)| !**off);
            enabled.map(|(callable, _)| callable).try_for_each(|callable| check_demos(&request, callable))?;
            let own = extended.head.as_ref().map(|scores| scores.head().bias);
            let bias = request.settings.bias.or(own).unwrap_or(0.0);
            let grammar = match &request.schema {
                Some(schema) => Some(
                    extended.grammar(schema).map_err(|e| format!("the schema cannot be enforced: {e}"))?,
                ),
                None => None,
            };
            Ok(Self { index, request, text, ids, disabled_tools, bias, grammar })
        };
        prepared().map_err(|message| DecodeError::Request { index, message })
    }
}

fn disabled_tools(request: &Request, extended: &Extended) -> Result<Vec<bool>, String> {
    let mut disabled = vec![false; extended.callables.len()];
    if request.disabled_tools.is_empty() {
        return Ok(disabled);
    }
    let rows: HashMap<&str, usize> = extended.tools().enumerate().map(|(row, name)| (name, row)).collect();
    for name in &request.disabled_tools {
        let row = rows.get(name.as_str()).ok_or_else(|| extended.unknown_tool(name))?;
        disabled[*row] = true;
    }
    Ok(disabled)
}

/// A tool whose arguments are to be written after worked calls must have them, and the question they ask for.
fn check_demos(request: &Request, callable: &Callable) -> Result<(), String> {
    let settings = &request.settings;
    let unused = settings.calling == Calling::Off
        || settings.arguments != Arguments::Demos
        || !matches!(callable.kind, Kind::Splice);
    let name = &callable.tool.name;
    match &callable.demos {
        _ if unused => Ok(()),
        None => Err(format!(
            "there are no worked calls for the tool `{name}`: give them to the engine, disable the tool, or have arguments \
             written in place"
        )),
        Some(template) if template.asks() && request.question.is_none() => Err(format!(
            "the worked calls for the tool `{name}` leave a place for the question, and the request has no question: give it"
        )),
        Some(_) => Ok(()),
    }
}
