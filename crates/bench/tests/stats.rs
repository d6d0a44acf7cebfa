//! Statistics against constants that scipy 1.17.1 and statsmodels 0.15.0 gave; the call stands beside each.

use toolken_bench::stats::*;

const A: [f64; 5] = [0.812, 0.795, 0.834, 0.801, 0.827];
const B: [f64; 5] = [0.790, 0.788, 0.805, 0.803, 0.799];

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 1e-9 * expected.abs().max(1e-3),
        "found {found}, expected {expected}"
    );
}

#[test]
fn students_interval() {
    // scipy.stats.t.interval(0.95, 4, np.mean(a), scipy.stats.sem(a))
    let found = mean_t(&A, 0.95).unwrap();
    close(found.low, 0.7931831423621635);
    close(found.high, 0.8344168576378369);
    assert_eq!(mean_t(&[0.5], 0.95), Some(Interval { value: 0.5, low: 0.5, high: 0.5, n: 1 }));
    assert_eq!(mean_t(&[], 0.95), None);
}

#[test]
fn wilsons_interval() {
    // statsmodels.stats.proportion.proportion_confint(k, n, method="wilson")
    for (k, n, low, high) in [
        (41, 60, 0.5576623297382322, 0.7869413244763348),
        (0, 68, 0.0, 0.053471336520070564),
        (568, 568, 0.9932823009569532, 1.0),
    ] {
        let found = wilson(k, n, 0.95).unwrap();
        close(found.low, low);
        close(found.high, high);
    }
    assert_eq!(wilson(0, 0, 0.95), None);
}

#[test]
fn wilsons_interval_of_clusters() {
    // y: 0s and 1s of the clusters, g: their numbers.
    // se = statsmodels.api.OLS(y, ones).fit(cov_type="cluster", cov_kwds={"groups": g}).bse[0]
    // n = 25 / (se**2 / (0.4 * 0.6 / 24)); Wilson's formula (statsmodels' proportion_confint) with z = scipy.stats.t.ppf(.975, 5)
    let found = wilson_clustered(&[(3, 4), (0, 5), (2, 2), (1, 7), (0, 1), (4, 6)], 0.95).unwrap();
    close(found.value, 0.4);
    close(found.low, 0.12639050293883652);
    close(found.high, 0.7544200803352514);
    assert_eq!(found.n, 25);
    // Many clusters of one item are items; clusters whose items are copies are one item each.
    let items: Vec<(usize, usize)> = (0..100_000).map(|i| (usize::from(i % 5 < 2), 1)).collect();
    let (found, plain) = (wilson_clustered(&items, 0.95).unwrap(), wilson(40_000, 100_000, 0.95).unwrap());
    assert!((found.low - plain.low).abs() < 1e-6 && (found.high - plain.high).abs() < 1e-6, "{found:?}");
    let (copies, single) = ([(0, 9); 7], [(0, 1); 7]);
    close(wilson_clustered(&copies, 0.95).unwrap().high, wilson_clustered(&single, 0.95).unwrap().high);
    let one = wilson_clustered(&[(2, 9)], 0.95).unwrap();
    assert_eq!((one.low, one.high), (0.0, 1.0));
    assert_eq!(wilson_clustered(&[], 0.95), None);
}

#[test]
fn paired_t_test() {
    // scipy.stats.ttest_rel(a, b), its .confidence_interval(0.95), and d.mean() / d.std(ddof=1)
    let found = paired_t(&A, &B, 0.95).unwrap();
    close(found.t, 2.7419665195341376);
    close(found.p, 0.05180058072666614);
    close(found.difference.low, -0.00021124993139880893);
    close(found.difference.high, 0.03381124993139875);
    close(found.d_z, 1.2262447059413673);
    let same = paired_t(&A, &A, 0.95).unwrap();
    assert_eq!((same.t, same.p, same.d_z), (0.0, 1.0, 0.0));
    assert_eq!(paired_t(&[2.0, 3.0, 4.0], &[1.0, 2.0, 3.0], 0.95), None, "nothing is known of the spread");
    let rounded = [0.983, 0.981, 0.979, 0.987, 0.99].map(|x: f64| (x + 0.1, x));
    assert_eq!(
        paired_t(&rounded.map(|r| r.0), &rounded.map(|r| r.1), 0.95),
        None,
        "nor is rounding a spread"
    );
    assert_eq!(paired_t(&A, &B[..4], 0.95), None);
}

#[test]
fn mcnemars_exact_test() {
    // statsmodels.stats.contingency_tables.mcnemar([[30, b], [c, 14]], exact=True).pvalue
    close(mcnemar_exact(12, 4), 0.076812744140625);
    close(mcnemar_exact(3, 3), 1.0);
    close(mcnemar_exact(0, 9), 0.00390625);
    assert_eq!(mcnemar_exact(0, 0), 1.0);
    let counts = Paired::count([(true, true), (true, false), (false, true), (true, false), (false, false)]);
    assert_eq!((counts.n(), counts.difference(), counts.discordant()), (5, 0.2, 0.6));
}

#[test]
fn holms_correction() {
    // statsmodels.stats.multitest.multipletests([0.01, 0.04, 0.03, 0.005, 0.5], method="holm")[1]
    let found = holm(&[0.01, 0.04, 0.03, 0.005, 0.5]);
    for (found, expected) in found.iter().zip([0.04, 0.09, 0.09, 0.025, 0.5]) {
        close(*found, expected);
    }
    assert!(holm(&[]).is_empty());
}

#[test]
fn effect_size_of_shares() {
    // statsmodels.stats.proportion.proportion_effectsize(0.45, 0.3)
    close(cohens_h(0.45, 0.3), 0.3113494249059283);
}

#[test]
fn detectable_differences() {
    // scipy.optimize.brentq(lambda d: za*max(psi, d)**.5 + zb*max(max(psi, d)-d*d, 0)**.5 - n**.5*d, 1e-9, 1, xtol=1e-15)
    // with za, zb = scipy.stats.norm.ppf([.975, .8])
    for (n, discordant, expected) in [
        (60, 0.3, 0.19423432246248448),
        (568, 0.1, 0.037096073308729265),
        (1755, 0.05, 0.01494371256774249),
        (10, 0.3, 0.6158377170969115),
        (60, 0.0, 0.12575657340820168),
    ] {
        close(minimal_detectable_difference(n, discordant, 0.05, 0.8).unwrap(), expected);
    }
    assert_eq!(minimal_detectable_difference(3, 0.0, 0.05, 0.8), None);
    assert_eq!(minimal_detectable_difference(0, 0.0, 0.05, 0.8), None);
    // (scipy.stats.t.ppf(.975, 4) + scipy.stats.t.ppf(.8, 4)) * 0.02 / 5**.5
    close(minimal_detectable_shift(5, 0.02, 0.05, 0.8).unwrap(), 0.03324952300054415);
}

#[test]
fn bootstrap_interval() {
    let x = [2.1, 3.4, 1.9, 5.6, 4.4, 3.8, 2.7, 4.9, 3.1, 2.2];
    let mean = |items: &[usize]| items.iter().map(|&i| x[i]).sum::<f64>() / items.len() as f64;
    // scipy.stats.bootstrap((x,), np.mean, n_resamples=200000, method="percentile", random_state=1): 2.7, 4.17
    let found = bootstrap(x.len(), 50_000, 7, 0.95, mean).unwrap();
    assert!((found.low - 2.7).abs() < 0.03 && (found.high - 4.17).abs() < 0.03, "{found:?}");
    assert_eq!(
        found,
        bootstrap(x.len(), 50_000, 7, 0.95, mean).unwrap(),
        "the same seed gives the same interval"
    );
    assert_eq!(bootstrap(0, 100, 0, 0.95, |_| f64::NAN), None);
}

/// Where the items are many and alike in spread, the bootstrap agrees with the t-test.
#[test]
fn paired_bootstrap_agrees_with_the_t_test() {
    let a: Vec<f64> = (0..200).map(|i| f64::from(i % 7) + if i % 3 == 0 { 0.9 } else { 0.0 }).collect();
    let b: Vec<f64> = (0..200).map(|i| f64::from(i % 7) + if i % 5 == 0 { 0.7 } else { 0.1 }).collect();
    let (found, t) =
        (paired_bootstrap(&a, &b, &[1.0; 200], RESAMPLES, 1, 0.95).unwrap(), paired_t(&a, &b, 0.95).unwrap());
    close(found.difference.value, t.difference.value);
    assert!((found.difference.low - t.difference.low).abs() < 0.01);
    assert!((found.p - t.p).abs() < 0.02, "{} {}", found.p, t.p);
    let same = paired_bootstrap(&a, &a, &[1.0; 200], 1000, 1, 0.95).unwrap();
    assert_eq!((same.difference.value, same.p), (0.0, 1.0));
}

#[test]
fn few_pairs_are_tested_by_all_their_signs() {
    // scipy.stats.permutation_test((a, b), lambda x, y, axis: (x - y).sum(axis=axis), permutation_type="samples",
    // n_resamples=np.inf).pvalue
    let (a, b) = ([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0], [2.0, 0.0, 1.0, 1.0, 3.0, 4.0, 3.0, 1.0]);
    close(paired_bootstrap(&a, &b, &[1.0; 8], 100, 0, 0.95).unwrap().p, 0.0625);
    close(paired_bootstrap(&a, &[0.0; 8], &[1.0; 8], 100, 0, 0.95).unwrap().p, 0.0078125);
}
