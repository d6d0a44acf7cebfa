//! Knowledge bases: what relations say of subjects, in an embedded database, found under forgiving names.
//!
//! A base has layers, each a redb file or the same in memory: KAMEL's facts are a file that is built once, `--kb` puts
//! another layer over it. A fact is kept under its relation and the folded name of its subject ([`fold`]); its other names
//! and looser spellings lead there too, as long as they lead to one subject alone. What is said of a subject is a set, in
//! the order it came in. Layers are looked up as if they were one, so a layer may have nothing but other names for the
//! subjects of those below it: facts without answers. Nothing known is an answer as well: [`NO_ENTRY`].

mod name;

pub use name::{fold, loose};

use redb::{
    Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, TableDefinition, backends::InMemoryBackend,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Answers under `relation NUL name`, as a JSON array of strings.
const FACTS: TableDefinition<&str, &str> = TableDefinition::new("facts");
/// Folded subjects under `relation NUL other name`, as a JSON array of strings.
const NAMES: TableDefinition<&str, &str> = TableDefinition::new("names");
/// The format under `format`, what it was made of under `source`.
const META: TableDefinition<&str, &str> = TableDefinition::new("meta");
const FORMAT: &str = "toolken-facts 1";

/// The result of a look-up that finds nothing.
pub const NO_ENTRY: &str = "no entry";

/// What a relation says of a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// The relation: `P36`, `capital`.
    pub relation: String,
    /// The subject.
    pub subject: String,
    /// What else it is called, in this relation.
    pub aliases: Vec<String>,
    /// What is said of it; none if the fact only gives it other names.
    pub answers: Vec<String>,
}

/// A knowledge base that cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// The file is no knowledge base.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was found, what was expected, what to do.
        message: String,
    },
    /// The database failed.
    #[error("the knowledge base: {0}")]
    Database(String),
}

/// Facts of one or more layers. Cheap to clone: clones are the same base.
#[derive(Clone)]
pub struct KnowledgeBase {
    layers: Vec<Arc<Layer>>,
}

struct Layer {
    data: Data,
    source: String,
    /// Where its file is.
    path: Option<PathBuf>,
}

enum Data {
    File(ReadOnlyDatabase),
    Memory(Database),
}

impl Data {
    fn read(&self) -> Result<ReadTransaction, KnowledgeError> {
        match self {
            Self::File(file) => file.begin_read().map_err(database),
            Self::Memory(memory) => memory.begin_read().map_err(database),
        }
    }
}

fn database(error: impl fmt::Display) -> KnowledgeError {
    KnowledgeError::Database(error.to_string())
}

impl KnowledgeBase {
    /// A base in memory.
    ///
    /// # Errors
    /// The database's.
    pub fn in_memory(source: &str, facts: impl IntoIterator<Item = Fact>) -> Result<Self, KnowledgeError> {
        let memory = Database::builder().create_with_backend(InMemoryBackend::new()).map_err(database)?;
        fill(&memory, source, facts)?;
        Ok(Self::of(Layer { data: Data::Memory(memory), source: source.to_owned(), path: None }))
    }

    /// Writes a base to a file, whole or not at all. `source` says what it is made of.
    ///
    /// # Errors
    /// The system's and the database's.
    pub fn create(
        path: &Path,
        source: &str,
        facts: impl IntoIterator<Item = Fact>,
    ) -> Result<Self, KnowledgeError> {
        let fault =
            |e: std::io::Error| KnowledgeError::File { path: path.to_owned(), message: e.to_string() };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(fault)?;
        let place = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(folder).map_err(fault)?;
        let unfinished = place.path().join("facts.redb");
        let file = Database::create(&unfinished).map_err(database)?;
        fill(&file, source, facts)?;
        drop(file);
        std::fs::rename(&unfinished, path).map_err(fault)?;
        Self::open(path)
    }

    /// Opens a file that [`KnowledgeBase::create`] wrote. Several processes may have it open.
    ///
    /// # Errors
    /// [`KnowledgeError::File`] if it is something else, or damaged.
    pub fn open(path: &Path) -> Result<Self, KnowledgeError> {
        let fault = |message: String| KnowledgeError::File { path: path.to_owned(), message };
        let again = "make it again from its facts";
        let file = unpanicked(|| ReadOnlyDatabase::open(path).map_err(database))
            .map_err(|e| fault(format!("no knowledge base: {e}; {again}")))?;
        let data = Data::File(file);
        let meta = |key: &str| {
            let read = data.read()?;
            let meta = read.open_table(META).map_err(database)?;
            let value = meta.get(key).map_err(database)?;
            Ok(value.map(|value| value.value().to_owned()).unwrap_or_default())
        };
        let of = |key| {
            unpanicked(|| meta(key)).map_err(|e| fault(format!("no knowledge base of ours: {e}; {again}")))
        };
        let format = of("format")?;
        if format != FORMAT {
            return Err(fault(format!("format `{format}`, this version reads `{FORMAT}`: {again}")));
        }
        let source = of("source")?;
        Ok(Self::of(Layer { data, source, path: Some(path.to_owned()) }))
    }

    fn of(layer: Layer) -> Self {
        Self { layers: vec![Arc::new(layer)] }
    }

    /// Both bases as one: what either says of a subject is said, under the names that either has for it.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.layers.extend(other.layers);
        self
    }

    /// What it is made of, layer by layer.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().map(|layer| layer.source.as_str())
    }

    /// The layers' files; nothing if a layer is in memory.
    pub(crate) fn files(&self) -> Option<Vec<&Path>> {
        self.layers.iter().map(|layer| layer.path.as_deref()).collect()
    }

    /// What a relation says of a subject: a set, empty if nothing is known.
    ///
    /// # Errors
    /// The database's.
    pub fn answers(&self, relation: &str, subject: &str) -> Result<Vec<String>, KnowledgeError> {
        unpanicked(|| self.found(relation, subject))
    }

    fn found(&self, relation: &str, subject: &str) -> Result<Vec<String>, KnowledgeError> {
        let reads = self.layers.iter().map(|layer| layer.data.read()).collect::<Result<Vec<_>, _>>()?;
        let of = |table, name: &str| lists(&reads, table, &key(relation, name));
        for name in [fold(subject), loose(subject)] {
            let found = of(FACTS, &name)?;
            if !found.is_empty() {
                return Ok(found);
            }
            // A name of several subjects is nobody's.
            if let [known] = of(NAMES, &name)?.as_slice() {
                let found = of(FACTS, known)?;
                return if found.is_empty() { of(FACTS, &loose(known)) } else { Ok(found) };
            }
        }
        Ok(Vec::new())
    }
}

/// The database's code panics at some damage; that is an error like others.
fn unpanicked<T>(read: impl FnOnce() -> Result<T, KnowledgeError>) -> Result<T, KnowledgeError> {
    let damaged = |_| Err(KnowledgeError::Database("it is damaged".to_owned()));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).unwrap_or_else(damaged)
}

/// What all layers have under a key, each once, in the order of the layers.
fn lists(
    layers: &[ReadTransaction],
    table: TableDefinition<&str, &str>,
    key: &str,
) -> Result<Vec<String>, KnowledgeError> {
    let mut all: Vec<String> = Vec::new();
    for layer in layers {
        let table = layer.open_table(table).map_err(database)?;
        let Some(found) = table.get(key).map_err(database)? else { continue };
        for text in serde_json::from_str::<Vec<String>>(found.value()).map_err(database)? {
            if !all.contains(&text) {
                all.push(text);
            }
        }
    }
    Ok(all)
}

fn key(relation: &str, name: &str) -> String {
    format!("{relation}\0{name}")
}

fn json(list: &impl serde::Serialize) -> Result<String, KnowledgeError> {
    serde_json::to_string(list).map_err(database)
}

/// Writes facts into an empty database, in one transaction.
fn fill(
    database: &Database,
    source: &str,
    facts: impl IntoIterator<Item = Fact>,
) -> Result<(), KnowledgeError> {
    let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for fact in facts {
        let subject = fold(&fact.subject);
        let aliases = fact.aliases.iter().filter(|alias| !alias.trim().is_empty());
        let answers = by_key.entry(key(&fact.relation, &subject)).or_default();
        for answer in fact.answers {
            if !answers.contains(&answer) {
                answers.push(answer);
            }
        }
        let others = aliases.flat_map(|alias| [fold(alias), loose(alias)]);
        for name in others.chain([loose(&fact.subject)]).filter(|name| *name != subject) {
            names.entry(key(&fact.relation, &name)).or_default().insert(subject.clone());
        }
    }
    let write = database.begin_write().map_err(self::database)?;
    {
        let mut table = write.open_table(FACTS).map_err(self::database)?;
        for (key, answers) in by_key.iter().filter(|(_, answers)| !answers.is_empty()) {
            table.insert(key.as_str(), json(answers)?.as_str()).map_err(self::database)?;
        }
        let mut table = write.open_table(NAMES).map_err(self::database)?;
        for (key, subjects) in &names {
            table.insert(key.as_str(), json(subjects)?.as_str()).map_err(self::database)?;
        }
        let mut table = write.open_table(META).map_err(self::database)?;
        table.insert("format", FORMAT).map_err(self::database)?;
        table.insert("source", source).map_err(self::database)?;
    }
    write.commit().map_err(self::database)
}

impl fmt::Debug for KnowledgeBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sources()).finish()
    }
}

/// The same base, not one that says the same.
impl PartialEq for KnowledgeBase {
    fn eq(&self, other: &Self) -> bool {
        self.layers.len() == other.layers.len()
            && self.layers.iter().zip(&other.layers).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

impl Eq for KnowledgeBase {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fact(relation: &str, subject: &str, answers: &[&str]) -> Fact {
        let answers = answers.iter().map(|&answer| answer.to_owned()).collect();
        Fact { relation: relation.into(), subject: subject.into(), aliases: Vec::new(), answers }
    }

    fn found(base: &KnowledgeBase, relation: &str, subject: &str) -> Vec<String> {
        base.answers(relation, subject).expect("a look-up")
    }

    #[test]
    fn answers_of_one_subject_are_a_set_over_facts_and_layers() {
        let first =
            [fact("P1", "Ada", &["x", "y"]), fact("P1", "ada", &["y", "z"]), fact("P2", "Ada", &["w"])];
        let base = KnowledgeBase::in_memory("first", first).expect("a base");
        assert_eq!(found(&base, "P1", "ADA"), ["x", "y", "z"]);
        let base =
            base.and(KnowledgeBase::in_memory("second", [fact("P1", "Adá", &["z", "q"])]).expect("a base"));
        assert_eq!(found(&base, "P1", "Ada"), ["x", "y", "z", "q"]);
        assert_eq!(found(&base, "P2", "Ada"), ["w"]);
        assert!(found(&base, "P", "1 Ada").is_empty() && found(&base, "P1", "").is_empty());
        assert_eq!(base.sources().collect::<Vec<_>>(), ["first", "second"]);
    }

    #[test]
    fn a_name_of_two_subjects_is_nobodys() {
        let facts = [
            fact("P1", "Maria (film)", &["1"]),
            fact("P1", "Maria (ship)", &["2"]),
            fact("P1", "Anna (film)", &["3"]),
        ];
        let base = KnowledgeBase::in_memory("names", facts).expect("a base");
        assert_eq!(found(&base, "P1", "maria film"), ["1"]);
        assert!(found(&base, "P1", "Maria").is_empty());
        assert_eq!(found(&base, "P1", "The Anna"), ["3"]);
    }

    fn called(relation: &str, subject: &str, aliases: &[&str], answers: &[&str]) -> Fact {
        let aliases = aliases.iter().map(|&alias| alias.to_owned()).collect();
        Fact { aliases, ..fact(relation, subject, answers) }
    }

    #[test]
    fn a_layer_may_bring_nothing_but_other_names() {
        let base = KnowledgeBase::in_memory(
            "facts",
            [fact("P1", "Netherlands", &["x"]), fact("P2", "Netherlands", &["y"])],
        )
        .expect("a base");
        let names = [
            called("P1", "netherlands", &["Holland", " "], &[]),
            called("P1", "The Netherlands", &["Pays-Bas"], &[]),
            called("P1", "Aruba", &["Island"], &[]),
        ];
        let base = base.and(KnowledgeBase::in_memory("names", names).expect("a base"));
        for name in ["HOLLAND", "the Holland", "pays bas", "Netherlands"] {
            assert_eq!(found(&base, "P1", name), ["x"], "{name}");
        }
        // Another name is of its relation; one of a subject without answers, or of no letters, is no entry.
        for (relation, name) in
            [("P2", "Holland"), ("P1", "Island"), ("P1", "Aruba"), ("P1", ""), ("P1", " ")]
        {
            assert!(found(&base, relation, name).is_empty(), "{relation} {name}");
        }
        // As soon as another layer has the name for another subject, it is nobody's; a subject of that very name is meant first.
        let two = KnowledgeBase::in_memory("two", [called("P1", "Michigan", &["Holland"], &["z"])])
            .expect("a base");
        let base = base.and(two);
        assert!(found(&base, "P1", "Holland").is_empty());
        let own = KnowledgeBase::in_memory("own", [fact("P1", "Holland", &["w"])]).expect("a base");
        assert_eq!(found(&base.and(own), "P1", "Holland"), ["w"]);
    }

    #[test]
    fn a_file_is_whole_or_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sub/facts.redb");
        let made = KnowledgeBase::create(&path, "made", [fact("P1", "Ada", &["x"])]).expect("a file");
        let opened = KnowledgeBase::open(&path).expect("open twice at once");
        assert_eq!(found(&made, "P1", "Ada"), found(&opened, "P1", "Ada"));
        assert_eq!(std::fs::read_dir(folder.path().join("sub")).expect("a folder").count(), 1);
        let whole = std::fs::read(&path).expect("bytes");
        for bytes in [&[][..], b"no database at all", &whole[..whole.len() / 2], &whole[1..]] {
            let damaged = folder.path().join("damaged");
            std::fs::write(&damaged, bytes).expect("written");
            let error = KnowledgeBase::open(&damaged).expect_err("damaged").to_string();
            assert!(error.contains("damaged") && error.contains("make it again"), "{error}");
        }
        assert!(KnowledgeBase::open(&folder.path().join("none")).is_err());
    }

    proptest! {
        /// It makes no difference to any name how facts are dealt out to layers.
        #[test]
        fn layers_are_looked_up_as_one(
            facts in prop::collection::vec(
                ("(the )?[a-c](\\(x\\))?", prop::collection::vec("(the )?[a-dÁ](\\(x\\))?", 0..3), prop::collection::vec("[0-3]", 0..3)),
                0..8,
            ),
            cut in 0usize..8,
        ) {
            let facts: Vec<Fact> = facts
                .into_iter()
                .map(|(subject, aliases, answers)| Fact { relation: "P1".into(), subject, aliases, answers })
                .collect();
            let (lower, upper) = facts.split_at(cut.min(facts.len()));
            let whole = KnowledgeBase::in_memory("whole", facts.clone()).expect("a base");
            let layered = KnowledgeBase::in_memory("lower", lower.to_vec())
                .expect("a base")
                .and(KnowledgeBase::in_memory("upper", upper.to_vec()).expect("a base"));
            for name in ["a", "b", "c", "d", "á", "the a", "The B", "c (x)", "a(x)", "d(x)", ""] {
                prop_assert_eq!(found(&whole, "P1", name), found(&layered, "P1", name), "{}", name);
            }
        }

        /// Whatever a subject is called, it is found under that name, in capitals, and with an article.
        #[test]
        fn every_fact_is_found(subjects in prop::collection::vec("\\PC{1,20}", 1..8)) {
            let facts = subjects.iter().enumerate().map(|(i, subject)| fact("P1", subject, &[&i.to_string()]));
            let base = KnowledgeBase::in_memory("any", facts).expect("a base");
            for (i, subject) in subjects.iter().enumerate() {
                prop_assert!(found(&base, "P1", subject).contains(&i.to_string()), "{subject:?}");
            }
        }
    }
}
