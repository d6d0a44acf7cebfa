//! What the frozen model reads of contexts, and where it is kept.

use crate::{Context, FitError, error::write};
use lm::{Decoder, FrozenLm, Sequence};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Tokens that go through the model at once, unless one context alone has more.
const PACK_TOKENS: usize = 1024;
/// Contexts that agree in so many tokens are read on from one state: conversations open with instructions, and there are few of them.
const OPENING: usize = 12;
/// Packs after which what was read is written down: what an interruption loses at most.
const PACKS_A_WRITE: usize = 8;

/// What the model says at one decision.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    /// The hidden state, `(d)`.
    pub h: Vec<f32>,
    /// The log mass of all words.
    pub log_sum_exp: f32,
    /// The best word's logit.
    pub max: f32,
    /// The best word.
    pub best_word: u32,
}

/// How far an extraction is, in contexts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extraction {
    /// Contexts that are there.
    pub done: usize,
    /// Of them, those found in the cache.
    pub kept: usize,
    /// All.
    pub total: usize,
}

/// Where what the model reads is kept.
#[derive(Clone, Copy, Debug)]
pub struct Cache<'a> {
    /// The file.
    pub path: &'a Path,
    /// Whether what is read now is added to it.
    pub grows: bool,
}

/// The readings of every context's points, in order; from the cache where it has them. A cache that is damaged or of
/// another model is as none: it is written anew.
pub(crate) fn extract(
    lm: &dyn FrozenLm,
    contexts: &[Context],
    cache: Option<Cache<'_>>,
    progress: &mut dyn FnMut(Extraction),
) -> Result<Vec<Vec<Reading>>, FitError> {
    let mut known = cache.and_then(|cache| read(cache.path, lm.card().width)).unwrap_or_default();
    let written = cache.filter(|cache| cache.grows).map(|cache| cache.path);
    let engine = lm.card().engine.as_str();
    let keyed = |context: &Context| {
        let own = key(lm, engine, context);
        // What the same model read in f32 is what its packed engine comes near to: a server that runs packed reads it, too.
        let finer = (engine == Decoder::PACKED).then(|| key(lm, Decoder::F32, context));
        finer.filter(|finer| known.contains_key(finer)).unwrap_or(own)
    };
    let keys: Vec<String> = contexts.iter().map(keyed).collect();
    let mut missing: Vec<usize> = (0..contexts.len()).filter(|&i| !known.contains_key(&keys[i])).collect();
    missing.sort_by_key(|&i| &keys[i]);
    missing.dedup_by_key(|&mut i| &keys[i]);
    let most = lm.card().context;
    if let Some(long) = missing.iter().find(|&&i| contexts[i].ids.len() > most) {
        let length = contexts[*long].ids.len();
        return Err(FitError::Input(format!("an example has {length} tokens; the model takes {most}")));
    }
    let mut state = Extraction { done: contexts.len() - missing.len(), kept: 0, total: contexts.len() };
    state.kept = state.done;
    progress(state);
    missing.sort_by_key(|&i| contexts[i].ids.len());
    let mut openings: BTreeMap<&[u32], Vec<usize>> = BTreeMap::new();
    for &i in &missing {
        let ids = contexts[i].until_decision();
        openings.entry(&ids[..ids.len().min(OPENING)]).or_default().push(i);
    }
    let mut packs = 0;
    for alike in openings.values() {
        let shared = shared_beginning(alike.iter().map(|&i| contexts[i].until_decision()));
        let mut beginning = lm.begin();
        if shared > 0 {
            lm.extend(&mut [(&mut beginning, &contexts[alike[0]].ids[..shared])])?;
        }
        let mut rest = alike.as_slice();
        while !rest.is_empty() {
            let mut tokens = 0;
            let fits = rest.iter().take_while(|&&i| {
                tokens += contexts[i].ids.len() - shared;
                tokens <= PACK_TOKENS
            });
            let (pack, later) = rest.split_at(fits.count().max(1));
            for (&i, readings) in pack.iter().zip(read_pack(lm, &beginning, shared, contexts, pack)?) {
                known.insert(keys[i].clone(), readings);
            }
            rest = later;
            state.done += pack.len();
            progress(state);
            packs += 1;
            if let Some(path) = written.filter(|_| packs % PACKS_A_WRITE == 0) {
                save(path, lm.card().width, &known)?;
            }
        }
    }
    if let Some(path) = written.filter(|_| packs % PACKS_A_WRITE != 0) {
        save(path, lm.card().width, &known)?;
    }
    Ok(keys.iter().map(|key| known[key].clone()).collect())
}

fn read_pack(
    lm: &dyn FrozenLm,
    beginning: &Sequence,
    shared: usize,
    contexts: &[Context],
    pack: &[usize],
) -> Result<Vec<Vec<Reading>>, FitError> {
    let mut sequences: Vec<Sequence> = pack.iter().map(|_| beginning.fork()).collect();
    let mut batch: Vec<(&mut Sequence, &[u32])> =
        sequences.iter_mut().zip(pack).map(|(sequence, &i)| (sequence, &contexts[i].ids[shared..])).collect();
    let states = lm.extend(&mut batch)?;
    let mut rows = Vec::new();
    let mut first = 0;
    for &i in pack {
        rows.extend(contexts[i].points.iter().map(|(at, _)| first + at - shared));
        first += contexts[i].ids.len() - shared;
    }
    let hidden = states.select(rows);
    let masses = lm.word_mass(&hidden, &vec![None; hidden.rows()])?;
    let mut readings = masses.into_iter().enumerate().map(|(row, mass)| Reading {
        h: hidden.row(row).to_vec(),
        log_sum_exp: mass.log_sum_exp,
        max: mass.max,
        best_word: mass.argmax,
    });
    Ok(pack.iter().map(|&i| readings.by_ref().take(contexts[i].points.len()).collect()).collect())
}

/// Tokens that all begin with, and that leave each its last: the state of that one is needed.
fn shared_beginning<'c>(mut all: impl Iterator<Item = &'c [u32]>) -> usize {
    let Some(first) = all.next() else { return 0 };
    let common = |a: &[u32], b: &[u32]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
    all.fold(first.len() - 1, |shared, ids| common(&first[..shared], &ids[..ids.len() - 1]))
}

/// What a context's readings depend on.
fn key(lm: &dyn FrozenLm, engine: &str, context: &Context) -> String {
    let mut hash = Sha256::new();
    hash.update(lm.card().digest.as_bytes());
    hash.update(engine.as_bytes());
    hash.update((context.ids.len() as u64).to_le_bytes());
    context.ids.iter().for_each(|id| hash.update(id.to_le_bytes()));
    context.points.iter().for_each(|(at, _)| hash.update((*at as u64).to_le_bytes()));
    hex::encode(hash.finalize())
}

fn read(path: &Path, width: usize) -> Option<HashMap<String, Vec<Reading>>> {
    let bytes = std::fs::read(path).ok()?;
    let (_, header) = SafeTensors::read_metadata(&bytes).ok()?;
    let file = SafeTensors::deserialize(&bytes).ok()?;
    let metadata = header.metadata().as_ref()?;
    let listed = metadata.get("contexts")?;
    let contexts: Vec<(String, usize)> = serde_json::from_str(listed).ok()?;
    let h = floats(&file, "h")?;
    let (log_sum_exp, max, best) =
        (floats(&file, "log_sum_exp")?, floats(&file, "max")?, floats(&file, "best")?);
    let columns = COLUMNS.map(|column| file.tensor(column).map_or(&[][..], |tensor| tensor.data()));
    if *metadata.get("sha256")? != digest(listed, columns) {
        return None;
    }
    let points = contexts.iter().try_fold(0usize, |sum, (_, points)| sum.checked_add(*points))?;
    if Some(h.len()) != points.checked_mul(width)
        || [&log_sum_exp, &max, &best].iter().any(|x| x.len() != points)
    {
        return None;
    }
    let mut at = 0;
    let reading = |i: usize| Reading {
        h: h[i * width..(i + 1) * width].to_vec(),
        log_sum_exp: log_sum_exp[i],
        max: max[i],
        best_word: best[i].to_bits(),
    };
    let each = contexts.into_iter().map(|(key, points)| {
        at += points;
        (key, (at - points..at).map(reading).collect())
    });
    Some(each.collect())
}

/// The tensors of a cache.
const COLUMNS: [&str; 4] = ["h", "log_sum_exp", "max", "best"];

fn digest(contexts: &str, columns: [&[u8]; COLUMNS.len()]) -> String {
    let mut hash = Sha256::new();
    hash.update(contexts);
    columns.iter().for_each(|column| hash.update(column));
    hex::encode(hash.finalize())
}

fn floats(file: &SafeTensors<'_>, name: &str) -> Option<Vec<f32>> {
    let tensor = file.tensor(name).ok().filter(|tensor| tensor.dtype() == Dtype::F32)?;
    Some(tensor.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
}

fn save(path: &Path, width: usize, known: &HashMap<String, Vec<Reading>>) -> Result<(), FitError> {
    let mut keys: Vec<&String> = known.keys().collect();
    keys.sort();
    let all: Vec<&Reading> = keys.iter().flat_map(|key| &known[*key]).collect();
    let bytes =
        |numbers: &mut dyn Iterator<Item = f32>| -> Vec<u8> { numbers.flat_map(f32::to_le_bytes).collect() };
    let columns = [
        bytes(&mut all.iter().flat_map(|r| r.h.iter().copied())),
        bytes(&mut all.iter().map(|r| r.log_sum_exp)),
        bytes(&mut all.iter().map(|r| r.max)),
        bytes(&mut all.iter().map(|r| f32::from_bits(r.best_word))),
    ];
    let fault = |e: &dyn std::fmt::Display| FitError::Input(format!("{}: {e}", path.display()));
    let contexts: Vec<(&String, usize)> = keys.iter().map(|key| (*key, known[*key].len())).collect();
    let contexts = serde_json::to_string(&contexts).map_err(|e| fault(&e))?;
    let mut tensors = Vec::new();
    for (name, bytes) in COLUMNS.iter().zip(&columns) {
        let shape = if *name == "h" { vec![all.len(), width] } else { vec![all.len()] };
        tensors.push((*name, TensorView::new(Dtype::F32, shape, bytes).map_err(|e| fault(&e))?));
    }
    let sha256 = digest(&contexts, columns.each_ref().map(Vec::as_slice));
    let metadata = HashMap::from([("contexts".to_owned(), contexts), ("sha256".to_owned(), sha256)]);
    let file = safetensors::serialize(tensors, Some(metadata)).map_err(|e| fault(&e))?;
    write(path, &file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_kept_to_the_bit_and_damage_is_as_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features.safetensors");
        let reading = |x: f32, best_word| Reading { h: vec![x, -x], log_sum_exp: x + 1.0, max: x, best_word };
        let known = HashMap::from([
            ("b".to_owned(), vec![reading(1.5, 7), reading(2.5, u32::MAX)]),
            ("a".to_owned(), vec![reading(-3.0, 0)]),
        ]);
        save(&path, 2, &known).unwrap();
        let kept = known.clone();
        assert_eq!(read(&path, 2), Some(known));
        assert_eq!(read(&path, 3), None, "another width");
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(read(&path, 2), None, "{cut} bytes");
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            std::fs::write(&path, &flipped).unwrap();
            // What is not read may differ: a letter of the header's own.
            assert!(read(&path, 2).is_none_or(|found| found == kept), "byte {at}");
        }
    }

    /// A turn and the same turn gone on with share more than the first decision.
    #[test]
    fn what_is_shared_ends_before_the_first_decision() {
        let context = |ids: &[u32], first| Context {
            ids: ids.to_vec(),
            points: vec![(first, None)],
            group: 0,
            answers: None,
        };
        let (short, long) = (context(&[1, 2, 3], 2), context(&[1, 2, 3, 4, 5, 6], 2));
        let twice = [&short, &long, &long].map(Context::until_decision);
        assert_eq!(shared_beginning(twice.into_iter()), 2);
        assert_eq!(shared_beginning([long.until_decision()].into_iter()), 2);
    }

    #[test]
    fn the_shared_beginning_leaves_every_context_a_token() {
        let share = |all: &[&[u32]]| shared_beginning(all.iter().copied());
        assert_eq!(share(&[&[1, 2, 3], &[1, 2, 4, 5]]), 2);
        assert_eq!(share(&[&[1, 2, 3], &[1, 2, 3]]), 2);
        assert_eq!(share(&[&[1, 2, 3, 4], &[1]]), 0);
        assert_eq!(share(&[]), 0);
    }
}
