//! The heads of runs: fitted on a task's training set by a method's name.

use crate::BenchError;
use crate::grid::{Names, held_out_bias, texts};
use crate::named::named;
use head::candidates::{STATES, choose, of_text, pooled, together};
use head::{
    AdamSettings, Bias, Head, Method, MethodName, Penalty, Pool, Prior, Scale, Search, Solver, Source, Start,
    Subset, Table, Text, ToolText, Weighting, choose_lambda, fit,
};
use lm::FrozenLm;
use serde::{Deserialize, Serialize};

/// How a run's head is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadPlan {
    /// The method.
    pub method: MethodName,
    /// Adam's rate and epochs.
    pub adam: (f64, usize),
    /// Whatever is random, the folds included.
    pub seed: u64,
    /// W0.
    pub prior: PriorName,
    /// λ, where it is neither chosen nor the method's own.
    pub lambda: Option<f64>,
    /// How positions are averaged, where it is not as the method does.
    pub weighting: Option<Weighting>,
    /// What the tools are called, where it is not as the method was published with.
    pub names: Option<Names>,
    /// Whether only calls are trained on: the release's default.
    pub calls_only: bool,
}

/// Priors by name, each at the mean norm of the word head's rows, so that sources are compared and not scales.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PriorName {
    /// What the method says: zeros for `exact`.
    #[default]
    Own,
    /// All zeros.
    Zero,
    /// A linear layer's start.
    Random,
    /// Rows of the tool's id.
    Id,
    /// Rows of its name.
    Name,
    /// The same, their maximum.
    NameMax,
    /// Hidden states of its name.
    NameStates,
    /// Rows of its description.
    Description,
    /// Hidden states of its description.
    DescriptionStates,
    /// Rows of its name and hidden states of its description, half of each.
    NameAndDescription,
    /// Hidden states just before its calls; zeros for a tool without any.
    Contexts,
    /// Rows of words that have nothing to do with it.
    Irrelevant,
    /// The text, source and scale whose rows give the training calls the highest probability.
    Chosen,
}

impl PriorName {
    /// The prior, where it is neither the method's own nor chosen by the training calls.
    pub fn prior(self, seed: u64) -> Option<Prior> {
        let rows = |text, pool| pooled(text, Source::HeadRows, pool, 1.0);
        Some(match self {
            Self::Own | Self::Chosen => return None,
            Self::Zero => Prior::Zero,
            Self::Random => Prior::Uniform { seed },
            Self::Id => rows(Text::BareName, Pool::Mean),
            Self::Name => rows(Text::Name, Pool::Mean),
            Self::NameMax => rows(Text::Name, Pool::Max),
            Self::NameStates => of_text(Text::Name, STATES, 1.0),
            Self::Description => rows(Text::Description, Pool::Mean),
            Self::DescriptionStates => of_text(Text::Description, STATES, 1.0),
            Self::NameAndDescription => together(0.5),
            Self::Contexts => Prior::Contexts { scale: Scale::Unit { factor: 1.0, centred: true } },
            Self::Irrelevant => rows(Text::Unrelated { seed }, Pool::Mean),
        })
    }
}

// Two have other names in `fit`.
named!(PriorName, "prior":
    Own = "own",
    Zero = "zero",
    Random = "random" | "uniform",
    Id = "id",
    Name = "name",
    NameMax = "name-max",
    NameStates = "name-states",
    Description = "description",
    DescriptionStates = "description-states",
    NameAndDescription = "name-and-description",
    Contexts = "contexts",
    Irrelevant = "irrelevant" | "unrelated",
    Chosen = "chosen",
);

/// Fits a head on a part of the examples: `exact` with the λ that cross-validation chooses, the others with their own penalty.
/// [`Bias::Auto`] is the bias with the highest greedy F1 on held-out training folds. `own` is what priors know of the tools.
///
/// # Errors
/// As [`head::fit()`] and [`head::choose_lambda`].
pub fn fit_head(
    lm: &dyn FrozenLm,
    table: &Table<'_>,
    part: &Subset,
    own: &[ToolText],
    plan: &HeadPlan,
    bias: Bias,
) -> Result<Head, BenchError> {
    let (mut method, names) = plan.method();
    // ToolkenGPT's release calls KAMEL's tools by their ids; its other tools are called what they are.
    let texts = texts(table.tools(), own, names);
    if plan.prior == PriorName::Chosen {
        let build = |prior: &Prior| prior.build(lm, &texts, Some((table, part)));
        method.prior = choose(table, part, method.training.weighting, &build)?;
    }
    let build = |part: &Subset| method.prior.build(lm, &texts, Some((table, part)));
    let prior = build(part)?;
    if plan.method == MethodName::Exact && plan.lambda.is_none() {
        let search = Search { seed: plan.seed, bias, ..Search::default() };
        let start = if method.prior.needs_examples() { Start::Of(&build) } else { Start::Rows(&prior) };
        return Ok(choose_lambda(table, part, start, &method, &search, &mut |_, _| ())?.fit.head);
    }
    let bias = match bias {
        Bias::Auto => held_out_bias(table, part, &method, &build, plan.seed)?,
        Bias::Fixed(bias) => bias,
    };
    let mut head = fit(table, part, &prior, &method, &mut |_| ())?.head;
    head.bias = bias;
    Ok(head)
}

impl HeadPlan {
    /// A method as it was published, with seed 0.
    pub fn new(method: MethodName, adam: (f64, usize)) -> Self {
        let prior = PriorName::Own;
        Self { method, adam, seed: 0, prior, lambda: None, weighting: None, names: None, calls_only: false }
    }

    /// Refuses what would have no effect, which a label would claim all the same.
    ///
    /// # Errors
    /// [`BenchError::Setting`] names the setting.
    pub fn check(&self) -> Result<(), BenchError> {
        let (published, prior) = (Method::named(self.method), self.method().0.prior);
        let weighting = published.training.weighting;
        let named = self.prior != PriorName::Id && (self.prior == PriorName::Chosen || prior.reads_texts());
        let message = if matches!(published.solver, Solver::Adam(_))
            && self.weighting.is_some_and(|w| w != weighting)
        {
            format!("{} is trained {weighting}, as published: leave the weighting out", self.method)
        } else if self.names.is_some() && !named {
            format!(
                "the prior `{}` of {} is not made of names: leave them out, or take the prior `name`",
                self.prior, self.method
            )
        } else if self.lambda.is_some() && matches!(published.penalty, Penalty::UnsquaredJoint { .. }) {
            format!("{} has the release's own penalty: leave λ out, or take tokenlearning", self.method)
        } else {
            return Ok(());
        };
        Err(BenchError::Setting(message))
    }

    /// All that decides the fit, and what priors call the tools.
    pub fn method(&self) -> (Method, Names) {
        let mut method = Method::named(self.method);
        if let Some(prior) = self.prior.prior(self.seed) {
            method.prior = prior;
        }
        let names = match self.prior {
            PriorName::Id => Names::Id,
            PriorName::Own => self.names.unwrap_or(Names::published(self.method)),
            _ => self.names.unwrap_or_default(),
        };
        if let Some(lambda) = self.lambda {
            method.penalty = Penalty::Squared { lambda };
        }
        if let Some(weighting) = self.weighting {
            method.training.weighting = weighting;
        }
        method.training.calls_only = self.calls_only;
        if let Prior::Uniform { seed } = &mut method.prior {
            *seed = self.seed;
        }
        if let Solver::Adam(settings) = &mut method.solver {
            let (rate, epochs) = self.adam;
            *settings = AdamSettings { rate, epochs, seed: self.seed, ..*settings };
        }
        (method, names)
    }
}
