//! Priors on a model of a few lines, whose every vector can be written down.

mod made;

use lm::{FrozenLm, LmError, Matrix, ModelCard, RowSource, Sequence, State, Tokenizer, WordMass};
use made::Made;
use serde_json::json;
use std::{any::Any, path::Path};
use toolken_head::{
    Features, HeadError, Pool, Prior, Scale, Source, Subset, Table, Text, ToolText, WORD, mean_row_norm,
    nearest_words, words_of_name,
};

const WIDTH: usize = 6;

/// Every letter is a token; its rows are functions of its id, and a hidden state is the mean of the rows so far, plus one.
struct Letters {
    card: ModelCard,
    tokenizer: Tokenizer,
}

/// The letters, U+0120 for a space, and one special token.
const VOCAB: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZĠ";

fn row(source: RowSource, id: u32) -> Vec<f32> {
    let shift = if source == RowSource::Head { 0.0 } else { 100.0 };
    (0..WIDTH).map(|j| shift + ((id * 7 + j as u32 * 3) % 11) as f32 - 4.0).collect()
}

#[derive(Clone)]
struct Nothing;

impl State for Nothing {
    fn fork(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }
    fn truncate(&mut self, _: usize) {}
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl Letters {
    fn new() -> Self {
        let mut vocab: serde_json::Map<String, serde_json::Value> =
            VOCAB.chars().zip(0..).map(|(c, id)| (c.to_string(), json!(id))).collect();
        let special = vocab.len();
        vocab.insert("<s>".into(), json!(special));
        let json = json!({
            "version": "1.0",
            "added_tokens": [{"id": special, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true}],
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true}]},
            "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true},
            "model": {"type": "BPE", "vocab": vocab, "merges": [], "ignore_merges": false},
        });
        let card = ModelCard {
            name: "letters".into(),
            digest: "0".into(),
            architecture: "llama".into(),
            engine: "test".into(),
            width: WIDTH,
            vocab: special + 1,
            context: 64,
        };
        let tokenizer =
            Tokenizer::from_json_bytes(json.to_string().as_bytes(), Path::new("letters.json")).unwrap();
        Self { card, tokenizer }
    }
}

impl FrozenLm for Letters {
    fn card(&self) -> &ModelCard {
        &self.card
    }
    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }
    fn begin(&self) -> Sequence {
        Sequence::new(Box::new(Nothing))
    }
    fn extend(&self, batch: &mut [(&mut Sequence, &[u32])]) -> Result<Matrix, LmError> {
        let (mut data, mut rows) = (Vec::new(), 0);
        for (sequence, new) in batch {
            let (ids, _) = sequence.parts_mut();
            for &id in *new {
                ids.push(id);
                let mean = |j: usize| {
                    ids.iter().map(|&id| row(RowSource::Input, id)[j]).sum::<f32>() / ids.len() as f32
                };
                data.extend((0..WIDTH).map(|j| mean(j) + 1.0));
                rows += 1;
            }
        }
        Ok(Matrix::new(rows, WIDTH, data))
    }
    fn logits(&self, _: &Matrix) -> Result<Matrix, LmError> {
        unimplemented!("priors ask for no logits")
    }
    fn word_mass(&self, _: &Matrix, _: &[Option<u32>]) -> Result<Vec<WordMass>, LmError> {
        unimplemented!("priors ask for no word mass")
    }
    fn rows(&self, source: RowSource, ids: &[u32]) -> Result<Matrix, LmError> {
        Ok(Matrix::new(ids.len(), WIDTH, ids.iter().flat_map(|&id| row(source, id)).collect()))
    }
}

fn tools(names: &[&str]) -> Vec<ToolText> {
    names.iter().map(|name| ToolText { name: name.to_string(), description: String::new() }).collect()
}

fn text(text: Text, source: Source, pool: Pool, scale: Scale) -> Prior {
    Prior::Text { text, source, pool, scale }
}

fn id(letter: char) -> u32 {
    VOCAB.chars().position(|c| c == letter).unwrap() as u32
}

fn build(prior: &Prior, names: &[&str]) -> Result<Matrix, HeadError> {
    prior.build(&Letters::new(), &tools(names), None)
}

fn norm(row: &[f32]) -> f64 {
    row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn names_become_words() {
    for (name, words) in [
        ("<add>", "add"),
        ("[WALK]", "WALK"),
        ("<gcd_>", "gcd"),
        ("school_district", "school district"),
        ("turnOn", "turn On"),
        ("HTTPServer2Go", "HTTP Server2Go"),
        ("get-price.now", "get price now"),
        ("P1408", "P1408"),
        ("<[]>", ""),
    ] {
        assert_eq!(words_of_name(name), words);
    }
}

#[test]
fn rows_are_pooled_as_the_enum_says() {
    let ids: Vec<u32> = "aĠbc".chars().map(id).collect();
    for (source, rows) in [(Source::HeadRows, RowSource::Head), (Source::InputRows, RowSource::Input)] {
        let column = |j: usize| ids.iter().map(move |&id| row(rows, id)[j]);
        let mean = build(&text(Text::Name, source, Pool::Mean, Scale::AsIs), &["<a_bc>"]).unwrap();
        let max = build(&text(Text::Name, source, Pool::Max, Scale::AsIs), &["<a_bc>"]).unwrap();
        for j in 0..WIDTH {
            assert!((mean.row(0)[j] - column(j).sum::<f32>() / 4.0).abs() < 1e-5);
            assert_eq!(max.row(0)[j], column(j).fold(f32::NEG_INFINITY, f32::max));
        }
    }
}

#[test]
fn the_releases_prior_is_the_bare_name_run_alone() {
    let released = text(Text::BareName, Source::HiddenStates { bos: false }, Pool::Mean, Scale::Released);
    let prior = build(&released, &["<ab>"]).unwrap();
    let (a, b) = (row(RowSource::Input, id('a')), row(RowSource::Input, id('b')));
    let states: Vec<Vec<f32>> = vec![
        a.iter().map(|a| a + 1.0).collect(),
        a.iter().zip(&b).map(|(a, b)| (a + b) / 2.0 + 1.0).collect(),
    ];
    let mean: Vec<f32> = states[0].iter().zip(&states[1]).map(|(a, b)| (a + b) / 2.0).collect();
    for (ours, x) in prior.row(0).iter().zip(&mean) {
        let expected = f64::from(*x) / norm(&mean) / 5120f64.sqrt();
        assert!((f64::from(*ours) - expected).abs() < 1e-8, "{ours} against {expected}");
    }
}

#[test]
fn unit_rows_have_the_words_mean_norm_times_the_factor() {
    let lm = Letters::new();
    let expected = (0..lm.card.vocab as u32).map(|id| norm(&row(RowSource::Head, id))).sum::<f64>()
        / lm.card.vocab as f64;
    let rho = mean_row_norm(&lm).unwrap();
    assert!((rho - expected).abs() < 1e-9);
    for centred in [false, true] {
        let scale = Scale::Unit { factor: 0.5, centred };
        let prior =
            build(&text(Text::Name, Source::HeadRows, Pool::Mean, scale), &["ab", "cd", "xyz"]).unwrap();
        (0..3).for_each(|k| assert!((norm(prior.row(k)) - 0.5 * rho).abs() < 1e-5));
    }
    // Two centred rows point in opposite directions.
    let scale = Scale::Unit { factor: 1.0, centred: true };
    let prior = build(&text(Text::Name, Source::HeadRows, Pool::Mean, scale), &["ab", "cd"]).unwrap();
    prior.row(0).iter().zip(prior.row(1)).for_each(|(a, b)| assert!((a + b).abs() < 1e-5));
}

#[test]
fn descriptions_and_unrelated_words_are_texts_too() {
    let described = [ToolText { name: "a".into(), description: " bc ".into() }];
    let prior = text(Text::Description, Source::HeadRows, Pool::Mean, Scale::AsIs);
    let as_name = text(Text::Name, Source::HeadRows, Pool::Mean, Scale::AsIs);
    assert_eq!(prior.build(&Letters::new(), &described, None).unwrap(), build(&as_name, &["bc"]).unwrap());

    let unrelated = |seed| {
        let prior = text(Text::Unrelated { seed }, Source::HeadRows, Pool::Mean, Scale::AsIs);
        build(&prior, &["a", "b", "c", "d"]).unwrap()
    };
    assert_eq!(unrelated(1), unrelated(1));
    assert_ne!(unrelated(1), unrelated(2));
    assert_ne!(unrelated(1).row(0), unrelated(1).row(1));
}

#[test]
fn an_empty_or_unknown_name_is_an_error_that_names_the_tool() {
    let prior = text(Text::Name, Source::HeadRows, Pool::Mean, Scale::AsIs);
    for (name, expected) in [("<_>", "text is empty"), ("日本", "tool `日本`")] {
        let error = build(&prior, &["add", name]).unwrap_err();
        let named = matches!(&error, HeadError::Prior { tool, .. } if tool == name);
        assert!(named && error.to_string().contains(expected), "{error}");
    }
    let centred = Scale::Unit { factor: 1.0, centred: true };
    let error = build(&text(Text::Name, Source::HeadRows, Pool::Mean, centred), &["ab", "ab"]).unwrap_err();
    assert!(error.to_string().contains("different texts"), "{error}");
}

#[test]
fn contexts_are_the_mean_states_before_the_calls() {
    let set = Made::default().features();
    let table = Table::new(&set).unwrap();
    let subset = Subset::of(40, |example| example % 2 == 0);
    let prior = Prior::Contexts { scale: Scale::AsIs };
    let tools = tools(&["tool0", "tool1", "tool2"]);
    let rows = prior.build(&Letters::new(), &tools, Some((&table, &subset))).unwrap();
    let p = &set.parts()[0];
    for k in 0..3 {
        let calls: Vec<usize> =
            (0..p.len()).filter(|&i| p.tool[i] == k && subset.contains(p.example[i])).collect();
        for j in 0..6 {
            let mean = calls.iter().map(|i| p.h[i * 6 + j]).sum::<f32>() / calls.len() as f32;
            assert!((rows.row(k as usize)[j] - mean).abs() < 1e-5);
        }
    }
    assert!(p.tool.contains(&WORD));
    assert!(prior.build(&Letters::new(), &tools, None).is_err(), "without examples");
    let error = prior.build(&Letters::new(), &tools, Some((&table, &Subset::of(40, |_| false)))).unwrap_err();
    assert!(error.to_string().contains("no training example has a call"), "{error}");
}

#[test]
fn a_tool_without_calls_has_no_context_and_does_not_disturb_the_others() {
    let set = Made::default().features();
    let table = Table::new(&set).unwrap();
    let p = &set.parts()[0];
    let calls_first = |example| (0..p.len()).any(|i| p.example[i] == example && p.tool[i] == 0);
    let without = Subset::of(40, |example| !calls_first(example));
    let scale = Scale::Unit { factor: 2.0, centred: true };
    let tools = tools(&["tool0", "tool1", "tool2"]);
    let rows = Prior::Contexts { scale }.build(&Letters::new(), &tools, Some((&table, &without))).unwrap();
    assert!(rows.row(0).iter().all(|&x| x == 0.0));
    // Two centred rows are opposite.
    for (a, b) in rows.row(1).iter().zip(rows.row(2)) {
        assert!((a + b).abs() < 1e-5 && rows.row(1) != rows.row(0), "{a} {b}");
    }
}

#[test]
fn random_starts_are_seeded_and_bounded() {
    let prior = |seed| build(&Prior::Uniform { seed }, &["a", "b", "c"]).unwrap();
    assert_eq!(prior(1), prior(1));
    assert_ne!(prior(1), prior(2));
    let bound = 1.0 / (WIDTH as f32).sqrt();
    assert!(prior(1).data().iter().all(|x| x.abs() < bound));
    assert!(prior(1).data().iter().any(|x| x.abs() > 0.5 * bound));
    assert_eq!(build(&Prior::Zero, &["a"]).unwrap(), Matrix::zeros(1, WIDTH));
}

#[test]
fn nearest_words_are_those_that_brute_force_finds() {
    let lm = Letters::new();
    let asked = Matrix::new(2, WIDTH, [row(RowSource::Head, 9), vec![0.0; WIDTH]].concat());
    let near = nearest_words(&lm, &asked, 3).expect("rows of the model's width");
    assert!(near[1].is_empty(), "nothing is near to a row of zeros");
    let cosine = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let letters = VOCAB.chars().count() as u32;
    let mut all: Vec<(f64, u32)> =
        (0..letters).map(|id| (cosine(&row(RowSource::Head, id), asked.row(0)), id)).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    assert_eq!(near[0].len(), 3);
    for (found, (cosine, _)) in near[0].iter().zip(&all) {
        assert!((found.cosine - cosine).abs() < 1e-6, "{found:?} against {cosine}");
    }
    assert_eq!(near[0][0].text, "j");
    assert!(nearest_words(&lm, &Matrix::zeros(1, WIDTH + 1), 3).is_err());
}

/// A sum is its parts' rows added up, each at its own scale; it needs examples if one of them does.
#[test]
fn a_sum_is_what_its_parts_say_together() {
    let unit = |factor| Scale::Unit { factor, centred: false };
    let parts = [
        text(Text::Name, Source::HeadRows, Pool::Mean, unit(0.5)),
        text(Text::Name, Source::HiddenStates { bos: true }, Pool::Mean, unit(2.0)),
    ];
    let [a, b] = parts.each_ref().map(|part| build(part, &["ab", "cd"]).unwrap());
    let sum = build(&Prior::Sum(parts.to_vec()), &["ab", "cd"]).unwrap();
    for (sum, (a, b)) in sum.data().iter().zip(a.data().iter().zip(b.data())) {
        assert_eq!(*sum, a + b);
    }
    assert!(build(&Prior::Sum(Vec::new()), &["ab"]).unwrap().data().iter().all(|&x| x == 0.0));
    let with = Prior::Sum(vec![parts[0].clone(), Prior::Contexts { scale: Scale::AsIs }]);
    assert!(with.needs_examples() && !Prior::Sum(parts.to_vec()).needs_examples());
}
