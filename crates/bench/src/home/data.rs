//! What is planned, and what is trained on.

use super::prompt::{Question, tokens, without_worked};
use super::vocabulary::{END, Kind, Vocabulary};
use crate::BenchError;
use crate::named::named;
use crate::task::files::{folder, json};
use corpus::{Corpus, Example};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use tools::household::{Home, HomeTask, Tasks, builtin, parse_line};

/// Parts that tasks are cut into, by title.
pub const FOLDS: usize = 5;

/// Which household.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Household {
    /// A small one of our own.
    Builtin,
    /// VirtualHome's tasks within ToolkenGPT's 58 tokens.
    Published,
    /// VirtualHome's tasks with all their actions and objects.
    All,
}

named!(Household, "household": Builtin = "builtin", Published = "published", All = "all");

/// What heads are trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainOn {
    /// Scripts of tasks with other titles and hints, and the published texts that share neither.
    Both,
    /// Such scripts alone.
    Gold,
    /// Such published texts alone.
    Published,
    /// All published texts, as ToolkenGPT trained: titles and hints of tests are among them.
    PublishedUnfiltered,
}

named!(TrainOn, "training texts": Both = "both", Gold = "gold", Published = "published", PublishedUnfiltered = "published-unfiltered");

/// The text of a task or of a published example, and where it comes from.
#[derive(Clone, Debug)]
struct Source {
    title: String,
    hint: String,
    /// From ToolkenGPT's texts, not from a script.
    published: bool,
}

/// Tasks, tokens and training texts of a household.
#[derive(Clone, Debug)]
pub struct HomeData {
    /// Which it is.
    pub household: Household,
    /// The scene and its tasks.
    pub tasks: Tasks,
    /// The tokens.
    pub vocabulary: Vocabulary,
    /// The training texts, tools in the tokens' order.
    pub corpus: Corpus,
    sources: Vec<Source>,
    /// What was left out of tasks and texts, by reason.
    pub left_out: BTreeMap<String, usize>,
}

/// An entry of ToolkenGPT's training file; its spans are found again in the text.
#[derive(Deserialize)]
struct Published {
    text: String,
}

impl HomeData {
    /// Reads a household; `data` is the folder of other people's data, for all but the built-in one.
    ///
    /// # Errors
    /// If a folder is needed and none is given; [`BenchError::Data`] names the file that is not as expected.
    pub fn load(household: Household, data: Option<&Path>) -> Result<Self, BenchError> {
        let mut left_out = BTreeMap::new();
        let (mut tasks, vocabulary, published) = match (household, data) {
            (Household::Builtin, _) => {
                let tasks = builtin();
                let vocabulary = Vocabulary::of_tasks(&tasks.tasks)?;
                (tasks, vocabulary, Vec::new())
            }
            (_, data) => {
                let data = folder(data, &format!("the household `{household}`"))?;
                let of = data.join("virtualhome");
                let tasks = Tasks::read(&of.join("base_graph.json.gz"), &of.join("tasks.jsonl.gz"), None)?;
                let vocabulary = match household {
                    Household::Published => published_vocabulary(&data.join("toolkengpt/vh/func_dict.json"))?,
                    _ => Vocabulary::of_tasks(&tasks.tasks)?,
                };
                let path = data.join("toolkengpt/vh/legal_train_v4_embedding.json");
                (tasks, vocabulary, json::<Vec<Published>>(&path)?)
            }
        };
        let all = tasks.tasks.len();
        tasks.tasks.retain(|task| vocabulary.covers(&task.script));
        count(&mut left_out, "tasks with actions or objects that are no tokens", all - tasks.tasks.len());
        let (mut examples, mut sources) = (Vec::new(), Vec::new());
        for task in &tasks.tasks {
            let home = tasks.home(task)?;
            examples.push(of_task(task, &home, &vocabulary));
            sources.push(Source { title: key(&task.title), hint: key(&task.goal), published: false });
        }
        for (number, entry) in published.iter().enumerate() {
            match of_published(number, &entry.text, &vocabulary) {
                Ok((example, question)) => {
                    examples.push(example);
                    sources.push(Source {
                        title: key(&question.title),
                        hint: key(&question.hint),
                        published: true,
                    });
                }
                Err(reason) => count(&mut left_out, reason, 1),
            }
        }
        for (example, group) in examples.iter_mut().zip(groups(&sources)) {
            example.group = Some(group);
        }
        let corpus = Corpus::with_tools(examples, vocabulary.names())?;
        Ok(Self { household, tasks, vocabulary, corpus, sources, left_out })
    }

    /// The tasks that are planned: those that change one or two nodes, as ToolkenGPT's tests do.
    pub fn tests(&self) -> Vec<usize> {
        let tasks = self.tasks.tasks.iter().enumerate();
        tasks.filter(|(_, task)| (1..=2).contains(&task.wanted().len())).map(|(at, _)| at).collect()
    }

    /// The part that each task is tested in: whole titles in an order of the seed's, each to the smallest part so far.
    pub fn folds(&self, seed: u64) -> Vec<usize> {
        let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
        for task in &self.tasks.tasks {
            *sizes.entry(key(&task.title)).or_default() += 1;
        }
        let mut titles: Vec<(String, usize)> = sizes.into_iter().collect();
        titles.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let (mut of, mut filled) = (HashMap::new(), [0; FOLDS]);
        for (title, size) in titles {
            let smallest = (0..FOLDS).min_by_key(|&fold| filled[fold]).unwrap_or(0);
            filled[smallest] += size;
            of.insert(title, smallest);
        }
        self.tasks.tasks.iter().map(|task| of[&key(&task.title)]).collect()
    }

    /// The training texts for the tests of one part: none that shares a title or a hint with any of its tasks.
    pub fn training(&self, folds: &[usize], fold: usize, on: TrainOn) -> Vec<bool> {
        let held: Vec<&HomeTask> =
            self.tasks.tasks.iter().zip(folds).filter(|(_, of)| **of == fold).map(|(task, _)| task).collect();
        let titles: HashSet<String> = held.iter().map(|task| key(&task.title)).collect();
        let hints: HashSet<String> = held.iter().map(|task| key(&task.goal)).collect();
        let shares = |source: &Source| titles.contains(&source.title) || hints.contains(&source.hint);
        let member = |source: &Source| match on {
            TrainOn::Both => !shares(source),
            TrainOn::Gold => !source.published && !shares(source),
            TrainOn::Published => source.published && !shares(source),
            TrainOn::PublishedUnfiltered => source.published,
        };
        self.sources.iter().map(member).collect()
    }

    /// Training texts of different titles to be worked examples, the question with its plan: so many of a part, seeded.
    pub fn worked(&self, part: &[bool], count: usize, seed: u64) -> Vec<&str> {
        let mut places: Vec<usize> = (0..part.len()).filter(|&at| part[at]).collect();
        places.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let mut titles = HashSet::new();
        places.retain(|&at| titles.insert(&self.sources[at].title));
        self.texts(places.into_iter().take(count)).collect()
    }

    /// Training texts of a part, and what retrieval knows of each: its title and hint.
    pub fn candidates(&self, part: &[bool]) -> Vec<(&str, String)> {
        let places: Vec<usize> = (0..part.len()).filter(|&at| part[at]).collect();
        let about = places.iter().map(|&at| format!("{}. {}", self.sources[at].title, self.sources[at].hint));
        self.texts(places.iter().copied()).zip(about).collect()
    }

    fn texts(&self, places: impl Iterator<Item = usize>) -> impl Iterator<Item = &str> {
        places.map(|at| without_worked(&self.corpus.examples()[at].text))
    }

    /// Whether a task's hint stands word for word in the published texts.
    pub fn in_published_texts(&self, task: &HomeTask) -> bool {
        let hint = key(&task.goal);
        self.sources.iter().any(|source| source.published && source.hint == hint)
    }

    /// What is asked of a task, with the household at its start.
    ///
    /// # Errors
    /// A task whose start is no scene.
    pub fn question(&self, task: &HomeTask) -> Result<(Question, Home), BenchError> {
        let home = self.tasks.home(task)?;
        Ok((Question::new(&home, &self.vocabulary, &task.title, &task.goal), home))
    }
}

/// What must stay in one fold: titles that share a hint, under the first of them.
fn groups(sources: &[Source]) -> Vec<String> {
    let mut of_title: BTreeMap<&str, &str> = BTreeMap::new();
    for source in sources {
        of_title.insert(&source.title, &source.title);
    }
    loop {
        let mut of_hint: BTreeMap<&str, &str> = BTreeMap::new();
        for source in sources {
            let group = of_title[source.title.as_str()];
            let least = of_hint.entry(&source.hint).or_insert(group);
            *least = group.min(*least);
        }
        let mut joined = false;
        for source in sources {
            let least = of_hint[source.hint.as_str()];
            let group = of_title.entry(&source.title).or_insert(least);
            joined |= least < *group;
            *group = least.min(*group);
        }
        if !joined {
            return sources.iter().map(|source| of_title[source.title.as_str()].to_owned()).collect();
        }
    }
}

fn count(left_out: &mut BTreeMap<String, usize>, reason: &str, by: usize) {
    if by > 0 {
        *left_out.entry(reason.to_owned()).or_default() += by;
    }
}

/// A title or hint as it is compared: without case and doubled spaces.
fn key(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// ToolkenGPT's tokens, in the order of its rows.
fn published_vocabulary(path: &Path) -> Result<Vocabulary, BenchError> {
    let rows: HashMap<String, usize> = json(path)?;
    let mut names: Vec<(usize, String)> = rows.into_iter().map(|(name, row)| (row, name)).collect();
    names.sort();
    Vocabulary::new(&names.into_iter().map(|(_, name)| name).collect::<Vec<_>>())
}

fn of_task(task: &HomeTask, home: &Home, vocabulary: &Vocabulary) -> Example {
    let plan: Vec<Vec<String>> =
        task.script.iter().filter_map(|line| parse_line(line).ok()).map(|line| tokens(&line)).collect();
    Question::new(home, vocabulary, &task.title, &task.goal).example(task.id.clone(), &plan)
}

/// The last task of a published text, which is the one that it is trained on. The first three are the same in all texts and
/// are titles of tests, so another worked example takes their place.
fn of_published(
    number: usize,
    text: &str,
    vocabulary: &Vocabulary,
) -> Result<(Example, Question), &'static str> {
    const LAYOUT: &str = "published texts in another layout";
    let (_, last) = text.rsplit_once(":\nI am in ['").ok_or(LAYOUT)?;
    let (room, rest) = last.split_once("']. The objects I can manipulate are [").ok_or(LAYOUT)?;
    let (objects, rest) = rest.split_once("].\nGoal:\n").ok_or(LAYOUT)?;
    let (title, rest) = rest.split_once("\nHint:\n").ok_or(LAYOUT)?;
    let (hint, plan) = rest.split_once("\nPlan:\n").ok_or(LAYOUT)?;
    let mut objects: Vec<String> =
        objects.split(", ").map(|object| object.trim_matches('\'').to_owned()).collect();
    objects.sort();
    let mut lines = Vec::new();
    for line in plan.lines().map(str::trim).take_while(|line| *line != END) {
        let line: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let known = |token: &String| vocabulary.tools().index(token).map(|row| &vocabulary.kinds()[row]);
        let action = matches!(line.first().and_then(known), Some(Kind::Action(_)));
        let rest = line.iter().skip(1).all(|token| matches!(known(token), Some(Kind::Object(_))));
        if !action || !rest {
            return Err("published texts with actions or objects that are no tokens");
        }
        lines.push(line);
    }
    let question =
        Question { room: room.to_owned(), objects, title: title.to_owned(), hint: hint.to_owned() };
    Ok((question.example(format!("published-{number:04}"), &lines), question))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_titles_are_tested_together_and_trained_on_elsewhere() {
        let home = HomeData::load(Household::Builtin, None).unwrap();
        assert_eq!(home.tests().len(), home.tasks.tasks.len());
        let folds = home.folds(3);
        assert_ne!(folds, home.folds(4), "another seed, another cut");
        for fold in 0..FOLDS {
            let part = home.training(&folds, fold, TrainOn::Both);
            for (task, of) in home.tasks.tasks.iter().zip(&folds) {
                let same = home.tasks.tasks.iter().zip(&folds).filter(|(other, _)| other.title == task.title);
                assert!(same.clone().all(|(_, other)| other == of), "{}", task.title);
            }
            for (at, member) in part.iter().enumerate() {
                assert_eq!(*member, folds[at] != fold);
            }
            assert!(home.training(&folds, fold, TrainOn::Published).iter().all(|member| !member));
            let worked = home.worked(&part, 3, 0);
            assert_eq!(worked.len(), 3);
            assert!(
                worked.iter().all(|text| text.starts_with("I am in ['") && text.ends_with(END)),
                "{worked:?}"
            );
        }
    }

    #[test]
    fn titles_that_share_a_hint_are_one_group() {
        let source =
            |title: &str, hint: &str| Source { title: title.into(), hint: hint.into(), published: false };
        let all = [source("c", "x"), source("b", "x"), source("b", "y"), source("a", "y"), source("d", "z")];
        assert_eq!(groups(&all), ["a", "a", "a", "a", "d"]);
    }

    #[test]
    fn a_published_text_is_its_last_task() {
        let vocabulary =
            Vocabulary::new(&["[WALK]", "[SIT]", "<sofa>", "<desk>", "[END]"].map(str::to_owned)).unwrap();
        let text = "Task 1:\nI am in ['a']. The objects I can manipulate are ['x'].\nGoal:\nOther\nHint:\nno\nPlan:\n[WALK] <x>\n[END]\n\n\
                    Task 2:\nI am in ['hall']. The objects I can manipulate are ['sofa', 'desk'].\nGoal:\nRest\nHint:\nSit.\nPlan:\n\
                    [WALK] <sofa>\n[SIT] <sofa>\n[END]";
        let (example, question) = of_published(7, text, &vocabulary).unwrap();
        assert_eq!((question.title.as_str(), question.hint.as_str()), ("Rest", "Sit."));
        assert_eq!(question.objects, ["desk", "sofa"]);
        let tools: Vec<&str> = example.calls.iter().map(|call| call.tool.as_str()).collect();
        assert_eq!(tools, ["[WALK]", "<sofa>", "[SIT]", "<sofa>", "[END]"]);
        for call in &example.calls {
            assert_eq!(example.text[call.start..call.end], call.tool);
        }
        assert!(
            example.text.ends_with("Plan:\n[WALK] <sofa>\n[SIT] <sofa>\n[END]")
                && example.faults().is_empty()
        );
        assert!(!example.text.contains("Other"));
        assert!(of_published(7, &text.replace("[SIT]", "[LIE]"), &vocabulary).is_err());
        assert!(of_published(7, "a text", &vocabulary).is_err());
    }
}
