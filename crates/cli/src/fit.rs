//! `toolken fit`: a corpus and a frozen model to a head.

mod prior;

use crate::extract::Source;
use crate::{exit::Exit, options, output, progress};
use head::{
    Curve, Fit, Head, Method, MethodName, Metrics, Penalty, Prior, Rule, Scores, Search, Start, Subset,
    Table, Training, Weighting, choose_scale, diagnose, fit,
};
use lm::FrozenLm;
use serde_json::json;
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "\
Examples:
  toolken fit train.jsonl --out head.safetensors
  toolken fit train.jsonl --out head.safetensors --lambda 1e-4 --weighting per-example
  toolken fit train.jsonl --out head.safetensors --prior description --prior-source hidden-states --scale auto
  toolken fit few.jsonl --out head.safetensors --prior chosen
  toolken fit train.jsonl --out baseline.safetensors --method toolkengpt --seed 1";

#[derive(clap::Args)]
pub struct Args {
    /// A corpus: JSON lines, as `toolken corpus check` accepts them
    corpus: PathBuf,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    prior: prior::Options,
    /// The head to write
    #[arg(long)]
    out: PathBuf,
    /// exact, toolkengpt, tokenlearning or tokenlearning-code
    #[arg(long, default_value = "exact")]
    method: String,
    /// auto, one-se (both by cross-validation, for `exact`), or a value; by default auto for `exact`, else the method's own
    #[arg(long)]
    lambda: Option<String>,
    /// per-position or per-example; by default the method's own
    #[arg(long)]
    weighting: Option<String>,
    /// Train on the positions of calls alone, as the references' release does by default: nothing then teaches a head not to call
    #[arg(long)]
    calls_only: bool,
    /// Folds of the cross-validation; by default 5
    #[arg(long)]
    folds: Option<usize>,
    /// Decides the folds, and what is random in a method
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print as JSON, with the whole curve
    #[arg(long)]
    json: bool,
}

/// A head that says what it was made with, and when.
pub fn with_source(mut head: Head, model: &dyn FrozenLm, corpus_digest: &str) -> Head {
    head.meta.model = model.card().name.clone();
    head.meta.model_digest = model.card().digest.clone();
    head.meta.tokenizer_digest = model.tokenizer().digest().to_owned();
    head.meta.corpus_digest = corpus_digest.to_owned();
    head.meta.date = chrono::Utc::now().format("%Y-%m-%d").to_string();
    head
}

/// F(W) = the mean cross-entropy + λ‖W − W0‖²; the cross-entropy alone where the penalty is not squared.
fn objective(head: &Head, cross_entropy: f64) -> f64 {
    let difference =
        head.weights.data().iter().zip(head.prior.data()).map(|(w, w0)| f64::from(w - w0).powi(2));
    cross_entropy + head.meta.lambda.unwrap_or(0.0) * difference.sum::<f64>()
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        output::refuse_input(&self.out, &[&self.corpus, Path::new(self.source.model_name())])?;
        let corpus = ::corpus::read(&self.corpus)?;
        if corpus.tools().is_empty() {
            anyhow::bail!("{}: no example calls a tool, so there is nothing to fit", self.corpus.display());
        }
        let mut method = self.method()?;
        if self.rule(&method)?.is_none() && self.folds.is_some() {
            anyhow::bail!(
                "--folds is of the cross-validation that chooses λ: add --lambda auto, or leave it out"
            );
        }
        let model = self.source.model()?;
        let store = self.source.features(model.as_ref(), &corpus)?;
        let table = Table::new(&store)?;
        let all = Subset::all(table.groups().len());
        let texts = self.prior.texts(corpus.tools())?;
        let build =
            |prior: &Prior, examples: &Subset| prior.build(model.as_ref(), &texts, Some((&table, examples)));
        if self.prior.is_chosen() {
            if let Some(bare) = texts.iter().find(|tool| tool.description.is_empty()) {
                anyhow::bail!(
                    "--prior chosen: the tool `{}` has no description to compare with its name: give a pack that has it with --tools",
                    bare.name
                );
            }
            let rows = |prior: &Prior| build(prior, &all);
            method.prior = head::candidates::choose(&table, &all, method.training.weighting, &rows)?;
        }
        let priors = self.prior.priors(&method.prior, self.seed)?;
        let (Fit { mut head, .. }, curve) = match self.rule(&method)? {
            None if priors.len() > 1 => {
                anyhow::bail!("--scale auto is chosen with lambda: add --lambda auto")
            }
            None => {
                method.prior = priors[0].1.clone();
                (fit(&table, &all, &build(&method.prior, &all)?, &method, &mut |_| ())?, None)
            }
            Some(rule) => {
                let mut search = Search { seed: self.seed, rule, ..Search::default() };
                search.folds = self.folds.unwrap_or(search.folds);
                let makers: Vec<_> =
                    priors.iter().map(|(_, prior)| |part: &Subset| build(prior, part)).collect();
                let rows: Vec<_> = (priors.iter())
                    .map(|(_, prior)| match prior {
                        Prior::Contexts { .. } => Ok(None),
                        prior => build(prior, &all).map(Some),
                    })
                    .collect::<Result<_, _>>()?;
                let starts: Vec<(f64, Start<'_>)> = (priors.iter().zip(&makers).zip(&rows))
                    .map(|(((s, _), make), rows)| (*s, rows.as_ref().map_or(Start::Of(make), Start::Rows)))
                    .collect();
                let bar = progress::bar("lambda", "fits", 0);
                let found = choose_scale(&table, &all, &starts, &method, &search, &mut |done, total| {
                    bar.set_length(total as u64);
                    bar.set_position(done as u64);
                })?;
                bar.finish_and_clear();
                method.prior = priors[found.chosen].1.clone();
                (found.selection.fit, Some(found.selection.curve))
            }
        };
        head.meta.method = head.meta.method.map(|fitted| Method { prior: method.prior.clone(), ..fitted });
        head = with_source(head, model.as_ref(), &corpus.digest());
        head.save(&self.out)?;
        let scores = Scores::of(&head, &table, &all)?;
        let trained = scores.metrics(&table, method.training.weighting, head.bias);
        let objective = objective(&head, scores.cross_entropy(&table, method.training));
        let findings: Vec<String> =
            diagnose(&head, &table, &all, curve.as_ref())?.iter().map(ToString::to_string).collect();
        if self.json {
            output::json(&json!({
                "head": self.out.display().to_string(), "meta": head.meta, "bias": head.bias, "objective": objective,
                "training": trained, "curve": curve, "findings": findings,
            }))?;
        } else {
            self.show(&head, &trained, curve.as_ref(), &findings)?;
        }
        Ok(Exit::Done)
    }

    fn method(&self) -> anyhow::Result<Method> {
        let mut method = Method::named(self.method.parse::<MethodName>()?);
        if let Prior::Uniform { seed } = &mut method.prior {
            *seed = self.seed;
        }
        if let head::Solver::Adam(settings) = &mut method.solver {
            settings.seed = self.seed;
        }
        if let Some(weighting) = &self.weighting {
            let weighting: Weighting = serde_json::from_value(json!(weighting)).map_err(|_| {
                anyhow::anyhow!("--weighting {weighting}: expected per-position or per-example")
            })?;
            if matches!(method.solver, head::Solver::Adam(_)) && weighting != method.training.weighting {
                anyhow::bail!(
                    "--weighting {weighting}: {} is trained {}, as published",
                    method.name,
                    method.training.weighting
                );
            }
            method.training = Training { weighting, ..method.training };
        }
        method.training.calls_only = self.calls_only;
        if let Some(lambda) = self.lambda.as_deref().filter(|lambda| !matches!(*lambda, "auto" | "one-se")) {
            let value = options::lambda(lambda)
                .map_err(|e| anyhow::anyhow!("--lambda {lambda}: {e}, or auto or one-se"))?;
            if method.name == MethodName::TokenLearningCode {
                anyhow::bail!(
                    "--lambda does not go with tokenlearning-code, whose penalty is the release's own: take tokenlearning"
                );
            }
            method.penalty = Penalty::Squared { lambda: value };
        }
        Ok(method)
    }

    /// The rule that chooses λ, where it is chosen.
    fn rule(&self, method: &Method) -> anyhow::Result<Option<Rule>> {
        let exact = method.name == MethodName::Exact;
        Ok(match self.lambda.as_deref() {
            None if exact => Some(Rule::Auto),
            Some("auto") => Some(Rule::Auto),
            Some("one-se") => Some(Rule::OneSe),
            _ => None,
        })
    }

    fn show(
        &self,
        head: &Head,
        trained: &Metrics,
        curve: Option<&Curve>,
        findings: &[String],
    ) -> anyhow::Result<()> {
        let share = |x: Option<f64>| x.map_or_else(|| "–".into(), |x| format!("{x:.4}"));
        let mut table =
            output::table(["", "calls", "choice", "recall", "false calls", "call NLL", "tool tax"]);
        for (name, metrics) in [("held out", head.meta.metrics.as_ref()), ("training", Some(trained))] {
            let Some(m) = metrics else { continue };
            let cells = [m.choice, m.recall, m.false_calls, m.call_nll, m.tool_tax].map(share);
            table.add_row([name.to_owned(), m.calls.to_string()].into_iter().chain(cells));
        }
        let weighting = head.meta.training.map_or(Weighting::default(), |t| t.weighting);
        let number = |x: Option<f64>| x.map_or_else(|| "–".into(), |x| format!("{x:.2e}"));
        output::text(format_args!(
            "{table}\nModel {}, {}, {}, prior {}, λ {} (λ / mean‖h‖² {}), weighting {weighting}, bias {:.2}, seed {}{}.\nWrote {}.\n",
            lm::called(&head.meta.model, &head.meta.model_digest),
            self.corpus.display(),
            self.method,
            prior::named(head),
            number(head.meta.lambda),
            number(head.meta.lambda_scaled),
            head.bias,
            self.seed,
            curve.map_or(String::new(), |c| format!(", {} folds", c.search.folds)),
            self.out.display()
        ))?;
        findings.iter().try_for_each(|finding| output::text(format_args!("note: {finding}\n")))?;
        Ok(())
    }
}
