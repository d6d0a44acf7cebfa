//! The objective against finite differences and against its definition, written out.

mod made;

use lm::Matrix;
use made::Made;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use toolken_head::{FeatureSet, Features, Objective, Subset, Table, Training, WORD, Weighting, uniform};

/// F(W) as it is defined, one position after another.
fn by_definition(
    set: &FeatureSet,
    w: &Matrix,
    prior: &Matrix,
    lambda: f64,
    training: Training,
    subset: &Subset,
) -> f64 {
    let p = &set.parts()[0];
    let width = set.width();
    let mut of_example = vec![Vec::new(); set.groups().len()];
    for i in 0..p.len() {
        if !subset.contains(p.example[i]) || (training.calls_only && p.tool[i] == WORD) {
            continue;
        }
        let h = &p.h[i * width..(i + 1) * width];
        let logit =
            |k: usize| w.row(k).iter().zip(h).map(|(w, h)| f64::from(*w) * f64::from(*h)).sum::<f64>();
        let total = f64::from(p.log_sum_exp[i]).exp() + (0..w.rows()).map(|k| logit(k).exp()).sum::<f64>();
        let label = if p.tool[i] == WORD { f64::from(p.label_logit[i]) } else { logit(p.tool[i] as usize) };
        of_example[p.example[i] as usize].push(total.ln() - label);
    }
    of_example.retain(|losses| !losses.is_empty());
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let data = match training.weighting {
        Weighting::PerPosition => mean(&of_example.concat()),
        Weighting::PerExample => mean(&of_example.iter().map(|losses| mean(losses)).collect::<Vec<_>>()),
    };
    let moved = w.data().iter().zip(prior.data()).map(|(w, p)| (f64::from(*w) - f64::from(*p)).powi(2));
    data + lambda * moved.sum::<f64>()
}

fn trainings() -> [Training; 4] {
    [Weighting::PerPosition, Weighting::PerExample]
        .map(|weighting| [false, true].map(|calls_only| Training { weighting, calls_only }))
        .concat()
        .try_into()
        .unwrap()
}

#[test]
fn the_value_is_what_the_definition_says_under_every_training() {
    let set = Made::default().features();
    let table = Table::new(&set).unwrap();
    let (w, prior) = (uniform(3, 6, 5), uniform(3, 6, 6));
    for subset in [Subset::all(40), Subset::of(40, |example| example % 3 != 0)] {
        for training in trainings() {
            let objective =
                Objective::new(&table, training.weights(&table, &subset).unwrap(), &prior, 0.3).unwrap();
            let (value, _) = objective.value_and_gradient(w.data());
            let expected = by_definition(&set, &w, &prior, 0.3, training, &subset);
            assert!(
                (value - expected).abs() < 1e-12 * expected,
                "{value} against {expected} for {training:?}"
            );
        }
    }
}

#[test]
fn the_gradient_is_the_values_derivative() {
    let set = Made::default().features();
    let table = Table::new(&set).unwrap();
    let (w, prior) = (uniform(3, 6, 5), uniform(3, 6, 6));
    let subset = Subset::all(40);
    for training in trainings() {
        let objective =
            Objective::new(&table, training.weights(&table, &subset).unwrap(), &prior, 0.01).unwrap();
        let (_, gradient) = objective.value_and_gradient(w.data());
        for (at, g) in gradient.iter().enumerate() {
            let beside = |step: f32| {
                let mut w = w.data().to_vec();
                w[at] += step;
                (f64::from(w[at]), objective.value_and_gradient(&w).0)
            };
            let ((above, high), (below, low)) = (beside(1e-3), beside(-1e-3));
            let slope = (high - low) / (above - below);
            assert!((slope - g).abs() < 1e-6, "element {at}: {slope} against {g}");
        }
    }
}

#[test]
fn a_hessian_product_is_the_gradients_derivative() {
    let set = Made { words: 1.0, ..Made::default() }.features();
    let table = Table::new(&set).unwrap();
    let (w, prior) = (uniform(3, 6, 5), Matrix::zeros(3, 6));
    let weights = Training::default().weights(&table, &Subset::all(40)).unwrap();
    let objective = Objective::new(&table, weights, &prior, 0.01).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for _ in 0..5 {
        let direction: Vec<f64> = (0..18).map(|_| random.random_range(-1.0..1.0)).collect();
        let product = objective.hessian_product(w.data(), &direction);
        let beside = |step: f64| {
            let w: Vec<f32> =
                w.data().iter().zip(&direction).map(|(&w, d)| (f64::from(w) + step * d) as f32).collect();
            objective.value_and_gradient(&w).1
        };
        let (high, low) = (beside(1e-3), beside(-1e-3));
        for (at, hv) in product.iter().enumerate() {
            let slope = (high[at] - low[at]) / 2e-3;
            assert!((slope - hv).abs() < 2e-4 * (1.0 + hv.abs()), "element {at}: {slope} against {hv}");
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let set = Made { examples: 300, length: 40, ..Made::default() }.features();
    let table = Table::new(&set).unwrap();
    let weights = Training::default().weights(&table, &Subset::all(300)).unwrap();
    let objective = Objective::new(&table, weights, &Matrix::zeros(3, 6), 0.01).unwrap();
    let w = uniform(3, 6, 5);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| objective.value_and_gradient(w.data()))
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn weights_of_nothing_are_an_error() {
    let set = Made::default().features();
    let table = Table::new(&set).unwrap();
    let error = Training::default().weights(&table, &Subset::of(40, |_| false)).unwrap_err();
    assert!(error.to_string().contains("no labelled positions"), "{error}");
}

#[test]
fn damaged_features_are_refused_by_position() {
    let mut set = FeatureSet::new(2, vec!["add".into()]);
    let example = set.add_example(0);
    let good = toolken_head::Position {
        h: &[1.0, 2.0],
        log_sum_exp: 1.0,
        label_logit: 0.0,
        max: 0.5,
        best_word: 0,
        tool: 0,
        word: 0,
    };
    set.push(example, good);
    for (damaged, message) in [
        (toolken_head::Position { h: &[f32::NAN, 0.0], ..good }, "position 1: a hidden state"),
        (toolken_head::Position { tool: 1, ..good }, "position 1: tool index 1 among 1"),
        (toolken_head::Position { tool: -2, ..good }, "position 1: tool index -2"),
        (toolken_head::Position { log_sum_exp: f32::INFINITY, ..good }, "position 1: a word mass"),
    ] {
        let mut set = set.clone();
        set.push(example, damaged);
        let error = Table::new(&set).err().expect("an error").to_string();
        assert!(error.contains(message), "{error}");
    }
}
