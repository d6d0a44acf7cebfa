//! KAMEL (Kalo and Fichtel 2022) as ToolkenGPT uses it: relations are tools, and a question asks one of them of a subject.
//!
//! The first n relations of `func_dict.json` are the tools of `kamel-n`, in that order. A call carries the subject, and is
//! answered by a knowledge base of KAMEL's facts and of the test questions' own.

use super::relations::{self, Asked};
use super::training::without_numbers;
use super::{Question, Task, TaskName, files};
use crate::BenchError;
use corpus::import::{
    KamelFact, KamelTemplates, Layout, kamel_facts, kamel_supervised, kamel_text, toolkengpt,
};
use corpus::{Corpus, Example};
use head::ToolText;
use lm::Tokenizer;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use tools::{Fact, KnowledgeBase, Tool, ToolSet};

/// Numbers of relations that there are tests for.
pub const SIZES: [u16; 6] = [10, 20, 30, 60, 100, 234];
/// Facts a relation of a supervised training set, of which fewer may be drawn.
const FACTS_PER_RELATION: usize = 40;

const SYNTHETIC: &str = "toolkengpt/kamel/train_clean.json";
const TEMPLATES: &str = "kamel/question-templates.csv";
const FACTS: [&str; 2] = ["kamel/train.jsonl.gz", "kamel/dev.jsonl.gz"];

#[derive(Deserialize)]
struct Entry {
    question: String,
    answer: Vec<Object>,
    api: String,
}

#[derive(Deserialize)]
struct Object {
    /// The label; a quantity has none.
    rdf: Option<String>,
    #[serde(default)]
    alternative: Vec<String>,
    chosen: Option<String>,
}

impl Object {
    /// Its labels, the main one first.
    fn labels(&self) -> Vec<String> {
        let mut labels = Vec::new();
        for label in self.chosen.iter().chain(&self.rdf).chain(&self.alternative) {
            if !label.trim().is_empty() && !labels.contains(label) {
                labels.push(label.clone());
            }
        }
        labels
    }
}

/// The relations of `kamel-n`, and what they are called.
///
/// # Errors
/// A file that is missing or not as expected.
pub fn relations(data: &Path, n: u16) -> Result<Vec<(String, ToolText)>, BenchError> {
    let folder = data.join("toolkengpt/kamel");
    let places: BTreeMap<String, usize> = files::json(&folder.join("func_dict.json"))?;
    let path = folder.join("api_desc.json");
    let described: BTreeMap<String, String> = files::json(&path)?;
    let mut ids: Vec<(usize, String)> = places.into_iter().map(|(id, place)| (place, id)).collect();
    ids.sort_unstable();
    let named = |(_, id): (usize, String)| {
        let text = described
            .get(&id)
            .ok_or_else(|| BenchError::data(&path, format!("no description of the relation {id}")))?;
        Ok((id, told(text)))
    };
    ids.into_iter().take(n.into()).map(named).collect()
}

/// `floors(name): gets the number of floors` as a name and a description.
fn told(text: &str) -> ToolText {
    let (signature, description) = text.split_once(':').unwrap_or((text, text));
    let name = signature.split('(').next().unwrap_or(signature);
    ToolText {
        name: name.trim().to_owned(),
        description: description.trim().trim_end_matches('.').to_owned(),
    }
}

/// The task.
pub fn task(data: &Path, n: u16) -> Result<Task, BenchError> {
    let relations = relations(data, n)?;
    let base = base(data)?;
    let described: BTreeMap<String, String> = files::json(&data.join("toolkengpt/kamel/api_desc.json"))?;
    let tool = |(id, _): &(String, ToolText)| {
        Tool::relation(id.as_str(), described.get(id).map_or("", String::as_str), id.as_str(), base.clone())
    };
    let tools = ToolSet::new(relations.iter().map(tool).collect())?;
    let templates = templates(data)?;
    let worked = worked(data, &templates, &relations)?;
    Ok(Task {
        name: TaskName::Kamel(n),
        version: 1,
        questions: questions(data, n)?,
        prompts: relations::prompts(&tools, &worked),
        texts: relations.into_iter().map(|(_, text)| text).collect(),
        tools,
        scoring: crate::score::Scoring::Relation,
        published_bias: 10.0,
        max_tokens: 30,
    })
}

/// Worked calls: the first training facts of each relation.
fn worked(
    data: &Path,
    templates: &KamelTemplates,
    relations: &[(String, ToolText)],
) -> Result<Vec<Asked>, BenchError> {
    let facts = facts(data, FACTS[0])?;
    let mut shown: BTreeMap<&str, Vec<Asked>> =
        relations.iter().map(|(id, _)| (id.as_str(), Vec::new())).collect();
    for fact in &facts {
        // A bracket in a worked call would close it early.
        if let Some(few) = shown.get_mut(fact.relation.as_str()).filter(|few| few.len() < relations::WORKED)
            && !fact.subject.contains(['(', ')', '<', '>'])
            && let Some(question) = templates.question(&fact.relation, &fact.subject)
        {
            few.push(Asked {
                relation: fact.relation.clone(),
                subject: fact.subject.clone(),
                question,
                answer: fact.answers.join(", "),
            });
        }
    }
    Ok(relations.iter().filter_map(|(id, _)| shown.remove(id.as_str())).flatten().collect())
}

fn entries(data: &Path, n: u16) -> Result<Vec<Entry>, BenchError> {
    files::json(&data.join(format!("toolkengpt/kamel/test_first_{n}.json")))
}

fn questions(data: &Path, n: u16) -> Result<Vec<Question>, BenchError> {
    let question = |(i, entry): (usize, Entry)| Question {
        id: format!("kamel-{n}-{i:03}"),
        text: entry.question.trim().to_owned(),
        answer: labels_of(&entry).join(", "),
        answers: entry.answer.iter().map(Object::labels).collect(),
        tools: vec![entry.api],
    };
    Ok(entries(data, n)?.into_iter().enumerate().map(question).collect())
}

/// The main label of each object.
fn labels_of(entry: &Entry) -> Vec<String> {
    entry.answer.iter().filter_map(|object| object.labels().into_iter().next()).collect()
}

fn templates(data: &Path) -> Result<KamelTemplates, BenchError> {
    let path = data.join(TEMPLATES);
    KamelTemplates::read(&path).map_err(|e| BenchError::import(&path, e))
}

fn facts(data: &Path, file: &str) -> Result<Vec<KamelFact>, BenchError> {
    let path = data.join(file);
    kamel_facts(&path).map_err(|e| BenchError::import(&path, e))
}

/// The facts that the test questions of `kamel-n` ask for. Their subjects follow from the templates.
fn asked(data: &Path, n: u16, templates: &KamelTemplates) -> Result<Vec<KamelFact>, BenchError> {
    let path = data.join(format!("toolkengpt/kamel/test_first_{n}.json"));
    let fact = |(i, entry): (usize, Entry)| {
        let subject = templates.subject(&entry.api, entry.question.trim()).ok_or_else(|| {
            let message = format!("entry {i}: `{}` is not the template of {}", entry.question, entry.api);
            BenchError::data(&path, message)
        })?;
        let answers = labels_of(&entry);
        Ok(KamelFact {
            relation: entry.api.clone(),
            subject: subject.to_owned(),
            aliases: Vec::new(),
            answers,
        })
    };
    entries(data, n)?.into_iter().enumerate().map(fact).collect()
}

/// The knowledge base of KAMEL's facts: kept beside the models' cache, made once for the files as they are.
///
/// # Errors
/// A file that is missing or not as expected; the database's.
pub fn base(data: &Path) -> Result<KnowledgeBase, BenchError> {
    let mut hash = Sha256::new();
    let tests = SIZES.map(|n| format!("toolkengpt/kamel/test_first_{n}.json"));
    for file in FACTS.into_iter().chain([TEMPLATES]).chain(tests.iter().map(String::as_str)) {
        let path = data.join(file);
        hash.update(Sha256::digest(std::fs::read(&path).map_err(|e| BenchError::io(&path, e))?));
    }
    let address = hex::encode(hash.finalize());
    let folder: PathBuf = lm::models_dir().parent().unwrap_or(Path::new(".")).join("knowledge");
    let path = folder.join(format!("kamel-{}.redb", &address[..16]));
    if path.exists() {
        return Ok(KnowledgeBase::open(&path)?);
    }
    let mut all: Vec<KamelFact> = Vec::new();
    for file in FACTS {
        all.extend(facts(data, file)?);
    }
    let templates = templates(data)?;
    for n in SIZES {
        all.extend(asked(data, n, &templates)?);
    }
    Ok(KnowledgeBase::create(&path, "KAMEL", all.into_iter().map(as_fact))?)
}

/// A fact for a knowledge base.
pub fn as_fact(fact: KamelFact) -> Fact {
    let KamelFact { relation, subject, aliases, answers } = fact;
    Fact { relation, subject, aliases, answers }
}

/// What heads of `kamel-n` are trained on: ToolkenGPT's synthetic texts about its relations.
pub fn synthetic(data: &Path, n: u16) -> Result<(Vec<Example>, Vec<String>), BenchError> {
    let tokenizer = Tokenizer::from_sentencepiece_model(data.join("toolkengpt/llama_tokenizer.model"))?;
    let tokens = |text: &str| {
        let tokens = tokenizer.encode_with_offsets(text)?;
        Ok::<_, lm::LmError>(tokens.into_iter().map(|(_, bytes)| bytes).collect())
    };
    let path = data.join(SYNTHETIC);
    let import = toolkengpt(&path, Layout::Kamel, tokens).map_err(|e| BenchError::import(&path, e))?;
    let tools: Vec<String> = relations(data, n)?.into_iter().map(|(id, _)| id).collect();
    let known: HashSet<&str> = tools.iter().map(String::as_str).collect();
    let all = import.corpus.examples().iter();
    let kept = all.filter(|e| !e.calls.is_empty() && e.calls.iter().all(|c| known.contains(c.tool.as_str())));
    Ok((kept.map(|example| Example { group: Some(pattern(example)), ..example.clone() }).collect(), tools))
}

/// A text without what its calls are about: many differ in that alone, and folds must not have such in both parts.
fn pattern(example: &Example) -> String {
    let mut masked = example.text.clone();
    for call in &example.calls {
        let quoted = call.args.iter().flat_map(|args| args.split('"').skip(1).step_by(2));
        let result = &example.text[call.start..call.end];
        for about in quoted.chain([result.trim()]).filter(|about| !about.is_empty()) {
            masked = masked.replace(about, "*");
        }
    }
    without_numbers(&masked)
}

/// Supervised texts: forty facts a relation. A fact that a test question asks for is none of them.
pub fn supervised(data: &Path, n: u16) -> Result<(Vec<Example>, Vec<String>), BenchError> {
    let templates = templates(data)?;
    let tools: Vec<String> = relations(data, n)?.into_iter().map(|(id, _)| id).collect();
    let mut tested = HashSet::new();
    for n in SIZES {
        tested.extend(asked(data, n, &templates)?.into_iter().map(|f| (f.relation, tools::fold(&f.subject))));
    }
    let mut facts = facts(data, FACTS[0])?;
    facts.retain(|fact| !tested.contains(&(fact.relation.clone(), tools::fold(&fact.subject))));
    let path = data.join(FACTS[0]);
    let import = kamel_supervised(&facts, &templates, &tools, FACTS_PER_RELATION)
        .map_err(|e| BenchError::import(&path, e))?;
    Ok((import.corpus.examples().to_vec(), tools))
}

/// The test questions with their answers, as texts to score heads on, teacher-forced.
pub fn answered(data: &Path, n: u16) -> Result<Corpus, BenchError> {
    let templates = templates(data)?;
    let tools: Vec<String> = relations(data, n)?.into_iter().map(|(id, _)| id).collect();
    let facts = asked(data, n, &templates)?;
    let text = |(i, fact): (usize, &KamelFact)| kamel_text(format!("kamel-{n}-{i:03}"), fact, &templates);
    Ok(Corpus::with_tools(facts.iter().enumerate().filter_map(text).collect(), tools)?)
}

/// The number in `kamel-30` after its prefix, if there is a test of that size.
pub fn size(name: &str, prefix: &str) -> Option<u16> {
    let n = name.strip_prefix(prefix)?.parse().ok()?;
    SIZES.contains(&n).then_some(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_a_name_and_what_it_does() {
        let text = told("floors_above_ground(name): gets the number of floors: all of them.");
        assert_eq!(
            (text.name.as_str(), text.description.as_str()),
            ("floors_above_ground", "gets the number of floors: all of them")
        );
        assert_eq!(told("odd").name, "odd");
    }

    #[test]
    fn sizes_are_those_that_have_tests() {
        assert_eq!(size("kamel-30", "kamel-"), Some(30));
        assert_eq!(size("kamel-31", "kamel-"), None);
        assert_eq!(size("kamel-facts-234", "kamel-facts-"), Some(234));
    }

    #[test]
    fn an_object_is_known_by_all_its_labels() {
        let object: Object =
            serde_json::from_str(r#"{"rdf": null, "alternative": ["12", ""], "chosen": "12"}"#).unwrap();
        assert_eq!(object.labels(), ["12"]);
    }
}
