//! A λ for each tool, against the definition written out.

mod made;

use made::Made;
use toolken_head::{
    ExactSettings, Method, MethodName, Objective, Penalty, Solver, Subset, Table, Training, empirical_bayes,
    solve, uniform,
};

fn method() -> Method {
    let settings = ExactSettings { tolerance: 1e-7, ..ExactSettings::default() };
    Method {
        solver: Solver::Exact(settings),
        penalty: Penalty::Squared { lambda: 1e-3 },
        ..Method::named(MethodName::Exact)
    }
}

#[test]
fn a_lambda_for_each_tool_is_in_the_value_the_gradient_and_the_curvature() {
    let set = Made::default().features();
    let table = Table::new(&set).unwrap();
    let weights = || Training::default().weights(&table, &Subset::all(40)).unwrap();
    let (w, prior) = (uniform(3, 6, 5), uniform(3, 6, 6));
    let lambdas = [0.3, 0.01, 2.0];
    let objective = Objective::new(&table, weights(), &prior, 0.5).unwrap().with_lambdas(&lambdas).unwrap();
    let without = Objective::new(&table, weights(), &prior, 0.0).unwrap();
    let moved = |k: usize| -> f64 {
        w.row(k).iter().zip(prior.row(k)).map(|(w, p)| (f64::from(*w) - f64::from(*p)).powi(2)).sum()
    };
    let penalty: f64 = (0..3).map(|k| lambdas[k] * moved(k)).sum();
    let (value, gradient) = objective.value_and_gradient(w.data());
    let (bare, bare_gradient) = without.value_and_gradient(w.data());
    assert!((value - bare - penalty).abs() < 1e-9);
    for at in 0..18 {
        let expected = 2.0 * lambdas[at / 6] * (f64::from(w.data()[at]) - f64::from(prior.data()[at]));
        assert!((gradient[at] - bare_gradient[at] - expected).abs() < 1e-9);
    }
    let direction: Vec<f64> = (0..18).map(|i| (i as f64).sin()).collect();
    let (product, bare) =
        (objective.hessian_product(w.data(), &direction), without.hessian_product(w.data(), &direction));
    for at in 0..18 {
        assert!((product[at] - bare[at] - 2.0 * lambdas[at / 6] * direction[at]).abs() < 1e-5);
    }
    let solution = solve(&objective, objective.prior(), &ExactSettings::default(), &mut |_| ());
    let (_, gradient) = objective.value_and_gradient(&solution.weights);
    assert!(gradient.iter().all(|g| g.abs() < 1e-5));
}

#[test]
fn wrong_lambdas_are_refused() {
    let set = Made::default().features();
    let table = Table::new(&set).unwrap();
    let weights = Training::default().weights(&table, &Subset::all(40)).unwrap();
    let objective = Objective::new(&table, weights, &uniform(3, 6, 6), 0.5).unwrap();
    for lambdas in [&[1.0, 1.0][..], &[1.0, 0.0, 1.0], &[1.0, f64::NAN, 1.0], &[1.0, -1.0, 1.0]] {
        assert!(objective.clone().with_lambdas(lambdas).is_err(), "{lambdas:?}");
    }
}

/// At the end α_k ‖w_k − w0_k‖² = γ_k holds, with γ from the inverse of each tool's block of the Hessian, column by column.
#[test]
fn the_fixed_point_holds_by_brute_force() {
    let set = Made { examples: 150, signal: 0.4, ..Made::default() }.features();
    let table = Table::new(&set).unwrap();
    let all = Subset::all(150);
    let prior = uniform(3, 6, 6);
    let found = empirical_bayes(&table, &all, &prior, &method()).unwrap();
    let weights = Training::default().weights(&table, &all).unwrap();
    let n = weights.iter().filter(|w| **w > 0.0).count() as f64;
    let objective = Objective::new(&table, weights, &prior, 0.0).unwrap();
    let w = &found.fit.head.weights;
    for k in 0..3 {
        let alpha = 2.0 * n * found.lambdas[k];
        // (NH + αI) X = NH, whose trace is γ.
        let mut left = vec![vec![0.0; 6]; 6];
        for j in 0..6 {
            let mut direction = vec![0.0; 18];
            direction[k * 6 + j] = 1.0;
            let column = objective.hessian_product(w.data(), &direction);
            (0..6).for_each(|i| left[i][j] = n * column[k * 6 + i]);
        }
        let right = left.clone();
        (0..6).for_each(|i| left[i][i] += alpha);
        let x = solved(left, right);
        let gamma: f64 = (0..6).map(|i| x[i][i]).sum();
        assert!((gamma - found.determined[k]).abs() < 0.02 * gamma, "{gamma} {}", found.determined[k]);
        let square: f64 =
            w.row(k).iter().zip(prior.row(k)).map(|(w, p)| (f64::from(*w) - f64::from(*p)).powi(2)).sum();
        assert!((alpha * square / gamma - 1.0).abs() < 0.05, "tool {k}: {} against {gamma}", alpha * square);
    }
}

/// Gauss's elimination with the largest pivot.
fn solved(mut a: Vec<Vec<f64>>, mut b: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = a.len();
    for i in 0..n {
        let pivot = (i..n).max_by(|&p, &q| a[p][i].abs().total_cmp(&a[q][i].abs())).unwrap();
        a.swap(i, pivot);
        b.swap(i, pivot);
        for r in (0..n).filter(|&r| r != i) {
            let factor = a[r][i] / a[i][i];
            for c in 0..n {
                a[r][c] -= factor * a[i][c];
                b[r][c] -= factor * b[i][c];
            }
        }
    }
    (0..n).map(|i| b[i].iter().map(|x| x / a[i][i]).collect()).collect()
}
