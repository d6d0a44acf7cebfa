//! The built-in generator: what it promises about its problems.

use std::collections::{HashMap, HashSet};
use toolken_corpus::Corpus;
use toolken_corpus::arithmetic::{Problem, Split, TOOLS, argument_demos, few_shot_prompt, generate};

/// The tools, rounded to two decimals: near enough to the reference for sentences.
fn evaluate(tool: &str, args: &[f64]) -> Option<String> {
    fn gcd(a: u64, b: u64) -> u64 {
        if b == 0 { a } else { gcd(b, a % b) }
    }
    let whole = || args.iter().map(|&arg| arg as u64);
    let falling = |n: f64, k: f64| (0..k as u64).map(|i| n - i as f64).product::<f64>();
    let value = match (tool, args) {
        ("add", _) => args.iter().sum(),
        ("subtract", [first, rest @ ..]) => first - rest.iter().sum::<f64>(),
        ("multiply", _) => args.iter().product(),
        ("divide", [first, rest @ ..]) => first / rest.iter().product::<f64>(),
        ("power", [base, exponent]) => base.powf(*exponent),
        ("sqrt", [x]) => x.sqrt(),
        ("log", [x]) => x.log10(),
        ("ln", [x]) => x.ln(),
        ("lcm", _) => whole().reduce(|a, b| a / gcd(a, b) * b)? as f64,
        ("gcd", _) => whole().reduce(gcd)? as f64,
        ("remainder", [a, b]) => a.rem_euclid(*b),
        ("choose", [n, k]) => (falling(*n, *k) / falling(*k, *k)).round(),
        ("permutate", [n, k]) => falling(*n, *k),
        _ => return None,
    };
    Some(((value * 100.0).round() / 100.0).to_string())
}

fn problems(split: Split, seed: u64, count: usize) -> Vec<Problem> {
    generate(split, seed, count, evaluate).expect("enough problems")
}

fn value(arg: &str) -> f64 {
    match arg.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().expect("a percentage") / 100.0,
        None => arg.parse().expect("a number"),
    }
}

#[test]
fn five_thousand_problems_of_each_split_without_a_repeat() {
    let mut texts = HashSet::new();
    let mut questions = HashSet::new();
    for split in [Split::Train, Split::Test] {
        let problems = problems(split, 1, 5000);
        for problem in &problems {
            assert!(texts.insert(problem.example.text.clone()), "{}", problem.example.text);
            assert!(questions.insert(problem.question.clone()), "{}", problem.question);
        }
        Corpus::new(problems.into_iter().map(|problem| problem.example).collect()).expect("a valid corpus");
    }
}

#[test]
fn a_span_is_the_result_of_its_arguments() {
    for problem in problems(Split::Train, 2, 2000).iter().chain(&problems(Split::Test, 2, 2000)) {
        for call in &problem.example.calls {
            let args: Vec<f64> = call.args.as_deref().expect("arguments").split(", ").map(value).collect();
            let span = &problem.example.text[call.start..call.end];
            assert_eq!(evaluate(&call.tool, &args).as_deref(), Some(span), "{}", problem.example.text);
        }
    }
}

#[test]
fn a_text_is_its_question_and_ends_in_its_answer() {
    for problem in problems(Split::Train, 3, 2000).iter().chain(&problems(Split::Test, 3, 2000)) {
        let text = &problem.example.text;
        let rest = text.strip_prefix(&problem.question).expect("the question opens the text");
        assert!(problem.question.starts_with("Q: ") && problem.question.ends_with("\nA:"), "{text}");
        assert!(rest.starts_with(' ') && !rest.contains('\n'), "{text}");
        assert!(rest.ends_with(&format!("{}.", problem.answer)), "{text}: {}", problem.answer);
        if let Some(last) = problem.example.calls.last() {
            assert_eq!(problem.answer, text[last.start..last.end]);
        }
    }
}

#[test]
fn every_kind_of_problem_and_both_spacings_occur_in_a_small_corpus() {
    for split in [Split::Train, Split::Test] {
        let problems = problems(split, 4, 300);
        let mut calls_of: HashMap<&str, usize> = HashMap::new();
        problems.iter().flat_map(Problem::tools).for_each(|tool| *calls_of.entry(tool).or_default() += 1);
        for tool in TOOLS {
            assert!(calls_of.get(tool).is_some_and(|&n| n >= 10), "{split} {tool}: {calls_of:?}");
        }
        for calls in 0..=3 {
            assert!(
                problems.iter().any(|problem| problem.example.calls.len() == calls),
                "{split}: none with {calls} calls"
            );
        }
        for before in [b' ', b'='] {
            let preceded = |problem: &Problem| {
                problem
                    .example
                    .calls
                    .iter()
                    .any(|call| problem.example.text.as_bytes()[call.start - 1] == before)
            };
            assert!(problems.iter().filter(|problem| preceded(problem)).count() > 50);
        }
    }
}

#[test]
fn the_seed_decides_and_nothing_else() {
    let first = problems(Split::Train, 5, 200);
    assert_eq!(first, problems(Split::Train, 5, 200));
    assert_eq!(first[..50], problems(Split::Train, 5, 50));
    assert_ne!(first, problems(Split::Train, 6, 200));
}

#[test]
fn groups_are_sentence_patterns_and_apart_by_split() {
    let groups = |split| -> HashSet<String> {
        problems(split, 7, 2000).iter().map(|problem| problem.example.group().to_owned()).collect()
    };
    let (train, test) = (groups(Split::Train), groups(Split::Test));
    assert!(train.is_disjoint(&test));
    assert!(train.len() > 100 && test.len() > 50, "{} and {}", train.len(), test.len());
}

#[test]
fn too_many_problems_is_an_error_that_says_how_many_there_are() {
    let error = generate(Split::Train, 0, 10, |_, _| None).expect_err("nothing can be evaluated");
    assert!(error.made < 10 && error.asked == 10);
    assert!(error.to_string().contains("of 10 distinct problems"), "{error}");
}

#[test]
fn demos_show_four_calls_of_the_tool_with_their_results() {
    for tool in TOOLS {
        let demos = argument_demos(tool, evaluate).expect("demos for every tool");
        assert_eq!(demos.matches("\nA:").count(), 4, "{demos}");
        let calls: Vec<&str> = demos.split(&format!("<{tool}>(")).skip(1).collect();
        assert_eq!(calls.len(), 4, "{demos}");
        for call in calls {
            let (args, rest) = call.split_once(")=").expect("closed arguments");
            let args: Vec<f64> = args.split(", ").map(value).collect();
            assert!(rest.starts_with(&evaluate(tool, &args).expect("a result")), "{demos}");
        }
    }
    assert_eq!(argument_demos("steps", evaluate), None);
    assert_eq!(argument_demos("unknown", evaluate), None);
}

#[test]
fn the_few_shot_prompt_leads_into_a_question() {
    let prompt = few_shot_prompt();
    assert!(prompt.starts_with("Q: ") && prompt.ends_with("\n\n"));
    let questions = prompt.matches("Q: ").count();
    assert!((4..=6).contains(&questions));
    assert_eq!(prompt.matches("\nA: ").count(), questions);
    for split in [Split::Train, Split::Test] {
        assert!(problems(split, 8, 2000).iter().all(|problem| !prompt.contains(&problem.question)));
    }
}
