//! A file of facts: read, put into a knowledge base, and every subject looked up under all its names.
#![no_main]

use corpus::import::kamel_facts;
use tools::{Fact, KnowledgeBase};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = tempfile::Builder::new().suffix(".jsonl").tempfile().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    let Ok(facts) = kamel_facts(file.path()) else { return };
    let fact = |f: &corpus::import::KamelFact| Fact {
        relation: f.relation.clone(),
        subject: f.subject.clone(),
        aliases: f.aliases.clone(),
        answers: f.answers.clone(),
    };
    let base = KnowledgeBase::in_memory("fuzz", facts.iter().map(fact)).expect("a base");
    for fact in &facts {
        let found = base.answers(&fact.relation, &fact.subject).expect("a look-up");
        assert!(fact.answers.iter().all(|answer| found.contains(answer)), "{fact:?}: {found:?}");
        for alias in &fact.aliases {
            // It may be another subject's, too.
            base.answers(&fact.relation, alias).expect("a look-up");
        }
    }
});
