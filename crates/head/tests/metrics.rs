//! The teacher-forced figures against their definitions, written out position by position.

mod made;

use lm::Matrix;
use made::Made;
use toolken_head::{Features, Head, Metrics, Scores, Subset, Table, WORD, Weighting, uniform};

fn close(ours: Option<f64>, expected: f64) {
    let ours = ours.expect("a figure");
    assert!((ours - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{ours} against {expected}");
}

#[test]
fn every_figure_is_what_its_definition_says() {
    let set = Made { words: 1.0, ..Made::default() }.features();
    let table = Table::new(&set).unwrap();
    let subset = Subset::of(40, |example| example % 4 != 1);
    let mut head = Head::new(set.tools().to_vec(), uniform(3, 6, 2)).unwrap();
    head.weights.data_mut().iter_mut().for_each(|w| *w *= 4.0);
    head.offsets = vec![0.0, 0.5, -0.25];
    head.bias = 0.3;

    let p = &set.parts()[0];
    let (mut choice, mut recall, mut false_calls, mut called, mut calls, mut words) = (0, 0, 0, 0, 0, 0);
    let (mut nll, mut tax) = (0.0, 0.0);
    let mut losses: Vec<(u32, f64)> = Vec::new();
    let mut confusion = vec![vec![0usize; 4]; 4];
    for i in (0..p.len()).filter(|&i| subset.contains(p.example[i])) {
        let logits = head.logits(&p.h[i * 6..(i + 1) * 6]);
        let best = (0..3).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        let calls_here = logits[best] + 0.3 > p.max[i];
        let mass: f64 = logits.iter().map(|&s| f64::from(s).exp()).sum();
        let total = (f64::from(p.log_sum_exp[i]).exp() + mass).ln();
        called += usize::from(calls_here);
        let label = if p.tool[i] == WORD { 3 } else { p.tool[i] as usize };
        confusion[label][if calls_here { best } else { 3 }] += 1;
        if p.tool[i] == WORD {
            words += 1;
            false_calls += usize::from(calls_here);
            tax += total - f64::from(p.log_sum_exp[i]);
            losses.push((p.example[i], total - f64::from(p.label_logit[i])));
        } else {
            calls += 1;
            choice += usize::from(best == label);
            recall += usize::from(best == label && calls_here);
            let loss = total - f64::from(logits[label]);
            nll += loss;
            losses.push((p.example[i], loss));
        }
    }
    let m = Metrics::of(&head, &table, &subset, Weighting::PerPosition).unwrap();
    assert_eq!((m.positions, m.calls, m.bias), (losses.len(), calls, 0.3));
    assert!(called > 0 && false_calls > 0 && recall < choice, "the case is worth testing");
    let of = |a: usize, b: usize| a as f64 / b as f64;
    close(m.choice, of(choice, calls));
    close(m.recall, of(recall, calls));
    close(m.false_calls, of(false_calls, words));
    close(m.precision, of(recall, called));
    close(m.f1, of(2 * recall, called + calls));
    close(m.call_nll, nll / calls as f64);
    close(m.tool_tax, tax / words as f64);
    close(Some(m.cross_entropy), losses.iter().map(|(_, loss)| loss).sum::<f64>() / losses.len() as f64);
    assert_eq!(m.confusion, confusion);
    for (k, tool) in m.tools.iter().enumerate() {
        let right = confusion[k][k];
        let (row, column) =
            (confusion[k].iter().sum::<usize>(), confusion.iter().map(|row| row[k]).sum::<usize>());
        assert_eq!((tool.calls, tool.called), (row, column));
        close(tool.recall, of(right, row));
        if column > 0 {
            close(tool.precision, of(right, column));
        }
    }

    let examples: Vec<f64> = (0..40)
        .filter_map(|e| {
            let own: Vec<f64> =
                losses.iter().filter(|(example, _)| *example == e).map(|(_, loss)| *loss).collect();
            (!own.is_empty()).then(|| own.iter().sum::<f64>() / own.len() as f64)
        })
        .collect();
    let m = Metrics::of(&head, &table, &subset, Weighting::PerExample).unwrap();
    close(Some(m.cross_entropy), examples.iter().sum::<f64>() / examples.len() as f64);
}

#[test]
fn the_best_bias_is_the_best_of_all_biases() {
    for seed in 1..6 {
        let set = Made { seed, ..Made::default() }.features();
        let table = Table::new(&set).unwrap();
        let head = Head::new(set.tools().to_vec(), uniform(3, 6, seed)).unwrap();
        let scores = Scores::of(&head, &table, &Subset::all(40)).unwrap();
        let f1 = |bias| scores.metrics(&table, Weighting::PerPosition, bias).f1.unwrap();
        let (bias, value) = scores.best_bias(&table);
        assert!((f1(bias) - value).abs() < 1e-12, "the F1 it promises at {bias}: {value}, {}", f1(bias));
        let best = (-400..400).map(|i| f1(i as f32 * 0.025)).fold(0.0, f64::max);
        assert!(value >= best, "{value} at {bias}, but {best} is possible");
    }
}

#[test]
fn pooled_scores_are_the_scores_of_all() {
    let set = Made::default().features();
    let table = Table::new(&set).unwrap();
    let head = Head::new(set.tools().to_vec(), uniform(3, 6, 2)).unwrap();
    let mut pooled = Scores::default();
    for fold in Subset::all(40).folds(&table, 4, 3).unwrap() {
        pooled.extend(Scores::of(&head, &table, &fold).unwrap());
    }
    let figures = |scores: &Scores| {
        let m = scores.metrics(&table, Weighting::PerPosition, 0.0);
        (m.confusion, m.choice, (m.cross_entropy * 1e9).round())
    };
    assert_eq!(figures(&pooled), figures(&Scores::of(&head, &table, &Subset::all(40)).unwrap()));
}

#[test]
fn shares_of_nothing_are_absent() {
    let set = Made { calls: 0.0, ..Made::default() }.features();
    let table = Table::new(&set).unwrap();
    let head = Head::new(set.tools().to_vec(), Matrix::zeros(3, 6)).unwrap();
    let m = Metrics::of(&head, &table, &Subset::all(40), Weighting::PerPosition).unwrap();
    assert_eq!((m.choice, m.recall, m.call_nll), (None, None, None));
    assert!(m.tool_tax.is_some());
}

#[test]
fn a_head_of_other_tools_is_refused() {
    let set = Made::default().features();
    let table = Table::new(&set).unwrap();
    let head = Head::new(vec!["x".into()], Matrix::zeros(1, 6)).unwrap();
    let error = Metrics::of(&head, &table, &Subset::all(40), Weighting::PerPosition).unwrap_err();
    assert!(error.to_string().contains("1 tools and width 6"), "{error}");
}
