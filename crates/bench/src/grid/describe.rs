//! Cells in a few words, for tables.

use super::{Kind, Lambda, Names, Row};
use head::{MethodName, Pool, Prior, Scale, Source, Text, Weighting};

/// A prior in a few words.
pub fn prior_name(prior: &Prior) -> String {
    match prior {
        Prior::Zero => "zero".into(),
        Prior::Uniform { .. } => "random".into(),
        Prior::Contexts { .. } => "contexts".into(),
        Prior::Sum(parts) => parts.iter().map(prior_name).collect::<Vec<_>>().join(" + "),
        Prior::Text { text, source, pool, scale } => {
            let text = match text {
                Text::Name => "name",
                Text::BareName => "bare name",
                Text::Description => "description",
                Text::Unrelated { .. } => "irrelevant words",
            };
            let source = match source {
                Source::HeadRows => "head rows",
                Source::InputRows => "input rows",
                Source::HiddenStates { .. } => "hidden states",
            };
            let pool = match pool {
                Pool::Mean => "mean",
                Pool::Max => "max",
            };
            let scale = match scale {
                Scale::AsIs => ", as is".to_owned(),
                Scale::Unit { factor: 1.0, centred: false } => String::new(),
                Scale::Unit { factor, centred } => {
                    format!(", {}× {factor}", if *centred { "centred " } else { "" })
                }
                Scale::Released => ", ÷ √5120".to_owned(),
            };
            format!("{text}, {source}, {pool}{scale}")
        }
    }
}

/// What a row is of, without its seed: rows with the same summary are repetitions.
pub fn summary(row: &Row) -> String {
    let cell = &row.unit.cell;
    let prior = match row.unit.kind {
        Kind::Chosen => "prior and scale chosen".to_owned(),
        _ => prior_name(&cell.prior),
    };
    let mut parts = vec![cell.method.to_string(), prior];
    match row.lambda {
        Lambda::Fixed(lambda) => parts.push(format!("λ {lambda:e}")),
        Lambda::Auto => parts.push("λ auto".into()),
        Lambda::PerTool => parts.push("λ per tool".into()),
        Lambda::Own => {}
    }
    if let Some(adam) = cell.adam {
        match row.unit.kind {
            Kind::Tuned => parts.push(format!("rate auto, {} epochs", adam.epochs)),
            _ => parts.push(adam.to_string()),
        }
    }
    if cell.method == MethodName::Exact {
        parts.push(match cell.weighting {
            Weighting::PerPosition => "per position".into(),
            Weighting::PerExample => "per example".into(),
        });
    }
    match cell.names {
        Names::Own => {}
        Names::Id => parts.push("ids for names".into()),
        Names::Tool => parts.push("names tool_N".into()),
        Names::Func => parts.push("names func_N".into()),
    }
    if let Some(count) = cell.per_tool {
        parts.push(format!("{count} a tool"));
    }
    debug_assert!(!matches!(row.unit.kind, Kind::Own | Kind::Tuned) || row.lambda == Lambda::Own);
    parts.join(" | ")
}
