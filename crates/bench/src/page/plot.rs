//! Drawings as SVG that take their colours from the page, so that they are right in light and dark.

mod axis;
mod bars;
mod heat;
mod lines;
mod map;

pub use axis::Axis;
pub use bars::{Bar, Bars};
pub use heat::Heat;
pub use lines::{Lines, Point, Series};
pub use map::{Map, Mark};

use super::escape;
use std::fmt::Write;

/// Colours before they repeat.
const COLOURS: usize = 8;

/// The colour of the n-th series, as CSS.
fn colour(n: usize) -> String {
    format!("var(--s{})", n % COLOURS)
}

/// Where colours repeat, lines are told apart by dashes.
fn dashes(n: usize) -> &'static str {
    ["", " stroke-dasharray=\"6 3\"", " stroke-dasharray=\"2 2\""][(n / COLOURS).min(2)]
}

/// An SVG of this size in user units; it is scaled to the page's width.
fn svg(width: f64, height: f64, label: &str, content: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{}\">{content}</svg>",
        escape(label)
    )
}

/// A text at a place; `anchor` is `start`, `middle` or `end`.
fn text(out: &mut String, x: f64, y: f64, anchor: &str, class: &str, text: &str) {
    let _ = write!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{}</text>",
        escape(text)
    );
}

/// The names of series with their colours, in rows below `y`. Returns the height it takes.
fn legend(out: &mut String, names: &[&str], left: f64, width: f64, y: f64) -> f64 {
    const ROW: f64 = 16.0;
    let (mut x, mut row) = (left, 0.0);
    for (n, name) in names.iter().enumerate() {
        let needs = 24.0 + 6.6 * name.chars().count() as f64;
        if x > left && x + needs > left + width {
            (x, row) = (left, row + 1.0);
        }
        let at = y + row * ROW;
        let fill = if n < COLOURS { colour(n) } else { "none".to_owned() };
        let _ = write!(
            out,
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\" fill=\"{fill}\" stroke=\"{}\" stroke-width=\"1.8\"{}/>",
            at - 9.0,
            colour(n),
            dashes(n)
        );
        text(out, x + 14.0, at, "start", "", name);
        x += needs;
    }
    (row + 1.0) * ROW
}
