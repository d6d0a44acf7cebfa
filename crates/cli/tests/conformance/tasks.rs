//! The papers' tasks read from their own files.

use crate::shared;
use bench::task::{TaskName, TrainingSet, filled_solutions};

#[test]
#[ignore = "needs the shared data: just conformance DIR"]
fn have_the_papers_questions_tools_and_prompts() {
    let data = shared();
    for (name, questions, tools) in
        [(TaskName::FuncQaOneHop, 60, 13), (TaskName::FuncQaMultiHop, 68, 13), (TaskName::Gsm8kXl, 568, 4)]
    {
        let task = name.load(Some(&data)).expect("the task");
        assert_eq!((task.questions.len(), task.tools.len()), (questions, tools), "{name}");
        for question in &task.questions {
            assert!(!question.text.contains("{v_"), "{name} {}: an empty place is left", question.id);
            assert!(question.answer.parse::<f64>().is_ok(), "{name} {}: {}", question.id, question.answer);
            for tool in &question.tools {
                assert!(task.tools.by_name(tool).is_some(), "{name} {}: {tool}", question.id);
            }
            let prompt = task.prompts.plain(&question.text);
            assert!(
                prompt.contains(&question.text) && !prompt.contains("[QUESTION]"),
                "{name} {}",
                question.id
            );
        }
    }
}

/// Every equation is a call, or is counted with the reason why not.
#[test]
#[ignore = "needs the shared data: just conformance DIR"]
fn account_for_every_equation_of_the_filled_solutions() {
    let filled = filled_solutions(&shared()).expect("the solutions");
    let calls: usize = filled.corpus.examples().iter().map(|example| example.calls.len()).sum();
    let left_out: usize =
        filled.left_out.iter().filter(|(why, _)| why.starts_with("equation")).map(|(_, n)| n).sum();
    println!("{calls} calls, {} equations, left out: {:?}", filled.equations, filled.left_out);
    let solutions =
        filled.left_out.iter().filter(|(why, _)| why.starts_with("solution")).map(|(_, n)| n).sum::<usize>();
    assert_eq!(filled.corpus.examples().len() + solutions, 568);
    if solutions == 0 {
        assert_eq!(calls + left_out, filled.equations);
    }
    assert!(calls > 1500, "{calls}");
    let train = TrainingSet::Gsm8k.load(Some(&shared()), None, 0).expect("the training set");
    assert_eq!(train.tools(), filled.corpus.tools(), "heads fitted on one are scored on the other");
}
