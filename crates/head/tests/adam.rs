//! Adam against `oracle/adam.py`, an independent computation with an explicit word matrix.

use lm::Matrix;
use serde_json::Value;
use toolken_head::{AdamSettings, FeatureSet, Penalty, Position, Subset, Table, WORD, adam};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("an array").iter().map(|x| x.as_f64().expect("a number")).collect()
}

struct Oracle {
    json: Value,
    set: FeatureSet,
    prior: Matrix,
}

fn oracle() -> Oracle {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/adam.json");
    let json: Value = serde_json::from_str(&std::fs::read_to_string(path).expect(path)).expect("JSON");
    let (tools, width) = (json["tools"].as_u64().unwrap() as usize, json["width"].as_u64().unwrap() as usize);
    let h: Vec<f32> = numbers(&json["h"]).iter().map(|&x| x as f32).collect();
    let [labels, masses, logits, max] =
        ["labels", "log_sum_exp", "label_logit", "max"].map(|column| numbers(&json[column]));
    let mut set = FeatureSet::new(width, (0..tools).map(|k| format!("tool{k}")).collect());
    let mut at = 0;
    for size in numbers(&json["sizes"]) {
        let example = set.add_example(at as u32);
        for i in at..at + size as usize {
            let tool = if labels[i] < 0.0 { WORD } else { labels[i] as i32 };
            set.push(
                example,
                Position {
                    h: &h[i * width..(i + 1) * width],
                    log_sum_exp: masses[i] as f32,
                    label_logit: logits[i] as f32,
                    max: max[i] as f32,
                    best_word: 0,
                    tool,
                    word: 0,
                },
            );
        }
        at += size as usize;
    }
    let prior = Matrix::new(tools, width, numbers(&json["prior"]).iter().map(|&x| x as f32).collect());
    Oracle { json, set, prior }
}

fn follows(name: &str, penalty: Penalty) {
    let Oracle { json, set, prior } = oracle();
    let table = Table::new(&set).unwrap();
    let subset = Subset::all(4);
    let rate = json["rate"].as_f64().unwrap();
    let steps_an_epoch = 4;
    for (epochs, path) in (1..=3).map(|n| (n, &json[name]["path"][n * steps_an_epoch - 1])) {
        let settings = AdamSettings { rate, epochs, seed: 0, shuffle: false };
        let (w, losses) = adam(&table, &subset, false, &prior, penalty, &settings, &mut |_, _| ()).unwrap();
        for (ours, theirs) in w.data().iter().zip(numbers(path)) {
            assert!(
                (f64::from(*ours) - theirs).abs() < 2e-5,
                "{name}, epoch {epochs}: {ours} against {theirs}"
            );
        }
        if penalty == Penalty::None {
            for (ours, theirs) in losses.iter().zip(numbers(&json[name]["cross_entropy"])) {
                assert!((ours - theirs).abs() < 1e-5, "loss {ours} against {theirs}");
            }
        }
    }
}

#[test]
fn adam_without_a_penalty_is_toolkengpts_loop() {
    follows("none", Penalty::None);
}

#[test]
fn adam_with_the_squared_penalty_is_the_papers_loop() {
    follows("squared", Penalty::Squared { lambda: 0.02 });
}

#[test]
fn adam_with_the_unsquared_penalty_is_the_releases_loop() {
    follows("unsquared", Penalty::UnsquaredJoint { coefficient: 0.05 });
}

#[test]
fn the_unsquared_penalty_has_no_gradient_at_the_prior() {
    let w = [0.5f32, -1.0];
    let mut gradient = [0.25f32, 0.5];
    let value = Penalty::UnsquaredJoint { coefficient: 1.0 }.add(&w, &w, &mut gradient);
    assert_eq!((value, gradient), (0.0, [0.25, 0.5]));
}

#[test]
fn a_seed_decides_the_order_and_nothing_else_does() {
    let Oracle { set, prior, .. } = oracle();
    let table = Table::new(&set).unwrap();
    let run = |seed| {
        let settings = AdamSettings { rate: 0.01, epochs: 2, seed, shuffle: true };
        adam(&table, &Subset::all(4), false, &prior, Penalty::None, &settings, &mut |_, _| ()).unwrap().0
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn training_on_calls_alone_leaves_words_out() {
    let Oracle { set, prior, .. } = oracle();
    let table = Table::new(&set).unwrap();
    let settings = AdamSettings { rate: 0.05, epochs: 40, seed: 0, shuffle: false };
    let run = |calls_only| {
        let trained =
            adam(&table, &Subset::all(4), calls_only, &prior, Penalty::None, &settings, &mut |_, _| ());
        trained.unwrap().1.pop().unwrap()
    };
    let (calls, all) = (run(true), run(false));
    assert!(calls < 0.5, "calls by themselves are easy: {calls}");
    assert!(all > 1.0, "no head lowers what words cost: {all}");
}
