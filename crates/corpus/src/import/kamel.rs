//! Raw KAMEL (Kalo and Fichtel 2022): facts, one JSON object a line, and a question for every relation.

use super::{Import, ImportError, Report};
use crate::{Call, Corpus, Example};
use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Bytes of a file at most, unpacked: a few times what all of KAMEL has.
const MAX_BYTES: u64 = 512 << 20;
/// What stands for the subject in a question.
const SUBJECT: &str = "[S]";

/// A fact: what a relation says of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct KamelFact {
    /// The relation: `P36`.
    pub relation: String,
    /// The subject's label.
    #[serde(alias = "sub_label")]
    pub subject: String,
    /// What else the subject is called. KAMEL's own files say nothing of that.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The objects' labels; none if the line only gives the subject other names.
    #[serde(alias = "obj_label")]
    pub answers: Vec<String>,
}

/// The facts of a file of JSON lines, gzipped or not: KAMEL's own, or those of a knowledge base:
///
/// ```json
/// {"relation": "P36", "subject": "Netherlands", "aliases": ["Holland", "Pays-Bas"], "answers": ["Amsterdam"]}
/// ```
///
/// `aliases` may be left out, `answers` may be empty.
///
/// # Errors
/// [`ImportError`] names the first line that is no fact.
pub fn kamel_facts(path: &Path) -> Result<Vec<KamelFact>, ImportError<Infallible>> {
    let io = |source| ImportError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let mut file = BufReader::new(file);
    let packed = file.fill_buf().map_err(io)?.starts_with(&[0x1f, 0x8b]);
    let reader: Box<dyn Read> = if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut lines = BufReader::new(reader.take(MAX_BYTES + 1));
    let (mut facts, mut line) = (Vec::new(), String::new());
    for i in 0.. {
        line.clear();
        if lines.read_line(&mut line).map_err(io)? == 0 {
            break;
        }
        if line.trim().is_empty() {
            continue;
        }
        facts.push(serde_json::from_str(&line).map_err(|e| ImportError::Layout {
            path: path.to_owned(),
            expected: "facts, an object with `relation`, `subject` and `answers` (KAMEL's: `sub_label`, `obj_label`) a line, and `aliases` if there are any",
            message: format!("line {}: {e}", i + 1),
        })?);
    }
    if lines.get_ref().limit() == 0 {
        return Err(ImportError::Layout {
            path: path.to_owned(),
            expected: "facts",
            message: format!("more than {} MiB: cut the file into several", MAX_BYTES >> 20),
        });
    }
    Ok(facts)
}

/// A question for every relation, with a place for the subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KamelTemplates(BTreeMap<String, String>);

impl KamelTemplates {
    /// Reads lines of `P36, What is the capital of [S]?`. Only the first comma separates.
    ///
    /// # Errors
    /// [`ImportError`] names the first line without a relation, or without exactly one place for the subject.
    pub fn read(path: &Path) -> Result<Self, ImportError<Infallible>> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ImportError::Io { path: path.to_owned(), source })?;
        let line = |(i, line): (usize, &str)| {
            let fault = |message: &str| ImportError::Layout {
                path: path.to_owned(),
                expected: "question templates, `P36, What is the capital of [S]?` a line",
                message: format!("line {}: {message}", i + 1),
            };
            let (relation, question) = line.split_once(',').ok_or_else(|| fault("no comma"))?;
            if question.matches(SUBJECT).count() != 1 {
                return Err(fault("expected one [S], the place of the subject"));
            }
            Ok((relation.trim().to_owned(), question.trim().to_owned()))
        };
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        Ok(Self(lines.map(line).collect::<Result<_, _>>()?))
    }

    /// Templates of these pairs of a relation and a question with `[S]`.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// The question about a subject; nothing for an unknown relation.
    pub fn question(&self, relation: &str, subject: &str) -> Option<String> {
        Some(self.0.get(relation)?.replacen(SUBJECT, subject, 1))
    }

    /// The subject of a question that was made of the relation's template.
    pub fn subject<'q>(&self, relation: &str, question: &'q str) -> Option<&'q str> {
        let (before, after) = self.0.get(relation)?.split_once(SUBJECT)?;
        let subject = question.strip_prefix(before)?.strip_suffix(after)?;
        (!subject.trim().is_empty()).then_some(subject)
    }
}

/// A fact as a text with one call, whose span are the answers: `Question: …?\nAnswer: The answer is Paris.`
///
/// Nothing for a relation without a template, or a fact whose text would be empty or of several lines.
pub fn kamel_text(id: String, fact: &KamelFact, templates: &KamelTemplates) -> Option<Example> {
    let question = templates.question(&fact.relation, &fact.subject)?;
    let answers = fact.answers.join(", ");
    let plain = |text: &str| !text.trim().is_empty() && !text.contains(['\n', '\r', '\0']);
    if !plain(&answers) || !plain(&fact.subject) {
        return None;
    }
    let mut text = format!("Question: {question}\nAnswer: The answer is ");
    let answers = answers.trim();
    let (start, end) = (text.len(), text.len() + answers.len());
    text.push_str(answers);
    text.push('.');
    let call = Call { tool: fact.relation.clone(), start, end, args: Some(fact.subject.clone()) };
    Some(Example { id, text, calls: vec![call], ..Example::default() })
}

/// Supervised texts: the first `per_relation` facts of each of these relations, in the file's order. Tools stand in the
/// order of `relations`.
///
/// # Errors
/// If the examples make no corpus.
pub fn kamel_supervised(
    facts: &[KamelFact],
    templates: &KamelTemplates,
    relations: &[String],
    per_relation: usize,
) -> Result<Import, ImportError<Infallible>> {
    let mut kept: HashMap<&str, usize> = relations.iter().map(|relation| (relation.as_str(), 0)).collect();
    let mut report = Report { read: facts.len(), ..Report::default() };
    let mut examples = Vec::new();
    for (i, fact) in facts.iter().enumerate() {
        let Some(count) = kept.get_mut(fact.relation.as_str()) else {
            report.drop("a relation that is not asked for");
            continue;
        };
        if *count >= per_relation {
            report.drop("there are enough of its relation");
            continue;
        }
        match kamel_text(format!("fact-{i:06}"), fact, templates) {
            None => report.drop("no template for its relation, or no plain text"),
            Some(example) => {
                *count += 1;
                report.keep(&example);
                examples.push(example);
            }
        }
    }
    Ok(Import { corpus: Corpus::with_tools(examples, relations.to_vec())?, report })
}
