//! The demo's corpora, features and heads.

use super::kept::Kept;
use crate::extract::cache_dir;
use crate::{arithmetic::evaluate, fit::with_source, progress};
use ::corpus::Corpus;
use ::corpus::arithmetic::{Problem, Split, generate};
use ::tools::ToolSet;
use anyhow::Context;
use head::{Curve, Head, Method, MethodName, Search, Store, Subset, Table, choose_lambda, fit};
use lm::{FrozenLm, Matrix, ModelCard};
use std::path::{Path, PathBuf};

/// The exact head's file.
const EXACT: &str = "exact.safetensors";

/// Which demo: what decides its heads, besides the model.
pub struct Plan {
    /// Training examples.
    pub examples: usize,
    /// Decides the corpus, the folds and the baseline's start.
    pub seed: u64,
    /// Where features and fits are kept.
    pub cache: Option<PathBuf>,
}

/// Problems of both splits with their features.
pub struct Data {
    pub test: Vec<Problem>,
    pub train_store: Store,
    pub test_store: Store,
}

/// The heads that are compared.
pub struct Heads {
    pub exact: Head,
    pub toolkengpt: Head,
    /// Held-out loss along λ, for `exact`.
    pub curve: Curve,
}

impl Default for Plan {
    fn default() -> Self {
        Self { examples: 1000, seed: 0, cache: None }
    }
}

impl Plan {
    /// The folder of this plan's results with a model: what decides them are the texts.
    pub fn kept(&self, card: &ModelCard) -> anyhow::Result<Kept> {
        let train = generate(Split::Train, self.seed, self.examples, evaluate)?;
        let test = generate(Split::Test, self.seed, super::HELD_OUT, evaluate)?;
        let texts: Vec<&str> =
            train.iter().chain(&test).map(|problem| problem.example.text.as_str()).collect();
        let prompt = crate::arithmetic::prompt().render("");
        Kept::of(card, self.cache.as_deref(), &(self.examples, self.seed, texts, prompt))
    }

    /// The exact head, if it is kept.
    pub fn kept_exact(&self, card: &ModelCard) -> anyhow::Result<Option<Head>> {
        Ok(Head::load(&self.kept(card)?.path(EXACT)).ok())
    }

    /// Features of the training split.
    pub fn training(&self, model: &dyn FrozenLm) -> anyhow::Result<Store> {
        let train = generate(Split::Train, self.seed, self.examples, evaluate)?;
        self.store(model, &train)
    }

    /// Features of both splits, `held_out` problems of sentence patterns never trained on.
    pub fn data(&self, model: &dyn FrozenLm, held_out: usize) -> anyhow::Result<Data> {
        let test = generate(Split::Test, self.seed, held_out, evaluate)?;
        let (train_store, test_store) = (self.training(model)?, self.store(model, &test)?);
        Ok(Data { test, train_store, test_store })
    }

    fn store(&self, model: &dyn FrozenLm, problems: &[Problem]) -> anyhow::Result<Store> {
        let names = ToolSet::arithmetic().names().map(Into::into).collect();
        let corpus = Corpus::with_tools(problems.iter().map(|p| p.example.clone()).collect(), names)?;
        let default = cache_dir("features");
        let folder: &Path = self.cache.as_deref().unwrap_or(&default);
        Ok(progress::extract(model, &corpus, folder)?)
    }

    /// The exact head, with the λ that cross-validation chooses, and its curve.
    pub fn exact(&self, model: &dyn FrozenLm, kept: &Kept, train: &Store) -> anyhow::Result<(Head, Curve)> {
        let known = std::fs::read(kept.path("curve.json")).ok();
        let mut curve: Option<Curve> = known.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if curve.is_none() {
            // One without the other is of no use: both are made anew.
            let _ = std::fs::remove_file(kept.path(EXACT));
        }
        let head = kept.head(EXACT, || {
            let table = Table::new(train)?;
            let (all, prior) = (everything(&table), Matrix::zeros(table.tools().len(), table.width()));
            let search = Search { seed: self.seed, ..Search::default() };
            let bar = progress::bar("lambda", "fits", 0);
            let method = Method::named(MethodName::Exact);
            let found = choose_lambda(&table, &all, &prior, &method, &search, &mut |done, total| {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
            })?;
            bar.finish_and_clear();
            // Before the head, which says that both are there.
            kept.write("curve.json", &serde_json::to_vec(&found.curve)?)?;
            curve = Some(found.curve);
            Ok(with_source(found.fit.head, model, &train.key().corpus))
        })?;
        Ok((head, curve.context("the curve of λ")?))
    }

    /// Both heads.
    pub fn heads(&self, model: &dyn FrozenLm, kept: &Kept, train: &Store) -> anyhow::Result<Heads> {
        let (exact, curve) = self.exact(model, kept, train)?;
        let toolkengpt = kept.head("toolkengpt.safetensors", || {
            let table = Table::new(train)?;
            let mut method = Method::named(MethodName::ToolkenGpt);
            method.prior = head::Prior::Uniform { seed: self.seed };
            if let head::Solver::Adam(settings) = &mut method.solver {
                settings.seed = self.seed;
            }
            let start = head::uniform(table.tools().len(), table.width(), self.seed);
            let bar = progress::bar("ToolkenGPT", "epochs", 0);
            let fitted = fit(&table, &everything(&table), &start, &method, &mut |_| bar.inc(1))?;
            bar.finish_and_clear();
            Ok(with_source(fitted.head, model, &train.key().corpus))
        })?;
        Ok(Heads { exact, toolkengpt, curve })
    }
}

fn everything(table: &Table<'_>) -> Subset {
    Subset::all(table.groups().len())
}
