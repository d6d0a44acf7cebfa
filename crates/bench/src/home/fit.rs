//! The heads of plans.

use super::data::Household;
use super::vocabulary::Vocabulary;
use crate::BenchError;
use crate::grid::Names;
use crate::heads::{HeadPlan, PriorName, fit_head};
use crate::task::{TrainingSet, own_texts};
use head::{Bias, Head, MethodName, Subset, Table};
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

impl From<&PlanMethod> for HeadPlan {
    fn from(plan: &PlanMethod) -> Self {
        let adam = plan.adam.unwrap_or(TrainingSet::Home(Household::All).published());
        Self {
            seed: plan.seed,
            prior: plan.prior,
            lambda: plan.lambda,
            names: plan.names,
            ..Self::new(plan.method, adam)
        }
    }
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
    let named = HeadPlan { names: Some(plan.names.unwrap_or_default()), ..HeadPlan::from(plan) };
    // The best token wins whatever words say, so no bias is needed.
    let mut head = fit_head(lm, table, &part, &own_texts(vocabulary.tools()), &named, Bias::Fixed(0.0))?;
    // The offset of a token without calls weighs it against words, which have no say in a plan.
    head.offsets.fill(0.0);
    Ok(head)
}
