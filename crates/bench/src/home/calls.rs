//! Planning by the model's own function calling: every action is a function, a plan is its calls in order.

use super::plan::{MOST_LINES, Planned, Written};
use super::prompt::Question;
use super::vocabulary::{Kind, Vocabulary};
use crate::BenchError;
use crate::answer::Answered;
use crate::turns::Turns;
use crate::written::CallMade;
use decode::Finish;
use lm::FrozenLm;
use serde_json::{Value, json};
use std::num::NonZeroUsize;
use tools::household::{Action, Line, Thing};
use tools::{Tool, ToolSet};

/// Tokens of a turn at most.
const MOST_WORDS: usize = 160;
/// What a model is told, before what is asked and once it calls no more.
const CALL: &str = "Carry out the task in the house: call a function for every step, in the order in which the steps are done. Name objects as the list has them.";
const CLOSING: &str = "Go on if steps are missing; else say that you are done.";

/// Plans for several questions; each comes out as it would by itself. Calls are taken down and not acted out, as plans in tokens
/// are.
///
/// # Errors
/// The model's; a model whose chat template lists no tools.
pub fn plan_in_calls(
    lm: &dyn FrozenLm,
    vocabulary: &Vocabulary,
    questions: &[&Question],
    batch: NonZeroUsize,
) -> Result<Vec<Written>, BenchError> {
    let tools = functions(vocabulary)?;
    let turns = Turns {
        lm,
        tools: &tools,
        closing: CLOSING,
        max_tokens: MOST_WORDS,
        // A call a turn, the closing question and its answer.
        most: MOST_LINES + 2,
        repeats_end: false,
        batch,
        served: None,
    };
    let first: Vec<String> =
        questions.iter().map(|question| format!("{CALL}\n\n{}", question.asked())).collect();
    let mut plans: Vec<Option<Written>> = vec![None; questions.len()];
    turns.answer(&first, &mut |i, answered| {
        plans[i] = Some(written(answered));
        Ok(())
    })?;
    let missing = || BenchError::Setting("a conversation did not end".into());
    plans.into_iter().map(|plan| plan.ok_or_else(missing)).collect()
}

/// The actions as functions, with as many objects as they take.
fn functions(vocabulary: &Vocabulary) -> Result<ToolSet, BenchError> {
    let function = |(kind, tool): (&Kind, &Tool)| {
        let Kind::Action(action) = kind else { return None };
        let names = &["object", "target"][..action.arity().min(2)];
        let properties: serde_json::Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
        let parameters = json!({ "type": "object", "properties": properties, "required": names });
        Some(Tool { parameters, ..Tool::literal(action.name().to_lowercase(), tool.description.as_str()) })
    };
    Ok(ToolSet::new(vocabulary.kinds().iter().zip(vocabulary.tools().iter()).filter_map(function).collect())?)
}

/// The calls as a plan, up to the first that is no line; eight at most. Calls that failed are no steps: the model was told, and could
/// make others.
fn written(answered: Answered) -> Written {
    let (mut lines, mut unreadable) = (Vec::new(), None);
    let made: Vec<&CallMade> = answered.calls.iter().filter(|call| call.error.is_none()).collect();
    for call in made.iter().take(MOST_LINES) {
        match line(call) {
            Ok(line) => lines.push(line),
            Err(reason) => {
                unreadable = Some(reason);
                break;
            }
        }
    }
    if let Finish::ContextFull { len, max } = answered.finish {
        unreadable = Some(Written::did_not_fit(len, max));
    }
    let planned = Planned {
        ended: made.len() < MOST_LINES && matches!(answered.finish, Finish::EndOfText | Finish::Stop { .. }),
        lines,
        chosen: answered.tokens.chosen,
        prompt: answered.tokens.prompt,
    };
    Written { planned, unreadable }
}

fn line(call: &CallMade) -> Result<Line, String> {
    let action = Action::of_name(&call.tool.to_uppercase()).ok_or("call: no such action")?;
    let things =
        call.arguments.split(',').map(|name| name.trim().trim_matches(['<', '>'])).filter(|n| !n.is_empty());
    Line::new(action, things.map(Thing::first).collect()).map_err(|e| format!("call: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_lines_until_one_is_none() {
        let names = ["[WALK]", "[PUTBACK]", "[SLEEP]", "<sofa>", "[END]"].map(str::to_owned);
        let tools = functions(&Vocabulary::new(&names).unwrap()).unwrap();
        let required = |name: &str| tools.by_name(name).map(|tool| tool.parameters["required"].clone());
        assert_eq!(required("walk"), Some(json!(["object"])));
        assert_eq!(required("putback"), Some(json!(["object", "target"])));
        assert_eq!(required("sleep"), Some(json!([])));
        assert_eq!(required("sofa"), None);
        let call = |tool: &str, arguments: &str| {
            line(&CallMade::run(&tools, tool, arguments)).map(|l| l.to_string())
        };
        assert_eq!(call("walk", "sofa").unwrap(), "[WALK] <sofa> (1)");
        assert_eq!(call("putback", "food, <plate>").unwrap(), "[PUTBACK] <food> (1) <plate> (1)");
        assert!(call("walk", "").is_err() && call("fly", "sofa").is_err());
    }
}
