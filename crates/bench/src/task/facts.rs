//! Facts of our own as a task: ten relations, eight subjects each, nothing is downloaded.
//!
//! Of every relation five subjects are trained on, in two ways to ask, and three are asked about in a third way.

use super::relations::{self, Asked};
use super::{Question, Task, TaskName};
use crate::BenchError;
use corpus::{Call, Corpus, Example};
use head::ToolText;
use tools::{Fact, KnowledgeBase, Tool, ToolSet};

/// Subjects of a relation that are trained on; the rest is asked about.
const TRAINED: usize = 5;

/// A relation of the built-in knowledge base.
struct Relation {
    name: &'static str,
    description: &'static str,
    /// Two ways to ask that are trained on, and one that is not; `[S]` is the subject.
    asks: [&'static str; 3],
    /// Subjects and answers; several are separated by semicolons.
    facts: [(&'static str, &'static str); 8],
}

static RELATIONS: [Relation; 10] = [
    Relation {
        name: "capital",
        description: "gets the capital of a country",
        asks: [
            "What is the capital of [S]?",
            "Which city is the seat of government of [S]?",
            "Name [S]'s capital city.",
        ],
        facts: [
            ("Peru", "Lima"),
            ("Norway", "Oslo"),
            ("Kenya", "Nairobi"),
            ("Portugal", "Lisbon"),
            ("Vietnam", "Hanoi"),
            ("Bolivia", "Sucre; La Paz"),
            ("Hungary", "Budapest"),
            ("Senegal", "Dakar"),
        ],
    },
    Relation {
        name: "author",
        description: "gets the writer of a book",
        asks: ["Who wrote [S]?", "Who is the author of [S]?", "Whose book is [S]?"],
        facts: [
            ("Moby-Dick", "Herman Melville"),
            ("Jane Eyre", "Charlotte Brontë"),
            ("The Trial", "Franz Kafka"),
            ("Dracula", "Bram Stoker"),
            ("Emma", "Jane Austen"),
            ("Good Omens", "Terry Pratchett; Neil Gaiman"),
            ("Walden", "Henry David Thoreau"),
            ("Les Misérables", "Victor Hugo"),
        ],
    },
    Relation {
        name: "chemical_symbol",
        description: "gets the symbol of a chemical element",
        asks: [
            "What is the chemical symbol of [S]?",
            "How is the element [S] written?",
            "What stands for [S] in the periodic table?",
        ],
        facts: [
            ("iron", "Fe"),
            ("gold", "Au"),
            ("sodium", "Na"),
            ("lead", "Pb"),
            ("silver", "Ag"),
            ("tin", "Sn"),
            ("potassium", "K"),
            ("tungsten", "W"),
        ],
    },
    Relation {
        name: "birth_year",
        description: "gets the year in which a person was born",
        asks: ["In which year was [S] born?", "When was [S] born?", "What is the year of birth of [S]?"],
        facts: [
            ("Isaac Newton", "1642"),
            ("Ada Lovelace", "1815"),
            ("Marie Curie", "1867"),
            ("Charles Darwin", "1809"),
            ("Ludwig van Beethoven", "1770"),
            ("Emmy Noether", "1882"),
            ("Alan Turing", "1912"),
            ("Frida Kahlo", "1907"),
        ],
    },
    Relation {
        name: "river_mouth",
        description: "gets the body of water that a river flows into",
        asks: [
            "What does the [S] flow into?",
            "Where does the river [S] end?",
            "Into which water does the [S] empty?",
        ],
        facts: [
            ("Rhine", "North Sea"),
            ("Danube", "Black Sea"),
            ("Volga", "Caspian Sea"),
            ("Rhône", "Mediterranean Sea"),
            ("Mississippi", "Gulf of Mexico"),
            ("Amazon", "Atlantic Ocean"),
            ("Seine", "English Channel"),
            ("Jordan", "Dead Sea"),
        ],
    },
    Relation {
        name: "currency",
        description: "gets the money that is paid with in a country",
        asks: [
            "What is the currency of [S]?",
            "Which money is used in [S]?",
            "What does one pay with in [S]?",
        ],
        facts: [
            ("Japan", "yen"),
            ("Mexico", "peso"),
            ("Switzerland", "franc"),
            ("India", "rupee"),
            ("Poland", "złoty"),
            ("Sweden", "krona"),
            ("Thailand", "baht"),
            ("South Korea", "won"),
        ],
    },
    Relation {
        name: "composer",
        description: "gets the composer of a piece of music",
        asks: ["Who composed [S]?", "Who is the composer of [S]?", "Whose music is [S]?"],
        facts: [
            ("The Magic Flute", "Wolfgang Amadeus Mozart"),
            ("Boléro", "Maurice Ravel"),
            ("La traviata", "Giuseppe Verdi"),
            ("Swan Lake", "Pyotr Ilyich Tchaikovsky"),
            ("Carmen", "Georges Bizet"),
            ("Peer Gynt", "Edvard Grieg"),
            ("Messiah", "George Frideric Handel"),
            ("The Planets", "Gustav Holst"),
        ],
    },
    Relation {
        name: "legs",
        description: "gets the number of legs of an animal",
        asks: [
            "How many legs does a [S] have?",
            "On how many legs does a [S] walk?",
            "What is the number of legs of a [S]?",
        ],
        facts: [
            ("spider", "8"),
            ("beetle", "6"),
            ("horse", "4"),
            ("hen", "2"),
            ("crab", "10"),
            ("butterfly", "6"),
            ("scorpion", "8"),
            ("goat", "4"),
        ],
    },
    Relation {
        name: "language",
        description: "gets the official languages of a country",
        asks: [
            "What language is spoken in [S]?",
            "Which are the official languages of [S]?",
            "What do people speak in [S]?",
        ],
        facts: [
            ("Brazil", "Portuguese"),
            ("Austria", "German"),
            ("Belgium", "Dutch; French; German"),
            ("Iran", "Persian"),
            ("Finland", "Finnish; Swedish"),
            ("Argentina", "Spanish"),
            ("Egypt", "Arabic"),
            ("Canada", "English; French"),
        ],
    },
    Relation {
        name: "sport",
        description: "gets the sport that an athlete is known for",
        asks: [
            "Which sport does [S] play?",
            "What sport is [S] known for?",
            "In which sport did [S] become famous?",
        ],
        facts: [
            ("Pelé", "football"),
            ("Serena Williams", "tennis"),
            ("Michael Jordan", "basketball"),
            ("Muhammad Ali", "boxing"),
            ("Usain Bolt", "athletics"),
            ("Tiger Woods", "golf"),
            ("Michael Phelps", "swimming"),
            ("Magnus Carlsen", "chess"),
        ],
    },
];

impl Relation {
    fn ask(&self, way: usize, subject: &str) -> String {
        self.asks[way].replace("[S]", subject)
    }
}

fn answers(text: &str) -> Vec<String> {
    text.split("; ").map(str::to_owned).collect()
}

/// The names and descriptions of the relations.
pub fn texts() -> Vec<ToolText> {
    let text = |r: &Relation| ToolText { name: r.name.to_owned(), description: r.description.to_owned() };
    RELATIONS.iter().map(text).collect()
}

fn base() -> Result<KnowledgeBase, BenchError> {
    let facts = RELATIONS.iter().flat_map(|relation| {
        relation.facts.iter().map(|(subject, said)| Fact {
            relation: relation.name.to_owned(),
            subject: (*subject).to_owned(),
            aliases: Vec::new(),
            answers: answers(said),
        })
    });
    Ok(KnowledgeBase::in_memory("built-in facts", facts)?)
}

pub fn task() -> Result<Task, BenchError> {
    let base = base()?;
    let tool = |r: &Relation| Tool::relation(r.name, r.description, r.name, base.clone());
    let tools = ToolSet::new(RELATIONS.iter().map(tool).collect())?;
    let shown = |r: &'static Relation| {
        r.facts[..relations::WORKED].iter().enumerate().map(move |(i, (subject, said))| Asked {
            relation: r.name.to_owned(),
            subject: (*subject).to_owned(),
            question: r.ask(i % 2, subject),
            answer: answers(said).join(", "),
        })
    };
    let worked: Vec<Asked> = RELATIONS.iter().flat_map(shown).collect();
    let asked = RELATIONS.iter().flat_map(|r| r.facts[TRAINED..].iter().map(move |fact| (r, fact)));
    let question = |(i, (r, (subject, said))): (usize, (&Relation, &(&str, &str)))| Question {
        id: format!("facts-{i:03}"),
        text: r.ask(2, subject),
        answer: answers(said).join(", "),
        answers: answers(said).into_iter().map(|answer| vec![answer]).collect(),
        tools: vec![r.name.to_owned()],
    };
    Ok(Task {
        name: TaskName::Facts,
        version: 1,
        questions: asked.enumerate().map(question).collect(),
        prompts: relations::prompts(&tools, &worked),
        texts: texts(),
        tools,
        scoring: crate::score::Scoring::Relation,
        published_bias: 0.0,
        max_tokens: 30,
    })
}

/// Ten texts a relation to train on.
pub fn trained() -> Result<Corpus, BenchError> {
    corpus(|r, i| if i < TRAINED { (0..2).map(|way| r.ask(way, r.facts[i].0)).collect() } else { Vec::new() })
}

/// The questions with their answers, to score heads on, teacher-forced.
pub fn answered() -> Result<Corpus, BenchError> {
    corpus(|r, i| if i < TRAINED { Vec::new() } else { vec![r.ask(2, r.facts[i].0)] })
}

fn corpus(asks: impl Fn(&Relation, usize) -> Vec<String>) -> Result<Corpus, BenchError> {
    let mut examples = Vec::new();
    for relation in &RELATIONS {
        for (i, (subject, said)) in relation.facts.iter().enumerate() {
            for question in asks(relation, i) {
                let mut text = format!("Question: {question}\nAnswer: The answer is ");
                let (start, said) = (text.len(), answers(said).join(", "));
                text.push_str(&said);
                let call = Call {
                    tool: relation.name.to_owned(),
                    start,
                    end: text.len(),
                    args: Some((*subject).to_owned()),
                };
                text.push('.');
                let id = format!("{}-{}", relation.name, examples.len());
                examples.push(Example { id, text, calls: vec![call], ..Example::default() });
            }
        }
    }
    Ok(Corpus::with_tools(examples, RELATIONS.iter().map(|r| r.name.to_owned()).collect())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use tools::Outcome;

    /// No subject and no way to ask is both trained on and asked.
    #[test]
    fn nothing_asked_is_trained_on() {
        let (task, train, test) = (task().unwrap(), trained().unwrap(), answered().unwrap());
        assert_eq!((task.questions.len(), train.examples().len(), test.examples().len()), (30, 100, 30));
        let questions: HashSet<&str> =
            train.examples().iter().filter_map(|e| e.text.lines().next()).collect();
        for question in &task.questions {
            assert!(
                !questions.contains(format!("Question: {}", question.text).as_str()),
                "{}",
                question.text
            );
        }
        let names: Vec<&str> = task.tools.names().collect();
        assert_eq!(names, train.tools());
        assert_eq!(names, test.tools());
    }

    #[test]
    fn every_question_is_answered_by_its_relation() {
        let task = task().unwrap();
        for (question, example) in task.questions.iter().zip(answered().unwrap().examples()) {
            let tool = task.tools.by_name(&question.tools[0]).unwrap();
            let subject = example.calls[0].args.as_deref().unwrap();
            let Ok(Outcome::Done { text, .. }) = tool.run(&subject.to_uppercase()) else {
                panic!("{subject}")
            };
            assert_eq!(text, question.answer);
        }
    }

    /// A file gives a known subject more answers and other names, and brings subjects of its own.
    #[test]
    fn a_file_adds_facts_and_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("more.jsonl");
        let lines = concat!(
            r#"{"relation": "capital", "subject": "peru", "aliases": ["Perú Nation", "Tawantinsuyu"], "answers": []}"#,
            "\n",
            r#"{"relation": "capital", "subject": "Atlantis", "aliases": ["The Sunken Isle"], "answers": ["Poseidonis"]}"#,
            "\n",
            r#"{"relation": "capital", "subject": "Kenya", "answers": ["Mombasa"]}"#,
            "\n",
            r#"{"relation": "capitol", "subject": "Kenya", "answers": ["Kisumu"]}"#,
        );
        std::fs::write(&path, lines).unwrap();
        let mut task = task().unwrap();
        assert_eq!(task.add_facts(&path).unwrap(), ["capitol".to_owned()].into());
        let said = |relation: &str, subject: &str| match task.tools.by_name(relation).unwrap().run(subject) {
            Ok(Outcome::Done { text, .. }) => text,
            other => panic!("{subject}: {other:?}"),
        };
        assert_eq!(said("capital", "tawantinsuyu"), "Lima");
        assert_eq!(said("capital", "Peru nation"), "Lima");
        assert_eq!(said("capital", "sunken isle"), "Poseidonis");
        assert_eq!(said("capital", "Kenya"), "Nairobi, Mombasa");
        assert_eq!(said("currency", "Tawantinsuyu"), tools::NO_ENTRY);

        std::fs::write(
            &path,
            format!("{lines}\n{{\"relation\": \"capital\", \"subject\": \"x\", \"aliases\": 1}}"),
        )
        .unwrap();
        let error = task.add_facts(&path).unwrap_err().to_string();
        assert!(
            error.contains("more.jsonl") && error.contains("line 5") && error.contains("`aliases`"),
            "{error}"
        );

        std::fs::write(&path, r#"{"relation": "capitol", "subject": "Kenya", "answers": ["Kisumu"]}"#)
            .unwrap();
        let error = task.add_facts(&path).unwrap_err().to_string();
        assert!(error.contains("more.jsonl") && error.contains("capitol"), "{error}");
    }
}
