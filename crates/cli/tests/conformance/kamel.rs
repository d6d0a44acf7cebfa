//! KAMEL as ToolkenGPT's release has it: relations, questions, and a knowledge base that answers them.

use crate::shared;
use bench::task::{TaskName, TrainingSet, kamel};
use tools::{Outcome, fold};

/// Every question is answered by its own relation, asked of the subject that its template gives; nothing asked is trained on.
#[test]
#[ignore = "needs the shared data: just conformance DIR"]
fn every_question_is_answered_by_its_relation() {
    let data = shared();
    for n in [30, 60, 100, 234] {
        let task = TaskName::Kamel(n).load(Some(&data)).expect("the task");
        assert_eq!((task.questions.len(), task.tools.len(), task.texts.len()), (500, n.into(), n.into()));
        let texts = kamel::answered(&data, n).expect("texts");
        assert_eq!(texts.examples().len(), 500);
        let trained = TrainingSet::KamelFacts(n).load(Some(&data), None, 0).expect("facts");
        assert_eq!(trained.examples().len(), 40 * usize::from(n));
        let known: std::collections::HashSet<(&str, String)> = trained
            .examples()
            .iter()
            .map(|e| (e.calls[0].tool.as_str(), fold(e.calls[0].args.as_deref().expect("a subject"))))
            .collect();
        for (question, text) in task.questions.iter().zip(texts.examples()) {
            let (tool, subject) = (&question.tools[0], text.calls[0].args.as_deref().expect("a subject"));
            assert!(
                !known.contains(&(tool.as_str(), fold(subject))),
                "{}: {subject} is trained on",
                question.id
            );
            let found =
                task.tools.by_name(tool).expect("a relation").run(&format!("\"{}\"", subject.to_lowercase()));
            let Ok(Outcome::Done { text, .. }) = found else { panic!("{}: {found:?}", question.id) };
            let gold = &question.answers[0][0];
            assert!(text.contains(gold.as_str()), "{}: {text}, expected {gold}", question.id);
        }
    }
}

#[test]
#[ignore = "needs the shared data: just conformance DIR"]
fn the_synthetic_texts_of_n_relations_call_those_alone() {
    for (n, texts) in [(30, 1033), (100, 3935), (234, 9096)] {
        let corpus = TrainingSet::Kamel(n).load(Some(&shared()), None, 0).expect("texts");
        assert_eq!((corpus.examples().len(), corpus.tools().len()), (texts, n.into()));
    }
}
