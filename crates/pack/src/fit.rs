//! The fit of a pack.
//!
//! A tool's description counts as one example of the tool: it is put to the model as a user's message, and the state that opens
//! the assistant's turn is one at which the tool is to be called. That is the prior of a tool that has no example, and it helps
//! those that have. How far a description can be trusted alone is measured on tools that have examples, by leaving theirs out.

use crate::context::{Context, Writer};
use crate::features::{Cache, Extraction, Reading, extract};
use crate::held_out::{Decision, Threshold, Trust};
use crate::report::report;
use crate::taught::restraint;
use crate::{Example, Examples, FitError, Report, definitions::enforceable, prior, talk};
use decode::Extended;
use head::{
    ExactSettings, FeatureSet, Features, Head, Method, MethodName, Penalty, Position, Prior, Search, Solver,
    Subset, Table, WORD, choose_lambda,
};
use lm::{ChatTemplate, FrozenLm, Matrix};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use tools::{Pack, ToolSet};

/// The values of λ / mean‖h‖² that are tried, as powers of ten.
const POWERS: [f64; 5] = [-5.0, -5.75, -6.5, -7.25, -8.0];
/// Of the head itself, and of the fits that are only compared with others.
const TOLERANCES: (f64, f64) = (1e-4, 3e-3);
/// Tools whose examples are left out whole, at most, to say how far a description alone can be trusted.
const LEFT_OUT: usize = 8;

/// How to fit.
#[derive(Clone, Debug, PartialEq)]
pub struct FitSettings {
    /// Folds of the cross-validation.
    pub folds: usize,
    /// Decides the folds.
    pub seed: u64,
    /// The λ; without one it is chosen by cross-validation.
    pub lambda: Option<f64>,
    /// What a call costs where none is wanted, in right calls.
    pub false_call_cost: f64,
    /// The date that the head bears.
    pub date: String,
}

impl Default for FitSettings {
    fn default() -> Self {
        Self { folds: 5, seed: 0, lambda: None, false_call_cost: 1.0, date: String::new() }
    }
}

/// How far a fit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FitStage {
    /// The model reads contexts.
    Reading(Extraction),
    /// Heads are fitted: so many of so many.
    Fitting(usize, usize),
    /// Calls of the examples are read: so many of so many.
    Arguments(usize, usize),
}

/// What a fit made.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The head.
    pub head: Head,
    /// Its figures.
    pub report: Report,
    /// Folds of the cross-validation: as many as were asked for, or as there are groups of examples.
    pub folds: usize,
}

/// The data of a fit: what the model read, with labels.
pub(crate) struct Data {
    /// Those of the examples and of the talk.
    pub contexts: Vec<Context>,
    pub readings: Vec<Vec<Reading>>,
    /// Examples by context, then one a tool: its description.
    set: FeatureSet,
    /// The contexts that are turns of the examples, and of the talk.
    pub turns: Vec<usize>,
}

/// Fits a head on examples and the shipped talk. `cache` keeps what the model reads.
///
/// # Errors
/// Examples of unknown tools, schemas that cannot be enforced, a model without a chat template, the fit's own.
pub fn fit(
    lm: &dyn FrozenLm,
    tools: &ToolSet,
    examples: &Examples,
    cache: Option<Cache<'_>>,
    settings: &FitSettings,
    progress: &mut dyn FnMut(FitStage),
) -> Result<Fitted, FitError> {
    if !(settings.false_call_cost >= 0.0 && settings.false_call_cost.is_finite()) {
        let message =
            format!("a false call cannot cost {} right ones: expected 0 or more", settings.false_call_cost);
        return Err(FitError::Input(message));
    }
    let data = Data::read(lm, tools, examples, cache, &mut |e| progress(FitStage::Reading(e)))?;
    let table = Table::new(&data.set)?;
    let none = Matrix::zeros(tools.len(), lm.card().width);
    let scale = table.mean_square_norm();
    let lambdas = match settings.lambda {
        Some(lambda) => vec![lambda],
        None => POWERS.iter().map(|power| 10f64.powf(*power) * scale).collect(),
    };
    let groups = data.contexts.iter().map(|context| context.group).max().map_or(0, |last| last as usize + 1);
    let folds = settings.folds.clamp(2, groups.max(2));
    let left_out = data.left_out(tools.len());
    let searched = if settings.lambda.is_some() { 1 } else { lambdas.len() * folds };
    let fits = searched + folds + left_out.len();
    let search = Search { folds, seed: settings.seed, lambdas: Some(lambdas), ..Search::default() };
    let all = Subset::all(data.contexts.len() + tools.len());
    let mut tell = |done: usize| progress(FitStage::Fitting(done, fits));
    let fine = method(TOLERANCES.0);
    let mut head = match settings.lambda {
        Some(lambda) => {
            let fine = Method { penalty: Penalty::Squared { lambda }, ..fine };
            head::fit(&table, &all, &none, &fine, &mut |_| ())?.head
        }
        None => choose_lambda(&table, &all, &none, &fine, &search, &mut |done, _| tell(done))?.fit.head,
    };
    // Its figures are of another threshold, and count descriptions as examples: the report has the pack's.
    head.meta.metrics = None;
    let rough = Method {
        penalty: head.meta.method.as_ref().map_or(method(TOLERANCES.1).penalty, |chosen| chosen.penalty),
        ..method(TOLERANCES.1)
    };
    let mut done = fits - folds - left_out.len();
    let mut decided: Vec<Vec<Decision>> = vec![Vec::new(); data.contexts.len()];
    let mut of_folds = Vec::with_capacity(folds);
    let examples_only = Subset::of(data.contexts.len() + tools.len(), |i| (i as usize) < data.contexts.len());
    for fold in examples_only.folds(&table, folds, settings.seed)? {
        let fitted = head::fit(&table, &all.minus(&fold), &none, &rough, &mut |_| ())?.head;
        for (i, decisions) in decided.iter_mut().enumerate().filter(|(i, _)| fold.contains(*i as u32)) {
            *decisions = data.decide(&fitted, i);
        }
        of_folds.push((fold, fitted));
        done += 1;
        tell(done);
    }
    head.bias = Threshold::of(&data, &decided, settings.false_call_cost);
    let mut trust = Trust::new(head.bias);
    for tool in left_out {
        let rest = data.without(tool);
        let fitted = head::fit(&table, &rest, &none, &rough, &mut |_| ())?.head;
        trust.add(&data, &decided, &fitted, tool);
        done += 1;
        tell(done);
    }
    let unseen = trust.figures();
    let offset = unseen.map_or(0.0, |unseen| unseen.offset);
    offer(&mut head, &data, offset);
    // The figures are of heads that offer tools without an example as the pack's does.
    for (fold, mut fitted) in of_folds {
        offer(&mut fitted, &data, offset);
        for (i, decisions) in decided.iter_mut().enumerate().filter(|(i, _)| fold.contains(*i as u32)) {
            *decisions = data.decide(&fitted, i);
        }
    }
    describe(&mut head, lm, tools, examples, settings);
    let extended = Extended::new(lm, &head, tools, None)?;
    let restraint =
        restraint(lm, &extended, examples, tools, &mut |done, all| progress(FitStage::Arguments(done, all)))?;
    let false_call_cost = settings.false_call_cost;
    let report = Report { unseen, restraint, false_call_cost, ..report(&data, tools, &head, &decided) };
    Ok(Fitted { head, report, folds })
}

/// Fits again with the λ and threshold of an earlier head: for a changed example or a tool more. No figures are made.
/// `offset` is what a tool without an example gets: [`Unseen::offset`](crate::Unseen) of the earlier fit.
///
/// # Errors
/// As [`fit`].
pub fn refit(
    lm: &dyn FrozenLm,
    tools: &ToolSet,
    examples: &Examples,
    cache: Option<Cache<'_>>,
    earlier: &Head,
    offset: f32,
) -> Result<Head, FitError> {
    let data = Data::read(lm, tools, examples, cache, &mut |_| ())?;
    let table = Table::new(&data.set)?;
    let none = Matrix::zeros(tools.len(), lm.card().width);
    let method = Method {
        penalty: earlier.meta.method.as_ref().map_or(method(TOLERANCES.0).penalty, |method| method.penalty),
        ..method(TOLERANCES.0)
    };
    let all = Subset::all(data.contexts.len() + tools.len());
    let mut head = head::fit(&table, &all, &none, &method, &mut |_| ())?.head;
    head.bias = earlier.bias;
    offer(&mut head, &data, offset);
    keep_offsets(&mut head, earlier);
    let settings = FitSettings { date: earlier.meta.date.clone(), ..FitSettings::default() };
    describe(&mut head, lm, tools, examples, &settings);
    Ok(head)
}

/// The exact solver, to a tolerance, from nothing: what is known of a tool beforehand stands among the examples.
fn method(tolerance: f64) -> Method {
    let solver = Solver::Exact(ExactSettings { tolerance, ..ExactSettings::default() });
    Method { solver, prior: Prior::Zero, ..Method::named(MethodName::Exact) }
}

/// Gives the tools without an example their offset.
fn offer(head: &mut Head, data: &Data, offset: f32) {
    for tool in 0..head.tools.len() {
        if !(0..data.contexts.len()).any(|context| data.wants(context, tool)) {
            head.offsets[tool] = offset;
            head.meta.unfitted.push(head.tools[tool].clone());
        }
    }
}

/// Gives tools the offsets that an earlier head has for them: a merged head's hold its packs' thresholds. To others comes the mean of
/// those that have examples, which is 0 in a head that was never merged.
fn keep_offsets(head: &mut Head, earlier: &Head) {
    let has_examples = |head: &Head, row: usize| !head.meta.unfitted.contains(&head.tools[row]);
    let known: Vec<f32> = (0..earlier.tools.len())
        .filter(|&row| has_examples(earlier, row))
        .map(|row| earlier.offsets[row])
        .collect();
    let usual = known.iter().sum::<f32>() / known.len().max(1) as f32;
    for row in 0..head.tools.len() {
        let before = earlier.tools.iter().position(|name| *name == head.tools[row]);
        match before.filter(|&before| has_examples(earlier, before) == has_examples(head, row)) {
            Some(before) => head.offsets[row] = earlier.offsets[before],
            None => head.offsets[row] += usual,
        }
    }
}

/// SHA-256 of what a head is fitted to: the tools' definitions and the examples. A head keeps it as its corpus's digest, which tells
/// whether they were changed since.
pub fn digest(tools: &ToolSet, examples: &Examples) -> String {
    let mut hash = Sha256::new();
    let mut line = |text: serde_json::Result<Vec<u8>>| {
        hash.update(text.unwrap_or_default());
        hash.update(b"\n");
    };
    tools.iter().for_each(|tool| line(serde_json::to_vec(&tool.definition())));
    examples.0.iter().for_each(|example| line(serde_json::to_vec(example)));
    hex::encode(hash.finalize())
}

/// Whether a pack's tools or examples are not those that its head was fitted to.
pub fn is_stale(head: &Head, tools: &ToolSet, examples: &Examples) -> bool {
    head.meta.corpus_digest != digest(tools, examples)
}

fn describe(
    head: &mut Head,
    lm: &dyn FrozenLm,
    tools: &ToolSet,
    examples: &Examples,
    settings: &FitSettings,
) {
    head.meta.model = lm.card().name.clone();
    head.meta.model_digest = lm.card().digest.clone();
    head.meta.tokenizer_digest = lm.tokenizer().digest().to_owned();
    head.meta.corpus_digest = digest(tools, examples);
    head.meta.date = settings.date.clone();
}

impl Data {
    fn read(
        lm: &dyn FrozenLm,
        tools: &ToolSet,
        examples: &Examples,
        cache: Option<Cache<'_>>,
        progress: &mut dyn FnMut(Extraction),
    ) -> Result<Self, FitError> {
        if tools.is_empty() {
            return Err(FitError::Input("the pack has no tools".into()));
        }
        examples.check(tools)?;
        enforceable(tools)?;
        let template = ChatTemplate::of(lm.tokenizer())?;
        let writer = Writer { tokenizer: lm.tokenizer(), template: &template, tools };
        let talk = talk(tools);
        let all: Vec<Example> = examples.0.iter().chain(&talk.0).cloned().collect();
        let mut contexts = writer.write(&all)?;
        let described = contexts.len();
        for (k, tool) in tools.iter().enumerate() {
            let mut context = writer.turn(&prior::message(tool), (all.len() + k) as u32)?;
            context.points[0].1 = tools.index(&tool.name);
            contexts.push(context);
        }
        let mut readings = extract(lm, &contexts, cache, progress)?;

        let mut set = FeatureSet::new(lm.card().width, tools.names().map(str::to_owned).collect());
        for (context, readings) in contexts.iter().zip(&readings) {
            let example = set.add_example(context.group);
            for ((_, tool), reading) in context.points.iter().zip(readings) {
                // b has no part in the gradient: the word that would be said stands for any.
                set.push(
                    example,
                    Position {
                        h: &reading.h,
                        log_sum_exp: reading.log_sum_exp,
                        label_logit: if tool.is_some() { 0.0 } else { reading.max },
                        max: reading.max,
                        best_word: reading.best_word,
                        tool: tool.map_or(WORD, |tool| tool as i32),
                        word: reading.best_word,
                    },
                );
            }
        }
        readings.truncate(described);
        contexts.truncate(described);
        let turns = (0..contexts.len()).filter(|&i| contexts[i].answers.is_some()).collect();
        Ok(Self { contexts, readings, set, turns })
    }

    /// Whether the tool is to be called somewhere in this context; a description does not count.
    pub fn wants(&self, context: usize, tool: usize) -> bool {
        self.contexts.get(context).is_some_and(|context| context.points.iter().any(|p| p.1 == Some(tool)))
    }

    /// All but the examples that call a tool; its description stays.
    fn without(&self, tool: usize) -> Subset {
        let wanting = (0..self.contexts.len()).filter(|&i| self.wants(i, tool));
        let groups: HashSet<u32> = wanting.map(|i| self.contexts[i].group).collect();
        Subset::of(self.set.groups().len(), |i| !groups.contains(&self.set.groups()[i as usize]))
    }

    /// What a head does at a context's points.
    fn decide(&self, head: &Head, context: usize) -> Vec<Decision> {
        self.readings[context]
            .iter()
            .map(|reading| Decision::of(&head.logits(&reading.h), reading.max))
            .collect()
    }

    /// Tools with examples at whose turns they are called, spread over all of them; none if there are too few to compare.
    fn left_out(&self, tools: usize) -> Vec<usize> {
        let called = |tool: usize| self.turns.iter().any(|&i| self.wants(i, tool));
        let with_examples: Vec<usize> = (0..tools).filter(|&tool| called(tool)).collect();
        if with_examples.len() < 3 {
            return Vec::new();
        }
        let step = with_examples.len().div_ceil(LEFT_OUT);
        with_examples.into_iter().step_by(step).collect()
    }
}

/// A pack from disk: tools, examples (none if there is no file) and the head, if it was fitted.
///
/// # Errors
/// Files that are damaged.
pub fn load(pack: &Pack) -> Result<(ToolSet, Examples, Option<Head>), FitError> {
    let head = match pack.head_path() {
        path if path.exists() => Some(Head::load(&path)?),
        _ => None,
    };
    let (tools, examples) = load_definitions(pack)?;
    Ok((tools, examples, head))
}

/// What a pack is fitted from: its tools and examples (none if there is no file).
///
/// # Errors
/// Files that are damaged.
pub fn load_definitions(pack: &Pack) -> Result<(ToolSet, Examples), FitError> {
    let path = pack.examples_path();
    let examples = if path.exists() { Examples::read(&path)? } else { Examples::default() };
    Ok((pack.load_tools()?, examples))
}

/// What the last fit said of a pack; none if there was none, or it is damaged.
pub fn load_report(pack: &Pack) -> Option<Report> {
    serde_json::from_slice(&std::fs::read(pack.report_path()).ok()?).ok()
}

/// Writes a fit into its pack: the head, the report as `report.json`, the card.
///
/// # Errors
/// The system's.
pub fn save(pack: &Pack, fitted: &Fitted) -> Result<(), FitError> {
    fitted.head.save(&pack.head_path())?;
    let json = serde_json::to_vec_pretty(&fitted.report).map_err(|e| FitError::Input(e.to_string()))?;
    crate::error::write(&pack.report_path(), &json)?;
    pack.save_card(&card(fitted))?;
    Ok(())
}

fn card(fitted: &Fitted) -> String {
    let Fitted { head, report, .. } = fitted;
    let mut card = format!(
        "# {} tools for {}\n\nMade {}. {}\n\n{report}\n| tool | examples | precision | recall | wants more |\n|---|---|---|---|---|\n",
        report.tools.len(),
        head.meta.model,
        head.meta.date,
        head.meta.solver
    );
    let share = |x: Option<f64>| x.map_or_else(|| "–".to_owned(), |x| format!("{x:.2}"));
    for tool in &report.tools {
        card += &format!(
            "| {} | {} | {} | {} | {} |\n",
            tool.tool,
            tool.examples,
            share(tool.precision),
            share(tool.recall),
            tool.wants
        );
    }
    card
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_keep_their_offsets() {
        let head = |tools: &[&str], offsets: &[f32], unfitted: &[&str]| {
            let names = tools.iter().map(|name| (*name).to_owned()).collect();
            let mut head = Head::new(names, Matrix::zeros(tools.len(), 2)).unwrap();
            head.offsets = offsets.to_vec();
            head.meta.unfitted = unfitted.iter().map(|name| (*name).to_owned()).collect();
            head
        };
        // Merged of packs with the thresholds -1 and -3, and a tool that had no example.
        let merged = head(&["a", "b", "bare"], &[-1.0, -3.0, 1.5], &["bare"]);
        let mut again =
            head(&["bare", "b", "new", "a", "unseen"], &[2.0, 0.0, 0.0, 0.0, 2.0], &["bare", "unseen"]);
        keep_offsets(&mut again, &merged);
        assert_eq!(again.offsets, [1.5, -3.0, -2.0, -1.0, 0.0]);
        // A pack's own head.
        let own = head(&["a", "bare"], &[0.0, 2.0], &["bare"]);
        let mut again = head(&["a", "bare", "unseen"], &[0.0, 0.0, 2.0], &["unseen"]);
        keep_offsets(&mut again, &own);
        assert_eq!(again.offsets, [0.0, 0.0, 2.0]);
    }
}
