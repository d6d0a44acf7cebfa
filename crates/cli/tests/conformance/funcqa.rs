//! Five folds over FuncQA's training examples with SmolLM2-135M: the exact fit against the reference's loop.

use crate::{imported, shared};
use head::{
    Bias, Method, MethodName, Metrics, Prior, Scores, Search, Solver, Subset, Table, Weighting,
    choose_lambda, extract, fit, uniform,
};
use lm::Matrix;

/// Decides the folds and where Adam starts.
const SEED: u64 = 0;

#[test]
#[ignore = "needs the shared data: just conformance DIR"]
fn exact_chooses_well_and_is_not_behind_adam() {
    let (corpus, _) = imported("funcqa", &shared().join("toolkengpt/funcqa/train.json"));
    let path = lm::resolve("smollm2-135m", &mut |_| ()).expect("the model");
    let model = lm::load(&path, lm::Device::default()).expect("the model");
    let cache = lm::models_dir().parent().expect("a folder").join("features");
    let store = extract(model.as_ref(), &corpus, &cache, &mut |_| ()).expect("features");
    let table = Table::new(&store).expect("a table");
    let everything = Subset::all(table.groups().len());
    let folds = everything.folds(&table, 5, SEED).expect("folds");

    // Pooled over the folds, without a bias.
    let pooled = |name: &str, fitted: &mut dyn FnMut(&Subset) -> head::Head| -> Metrics {
        let mut scores = Scores::default();
        for held_out in &folds {
            let head = fitted(&everything.minus(held_out));
            scores.extend(Scores::of(&head, &table, held_out).expect("scores"));
        }
        let metrics = scores.metrics(&table, Weighting::PerPosition, 0.0);
        println!(
            "{name}: choice {:.4}, recall {:.4}, call NLL {:.4}, false calls {:.5}; FuncQA's training set, SmolLM2-135M, five \
             folds over examples, seed {SEED}, no bias",
            metrics.choice.unwrap(),
            metrics.recall.unwrap(),
            metrics.call_nll.unwrap(),
            metrics.false_calls.unwrap(),
        );
        metrics
    };

    let zero = Matrix::zeros(corpus.tools().len(), table.width());
    let exact = pooled("exact, λ chosen inside each training part, per position", &mut |train| {
        let search = Search { seed: SEED, bias: Bias::Fixed(0.0), ..Search::default() };
        let method = Method::named(MethodName::Exact);
        let found = choose_lambda(&table, train, &zero, &method, &search, &mut |_, _| ()).expect("a fit");
        found.fit.head
    });
    let adam = [1e-4, 1e-3].map(|rate| {
        let mut method = Method::named(MethodName::ToolkenGpt);
        method.prior = Prior::Uniform { seed: SEED };
        let Solver::Adam(settings) = &mut method.solver else { unreachable!("the reference's loop is Adam") };
        (settings.rate, settings.epochs, settings.seed) = (rate, 10, SEED);
        let start = uniform(corpus.tools().len(), table.width(), SEED);
        pooled(&format!("adam, 10 epochs at {rate:.0e}"), &mut |train| {
            fit(&table, train, &start, &method, &mut |_| ()).expect("a fit").head
        })
    });

    assert!(exact.choice.unwrap() >= 0.965, "choice {:?}", exact.choice);
    for adam in &adam {
        assert!(exact.choice >= adam.choice, "choice {:?} against {:?}", exact.choice, adam.choice);
        assert!(exact.recall >= adam.recall, "recall {:?} against {:?}", exact.recall, adam.recall);
        assert!(exact.call_nll <= adam.call_nll, "NLL {:?} against {:?}", exact.call_nll, adam.call_nll);
    }
}
