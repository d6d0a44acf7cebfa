//! What a cell of the grid is, and what is found in it.

use super::FOLDS;
use crate::named::named;
use head::{GroupScores, MethodName, Metrics, Prior, Text, Weighting};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// All that decides a fit, besides λ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The method.
    pub method: MethodName,
    /// W0.
    pub prior: Prior,
    /// What the tools are called, as priors see them.
    pub names: Names,
    /// How positions are averaged.
    pub weighting: Weighting,
    /// Settings of Adam, for methods that use it.
    pub adam: Option<Adam>,
    /// At most so many training examples a tool; all of them if not given.
    pub per_tool: Option<usize>,
    /// Decides how folds are cut, where there are folds, and whatever is random.
    pub seed: u64,
    /// Which fold of the seed's cut is scored, where the features have no test of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
}

/// Settings of Adam.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    /// The learning rate.
    pub rate: f64,
    /// Passes over the examples.
    pub epochs: usize,
}

impl fmt::Display for Adam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rate {:e}, {} epochs", self.rate, self.epochs)
    }
}

/// What the tools are called, as priors see them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Names {
    /// What they are called.
    #[default]
    Own,
    /// What the corpus calls them, where that is an id: `P36`.
    Id,
    /// `tool_1`, `tool_2`, …
    Tool,
    /// `func_42`, `func_43`, …
    Func,
}

named!(Names, "names": Own = "own", Id = "id", Tool = "tool", Func = "func");

impl Names {
    /// The names that a method was published with: the release calls relations by their ids.
    pub fn published(method: MethodName) -> Self {
        if method == MethodName::TokenLearningCode { Self::Id } else { Self::Own }
    }

    /// The name of the tool at place `k`, whose own is `own`.
    pub fn of(self, k: usize, own: &str) -> String {
        match self {
            Self::Own | Self::Id => own.to_owned(),
            Self::Tool => format!("tool_{}", k + 1),
            Self::Func => format!("func_{}", k + 42),
        }
    }
}

/// What a unit does with its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Fits along fixed values of λ.
    Path,
    /// Fits with the λ that cross-validation on the training part chooses.
    Auto,
    /// Fits with the prior and scale that predict the training calls best, and the λ that cross-validation on the training
    /// part chooses; the cell's prior is not used.
    Chosen,
    /// Fits with a λ for each tool, by empirical Bayes.
    PerTool,
    /// Fits with the method's own penalty and its published settings.
    Own,
    /// Fits with the method's own penalty, and the learning rate that cross-validation on the training part chooses.
    Tuned,
}

/// What is worked on at once: a cell, and what is done with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// What is done.
    pub kind: Kind,
    /// With what.
    pub cell: Cell,
}

impl Unit {
    /// Whether another seed gives another result: it cuts folds, those of λ included, orders and draws examples, and draws starts.
    pub fn depends_on_seed(&self) -> bool {
        let cell = &self.cell;
        matches!(self.kind, Kind::Auto | Kind::Chosen)
            || cell.fold.is_some()
            || cell.adam.is_some()
            || cell.per_tool.is_some()
            || matches!(cell.prior, Prior::Uniform { .. } | Prior::Text { text: Text::Unrelated { .. }, .. })
    }

    /// What tells it from others: itself, as JSON.
    pub fn key(&self) -> String {
        serde_json::to_string(self).expect("names and numbers are always JSON")
    }
}

/// Which λ a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lambda {
    /// This one.
    Fixed(f64),
    /// The one that cross-validation chose.
    Auto,
    /// One a tool, by empirical Bayes.
    PerTool,
    /// The method's own penalty.
    Own,
}

/// Greedy figures with a bias.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtBias {
    /// The bias.
    pub bias: f32,
    /// Share of calls that are called rightly.
    pub recall: Option<f64>,
    /// Share of word positions that are calls.
    pub false_calls: Option<f64>,
    /// Share of greedy calls that are right.
    pub precision: Option<f64>,
    /// The harmonic mean of precision and recall.
    pub f1: Option<f64>,
}

impl From<&Metrics> for AtBias {
    fn from(m: &Metrics) -> Self {
        Self { bias: m.bias, recall: m.recall, false_calls: m.false_calls, precision: m.precision, f1: m.f1 }
    }
}

/// One fit, and what it is worth on the part that it has not seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The unit that it belongs to.
    pub unit: Unit,
    /// Its λ.
    pub lambda: Lambda,
    /// The value of λ, where there is one.
    pub value: Option<f64>,
    /// λ / mean‖h‖².
    pub scaled: Option<f64>,
    /// Each tool's λ, where they differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_tool: Vec<f64>,
    /// Adam's learning rate, where cross-validation chose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen_rate: Option<f64>,
    /// The prior, where it was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen_prior: Option<Prior>,
    /// How the solver ended.
    pub solver: String,
    /// Figures without a bias.
    pub metrics: Metrics,
    /// Greedy figures with the bias that held-out training examples chose, where they were asked.
    pub chosen_bias: Option<AtBias>,
    /// Greedy figures along the bias, where it was calibrated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub along_bias: Vec<AtBias>,
    /// Every scored group of examples: of FuncQA's, the texts that differ in their numbers alone.
    pub groups: Vec<GroupScores>,
    /// Seconds that the fit took; a path's are shared among its rows.
    pub seconds: f64,
}

/// A figure by seed: the mean over the folds of each seed's cut, so that seeds are repetitions of the whole experiment. A cut
/// that lacks a fold, of a grid that was stopped, is left out: folds differ more than cuts.
pub fn by_seed<'r>(
    rows: impl IntoIterator<Item = &'r Row>,
    value: impl Fn(&Row) -> Option<f64>,
) -> BTreeMap<u64, f64> {
    let mut cuts: BTreeMap<u64, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        cuts.entry(row.unit.cell.seed).or_default().push(row);
    }
    cuts.retain(|_, rows| rows.len() == FOLDS || rows.iter().all(|row| row.unit.cell.fold.is_none()));
    // A fold in which there is nothing to say, no call for a precision, leaves it to the others.
    let mean = |rows: Vec<&Row>| {
        let said: Vec<f64> = rows.into_iter().filter_map(&value).collect();
        (!said.is_empty()).then(|| said.iter().sum::<f64>() / said.len() as f64)
    };
    cuts.into_iter().filter_map(|(seed, rows)| Some((seed, mean(rows)?))).collect()
}
