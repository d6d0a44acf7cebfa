//! The report: grids and runs as one self-contained page that says what differs, and whether it could be chance.

mod browser;
mod contrast;
mod few;
mod forced;
mod generation;
mod lambda;
mod pictures;
mod plans;

pub use contrast::{Contrast, Figure, contrast};

use crate::BenchError;
use crate::grid::{GridMeta, MapOfRows, Row};
use crate::home::{HomeMeta, HomeRecord};
use crate::page::Page;
use crate::run::{Record, RunMeta};

/// A grid that is reported.
#[derive(Clone, Debug)]
pub struct Grid {
    /// What it is of.
    pub meta: GridMeta,
    /// Its rows.
    pub rows: Vec<Row>,
    /// Maps of heads, by name.
    pub maps: Vec<(String, MapOfRows)>,
}

/// A run that is reported.
#[derive(Clone, Debug)]
pub struct RunOf {
    /// What it is of.
    pub meta: RunMeta,
    /// Its answers.
    pub records: Vec<Record>,
}

/// A run of household plans that is reported.
#[derive(Clone, Debug)]
pub struct PlansOf {
    /// What it is of.
    pub meta: HomeMeta,
    /// Its plans.
    pub records: Vec<HomeRecord>,
}

/// The page.
///
/// # Errors
/// If a record cannot be written as JSON.
pub fn html(grids: &[Grid], runs: &[RunOf], plans: &[PlansOf]) -> Result<String, BenchError> {
    let mut models: Vec<String> = grids.iter().map(|g| g.meta.called()).collect();
    models.extend(runs.iter().map(|r| r.meta.called()));
    models.extend(plans.iter().map(|r| r.meta.called()));
    models.sort_unstable();
    models.dedup();
    let lead = format!(
        "{} grids, {} runs; models: {}. Intervals are of 95 %; p-values are two-sided, corrected by Holm within a table where its head says so; what is \
         detectable is so at 0.05, uncorrected; \
         * below 0.05, ** below 0.01, *** below 0.001.",
        grids.len(),
        runs.len() + plans.len(),
        models.join(", ")
    );
    let mut page = Page::new("Tool tokens: benchmarks", &lead);
    if grids.iter().any(|grid| !forced::claims(grid).is_empty()) {
        let html: String = grids.iter().map(|grid| titled(&name(grid), &forced::claims(grid))).collect();
        page.section("claims", "The papers' claims here", &html);
    }
    if !runs.is_empty() {
        page.section("generation", "Answers", &generation::tables(runs));
    }
    if !plans.is_empty() {
        page.section("plans", "Household plans", &plans::tables(plans));
    }
    type Part = fn(&Grid) -> String;
    let parts: [(&str, &str, Part); 9] = [
        ("methods", "Heads, teacher-forced", forced::methods),
        ("lambda", "λ", lambda::section),
        ("priors", "Priors and pooling", pictures::priors),
        ("names", "Names that say nothing", forced::names),
        ("few", "Few examples a tool: priors", few::section),
        ("learning", "Examples a tool", pictures::learning),
        ("confusion", "Which tool for which", pictures::confusion),
        ("bias", "The bias", pictures::bias),
        ("map", "Where rows go", pictures::maps),
    ];
    for (id, title, part) in parts {
        let html: String = grids.iter().map(|grid| titled(&name(grid), &part(grid))).collect();
        if !html.is_empty() {
            page.section(id, title, &html);
        }
    }
    if !(runs.is_empty() && plans.is_empty()) {
        page.section("questions", "Questions and plans", browser::HTML);
        page.script(&browser::script(runs, plans)?);
    }
    Ok(page.render())
}

/// A grid's part below a line that says what it is of; nothing for nothing.
fn titled(title: &str, html: &str) -> String {
    if html.is_empty() { String::new() } else { format!("<h3>{}</h3>\n{html}", crate::page::escape(title)) }
}

fn name(grid: &Grid) -> String {
    use crate::task::TrainingSet;
    let scored = match (&grid.meta.test_corpus, grid.meta.training) {
        (None, _) => "scored on its own folds",
        (_, TrainingSet::Gsm8k) => "scored on GSM8K-XL's solutions",
        (_, TrainingSet::Arithmetic) => "scored on unseen patterns",
        (_, TrainingSet::Kamel(_) | TrainingSet::KamelFacts(_)) => "scored on the test questions",
        (_, TrainingSet::FuncQa | TrainingSet::Facts | TrainingSet::Home(_)) => "scored on its test",
    };
    format!("{}, {} examples, {scored}; {}", grid.meta.training, grid.meta.examples, grid.meta.called())
}

/// A share in percent.
fn percent(x: f64) -> String {
    format!("{:.1}", 100.0 * x)
}

/// A p-value with its marks.
fn p_value(p: f64) -> String {
    format!("{} {}", uncorrected(p), crate::stats::stars(p)).trim_end().to_owned()
}

/// The same without marks.
fn uncorrected(p: f64) -> String {
    if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") }
}
