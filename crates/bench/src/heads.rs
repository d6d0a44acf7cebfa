//! The heads of runs: fitted on a task's training set by a method's name.

use crate::BenchError;
use crate::grid::{Names, held_out_bias, texts};
use head::{
    AdamSettings, Head, Method, MethodName, Prior, Search, Solver, Subset, Table, choose_lambda, fit,
};
use lm::FrozenLm;

/// How a run's head is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadPlan {
    /// The method.
    pub method: MethodName,
    /// Adam's rate and epochs.
    pub adam: (f64, usize),
    /// Whatever is random, the folds included.
    pub seed: u64,
}

/// Fits a head on all examples: `exact` with the λ that cross-validation chooses, the others with their own penalty. Its
/// bias is the one with the highest greedy F1 on held-out training folds.
///
/// # Errors
/// As [`head::fit()`] and [`head::choose_lambda`].
pub fn fit_head(lm: &dyn FrozenLm, table: &Table<'_>, plan: &HeadPlan) -> Result<Head, BenchError> {
    let method = plan.method();
    let all = Subset::all(table.groups().len());
    let texts = texts(table.tools(), Names::Own);
    let build = |part: &Subset| method.prior.build(lm, &texts, Some((table, part)));
    let prior = build(&all)?;
    if plan.method == MethodName::Exact {
        let search = Search { seed: plan.seed, ..Search::default() };
        return Ok(choose_lambda(table, &all, &prior, &method, &search, &mut |_, _| ())?.fit.head);
    }
    let bias = held_out_bias(table, &all, &method, &build, plan.seed)?;
    let mut head = fit(table, &all, &prior, &method, &mut |_| ())?.head;
    head.bias = bias;
    Ok(head)
}

impl HeadPlan {
    /// All that decides the fit.
    pub fn method(&self) -> Method {
        let mut method = Method::named(self.method);
        if let Prior::Uniform { seed } = &mut method.prior {
            *seed = self.seed;
        }
        if let Solver::Adam(settings) = &mut method.solver {
            let (rate, epochs) = self.adam;
            *settings = AdamSettings { rate, epochs, seed: self.seed, ..*settings };
        }
        method
    }
}
