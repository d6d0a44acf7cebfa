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
use std::collections::{BTreeSet, HashMap, HashSet};
use tools::{Pack, ToolSet};

/// The values of λ / mean‖h‖² that are tried, as powers of ten.
const POWERS: [f64; 5] = [-5.0, -5.75, -6.5, -7.25, -8.0];
/// Of the head itself, and of the fits that are only compared with others.
const TOLERANCES: (f64, f64) = (1e-4, 3e-3);
/// Tools whose examples are left out whole, at most, to say how far a description alone can be trusted.
const LEFT_OUT: usize = 8;
/// Tools on which λ is chosen and descriptions are tried, at most: with all of many the fits would take hours.
const MOST_TRIED: usize = 64;

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
    /// Each tool's description, put to the model as a message.
    described: Vec<(Context, Vec<Reading>)>,
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
    let whole = Trial::new(&data, settings)?;
    // Of many tools a few say what λ is to be, and how far descriptions carry.
    let few = data.few(MOST_TRIED);
    let few = few.as_ref().map(|few| Trial::new(few, settings)).transpose()?;
    let tried = few.as_ref().unwrap_or(&whole);
    // N λ ‖W − W0‖² weighs as much beside the sum over fewer positions.
    let share = tried.data.positions() as f64 / data.positions() as f64;

    let left_out = tried.data.left_out();
    let searched = if settings.lambda.is_some() { 0 } else { POWERS.len() * tried.folds.len() };
    // With so many tools one fold has examples enough.
    let folds = if few.is_some() { 1 } else { whole.folds.len() };
    let held_out = folds + few.as_ref().map_or(0, |few| few.folds.len());
    let fits = searched + 1 + held_out + left_out.len();
    let mut done = 0;
    let mut tell = |fitted: usize| {
        done += fitted;
        progress(FitStage::Fitting(done, fits));
    };
    let chosen = match settings.lambda {
        Some(_) => None,
        None => Some(tried.chosen(settings, &mut tell)?),
    };
    let of_chosen = |head: &Head| head.meta.lambda.map(|lambda| lambda * share);
    let lambda = settings.lambda.or(chosen.as_ref().and_then(of_chosen)).unwrap_or_default();
    let mut head = match chosen.filter(|_| few.is_none()) {
        Some(head) => head,
        None => whole.head(&whole.all, lambda, TOLERANCES.0)?,
    };
    // Its figures are of another threshold, and count descriptions as examples: the report has the pack's.
    head.meta.metrics = None;
    tell(1);
    let mut decided = whole.held_out(&whole.folds[..folds], lambda, &mut tell)?;
    head.bias = Threshold::of(&data, &decided.decisions(&data), settings.false_call_cost);
    let of_few = few.as_ref().map(|few| few.held_out(&few.folds, lambda / share, &mut tell)).transpose()?;
    let others = of_few.as_ref().unwrap_or(&decided).decisions(tried.data);
    let mut trust = Trust::new(head.bias);
    for tool in left_out {
        let without = tried.head(&tried.data.without(tool), lambda / share, TOLERANCES.1)?;
        trust.add(tried.data, &others, &without, tool);
        tell(1);
    }
    let unseen = trust.figures();
    let offset = unseen.map_or(0.0, |unseen| unseen.offset);
    offer(&mut head, &data, offset);
    // The figures are of heads that offer tools without an example as the pack's does.
    decided.heads.iter_mut().for_each(|(_, head)| offer(head, &data, offset));
    let decided = decided.decisions(&data);
    describe(&mut head, lm, tools, examples, settings);
    let extended = Extended::new(lm, &head, tools, None)?;
    let restraint =
        restraint(lm, &extended, examples, tools, &mut |done, all| progress(FitStage::Arguments(done, all)))?;
    let false_call_cost = settings.false_call_cost;
    let tried_on = few.is_some().then_some(MOST_TRIED);
    let report =
        Report { unseen, restraint, false_call_cost, tried_on, ..report(&data, tools, &head, &decided) };
    Ok(Fitted { head, report, folds: whole.folds.len() })
}

/// Fits to data of a pack, and to parts of it.
struct Trial<'d> {
    data: &'d Data,
    table: Table<'d>,
    /// W0.
    none: Matrix,
    all: Subset,
    /// Parts of the examples: descriptions are in none.
    folds: Vec<Subset>,
}

/// Heads that have not seen a fold each.
struct HeldOut {
    heads: Vec<(Subset, Head)>,
}

impl HeldOut {
    /// What is decided in each context by the head that has not seen it.
    fn decisions(&self, data: &Data) -> Vec<Vec<Decision>> {
        let unseen = |i: usize| self.heads.iter().find(|(fold, _)| fold.contains(i as u32));
        let decide = |i: usize| unseen(i).map_or_else(Vec::new, |(_, head)| data.decide(head, i));
        (0..data.contexts.len()).map(decide).collect()
    }
}

impl<'d> Trial<'d> {
    fn new(data: &'d Data, settings: &FitSettings) -> Result<Self, FitError> {
        let table = Table::new(&data.set)?;
        let (contexts, examples) = (data.contexts.len(), data.set.groups().len());
        let groups: HashSet<u32> = data.contexts.iter().map(|context| context.group).collect();
        let folds = settings.folds.clamp(2, groups.len().max(2));
        let examples_only = Subset::of(examples, |i| (i as usize) < contexts);
        Ok(Self {
            none: Matrix::zeros(data.set.tools().len(), data.set.width()),
            all: Subset::all(examples),
            folds: examples_only.folds(&table, folds, settings.seed)?,
            data,
            table,
        })
    }

    /// The head with the λ of the lowest held-out cross-entropy.
    fn chosen(&self, settings: &FitSettings, tell: &mut dyn FnMut(usize)) -> Result<Head, FitError> {
        let scale = self.table.mean_square_norm();
        let lambdas = Some(POWERS.iter().map(|power| 10f64.powf(*power) * scale).collect());
        let search = Search { folds: self.folds.len(), seed: settings.seed, lambdas, ..Search::default() };
        let mut told = 0;
        let mut progress = |done: usize, _| {
            tell(done - told);
            told = done;
        };
        let fine = method(TOLERANCES.0);
        Ok(choose_lambda(&self.table, &self.all, &self.none, &fine, &search, &mut progress)?.fit.head)
    }

    fn head(&self, part: &Subset, lambda: f64, tolerance: f64) -> Result<Head, FitError> {
        let method = Method { penalty: Penalty::Squared { lambda }, ..method(tolerance) };
        Ok(head::fit(&self.table, part, &self.none, &method, &mut |_| ())?.head)
    }

    fn held_out(
        &self,
        folds: &[Subset],
        lambda: f64,
        tell: &mut dyn FnMut(usize),
    ) -> Result<HeldOut, FitError> {
        let mut heads = Vec::with_capacity(folds.len());
        for fold in folds {
            heads.push((fold.clone(), self.head(&self.all.minus(fold), lambda, TOLERANCES.1)?));
            tell(1);
        }
        Ok(HeldOut { heads })
    }
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
    let wanted: HashSet<usize> =
        data.contexts.iter().flat_map(|context| context.points.iter().filter_map(|point| point.1)).collect();
    for tool in 0..head.tools.len() {
        if !wanted.contains(&tool) {
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
        let described = contexts.drain(described..).zip(readings.drain(described..)).collect();
        Ok(Self::of(
            tools.names().map(str::to_owned).collect(),
            lm.card().width,
            contexts,
            readings,
            described,
        ))
    }

    fn of(
        tools: Vec<String>,
        width: usize,
        contexts: Vec<Context>,
        readings: Vec<Vec<Reading>>,
        described: Vec<(Context, Vec<Reading>)>,
    ) -> Self {
        let mut set = FeatureSet::new(width, tools);
        let of_examples = contexts.iter().zip(&readings);
        for (context, readings) in of_examples.chain(described.iter().map(|(context, read)| (context, read)))
        {
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
        let turns = (0..contexts.len()).filter(|&i| contexts[i].answers.is_some()).collect();
        Self { contexts, readings, described, set, turns }
    }

    /// What is about so many of the tools, evenly spaced among those that have examples, and about none; nothing if there are no more.
    fn few(&self, most: usize) -> Option<Self> {
        let with_examples = self.with_examples();
        if with_examples.len() <= most {
            return None;
        }
        let spaced = (0..most).map(|at| with_examples[at * with_examples.len() / most]);
        let kept: HashMap<usize, usize> = spaced.enumerate().map(|(new, old)| (old, new)).collect();
        let moved = |context: &Context| {
            let point = |&(at, tool): &(usize, Option<usize>)| match tool {
                None => Some((at, None)),
                Some(old) => kept.get(&old).map(|new| (at, Some(*new))),
            };
            let points = context.points.iter().map(point).collect::<Option<Vec<_>>>()?;
            Some(Context { points, ..context.clone() })
        };
        let of = |context: &Context, read: &Vec<Reading>| Some((moved(context)?, read.clone()));
        let examples =
            self.contexts.iter().zip(&self.readings).filter_map(|(context, read)| of(context, read));
        let (contexts, readings) = examples.unzip();
        let mut described: Vec<(Context, Vec<Reading>)> =
            self.described.iter().filter_map(|(context, read)| of(context, read)).collect();
        described.sort_by_key(|(context, _)| context.points[0].1);
        let mut names: Vec<(usize, String)> =
            kept.iter().map(|(old, new)| (*new, self.set.tools()[*old].clone())).collect();
        names.sort();
        let names = names.into_iter().map(|(_, name)| name).collect();
        Some(Self::of(names, self.set.width(), contexts, readings, described))
    }

    /// Positions that a fit weighs alike.
    fn positions(&self) -> usize {
        let described = self.described.iter().map(|(context, _)| context);
        self.contexts.iter().chain(described).map(|context| context.points.len()).sum()
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

    /// Tools with examples at whose turns they are called.
    fn with_examples(&self) -> Vec<usize> {
        let wanted = |&i: &usize| self.contexts[i].points.iter().filter_map(|(_, tool)| *tool);
        let called: BTreeSet<usize> = self.turns.iter().flat_map(wanted).collect();
        called.into_iter().collect()
    }

    /// Some of them, spread over all; none if there are too few to compare.
    fn left_out(&self) -> Vec<usize> {
        let with_examples = self.with_examples();
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
