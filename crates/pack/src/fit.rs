//! The fit of a pack.

use crate::context::{Context, Writer};
use crate::features::{Extraction, Reading, extract};
use crate::report::{Report, ToolReport, Unseen};
use crate::{Example, Examples, FitError, definitions::enforceable, prior, talk};
use head::{
    FeatureSet, Head, Method, MethodName, Position, Prior, Search, Start, Subset, Table, WORD, choose_scale,
    mean_row_norm,
};
use lm::{ChatTemplate, FrozenLm, Matrix};
use sha2::{Digest, Sha256};
use std::path::Path;
use tools::{Pack, ToolSet};

/// Scales of the prior to choose from.
const SCALES: [f64; 2] = [0.3, 1.0];
/// Tools that are left out whole, at most, to say how far a prior alone can be trusted.
const LEFT_OUT: usize = 10;
/// Mistakes that a report lists.
const MISTAKES: usize = 40;

/// How to fit.
#[derive(Clone, Debug, PartialEq)]
pub struct FitSettings {
    /// Folds of the cross-validation.
    pub folds: usize,
    /// Decides the folds.
    pub seed: u64,
    /// The date that the head bears.
    pub date: String,
}

impl Default for FitSettings {
    fn default() -> Self {
        Self { folds: 5, seed: 0, date: String::new() }
    }
}

/// What a fit made.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The head.
    pub head: Head,
    /// Its figures.
    pub report: Report,
}

/// The data of a fit: what the model read, with labels.
struct Data {
    contexts: Vec<Context>,
    readings: Vec<Vec<Reading>>,
    set: FeatureSet,
    /// Unit rows of the prior.
    directions: Matrix,
    /// The contexts that open a turn, and the message there.
    turns: Vec<(usize, String)>,
}

/// Fits a head on examples and the shipped talk. `cache` keeps what the model reads.
///
/// # Errors
/// Examples of unknown tools, schemas that cannot be enforced, a model without a chat template, the fit's own.
pub fn fit(
    lm: &dyn FrozenLm,
    tools: &ToolSet,
    examples: &Examples,
    cache: Option<&Path>,
    settings: &FitSettings,
    progress: &mut dyn FnMut(Extraction),
) -> Result<Fitted, FitError> {
    let data = Data::read(lm, tools, examples, cache, progress)?;
    let table = Table::new(&data.set)?;
    let all = Subset::all(data.contexts.len());
    let method = Method::named(MethodName::Exact);
    let norm = mean_row_norm(lm)?;
    let rows: Vec<(f64, Matrix)> =
        SCALES.iter().map(|s| (*s, prior::scaled(&data.directions, s * norm))).collect();
    let starts: Vec<(f64, Start<'_>)> = rows.iter().map(|(s, rows)| (*s, Start::Rows(rows))).collect();
    let groups = data.contexts.iter().map(|context| context.group).max().map_or(0, |last| last as usize + 1);
    let folds = settings.folds.clamp(2, groups.max(2));
    let search = Search { folds, seed: settings.seed, ..Search::default() };
    let found = choose_scale(&table, &all, &starts, &method, &search, &mut |_, _| ())?;
    let (scale, rows) = &rows[found.chosen];
    let mut head = found.selection.fit.head;
    let method = head.meta.method.clone().unwrap_or(method);
    let held_out = held_out(&data, &table, &all, rows, &method, &head, &search)?;
    let unseen = unseen(&data, &table, tools.len(), rows, &method, head.bias)?;
    describe(&mut head, lm, examples, settings);
    let report = Report { scale: *scale, unseen, ..report(&data, tools, &head, &held_out) };
    Ok(Fitted { head, report })
}

/// Fits again with the λ, scale and threshold of an earlier head: for a changed example. No figures are made.
///
/// # Errors
/// As [`fit`].
pub fn refit(
    lm: &dyn FrozenLm,
    tools: &ToolSet,
    examples: &Examples,
    cache: Option<&Path>,
    earlier: &Head,
    settings: &FitSettings,
) -> Result<Head, FitError> {
    let data = Data::read(lm, tools, examples, cache, &mut |_| ())?;
    let table = Table::new(&data.set)?;
    let norm = mean_row_norm(lm)?;
    // The earlier prior's rows have the scale that was chosen.
    let first: f64 = earlier.prior.row(0).iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let scale = if first > 0.0 { first / norm } else { SCALES[0] };
    let rows = prior::scaled(&data.directions, scale * norm);
    let method = earlier.meta.method.clone().unwrap_or_else(|| Method::named(MethodName::Exact));
    let all = Subset::all(data.contexts.len());
    let mut head = head::fit(&table, &all, &rows, &method, &mut |_| ())?.head;
    head.bias = earlier.bias;
    describe(&mut head, lm, examples, settings);
    Ok(head)
}

fn describe(head: &mut Head, lm: &dyn FrozenLm, examples: &Examples, settings: &FitSettings) {
    let mut hash = Sha256::new();
    for example in &examples.0 {
        hash.update(serde_json::to_vec(example).unwrap_or_default());
        hash.update(b"\n");
    }
    head.meta.model = lm.card().name.clone();
    head.meta.model_digest = lm.card().digest.clone();
    head.meta.tokenizer_digest = lm.tokenizer().digest().to_owned();
    head.meta.corpus_digest = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    head.meta.date = settings.date.clone();
    // The rows come from descriptions put to the model as messages, which no named prior says.
    head.meta.method = head.meta.method.take().map(|method| Method { prior: Prior::Zero, ..method });
}

impl Data {
    fn read(
        lm: &dyn FrozenLm,
        tools: &ToolSet,
        examples: &Examples,
        cache: Option<&Path>,
        progress: &mut dyn FnMut(Extraction),
    ) -> Result<Self, FitError> {
        if tools.is_empty() {
            return Err(FitError::Input("the pack has no tools".into()));
        }
        examples.check(tools)?;
        enforceable(tools)?;
        let template = ChatTemplate::of(lm.tokenizer())?;
        let writer = Writer { tokenizer: lm.tokenizer(), template: &template, tools };
        let talk = talk();
        let all: Vec<Example> = examples.0.iter().chain(&talk.0).cloned().collect();
        let mut contexts = writer.write(&all, 0)?;
        let described = contexts.len();
        for tool in tools {
            contexts.push(writer.turn(&prior::message(tool), u32::MAX)?);
        }
        let mut readings = extract(lm, &contexts, cache, progress)?;
        let of_tools = readings.split_off(described);
        contexts.truncate(described);

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
        let mut turns = Vec::new();
        let mut seen = None;
        for (i, context) in contexts.iter().enumerate() {
            // The first context of every example that is a single message.
            let message = match &all[context.group as usize] {
                Example::Message(message) => message.user.clone(),
                Example::Chat(chat) => chat.messages.first().map_or(String::new(), |m| m.content.clone()),
            };
            if seen != Some(context.group) {
                seen = Some(context.group);
                turns.push((i, message));
            }
        }
        let first = examples.0.len() as u32;
        let talk_states: Vec<&[f32]> = (contexts.iter().zip(&readings))
            .filter(|(context, _)| context.group >= first)
            .map(|(_, readings)| readings[0].h.as_slice())
            .collect();
        let tool_states: Vec<&[f32]> = of_tools.iter().map(|readings| readings[0].h.as_slice()).collect();
        let directions = prior::directions(&tool_states, &talk_states);
        Ok(Self { contexts, readings, set, directions, turns })
    }

    /// The best tool at a reading, and whether it beats every word.
    fn decide(&self, head: &Head, context: usize, point: usize) -> (usize, bool) {
        let reading = &self.readings[context][point];
        let logits = head.logits(&reading.h);
        let best = (0..logits.len()).fold(0, |best, k| if logits[k] > logits[best] { k } else { best });
        (best, logits[best] + head.bias > reading.max)
    }
}

/// Every point's decision by a fit that has not seen its example: `(best tool, called)` by context and point.
type HeldOut = Vec<Vec<(usize, bool)>>;

fn held_out(
    data: &Data,
    table: &Table<'_>,
    all: &Subset,
    rows: &Matrix,
    method: &Method,
    head: &Head,
    search: &Search,
) -> Result<HeldOut, FitError> {
    let mut decided: HeldOut = vec![Vec::new(); data.contexts.len()];
    for fold in all.folds(table, search.folds, search.seed)? {
        let mut fitted = head::fit(table, &all.minus(&fold), rows, method, &mut |_| ())?.head;
        fitted.bias = head.bias;
        for (i, decisions) in decided.iter_mut().enumerate().filter(|(i, _)| fold.contains(*i as u32)) {
            *decisions =
                (0..data.contexts[i].points.len()).map(|point| data.decide(&fitted, i, point)).collect();
        }
    }
    Ok(decided)
}

/// Leaves out whole tools, and sees what their prior alone does.
fn unseen(
    data: &Data,
    table: &Table<'_>,
    tools: usize,
    rows: &Matrix,
    method: &Method,
    bias: f32,
) -> Result<Option<Unseen>, FitError> {
    let wants = |context: usize, tool: usize| data.contexts[context].points.iter().any(|p| p.1 == Some(tool));
    let with_examples: Vec<usize> =
        (0..tools).filter(|&tool| data.turns.iter().any(|(i, _)| wants(*i, tool))).collect();
    if with_examples.len() < 3 {
        return Ok(None);
    }
    let step = with_examples.len().div_ceil(LEFT_OUT);
    let mut figures = Unseen { tools: 0, examples: 0, choice: 0.0, recall: 0.0 };
    for &tool in with_examples.iter().step_by(step) {
        let rest = Subset::of(data.contexts.len(), |i| !wants(i as usize, tool));
        let mut head = head::fit(table, &rest, rows, method, &mut |_| ())?.head;
        head.bias = bias;
        figures.tools += 1;
        for (i, _) in data.turns.iter().filter(|(i, _)| data.contexts[*i].points[0].1 == Some(tool)) {
            let (best, called) = data.decide(&head, *i, 0);
            figures.examples += 1;
            figures.choice += f64::from(u8::from(best == tool));
            figures.recall += f64::from(u8::from(best == tool && called));
        }
    }
    let examples = figures.examples.max(1) as f64;
    Ok(Some(Unseen { choice: figures.choice / examples, recall: figures.recall / examples, ..figures }))
}

fn report(data: &Data, tools: &ToolSet, head: &Head, decided: &HeldOut) -> Report {
    let none = tools.len();
    let name = |k: usize| tools.get(k).map_or("no tool", |tool| tool.name.as_str()).to_owned();
    let mut confusion = vec![vec![0usize; none + 1]; none + 1];
    let mut best_right = 0;
    let mut mistakes = Vec::new();
    for (i, message) in &data.turns {
        let wanted = data.contexts[*i].points[0].1.unwrap_or(none);
        let Some(&(best, called)) = decided[*i].first() else { continue };
        let called = if called { best } else { none };
        confusion[wanted][called] += 1;
        best_right += usize::from(best == wanted);
        if wanted != called && mistakes.len() < MISTAKES {
            let named = |k: usize| (k < none).then(|| name(k));
            mistakes.push((message.clone(), named(wanted), named(called)));
        }
    }
    let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    let row = |k: usize| confusion[k].iter().sum::<usize>();
    let column = |k: usize| confusion.iter().map(|row| row[k]).sum::<usize>();
    let turns: usize = (0..=none).map(row).sum();
    let right: usize = (0..none).map(|k| confusion[k][k]).sum();
    let calls = turns - row(none);
    let (mut text, mut text_calls) = (0, 0);
    for (context, decisions) in data.contexts.iter().zip(decided) {
        let inside = context.points.iter().zip(decisions).skip(1).filter(|(point, _)| point.1.is_none());
        for (_, (_, called)) in inside {
            text += 1;
            text_calls += usize::from(*called);
        }
    }
    let by_tool = (0..none).map(|k| {
        let recall = share(confusion[k][k], row(k));
        let mut confused: Vec<(String, usize)> = (0..=none)
            .filter(|&other| other != k && confusion[k][other] > 0)
            .map(|other| (name(other), confusion[k][other]))
            .collect();
        confused.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        ToolReport {
            tool: name(k),
            examples: row(k),
            precision: share(confusion[k][k], column(k)),
            recall,
            confused_with: confused,
            wants: ToolReport::wanted(row(k), recall),
        }
    });
    Report {
        accuracy: share(right + confusion[none][none], turns),
        turns,
        recall: share(right, calls),
        precision: share(right, turns - column(none)),
        choice: share(best_right, calls),
        false_calls: share(row(none) - confusion[none][none], row(none)),
        false_calls_in_text: share(text_calls, text),
        lambda: head.meta.lambda.unwrap_or(0.0),
        lambda_scaled: head.meta.lambda_scaled.unwrap_or(0.0),
        bias: head.bias,
        scale: 0.0,
        unseen: None,
        tools: by_tool.collect(),
        confusion: confusion.clone(),
        mistakes,
    }
}

/// A pack from disk: tools, examples (none if there is no file) and the head, if it was fitted.
///
/// # Errors
/// Files that are damaged.
pub fn load(pack: &Pack) -> Result<(ToolSet, Examples, Option<Head>), FitError> {
    let tools = pack.load_tools()?;
    let path = pack.dir().join("examples.jsonl");
    let examples = if path.exists() { Examples::read(&path)? } else { Examples::default() };
    let head = match pack.head_path() {
        path if path.exists() => Some(Head::load(&path)?),
        _ => None,
    };
    Ok((tools, examples, head))
}

/// Writes a fit into its pack: the head, the report as `report.json`, the card.
///
/// # Errors
/// The system's.
pub fn save(pack: &Pack, fitted: &Fitted) -> Result<(), FitError> {
    fitted.head.save(&pack.head_path())?;
    let json = serde_json::to_vec_pretty(&fitted.report).map_err(|e| FitError::Input(e.to_string()))?;
    crate::error::write(&pack.dir().join("report.json"), &json)?;
    pack.save_card(&card(fitted))?;
    Ok(())
}

fn card(fitted: &Fitted) -> String {
    let Fitted { head, report } = fitted;
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
