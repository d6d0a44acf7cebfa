//! What a fit has to say about itself, and what to do about it.

use crate::{Curve, Head, HeadError, Scores, Subset, Table, calls_by_tool, products::scores};
use serde::Serialize;
use std::fmt;

/// Fewer calls than this leave a tool's row to chance; the papers' data have 40 to 50 a tool.
const FEW_CALLS: usize = 10;
/// A loss of choice that is worth a finding.
const WORTH_SAYING: f64 = 0.03;

/// One thing that is, or may be, wrong with a fit. `Display` gives the evidence and the advice.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "finding")]
pub enum Finding {
    /// The chosen λ is the largest or the smallest that was tried.
    LambdaAtEdge {
        /// The chosen λ.
        lambda: f64,
        /// Whether it is the largest.
        largest: bool,
    },
    /// The penalty holds the head at a plateau below what the data allow.
    Plateau {
        /// λ.
        lambda: f64,
        /// Choice with it, held out.
        choice: f64,
        /// The smallest λ that was tried.
        least: f64,
        /// Choice with that.
        least_choice: f64,
    },
    /// Two tools start from the same row.
    IdenticalPriors {
        /// One tool.
        first: String,
        /// The other.
        second: String,
    },
    /// The prior by itself is no better than naming the most frequent tool always.
    PriorByChance {
        /// Choice of the prior by itself.
        choice: f64,
        /// Choice of always naming the most frequent tool.
        chance: f64,
        /// Calls it was measured on.
        calls: usize,
    },
    /// A tool has few calls or none to learn from.
    FewCalls {
        /// The tool.
        tool: String,
        /// Its calls.
        calls: usize,
    },
    /// Choice falls as tools are added.
    ChoiceFalls {
        /// `(number of tools, choice among them)`.
        by_tools: Vec<(usize, f64)>,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |x: &f64| format!("{:.1} %", 100.0 * x);
        match self {
            Self::LambdaAtEdge { lambda, largest } => {
                let (edge, beyond) = if *largest { ("largest", "larger") } else { ("smallest", "smaller") };
                write!(
                    f,
                    "the chosen lambda {lambda:.1e} is the {edge} of its grid: the best may lie beyond; try {beyond} values"
                )
            }
            Self::Plateau { lambda, choice, least, least_choice } => write!(
                f,
                "with lambda {lambda:.1e} choice is {}, with {least:.1e} it is {}: the penalty holds the head too near its prior; lower lambda",
                percent(choice),
                percent(least_choice)
            ),
            Self::IdenticalPriors { first, second } => write!(
                f,
                "the tools `{first}` and `{second}` have the same prior row: it cannot tell them apart; \
                 give them different names or descriptions, or use a prior of example contexts"
            ),
            Self::PriorByChance { choice, chance, calls } => write!(
                f,
                "the prior by itself chooses right at {} of {calls} calls, naming the most frequent tool always at {}: \
                 it says nothing about these tools; use descriptions, example contexts or a zero prior",
                percent(choice),
                percent(chance)
            ),
            Self::FewCalls { tool, calls: 0 } => write!(
                f,
                "the tool `{tool}` has no calls: its row is its prior's and an offset keeps it from calling at random; \
                 add examples that call it"
            ),
            Self::FewCalls { tool, calls } => {
                write!(
                    f,
                    "the tool `{tool}` has {calls} calls, fewer than {FEW_CALLS}: add examples that call it"
                )
            }
            Self::ChoiceFalls { by_tools } => {
                let steps: Vec<String> =
                    by_tools.iter().map(|(n, x)| format!("{} of {n}", percent(x))).collect();
                write!(
                    f,
                    "choice falls as tools are added ({}): the tools crowd each other; add examples of those that are \
                     confused (see the confusion matrix), or split them into packs",
                    steps.join(", ")
                )
            }
        }
    }
}

/// Looks for what is wrong with a fit on the examples of `subset`. `curve` is that of its λ, where one was made.
///
/// # Errors
/// If the head and the features disagree.
pub fn diagnose(
    head: &Head,
    table: &Table<'_>,
    subset: &Subset,
    curve: Option<&Curve>,
) -> Result<Vec<Finding>, HeadError> {
    let mut findings = Vec::new();
    findings.extend(curve.and_then(lambda_at_edge));
    findings.extend(curve.and_then(plateau));
    findings.extend(identical_priors(head));
    findings.extend(prior_by_chance(head, table, subset)?);
    for (tool, calls) in table.tools().iter().zip(calls_by_tool(table, subset)) {
        if calls < FEW_CALLS {
            findings.push(Finding::FewCalls { tool: tool.clone(), calls });
        }
    }
    findings.extend(choice_falls(choice_by_tools(head, table, subset)));
    Ok(findings)
}

fn lambda_at_edge(curve: &Curve) -> Option<Finding> {
    let (last, lambda) = (curve.points.len() - 1, curve.points.get(curve.chosen)?.lambda);
    let at_edge = last > 0 && (curve.chosen == 0 || curve.chosen == last);
    at_edge.then_some(Finding::LambdaAtEdge { lambda, largest: curve.chosen == 0 })
}

fn plateau(curve: &Curve) -> Option<Finding> {
    let (chosen, least) = (curve.points.get(curve.chosen)?, curve.points.last()?);
    // Not by recall: that is the threshold's, too, which is set after λ.
    let (choice, least_choice) = (chosen.metrics.choice?, least.metrics.choice?);
    let (lambda, least) = (chosen.lambda, least.lambda);
    (least_choice - choice > WORTH_SAYING).then_some(Finding::Plateau { lambda, choice, least, least_choice })
}

fn identical_priors(head: &Head) -> Vec<Finding> {
    let zero = |k: usize| head.prior.row(k).iter().all(|&x| x == 0.0);
    let mut order: Vec<usize> = (0..head.tools.len()).filter(|&k| !zero(k)).collect();
    let bits = |k: usize| head.prior.row(k).iter().map(|x| x.to_bits());
    order.sort_by(|&a, &b| bits(a).cmp(bits(b)).then(a.cmp(&b)));
    let same = order.windows(2).filter(|pair| head.prior.row(pair[0]) == head.prior.row(pair[1]));
    same.map(|pair| Finding::IdenticalPriors {
        first: head.tools[pair[0]].clone(),
        second: head.tools[pair[1]].clone(),
    })
    .collect()
}

fn prior_by_chance(head: &Head, table: &Table<'_>, subset: &Subset) -> Result<Option<Finding>, HeadError> {
    if head.tools.len() < 2 || head.prior.data().iter().all(|&x| x == 0.0) {
        return Ok(None);
    }
    let prior = Head::new(head.tools.clone(), head.prior.clone())?;
    let figures = Scores::of(&prior, table, subset)?.metrics(table, Default::default(), 0.0);
    let most = figures.tools.iter().map(|tool| tool.calls).max().unwrap_or(0);
    let Some(choice) = figures.choice else {
        return Ok(None);
    };
    let chance = most as f64 / figures.calls as f64;
    // Two standard errors of a share.
    let noise = 2.0 * (chance * (1.0 - chance) / figures.calls as f64).sqrt();
    Ok((choice <= chance + noise).then_some(Finding::PriorByChance { choice, chance, calls: figures.calls }))
}

/// Choice among the first n tools, at the calls of these tools, for a few n up to all: how a head bears more tools.
pub fn choice_by_tools(head: &Head, table: &Table<'_>, subset: &Subset) -> Vec<(usize, f64)> {
    let tools = head.tools.len();
    let calls: Vec<u32> = (0..table.len() as u32)
        .filter(|&id| table.tool[id as usize] >= 0 && subset.contains(table.example[id as usize]))
        .collect();
    let mut sizes: Vec<usize> =
        [8, 4, 2, 1].map(|part| tools.div_ceil(part)).into_iter().filter(|&n| n >= 2).collect();
    sizes.dedup();
    let chunks = table.walk(
        &calls,
        0,
        || (vec![(0usize, 0usize); sizes.len()], Vec::new()),
        |(counts, logits), _, ids, h| {
            scores(h, head.weights.data(), table.width(), logits);
            for (s, &id) in logits.chunks_mut(tools).zip(ids) {
                s.iter_mut().zip(&head.offsets).for_each(|(s, offset)| *s += offset);
                let label = table.tool[id as usize] as usize;
                for (&size, (right, all)) in sizes.iter().zip(counts.iter_mut()) {
                    if label < size {
                        *all += 1;
                        *right += usize::from((0..size).all(|k| k == label || s[k] < s[label]));
                    }
                }
            }
        },
    );
    (sizes.iter().enumerate())
        .filter_map(|(at, &size)| {
            let sum = |f: fn(&(usize, usize)) -> usize| {
                chunks.iter().map(|(counts, _)| f(&counts[at])).sum::<usize>()
            };
            let (right, all) = (sum(|c| c.0), sum(|c| c.1));
            (all > 0).then(|| (size, right as f64 / all as f64))
        })
        .collect()
}

fn choice_falls(by_tools: Vec<(usize, f64)>) -> Option<Finding> {
    let (first, last) = (by_tools.first()?.1, by_tools.last()?.1);
    (first - last > WORTH_SAYING).then_some(Finding::ChoiceFalls { by_tools })
}
