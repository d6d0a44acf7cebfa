//! The exact solver against an independent Newton method, against itself from other starts, and at its limits.

mod made;

use lm::Matrix;
use made::Made;
use toolken_head::{
    ExactSettings, FeatureSet, Features, Objective, Position, Solution, Status, Subset, Table, Training,
    WORD, Weighting, solve, uniform,
};

fn objective<'a>(table: &'a Table<'_>, prior: &Matrix, lambda: f64) -> Objective<'a> {
    let all = Subset::all(table.groups().len());
    Objective::new(table, Training::default().weights(table, &all).unwrap(), prior, lambda).unwrap()
}

fn solve_quietly(objective: &Objective<'_>, start: &[f32], settings: ExactSettings) -> Solution {
    solve(objective, start, &settings, &mut |_| ())
}

/// A dense Newton method in `f64` on Σ CE / N + λ‖W − W0‖², the words being an offset class: slow and independent.
fn by_dense_newton(set: &FeatureSet, prior: &Matrix, lambda: f64) -> (Vec<f64>, f64) {
    let (p, d, tools) = (&set.parts()[0], set.width(), set.tools().len());
    let (n, size) = (p.len(), d * tools);
    let prior: Vec<f64> = prior.data().iter().map(|&x| f64::from(x)).collect();
    let mut w = prior.clone();
    let value = |w: &[f64]| {
        let mut total = 0.0;
        for i in 0..n {
            let z = |k: usize| (0..d).map(|j| w[k * d + j] * f64::from(p.h[i * d + j])).sum::<f64>();
            let sum = f64::from(p.log_sum_exp[i]).exp() + (0..tools).map(|k| z(k).exp()).sum::<f64>();
            total += sum.ln()
                - if p.tool[i] == WORD { f64::from(p.label_logit[i]) } else { z(p.tool[i] as usize) };
        }
        total / n as f64 + lambda * w.iter().zip(&prior).map(|(w, p)| (w - p).powi(2)).sum::<f64>()
    };
    for _ in 0..60 {
        let mut gradient: Vec<f64> = w.iter().zip(&prior).map(|(w, p)| 2.0 * lambda * (w - p)).collect();
        let mut hessian = vec![0.0; size * size];
        (0..size).for_each(|j| hessian[j * size + j] = 2.0 * lambda);
        for i in 0..n {
            let h: Vec<f64> = (0..d).map(|j| f64::from(p.h[i * d + j])).collect();
            let z: Vec<f64> = (0..tools).map(|k| (0..d).map(|j| w[k * d + j] * h[j]).sum()).collect();
            let sum = f64::from(p.log_sum_exp[i]).exp() + z.iter().map(|z| z.exp()).sum::<f64>();
            let prob: Vec<f64> = z.iter().map(|z| z.exp() / sum).collect();
            for k in 0..tools {
                let residual = prob[k] - f64::from(u8::from(p.tool[i] == k as i32));
                (0..d).for_each(|j| gradient[k * d + j] += residual * h[j] / n as f64);
                for l in 0..tools {
                    let c = prob[k] * (f64::from(u8::from(k == l)) - prob[l]) / n as f64;
                    for j in 0..d {
                        (0..d).for_each(|m| hessian[(k * d + j) * size + l * d + m] += c * h[j] * h[m]);
                    }
                }
            }
        }
        let step = gaussian_elimination(hessian, gradient);
        let mut length = 1.0;
        let moved = |length: f64| -> Vec<f64> { w.iter().zip(&step).map(|(w, s)| w - length * s).collect() };
        while value(&moved(length)) > value(&w) && length > 1e-9 {
            length *= 0.5;
        }
        w = moved(length);
    }
    let value = value(&w);
    (w, value)
}

fn gaussian_elimination(mut a: Vec<f64>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        for r in i + 1..n {
            let f = a[r * n + i] / a[i * n + i];
            (i..n).for_each(|c| a[r * n + c] -= f * a[i * n + c]);
            b[r] -= f * b[i];
        }
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|c| a[i * n + c] * b[c]).sum();
        b[i] = (b[i] - known) / a[i * n + i];
    }
    b
}

#[test]
fn an_independent_newton_method_finds_the_same_optimum() {
    for (lambda, signal) in [(1e-2, 1.0), (1e-4, 0.5), (1e-7, 0.3), (0.0, 0.3)] {
        let set = Made { examples: 60, width: 4, signal, ..Made::default() }.features();
        let table = Table::new(&set).unwrap();
        let prior = uniform(3, 4, 9);
        let objective = objective(&table, &prior, lambda);
        let (w, value) = by_dense_newton(&set, &prior, lambda);
        let ours = solve_quietly(&objective, objective.prior(), ExactSettings::default());
        assert_eq!(ours.status, Status::Converged, "lambda {lambda}");
        assert!(
            (ours.objective - value).abs() < 1e-9 * value,
            "lambda {lambda}: {} against {value}",
            ours.objective
        );
        for (ours, theirs) in ours.weights.iter().zip(w) {
            assert!((f64::from(*ours) - theirs).abs() < 2e-3, "lambda {lambda}: {ours} against {theirs}");
        }
    }
}

#[test]
fn two_starts_reach_the_same_objective() {
    let made =
        Made { examples: 150, length: 40, width: 24, tools: 5, calls: 0.05, words: 6.0, ..Made::default() };
    for seed in [1, 2] {
        let set = Made { seed, ..made }.features();
        let table = Table::new(&set).unwrap();
        for lambda in [1e-5, 1e-4, 1e-2, 1.0] {
            let objective = objective(&table, &Matrix::zeros(5, 24), lambda);
            let from = |start: &[f32]| solve_quietly(&objective, start, ExactSettings::default());
            let (near, far) = (from(objective.prior()), from(uniform(5, 24, seed).data()));
            assert_eq!((near.status, far.status), (Status::Converged, Status::Converged), "lambda {lambda}");
            let apart = (near.objective - far.objective).abs() / near.objective;
            assert!(apart < 1e-8, "lambda {lambda}: {} and {}", near.objective, far.objective);
            assert!(near.gap < 1e-7 * near.objective, "lambda {lambda}: gap {}", near.gap);
        }
    }
}

#[test]
fn a_large_lambda_holds_the_prior() {
    let set = Made::default().features();
    let table = Table::new(&set).unwrap();
    let prior = uniform(3, 6, 4);
    let mut last = f64::INFINITY;
    for lambda in [1.0, 1e2, 1e4] {
        let objective = objective(&table, &prior, lambda);
        let solution =
            solve_quietly(&objective, &[0.0; 18], ExactSettings { tolerance: 1e-4, ..Default::default() });
        let square = solution.weights.iter().zip(prior.data()).map(|(w, p)| f64::from(w - p).powi(2));
        let moved = square.sum::<f64>().sqrt();
        assert!(moved < 0.02 * last, "lambda {lambda} moved {moved}, the one before {last}");
        last = moved;
    }
}

#[test]
fn separable_data_without_a_penalty_are_reported_as_unbounded() {
    // Calls and words stand on two sides of the origin: the wider the weights, the better.
    let mut set = FeatureSet::new(2, vec!["a".into(), "b".into()]);
    for i in 0..60 {
        let example = set.add_example(i);
        let x = 1.0 + 0.01 * i as f32;
        for (h, tool) in [([x, 0.2], 0), ([0.2, x], 1), ([-x, -x], WORD)] {
            let position =
                Position { h: &h, log_sum_exp: 1.0, label_logit: 0.5, max: 0.7, best_word: 0, tool, word: 0 };
            set.push(example, position);
        }
    }
    let table = Table::new(&set).unwrap();
    let unbounded = objective(&table, &Matrix::zeros(2, 2), 0.0);
    let solution = solve_quietly(&unbounded, &[0.0; 4], ExactSettings::default());
    assert_eq!(solution.status, Status::Unbounded);
    assert!(solution.weights.iter().all(|w| w.is_finite()));
    let bounded = objective(&table, &Matrix::zeros(2, 2), 1e-6);
    assert_eq!(solve_quietly(&bounded, &[0.0; 4], ExactSettings::default()).status, Status::Converged);
}

#[test]
fn screening_does_not_change_the_optimum() {
    // Words from far away to very near the tools, at every λ; priors that start with and without tool mass.
    for (words, seed) in [(1.0, 1), (8.0, 2), (25.0, 3)] {
        let made =
            Made { examples: 200, length: 30, width: 12, tools: 4, calls: 0.03, signal: 2.0, words, seed };
        let set = made.features();
        let table = Table::new(&set).unwrap();
        for prior in [Matrix::zeros(4, 12), uniform(4, 12, 3)] {
            for lambda in [1e-5, 1e-3, 1.0] {
                let objective = objective(&table, &prior, lambda);
                let with = |screening| {
                    let settings = ExactSettings { screening, ..ExactSettings::default() };
                    solve_quietly(&objective, objective.prior(), settings)
                };
                let (screened, plain) = (with(true), with(false));
                assert_eq!(screened.status, plain.status);
                let apart = (screened.objective - plain.objective).abs() / plain.objective;
                assert!(apart < 1e-9, "words {words}, lambda {lambda}: {apart:e} apart");
                let (_, gradient) = objective.value_and_gradient(&screened.weights);
                let size = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
                assert!(
                    (size - screened.gradient_norm).abs() <= 1e-9 + 1e-6 * size,
                    "the gradient over all positions"
                );
            }
        }
    }
}

#[test]
fn a_position_that_wakes_up_late_is_not_missed() {
    // Two thousand words without tool mass at the start, in the very direction that the calls pull to: screening must see
    // them come.
    let mut set = FeatureSet::new(3, vec!["a".into()]);
    for i in 0..2100u32 {
        let example = set.add_example(i);
        let wiggle = (i % 17) as f32 * 0.01;
        let (h, tool) = match i % 21 {
            0 => ([10.0, 1.0 + wiggle, 0.3], 0),
            1..=4 => ([9.0, -1.0 - wiggle, 0.1], WORD),
            _ => ([1.0 + wiggle, -4.0, 2.0], WORD),
        };
        set.push(
            example,
            Position { h: &h, log_sum_exp: 20.0, label_logit: 18.0, max: 19.0, best_word: 0, tool, word: 0 },
        );
    }
    let table = Table::new(&set).unwrap();
    for lambda in [1e-5, 1e-4, 1e-2] {
        let objective = objective(&table, &Matrix::zeros(1, 3), lambda);
        let (_, value) = by_dense_newton(&set, &Matrix::zeros(1, 3), lambda);
        let solution = solve_quietly(&objective, objective.prior(), ExactSettings::default());
        assert!(
            (solution.objective - value).abs() < 1e-9 * value,
            "lambda {lambda}: {} {value}",
            solution.objective
        );
    }
}

#[test]
fn weightings_have_different_optima_and_each_is_reached() {
    let set = Made { length: 30, ..Made::default() }.features();
    let table = Table::new(&set).unwrap();
    let all = Subset::all(table.groups().len());
    let prior = Matrix::zeros(3, 6);
    let optimum = |weighting| {
        let weights = Training { weighting, calls_only: false }.weights(&table, &all).unwrap();
        let objective = Objective::new(&table, weights, &prior, 1e-3).unwrap();
        let solution = solve_quietly(&objective, objective.prior(), ExactSettings::default());
        assert_eq!(solution.status, Status::Converged);
        solution.weights
    };
    assert_ne!(optimum(Weighting::PerPosition), optimum(Weighting::PerExample));
}

#[test]
fn the_same_fit_twice_is_the_same_to_the_bit_whatever_the_threads() {
    let set = Made { examples: 300, length: 40, width: 16, words: 6.0, ..Made::default() }.features();
    let table = Table::new(&set).unwrap();
    let objective = objective(&table, &Matrix::zeros(3, 16), 1e-4);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| solve_quietly(&objective, objective.prior(), ExactSettings::default()).weights)
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn a_step_limit_is_reported() {
    let set = Made::default().features();
    let table = Table::new(&set).unwrap();
    let objective = objective(&table, &Matrix::zeros(3, 6), 1e-4);
    let settings = ExactSettings { max_steps: 1, ..ExactSettings::default() };
    assert_eq!(solve_quietly(&objective, objective.prior(), settings).status, Status::StepLimit);
}
