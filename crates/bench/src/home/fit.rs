//! The heads of plans.

use super::vocabulary::Vocabulary;
use crate::BenchError;
use crate::grid::{Names, choose, texts};
use crate::heads::PriorName;
use crate::task::own_texts;
use head::{
    AdamSettings, Bias, Head, Method, MethodName, Prior, Search, Solver, Start, Subset, Table, choose_lambda,
    fit,
};
use lm::FrozenLm;
use serde::{Deserialize, Serialize};

/// How a plan's head is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanMethod {
    /// The method.
    pub method: MethodName,
    /// What its rows are held to.
    pub prior: PriorName,
    /// Adam's rate and epochs, for methods that use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adam: Option<(f64, usize)>,
    /// What priors call the tokens, where it is not what they are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Names>,
    /// λ; chosen by cross-validation over groups of titles that share hints if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// Whatever is random, the folds of λ included.
    pub seed: u64,
}

/// Fits a head on a part of the texts.
///
/// # Errors
/// As [`head::fit()`] and [`head::choose_lambda`].
pub fn fit_part(
    lm: &dyn FrozenLm,
    table: &Table<'_>,
    vocabulary: &Vocabulary,
    part: &[bool],
    plan: &PlanMethod,
) -> Result<Head, BenchError> {
    let part = Subset::of(part.len(), |example| part[example as usize]);
    if part.is_empty() {
        return Err(BenchError::Setting("no training text is left beside the tests: train on both".into()));
    }
    let mut method = Method::named(plan.method);
    if let Prior::Uniform { seed } = &mut method.prior {
        *seed = plan.seed;
    }
    if let Some(prior) = plan.prior.prior(plan.seed) {
        method.prior = prior;
    }
    if let (Solver::Adam(settings), Some((rate, epochs))) = (&mut method.solver, plan.adam) {
        *settings = AdamSettings { rate, epochs, seed: plan.seed, ..*settings };
    }
    let texts = texts(table.tools(), &own_texts(vocabulary.tools()), plan.names.unwrap_or_default());
    if plan.prior == PriorName::Chosen {
        let build = |prior: &Prior| prior.build(lm, &texts, Some((table, &part)));
        method.prior = choose(table, &part, method.training.weighting, &build)?;
    }
    let build = |part: &Subset| method.prior.build(lm, &texts, Some((table, part)));
    let prior = build(&part)?;
    let mut head = if plan.method == MethodName::Exact && plan.lambda.is_none() {
        // The best token wins whatever words say, so no bias is needed.
        let search = Search { seed: plan.seed, bias: Bias::Fixed(0.0), ..Search::default() };
        let start = if method.prior.needs_examples() { Start::Of(&build) } else { Start::Rows(&prior) };
        choose_lambda(table, &part, start, &method, &search, &mut |_, _| ())?.fit.head
    } else {
        if let Some(lambda) = plan.lambda {
            method.penalty = head::Penalty::Squared { lambda };
        }
        fit(table, &part, &prior, &method, &mut |_| ())?.head
    };
    // The offset of a token without calls weighs it against words, which have no say in a plan.
    head.offsets.fill(0.0);
    Ok(head)
}
