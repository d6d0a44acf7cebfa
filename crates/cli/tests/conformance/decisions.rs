//! Greedy decisions of packed weights, teacher-forced on FuncQA, against those of f32: words alone, and words and tools.

use crate::{imported, shared};
use corpus::Corpus;
use head::{Bias, Head, Method, MethodName, Search, Subset, Table, choose_lambda, extract};
use lm::{Device, FrozenLm, Matrix, Specials, WordMass};

/// The hidden states of a text and what the words say there.
fn read(model: &dyn FrozenLm, ids: &[u32]) -> (Matrix, Vec<WordMass>) {
    let hidden = model.states(ids).expect("a pass");
    let mass = model.word_mass(&hidden, &vec![None; ids.len()]).expect("word mass");
    (hidden, mass)
}

/// The best tool with its score.
fn best_tool(head: &Head, hidden: &[f32]) -> (usize, f32) {
    let scores = head.logits(hidden).into_iter().enumerate();
    scores.fold((0, f32::NEG_INFINITY), |best, (k, s)| if s > best.1 { (k, s) } else { best })
}

/// A head fitted to all of a corpus.
fn fitted(model: &dyn FrozenLm, corpus: &Corpus) -> Head {
    let cache = lm::models_dir().parent().expect("a folder").join("features");
    let store = extract(model, corpus, &cache, &mut |_| ()).expect("features");
    let table = Table::new(&store).expect("a table");
    let everything = Subset::all(table.groups().len());
    let zero = Matrix::zeros(corpus.tools().len(), table.width());
    let search = Search { bias: Bias::Fixed(0.0), ..Search::default() };
    let method = Method::named(MethodName::Exact);
    let found = choose_lambda(&table, &everything, &zero, &method, &search, &mut |_, _| ());
    found.expect("a fit").fit.head
}

/// Compares `texts` training texts; with a head, decisions between words and tools too.
fn decide_alike(name: &str, texts: usize, with_head: bool) {
    let (corpus, _) = imported("funcqa", &shared().join("toolkengpt/funcqa/train.json"));
    let path = lm::resolve(name, &mut |_| ()).expect("the model");
    let exact = lm::load(&path, Device::Cpu).expect("the model");
    let packed = lm::load(&path, Device::CpuPacked).expect("the model");
    let head = with_head.then(|| fitted(exact.as_ref(), &corpus));

    let (mut positions, mut words, mut tools, mut both) = (0, 0, 0, 0);
    let mut margins = Vec::new();
    for example in &corpus.examples()[..texts] {
        let mut ids: Vec<u32> = exact.tokenizer().bos().into_iter().collect();
        ids.extend(exact.tokenizer().encode(&example.text, Specials::Text).expect("ids"));
        let ((h, m), (packed_h, packed_m)) = (read(exact.as_ref(), &ids), read(packed.as_ref(), &ids));
        for i in 0..ids.len() {
            positions += 1;
            if m[i].argmax == packed_m[i].argmax {
                words += 1;
            } else {
                let logits = exact.logits(&h.select([i])).expect("logits");
                margins.push(m[i].max - logits.row(0)[packed_m[i].argmax as usize]);
            }
            let tool = |hidden: &Matrix| head.as_ref().map(|head| best_tool(head, hidden.row(i)));
            let (tool, packed_tool) = (tool(&h), tool(&packed_h));
            tools += usize::from(tool.map(|t| t.0) == packed_tool.map(|t| t.0));
            let pick = |tool: Option<(usize, f32)>, mass: &WordMass| match tool {
                Some((tool, score)) if score > mass.max => (true, tool),
                _ => (false, mass.argmax as usize),
            };
            both += usize::from(pick(tool, &m[i]) == pick(packed_tool, &packed_m[i]));
        }
    }
    margins.sort_by(f32::total_cmp);
    println!(
        "{name}: of {positions} positions of {texts} texts {words} best words, {tools} best tools and {both} decisions are those \
         of f32; f32's margins where words differ: {margins:.4?}"
    );
    for equal in [words, both] {
        assert!(equal as f64 >= 0.99 * f64::from(positions), "{equal} of {positions}");
    }
}

#[test]
#[ignore = "needs the shared data: just conformance DIR"]
fn packed_weights_decide_as_f32_does() {
    decide_alike("smollm2-135m", 100, true);
}

#[test]
#[ignore = "needs the shared data and a larger model: just conformance DIR"]
fn packed_weights_of_k_quants_decide_as_f32_does() {
    decide_alike("qwen2.5-coder-0.5b", 30, false);
}
