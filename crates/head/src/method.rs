//! The methods by name: a start, a penalty, a training and a solver.
//!
//! | name | start | penalty | solver |
//! |---|---|---|---|
//! | `toolkengpt` | uniform, seeded | none | adam |
//! | `tokenlearning` (the paper) | mean head rows of the name | λ‖W − W0‖²_F | adam |
//! | `tokenlearning-code` (the authors' release) | mean hidden states of the bare name, normalised, ÷ √5120 | 1e-2·‖W − W0‖_F | adam |
//! | `exact` (ours) | any prior; zero unless told | λ‖W − W0‖²_F | exact |

use crate::{
    AdamSettings, ExactSettings, HeadError, Penalty, Pool, Prior, Scale, Source, Text, Training, Weighting,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A method's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodName {
    /// ToolkenGPT (arXiv 2305.11554).
    #[serde(rename = "toolkengpt")]
    ToolkenGpt,
    /// TokenLearning as published (arXiv 2506.14248).
    #[serde(rename = "tokenlearning")]
    TokenLearning,
    /// TokenLearning as its authors released it.
    #[serde(rename = "tokenlearning-code")]
    TokenLearningCode,
    /// The exact optimum.
    Exact,
}

impl MethodName {
    /// All names, in the order of the table above.
    pub const ALL: [Self; 4] = [Self::ToolkenGpt, Self::TokenLearning, Self::TokenLearningCode, Self::Exact];

    /// The name as reports, settings and the command line write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToolkenGpt => "toolkengpt",
            Self::TokenLearning => "tokenlearning",
            Self::TokenLearningCode => "tokenlearning-code",
            Self::Exact => "exact",
        }
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for MethodName {
    type Err = HeadError;

    fn from_str(name: &str) -> Result<Self, HeadError> {
        Self::ALL.into_iter().find(|known| known.as_str() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            HeadError::Setting(format!("unknown method `{name}`; there are {known}"))
        })
    }
}

/// How W is found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// To the optimum.
    Exact(ExactSettings),
    /// The references' loop.
    Adam(AdamSettings),
}

/// All that decides a fit besides the data: one value, one row of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// Which row of the table it is, or is a variant of.
    pub name: MethodName,
    /// W0: the start of `adam`, and what the penalty holds W to.
    pub prior: Prior,
    /// The penalty.
    pub penalty: Penalty,
    /// Which positions are trained on, and how they are averaged.
    pub training: Training,
    /// The solver.
    pub solver: Solver,
}

impl Method {
    /// A row of the table, with the published settings where there are some. λ is 1e-3 for `tokenlearning` (the papers use
    /// 1e-3 to 1e-2) and 1e-4 for `exact`, which is better chosen by cross-validation.
    pub fn named(name: MethodName) -> Self {
        let adam = AdamSettings::default();
        let one_example_steps = Training { weighting: Weighting::PerExample, calls_only: false };
        match name {
            MethodName::ToolkenGpt => Self {
                name,
                prior: Prior::Uniform { seed: adam.seed },
                penalty: Penalty::None,
                training: one_example_steps,
                solver: Solver::Adam(adam),
            },
            MethodName::TokenLearning => Self {
                name,
                prior: Prior::Text {
                    text: Text::Name,
                    source: Source::HeadRows,
                    pool: Pool::Mean,
                    scale: Scale::AsIs,
                },
                penalty: Penalty::Squared { lambda: 1e-3 },
                training: one_example_steps,
                solver: Solver::Adam(adam),
            },
            MethodName::TokenLearningCode => Self {
                name,
                prior: Prior::Text {
                    text: Text::BareName,
                    source: Source::HiddenStates { bos: false },
                    pool: Pool::Mean,
                    scale: Scale::Released,
                },
                penalty: Penalty::UnsquaredJoint { coefficient: 1e-2 },
                training: one_example_steps,
                solver: Solver::Adam(adam),
            },
            MethodName::Exact => Self {
                name,
                prior: Prior::Zero,
                penalty: Penalty::Squared { lambda: 1e-4 },
                training: Training::default(),
                solver: Solver::Exact(ExactSettings::default()),
            },
        }
    }

    /// λ, where the penalty has one; 0 without a penalty.
    pub fn lambda(&self) -> Option<f64> {
        match self.penalty {
            Penalty::None => Some(0.0),
            Penalty::Squared { lambda } => Some(lambda),
            Penalty::UnsquaredJoint { .. } => None,
        }
    }
}
