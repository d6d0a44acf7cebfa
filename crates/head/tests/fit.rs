//! Fits by method, tools without calls, the choice of λ and bias, and what fits say about themselves.

mod made;

use lm::Matrix;
use made::Made;
use toolken_head::{
    Bias, FeatureSet, Features, Finding, Fit, Head, HeadError, Method, MethodName, Metrics, Outcome, Penalty,
    Position, Prior, Rule, Scores, Search, Solver, Subset, Table, Training, UNSEEN_FALSE_CALLS, WORD,
    Weighting, candidates, choose_lambda, choose_scale, diagnose, fit, uniform,
};

fn quiet(table: &Table<'_>, subset: &Subset, prior: &Matrix, method: &Method) -> Result<Fit, HeadError> {
    fit(table, subset, prior, method, &mut |_| ())
}

/// Features where the last of the tools is never called.
fn with_an_unseen_tool() -> FeatureSet {
    let made = Made { examples: 900, length: 40, calls: 0.02, words: 5.0, ..Made::default() }.features();
    let mut tools = made.tools().to_vec();
    tools.push("unseen".into());
    let mut set = FeatureSet::new(made.width(), tools);
    made.groups().iter().for_each(|&group| _ = set.add_example(group));
    let p = &made.parts()[0];
    for i in 0..p.len() {
        let position = Position {
            h: &p.h[i * 6..(i + 1) * 6],
            log_sum_exp: p.log_sum_exp[i],
            label_logit: p.label_logit[i],
            max: p.max[i],
            best_word: 0,
            tool: p.tool[i],
            word: 0,
        };
        set.push(p.example[i], position);
    }
    set
}

#[test]
fn a_tool_without_calls_keeps_its_prior_and_rarely_calls() {
    let set = with_an_unseen_tool();
    let table = Table::new(&set).unwrap();
    let all = Subset::all(900);
    let mut prior = uniform(4, 6, 3);
    prior.row_mut(3).iter_mut().for_each(|x| *x *= 9.0);
    let head = quiet(&table, &all, &prior, &Method::named(MethodName::Exact)).unwrap().head;
    assert_eq!(head.weights.row(3), prior.row(3));
    assert_ne!(head.weights.row(0), prior.row(0));
    assert_eq!(head.meta.unfitted, ["unseen"]);
    assert_eq!(&head.offsets[..3], &[0.0; 3]);

    // By itself it beats the best word at no more than its share of word positions, and with a little more at too many.
    let p = &set.parts()[0];
    let words: Vec<usize> = (0..p.len()).filter(|&i| p.tool[i] == WORD).collect();
    let share = |more: f32| {
        let beats = |&&i: &&usize| head.logits(&p.h[i * 6..(i + 1) * 6])[3] + more > p.max[i];
        words.iter().filter(beats).count() as f64 / words.len() as f64
    };
    assert!(share(0.0) <= UNSEEN_FALSE_CALLS, "{}", share(0.0));
    assert!(share(1.0) > UNSEEN_FALSE_CALLS, "the offset is no lower than it has to be");

    // The other tools' fit does not know of it.
    let known = Made { examples: 900, length: 40, calls: 0.02, words: 5.0, ..Made::default() }.features();
    let known = Table::new(&known).unwrap();
    let without = quiet(&known, &all, &prior.select(0..3), &Method::named(MethodName::Exact)).unwrap().head;
    assert_eq!(without.weights.data(), &head.weights.data()[..18]);
}

#[test]
fn every_method_fits_by_name_and_says_what_it_was() {
    let set = Made { signal: 2.0, examples: 120, ..Made::default() }.features();
    let table = Table::new(&set).unwrap();
    let all = Subset::all(120);
    let prior = uniform(3, 6, 3);
    for name in MethodName::ALL {
        let mut method = Method::named(name.as_str().parse().unwrap());
        if let Solver::Adam(settings) = &mut method.solver {
            settings.rate = 0.02;
        }
        let fitted = quiet(&table, &all, &prior, &method).unwrap();
        let choice =
            |head: &Head| Metrics::of(head, &table, &all, Weighting::PerPosition).unwrap().choice.unwrap();
        let start = Head::new(set.tools().to_vec(), prior.clone()).unwrap();
        assert!(choice(&fitted.head) > choice(&start) + 0.2, "{name}: {}", choice(&fitted.head));
        assert_eq!(fitted.head.meta.method.as_ref(), Some(&method));
        assert!(!fitted.head.meta.solver.is_empty());
        assert_eq!(fitted.head.prior, prior);
        let json = serde_json::to_string(&method).unwrap();
        assert_eq!(serde_json::from_str::<Method>(&json).unwrap(), method, "{json}");
    }
    let error = "adamw".parse::<MethodName>().unwrap_err().to_string();
    assert!(error.contains("tokenlearning-code"), "names what there is: {error}");
}

#[test]
fn the_exact_solver_refuses_an_unsquared_penalty() {
    let set = Made::default().features();
    let table = Table::new(&set).unwrap();
    let penalty = Penalty::UnsquaredJoint { coefficient: 0.01 };
    let method = Method { penalty, ..Method::named(MethodName::Exact) };
    let error = quiet(&table, &Subset::all(40), &Matrix::zeros(3, 6), &method).unwrap_err();
    assert!(error.to_string().contains("goes with adam"), "{error}");
}

#[test]
fn folds_hold_whole_groups_and_every_example_once() {
    let mut set = FeatureSet::new(1, vec!["a".into()]);
    for example in 0..60 {
        let example = set.add_example(example % 13);
        set.push(
            example,
            Position {
                h: &[1.0],
                log_sum_exp: 1.0,
                label_logit: 0.0,
                max: 0.5,
                best_word: 0,
                tool: 0,
                word: 0,
            },
        );
    }
    let table = Table::new(&set).unwrap();
    let all = Subset::of(60, |example| example != 7);
    let folds = all.folds(&table, 5, 1).unwrap();
    for example in 0..60 {
        let holding: Vec<usize> = (0..5).filter(|&f| folds[f].contains(example)).collect();
        assert_eq!(holding.len(), usize::from(example != 7));
    }
    for group in 0..13 {
        let holding =
            folds.iter().filter(|fold| (0..60).any(|e| e % 13 == group && fold.contains(e))).count();
        assert_eq!(holding, 1, "group {group}");
    }
    assert_eq!(folds, all.folds(&table, 5, 1).unwrap());
    assert_ne!(folds, all.folds(&table, 5, 2).unwrap());
    assert!(all.folds(&table, 14, 1).unwrap_err().to_string().contains("13 groups"));
}

fn search(lambdas: &[f64]) -> Search {
    Search { folds: 4, seed: 3, lambdas: Some(lambdas.to_vec()), rule: Rule::Auto, bias: Bias::Auto }
}

#[test]
fn the_curve_is_what_fits_from_scratch_give() {
    let set = Made { examples: 80, ..Made::default() }.features();
    let table = Table::new(&set).unwrap();
    let all = Subset::all(80);
    let prior = uniform(3, 6, 3);
    let lambdas = [1e-4, 1.0, 1e-2];
    for weighting in [Weighting::PerPosition, Weighting::PerExample] {
        let training = Training { weighting, calls_only: false };
        let method = Method { training, ..Method::named(MethodName::Exact) };
        let found = choose_lambda(&table, &all, &prior, &method, &search(&lambdas), &mut |_, _| ()).unwrap();
        let seen: Vec<f64> = found.curve.points.iter().map(|point| point.lambda).collect();
        assert_eq!(seen, [1.0, 1e-2, 1e-4]);
        for point in &found.curve.points {
            let method = Method { penalty: Penalty::Squared { lambda: point.lambda }, ..method.clone() };
            for (fold, value) in all.folds(&table, 4, 3).unwrap().iter().zip(&point.folds) {
                let head = quiet(&table, &all.minus(fold), &prior, &method).unwrap().head;
                let expected = Scores::of(&head, &table, fold)
                    .unwrap()
                    .cross_entropy(&table, Training { weighting, calls_only: false });
                assert!((value - expected).abs() < 1e-3, "{value} against {expected} at {}", point.lambda);
            }
        }
        let least = found.curve.points.iter().map(|point| point.held_out).fold(f64::INFINITY, f64::min);
        assert_eq!(found.curve.points[found.curve.chosen].held_out, least);

        // The head is the fit on all examples with that λ, and carries held-out figures with its bias.
        let lambda = found.curve.points[found.curve.chosen].lambda;
        assert_eq!(found.fit.head.meta.lambda, Some(lambda));
        let again = Method { penalty: Penalty::Squared { lambda }, ..method.clone() };
        let again = quiet(&table, &all, &prior, &again).unwrap();
        let (Outcome::Exact(ours), Outcome::Exact(theirs)) = (&found.fit.outcome, &again.outcome) else {
            panic!("exact fits");
        };
        assert!((ours.objective - theirs.objective).abs() < 1e-8 * theirs.objective);
        let metrics = found.fit.head.meta.metrics.as_ref().unwrap();
        assert_eq!((metrics.bias, metrics.positions), (found.fit.head.bias, table.len()));
        assert!(
            metrics.f1 >= found.curve.points[found.curve.chosen].metrics.f1,
            "the bias is no worse than none"
        );
    }
}

#[test]
fn a_scale_is_chosen_by_held_out_loss() {
    let set = Made { examples: 60, signal: 2.0, ..Made::default() }.features();
    let table = Table::new(&set).unwrap();
    let all = Subset::all(60);
    let method = Method::named(MethodName::Exact);
    // The optimum as a prior is better than any multiple that is far off.
    let good = quiet(&table, &all, &Matrix::zeros(3, 6), &method).unwrap().head.weights;
    let times = |s: f32| Matrix::new(3, 6, good.data().iter().map(|x| s * x).collect());
    let candidates = [(-3.0, times(-3.0)), (1.0, times(1.0)), (20.0, times(20.0))];
    let found = choose_scale(&table, &all, &candidates, &method, &search(&[1.0]), &mut |_, _| ()).unwrap();
    assert_eq!((found.chosen, found.curves.len()), (1, 3));
    assert_eq!(found.selection.fit.head.prior, candidates[1].1);
}

#[test]
fn findings_name_the_evidence_and_what_to_do() {
    let set = with_an_unseen_tool();
    let table = Table::new(&set).unwrap();
    let all = Subset::all(900);
    let mut prior = uniform(4, 6, 3);
    let first = prior.row(0).to_vec();
    prior.row_mut(2).copy_from_slice(&first);
    let method = Method::named(MethodName::Exact);
    let found = choose_lambda(&table, &all, &prior, &method, &search(&[1e3, 1e2]), &mut |_, _| ()).unwrap();
    let findings = diagnose(&found.fit.head, &table, &all, Some(&found.curve)).unwrap();
    let has = |wanted: fn(&Finding) -> bool| findings.iter().any(wanted);
    assert!(has(|f| matches!(f, Finding::LambdaAtEdge { largest: false, .. })), "{findings:?}");
    assert!(has(
        |f| matches!(f, Finding::IdenticalPriors { first, second } if first == "tool0" && second == "tool2")
    ));
    assert!(has(|f| matches!(f, Finding::FewCalls { tool, calls: 0 } if tool == "unseen")));
    assert!(has(|f| matches!(f, Finding::PriorByChance { .. })), "{findings:?}");
    for finding in &findings {
        let text = finding.to_string();
        assert!(text.len() > 60 && text.contains([';', ':']), "evidence and advice: {text}");
    }

    // A penalty that is far too strong, taken by the rule of one standard error or by hand, is a plateau.
    let mut curve =
        choose_lambda(&table, &all, &prior, &method, &search(&[1e3, 1e-5]), &mut |_, _| ()).unwrap().curve;
    curve.chosen = 0;
    let findings = diagnose(&found.fit.head, &table, &all, Some(&curve)).unwrap();
    assert!(findings.iter().any(|f| matches!(f, Finding::Plateau { .. })), "{findings:?}");
}

#[test]
fn a_good_fit_has_nothing_to_say() {
    let set = Made { examples: 200, signal: 2.0, ..Made::default() }.features();
    let table = Table::new(&set).unwrap();
    let all = Subset::all(200);
    let lambdas = [10.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-8];
    let method = Method::named(MethodName::Exact);
    let found = choose_lambda(&table, &all, &Matrix::zeros(3, 6), &method, &search(&lambdas), &mut |_, _| ())
        .unwrap();
    assert_eq!(diagnose(&found.fit.head, &table, &all, Some(&found.curve)).unwrap(), []);
}

/// The prior that is chosen is the one whose rows say most of the training calls; where none says anything, there is none.
#[test]
fn a_prior_is_chosen_by_what_its_rows_predict() {
    let set = Made { examples: 80, ..Made::default() }.features();
    let (table, all) = (Table::new(&set).unwrap(), Subset::all(80));
    let zeros = Matrix::zeros(3, 6);
    let fitted =
        fit(&table, &all, &zeros, &Method::named(MethodName::Exact), &mut |_| ()).unwrap().head.weights;
    let good = candidates::together(0.5);
    let choose = |rows: &Matrix| {
        let build = |prior: &Prior| Ok(if *prior == good { rows.clone() } else { zeros.clone() });
        candidates::choose(&table, &all, Weighting::PerPosition, &build).unwrap()
    };
    assert_eq!(choose(&fitted), good);
    assert_eq!(choose(&zeros), Prior::Zero);
}
