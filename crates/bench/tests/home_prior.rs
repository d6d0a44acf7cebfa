//! The prior of example contexts for plans: made of the texts that a part is trained on, and of no others.

use head::{FeatureSet, Head, MethodName, Position, Table};
use lm::{FrozenLm, LmError, Matrix, ModelCard, RowSource, Sequence, State, Tokenizer, WordMass};
use serde_json::json;
use std::any::Any;
use std::path::Path;
use toolken_bench::heads::PriorName;
use toolken_bench::home::{PlanMethod, Vocabulary, fit_part};

const WIDTH: usize = 3;
/// Texts, of which the last two are held out.
const TEXTS: usize = 12;

/// A model of which a prior of contexts asks nothing but its width and the norms of its word head's rows, all 2.
struct Norms {
    card: ModelCard,
    tokenizer: Tokenizer,
}

struct Nothing;

impl State for Nothing {
    fn fork(&self) -> Box<dyn State> {
        Box::new(Self)
    }
    fn truncate(&mut self, _: usize) {}
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl Norms {
    fn new() -> Self {
        let level =
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true});
        let json = json!({
            "version": "1.0",
            "added_tokens": [],
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [level]},
            "decoder": level,
            "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": [], "ignore_merges": false},
        });
        let tokenizer = Tokenizer::from_json_bytes(json.to_string().as_bytes(), Path::new("norms.json"))
            .expect("a tokenizer");
        let card = ModelCard {
            name: "norms".into(),
            digest: "0".into(),
            architecture: "llama".into(),
            engine: "test".into(),
            width: WIDTH,
            vocab: 2,
            context: 64,
        };
        Self { card, tokenizer }
    }
}

impl FrozenLm for Norms {
    fn card(&self) -> &ModelCard {
        &self.card
    }
    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }
    fn begin(&self) -> Sequence {
        Sequence::new(Box::new(Nothing))
    }
    fn extend(&self, _: &mut [(&mut Sequence, &[u32])]) -> Result<Matrix, LmError> {
        unimplemented!("nothing is read")
    }
    fn logits(&self, _: &Matrix) -> Result<Matrix, LmError> {
        unimplemented!("nothing is said")
    }
    fn word_mass(&self, _: &Matrix, _: &[Option<u32>]) -> Result<Vec<WordMass>, LmError> {
        unimplemented!("nothing is said")
    }
    fn rows(&self, _: RowSource, ids: &[u32]) -> Result<Matrix, LmError> {
        Ok(Matrix::new(ids.len(), WIDTH, ids.iter().flat_map(|_| [0.0, 2.0, 0.0]).collect()))
    }
}

/// The state before the call in a text: of the first three tokens in turn. The last two texts call the fourth and the first,
/// from states that are `held` times as long.
fn call(text: usize, held: f32) -> (usize, [f32; WIDTH]) {
    let x = text as f32;
    match text {
        10 => (3, [held, -held, held]),
        11 => (0, [-held, held, 3.0 * held]),
        _ if text.is_multiple_of(3) => (0, [1.0 + 0.1 * x, 0.5, 0.0]),
        _ if text % 3 == 1 => (1, [0.0, 1.0, -0.1 * x]),
        _ => (2, [-0.2 * x, 0.0, 1.0]),
    }
}

fn fitted(held: f32, lambda: Option<f64>) -> Head {
    let names = ["[WALK]", "<sofa>", "[END]", "<desk>"].map(str::to_owned);
    let mut set = FeatureSet::new(WIDTH, names.to_vec());
    for text in 0..TEXTS {
        let example = set.add_example(text as u32);
        let (tool, h) = call(text, held);
        let (log_sum_exp, max) = (1.0, 0.5);
        let tool = tool as i32;
        set.push(
            example,
            Position { h: &h, log_sum_exp, label_logit: 0.0, max, best_word: 0, tool, word: 0 },
        );
    }
    let table = Table::new(&set).expect("a table");
    let part: Vec<bool> = (0..TEXTS).map(|text| text < TEXTS - 2).collect();
    let vocabulary = Vocabulary::new(&names).expect("tokens");
    let (method, prior) = (MethodName::Exact, PriorName::Contexts);
    let plan = PlanMethod { method, prior, adam: None, names: None, lambda, seed: 0 };
    fit_part(&Norms::new(), &table, &vocabulary, &part, &plan).expect("a head")
}

/// By hand: the mean state of each token's calls in the part, less the mean of these means, at the norm of the word head's
/// rows.
#[test]
fn contexts_are_those_of_the_part() {
    let mut means = [[0f64; WIDTH]; 3];
    let mut counts = [0f64; 3];
    for text in 0..TEXTS - 2 {
        let (tool, h) = call(text, 1.0);
        means[tool].iter_mut().zip(h).for_each(|(sum, h)| *sum += f64::from(h));
        counts[tool] += 1.0;
    }
    means.iter_mut().zip(counts).for_each(|(mean, count)| mean.iter_mut().for_each(|x| *x /= count));
    let centre: Vec<f64> = (0..WIDTH).map(|j| means.iter().map(|mean| mean[j]).sum::<f64>() / 3.0).collect();
    let head = fitted(50.0, Some(0.1));
    for (k, mean) in means.iter().enumerate() {
        let row: Vec<f64> = mean.iter().zip(&centre).map(|(x, centre)| x - centre).collect();
        let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        for (x, found) in row.iter().zip(head.prior.row(k)) {
            assert!((2.0 * x / norm - f64::from(*found)).abs() < 1e-5, "row {k}: {x} {found}");
        }
    }
    assert!(head.prior.row(3).iter().all(|&x| x == 0.0), "called nowhere in the part");
}

/// At a given λ, what the held-out texts say makes no difference. (One that is chosen is chosen from a grid in units of the
/// mean ‖h‖² of all texts.)
#[test]
fn held_out_texts_have_no_say() {
    let [one, other] = [1.0, 50.0].map(|held| fitted(held, Some(1e-2)));
    assert_eq!((one.weights.data(), one.prior.data()), (other.weights.data(), other.prior.data()));
    assert!(one.weights.data().iter().any(|&x| x != 0.0));
}

/// Where λ is chosen, the rows of the head are held to those of the whole part, whatever λ is.
#[test]
fn a_chosen_lambda_has_the_same_prior() {
    assert_eq!(fitted(1.0, None).prior.data(), fitted(1.0, Some(0.1)).prior.data());
}
