//! The heads of plans.

use super::vocabulary::Vocabulary;
use crate::BenchError;
use crate::grid::{STATES, of_text};
use crate::heads::PriorName;
use head::{
    AdamSettings, Bias, Head, Method, MethodName, Pool, Prior, Scale, Search, Solver, Source, Start, Subset,
    Table, Text, ToolText, choose_lambda, fit,
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
    /// Hidden states just before its calls in the training texts; zeros for a token without any.
    Contexts,
    /// Rows of words that have nothing to do with the token.
    Unrelated,
    /// Small random numbers.
    Random,
}

impl Priors {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Own,
        Self::Name,
        Self::NameMax,
        Self::Description,
        Self::NameStates,
        Self::DescriptionStates,
        Self::Contexts,
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
            Self::Contexts => "contexts",
            Self::Unrelated => "unrelated",
            Self::Random => "random",
        }
    }

    /// The prior, where it is not the method's own: those that the other tasks have too are theirs. Rows have the word head's
    /// mean norm, so that sources are compared and not scales.
    fn prior(self, seed: u64) -> Option<Prior> {
        let of = |name: PriorName| name.prior(seed).0;
        Some(match self {
            Self::Own => return None,
            Self::Random => of(PriorName::Random),
            Self::Name => of(PriorName::Name),
            Self::NameMax => Prior::Text {
                text: Text::Name,
                source: Source::HeadRows,
                pool: Pool::Max,
                scale: Scale::Unit { factor: 1.0, centred: false },
            },
            Self::Description => of(PriorName::Description),
            Self::NameStates => of_text(Text::Name, STATES, 1.0),
            Self::DescriptionStates => of(PriorName::DescriptionStates),
            Self::Contexts => of(PriorName::Contexts),
            Self::Unrelated => of(PriorName::Irrelevant),
        })
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
