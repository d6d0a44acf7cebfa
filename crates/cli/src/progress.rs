//! Progress of long work, on standard error.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar with a rate and an estimate; silent where standard error is no terminal.
pub fn bar(what: &'static str, unit: &str, total: u64) -> ProgressBar {
    let template = format!("{what:>12} [{{bar:32}}] {{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style)
}

/// Extraction of a corpus, under a bar.
///
/// # Errors
/// As [`head::extract`].
pub fn extract(
    model: &dyn lm::FrozenLm,
    corpus: &::corpus::Corpus,
    cache: &std::path::Path,
) -> Result<head::Store, head::HeadError> {
    let bar = bar("features", "tokens", 0);
    let store = head::extract(model, corpus, cache, &mut |p| {
        bar.set_length(p.total_tokens as u64);
        bar.set_position(p.tokens as u64);
    });
    bar.finish_and_clear();
    store
}

/// A bar over bytes, in the same way.
pub fn bytes(what: &'static str) -> ProgressBar {
    let template =
        format!("{what:>12} [{{bar:32}}] {{bytes}}/{{total_bytes}}, {{bytes_per_sec}}, {{eta}} left");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

/// Extraction of one shard, under a bar; returns the store's address.
///
/// # Errors
/// As [`head::extract_shard`].
pub fn extract_shard(
    model: &dyn lm::FrozenLm,
    corpus: &::corpus::Corpus,
    shard: head::Shard,
    depot: &dyn head::Depot,
) -> Result<String, head::HeadError> {
    let bar = bar("shard", "tokens", 0);
    let address = head::extract_shard(model, corpus, shard, depot, &mut |p| {
        bar.set_length(p.total_tokens as u64);
        bar.set_position(p.tokens as u64);
    });
    bar.finish_and_clear();
    address
}
