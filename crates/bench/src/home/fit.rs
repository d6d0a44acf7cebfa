//! The heads of plans.

use super::vocabulary::Vocabulary;
use crate::BenchError;
use head::{
    AdamSettings, Bias, Head, Method, MethodName, Pool, Prior, Scale, Search, Solver, Source, Subset, Table,
    Text, ToolText, choose_lambda, fit,
};
use lm::FrozenLm;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What the rows of an exact head are held to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priors {
    /// Zero, or what the method says.
    #[default]
    Own,
    /// The name's rows of the word head.
    Name,
    /// The same, their maximum.
    NameMax,
    /// The description's rows of the word head.
    Description,
    /// The name's final hidden states.
    NameStates,
    /// The description's final hidden states.
    DescriptionStates,
    /// Rows of words that have nothing to do with the token.
    Unrelated,
    /// Small random numbers.
    Random,
}

impl Priors {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Own,
        Self::Name,
        Self::NameMax,
        Self::Description,
        Self::NameStates,
        Self::DescriptionStates,
        Self::Unrelated,
        Self::Random,
    ];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Name => "name",
            Self::NameMax => "name-max",
            Self::Description => "description",
            Self::NameStates => "name-states",
            Self::DescriptionStates => "description-states",
            Self::Unrelated => "unrelated",
            Self::Random => "random",
        }
    }

    /// The prior, where it is not the method's own. Rows have the word head's mean norm, so that sources are compared and not
    /// scales.
    fn prior(self, seed: u64) -> Option<Prior> {
        let states = Source::HiddenStates { bos: true };
        let (text, source, pool) = match self {
            Self::Own => return None,
            Self::Random => return Some(Prior::Uniform { seed }),
            Self::Name => (Text::Name, Source::HeadRows, Pool::Mean),
            Self::NameMax => (Text::Name, Source::HeadRows, Pool::Max),
            Self::Description => (Text::Description, Source::HeadRows, Pool::Mean),
            Self::NameStates => (Text::Name, states, Pool::Mean),
            Self::DescriptionStates => (Text::Description, states, Pool::Mean),
            Self::Unrelated => (Text::Unrelated { seed }, Source::HeadRows, Pool::Mean),
        };
        Some(Prior::Text { text, source, pool, scale: Scale::Unit { factor: 1.0, centred: false } })
    }
}

impl fmt::Display for Priors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Priors {
    type Err = BenchError;

    fn from_str(name: &str) -> Result<Self, BenchError> {
        Self::ALL.into_iter().find(|known| known.as_str() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            BenchError::Setting(format!("unknown prior `{name}`; there are {known}"))
        })
    }
}

/// How a plan's head is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanMethod {
    /// The method.
    pub method: MethodName,
    /// What its rows are held to.
    pub prior: Priors,
    /// Adam's rate and epochs, for methods that use it.
    pub adam: (f64, usize),
    /// λ; chosen by cross-validation over titles if not given.
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
    if let Solver::Adam(settings) = &mut method.solver {
        let (rate, epochs) = plan.adam;
        *settings = AdamSettings { rate, epochs, seed: plan.seed, ..*settings };
    }
    let texts: Vec<ToolText> = (vocabulary.tools().iter())
        .map(|tool| ToolText { name: tool.name.clone(), description: tool.description.clone() })
        .collect();
    let prior = method.prior.build(lm, &texts, None)?;
    let mut head = if plan.method == MethodName::Exact && plan.lambda.is_none() {
        // The best token wins whatever words say, so no bias is needed.
        let search = Search { seed: plan.seed, bias: Bias::Fixed(0.0), ..Search::default() };
        choose_lambda(table, &part, &prior, &method, &search, &mut |_, _| ())?.fit.head
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
