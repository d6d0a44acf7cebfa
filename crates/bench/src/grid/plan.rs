//! Which cells a grid has, the most telling first.

use super::{Adam, Arena, Cell, Kind, Names, Unit};
use head::candidates::{STATES, of_text, pooled, together};
use head::{Method, MethodName, Pool, Prior, Scale, Search, Source, Text, Weighting};

/// Examples a tool along a learning curve.
pub const LEARNING: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// Examples a tool in the comparison of priors.
pub const FEW: [usize; 6] = [1, 2, 5, 10, 20, 40];

/// A part of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The methods as published, the same with the learning rate that cross-validation chooses, and ours with the λ that
    /// it chooses.
    Methods,
    /// λ from 0 to 1: exact with both weightings, for each of a few priors; TokenLearning as published.
    Lambda,
    /// Few examples a tool, prior by prior, scale by scale, the prior that is chosen by the training calls, and the methods as
    /// published.
    Few,
    /// Names pooled by mean and by maximum, TokenLearning and exact: quick enough for hundreds of tools.
    Pooling,
    /// Every prior, pooling and source.
    Priors,
    /// Names that say nothing.
    Names,
    /// Few examples a tool.
    Learning,
    /// Every prior with the other weighting, and with the λ that cross-validation chooses.
    Rest,
}

/// The units of these parts, without repetition. What depends on no seed has one, unless seeds decide the fold. `few` are the
/// numbers of examples a tool of [`Part::Few`].
pub fn plan(arena: &Arena<'_>, parts: &[Part], seeds: u64, few: &[usize]) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let published = Adam { rate: arena.published.0, epochs: arena.published.1 };
    for part in parts {
        let cells: Vec<(Kind, Cell)> = match part {
            Part::Methods => methods(published),
            Part::Lambda => {
                let exact = both_weightings().flat_map(|w| few_priors().map(|prior| exact(prior, w)));
                let published = adam(MethodName::TokenLearning, published);
                exact.chain([published]).map(|cell| (Kind::Path, cell)).collect()
            }
            Part::Priors => {
                priors().into_iter().map(|p| (Kind::Path, exact(p, Weighting::PerPosition))).collect()
            }
            Part::Names => names(published),
            Part::Pooling => pooling(published),
            Part::Learning => learning(published),
            Part::Few => few_examples(few, published),
            Part::Rest => {
                let auto = priors().into_iter().map(|p| (Kind::Auto, exact(p, Weighting::PerPosition)));
                let other = priors().into_iter().map(|p| (Kind::Path, exact(p, Weighting::PerExample)));
                auto.chain(other).collect()
            }
        };
        for (kind, cell) in cells {
            let folds = if *part == Part::Few { vec![None] } else { arena.folds() };
            let first = Cell { fold: folds.first().copied().flatten(), ..cell.clone() };
            let random = Unit { kind, cell: first }.depends_on_seed();
            for seed in 0..if random { seeds } else { 1 } {
                for &fold in &folds {
                    let prior = seeded(&cell.prior, seed);
                    let unit = Unit { kind, cell: Cell { prior, seed, fold, ..cell.clone() } };
                    if (*part != Part::Few || is_worth(arena, &unit, few)) && !units.contains(&unit) {
                        units.push(unit);
                    }
                }
            }
        }
    }
    units
}

fn both_weightings() -> impl Iterator<Item = Weighting> {
    [Weighting::PerPosition, Weighting::PerExample].into_iter()
}

fn exact(prior: Prior, weighting: Weighting) -> Cell {
    Cell {
        method: MethodName::Exact,
        prior,
        names: Names::Own,
        weighting,
        adam: None,
        per_tool: None,
        seed: 0,
        fold: None,
    }
}

/// A method as published.
fn adam(method: MethodName, adam: Adam) -> Cell {
    let Method { prior, training, .. } = Method::named(method);
    Cell {
        method,
        prior,
        names: Names::published(method),
        weighting: training.weighting,
        adam: Some(adam),
        per_tool: None,
        seed: 0,
        fold: None,
    }
}

const PUBLISHED: [MethodName; 3] =
    [MethodName::ToolkenGpt, MethodName::TokenLearning, MethodName::TokenLearningCode];

fn methods(published: Adam) -> Vec<(Kind, Cell)> {
    let mut cells: Vec<(Kind, Cell)> = vec![(Kind::Auto, exact(Prior::Zero, Weighting::PerPosition))];
    cells.extend(PUBLISHED.map(|method| (Kind::Own, adam(method, published))));
    cells.push((Kind::Auto, exact(Prior::Zero, Weighting::PerExample)));
    cells.push((Kind::Auto, exact(text(Text::Name, Source::HeadRows, Pool::Mean), Weighting::PerPosition)));
    cells.push((
        Kind::Auto,
        exact(text(Text::Description, Source::HeadRows, Pool::Mean), Weighting::PerPosition),
    ));
    cells.push((Kind::Auto, exact(contexts(), Weighting::PerPosition)));
    cells.extend(PUBLISHED.map(|method| (Kind::Tuned, adam(method, published))));
    cells.push((Kind::Own, tokenlearning(Pool::Max, published)));
    cells.push((Kind::PerTool, exact(Prior::Zero, Weighting::PerPosition)));
    cells
}

/// TokenLearning, with its rows pooled from those of the name's tokens: the paper's comparison.
fn tokenlearning(pool: Pool, published: Adam) -> Cell {
    let prior = Prior::Text { text: Text::Name, source: Source::HeadRows, pool, scale: Scale::AsIs };
    Cell { prior, ..adam(MethodName::TokenLearning, published) }
}

fn pooling(published: Adam) -> Vec<(Kind, Cell)> {
    let pools = [Pool::Mean, Pool::Max];
    let paper = pools.map(|pool| (Kind::Own, tokenlearning(pool, published)));
    let exact = pools
        .map(|pool| (Kind::Auto, exact(text(Text::Name, Source::HeadRows, pool), Weighting::PerPosition)));
    // The published training first: of hundreds of tools the other takes minutes a head.
    paper.into_iter().chain(exact).collect()
}

fn names(published: Adam) -> Vec<(Kind, Cell)> {
    let mut cells = Vec::new();
    for names in [Names::Own, Names::Tool, Names::Func] {
        for method in [MethodName::TokenLearning, MethodName::TokenLearningCode] {
            let own = adam(method, published);
            let names = if names == Names::Own { own.names } else { names };
            cells.push((Kind::Own, Cell { names, ..own }));
        }
        let name = text(Text::Name, Source::HeadRows, Pool::Mean);
        cells.push((Kind::Auto, Cell { names, ..exact(name, Weighting::PerPosition) }));
    }
    cells
}

/// The priors of [`Part::Lambda`] and [`Part::Learning`]: few enough for one picture.
pub fn few_priors() -> [Prior; 3] {
    [Prior::Zero, text(Text::Name, Source::HeadRows, Pool::Mean), contexts()]
}

fn learning(published: Adam) -> Vec<(Kind, Cell)> {
    let few = |cell: Cell| LEARNING.map(|count| Cell { per_tool: Some(count), ..cell.clone() });
    let mut cells = Vec::new();
    for prior in few_priors() {
        cells.extend(few(exact(prior, Weighting::PerPosition)).map(|cell| (Kind::Path, cell)));
    }
    for method in PUBLISHED {
        cells.extend(few(adam(method, published)).map(|cell| (Kind::Own, cell)));
    }
    cells
}

/// So many examples a tool may leave none to score, be no more than fewer are, or be too few to choose λ by.
fn is_worth(arena: &Arena<'_>, unit: &Unit, counts: &[usize]) -> bool {
    let cell = &unit.cell;
    let drawn = |count| arena.split(&Cell { per_tool: Some(count), ..cell.clone() }).ok();
    let fewer = counts.iter().copied().filter(|&count| Some(count) < cell.per_tool).max();
    let Some(here) = cell.per_tool.and_then(drawn) else { return false };
    let search = Search::default();
    let can_choose = || here.fit_on.folds(here.train, search.folds, cell.seed).is_ok();
    (unit.kind != Kind::Chosen || can_choose())
        && fewer.and_then(drawn).is_none_or(|fewer| fewer.fit_on.len() != here.fit_on.len())
}

fn few_examples(counts: &[usize], published: Adam) -> Vec<(Kind, Cell)> {
    let rows = |text| of_text(text, Source::HeadRows, 1.0);
    let own = |prior| (prior, Names::Own);
    let mut priors = vec![
        own(Prior::Zero),
        own(rows(Text::Name)),
        own(rows(Text::Description)),
        own(of_text(Text::Description, STATES, 1.0)),
        (rows(Text::BareName), Names::Id),
        own(together(0.5)),
        own(contexts()),
        own(Prior::Uniform { seed: 0 }),
        own(rows(Text::Unrelated { seed: 0 })),
    ];
    priors.extend([0.3, 3.0].map(|factor| own(of_text(Text::Description, STATES, factor))));
    let scale = Scale::Unit { factor: 1.0, centred: true };
    priors.push(own(Prior::Text { text: Text::Description, source: STATES, pool: Pool::Mean, scale }));
    let mut cells = Vec::new();
    for &count in counts {
        let cell =
            |prior, names| Cell { per_tool: Some(count), names, ..exact(prior, Weighting::PerPosition) };
        cells.push((Kind::Chosen, cell(Prior::Zero, Names::Own)));
        cells.extend(priors.iter().map(|(prior, names)| (Kind::Path, cell(prior.clone(), *names))));
        let few = |method| Cell { per_tool: Some(count), ..adam(method, published) };
        cells.extend(PUBLISHED.map(|method| (Kind::Own, few(method))));
    }
    cells
}

/// Every prior of the comparison.
fn priors() -> Vec<Prior> {
    let mut all = vec![Prior::Zero, Prior::Uniform { seed: 0 }, contexts()];
    for source in [Source::HeadRows, Source::InputRows, Source::HiddenStates { bos: true }] {
        for kind in [Text::Name, Text::Description, Text::Unrelated { seed: 0 }] {
            all.extend([Pool::Mean, Pool::Max].map(|pool| text(kind, source, pool)));
        }
    }
    all
}

/// Rows of a text, all of the word head's mean norm, so that sources are compared and not scales.
fn text(text: Text, source: Source, pool: Pool) -> Prior {
    pooled(text, source, pool, 1.0)
}

fn contexts() -> Prior {
    Prior::Contexts { scale: Scale::Unit { factor: 1.0, centred: true } }
}

/// The same prior with what is random in it drawn by another seed.
fn seeded(prior: &Prior, seed: u64) -> Prior {
    match prior.clone() {
        Prior::Uniform { .. } => Prior::Uniform { seed },
        Prior::Text { text: Text::Unrelated { .. }, source, pool, scale } => {
            Prior::Text { text: Text::Unrelated { seed }, source, pool, scale }
        }
        prior => prior,
    }
}
