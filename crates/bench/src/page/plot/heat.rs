//! A matrix of counts, shaded by each row's shares.

use super::{svg, text};
use std::fmt::Write;

/// A matrix with named rows and columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    /// What the rows are.
    pub down: String,
    /// What the columns are.
    pub across: String,
    /// The rows' names.
    pub rows: Vec<String>,
    /// The columns' names.
    pub columns: Vec<String>,
    /// `counts[row][column]`.
    pub counts: Vec<Vec<usize>>,
}

impl Heat {
    /// The drawing.
    pub fn svg(&self) -> String {
        const CELL: f64 = 30.0;
        let longest = |names: &[String]| names.iter().map(|n| n.chars().count()).max().unwrap_or(0) as f64;
        let (left, top) = (26.0 + 6.8 * longest(&self.rows), 26.0 + 6.8 * longest(&self.columns));
        let (width, height) =
            (left + CELL * self.columns.len() as f64 + 4.0, top + CELL * self.rows.len() as f64 + 4.0);
        let mut out = String::new();
        text(&mut out, left, 12.0, "start", "tick", &format!("across: {}; down: {}", self.across, self.down));
        for (i, name) in self.columns.iter().enumerate() {
            let x = left + CELL * (i as f64 + 0.5) + 4.0;
            let _ = write!(
                out,
                "<text transform=\"translate({x:.1} {:.1}) rotate(-90)\" class=\"tick\">{}</text>",
                top - 6.0,
                super::escape(name)
            );
        }
        for (r, (name, counts)) in self.rows.iter().zip(&self.counts).enumerate() {
            let y = top + CELL * r as f64;
            text(&mut out, left - 6.0, y + 0.5 * CELL + 4.0, "end", "tick", name);
            let total: usize = counts.iter().sum();
            for (c, &count) in counts.iter().enumerate() {
                let share = count as f64 / total.max(1) as f64;
                let x = left + CELL * c as f64;
                let _ = write!(
                    out,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{CELL}\" height=\"{CELL}\" style=\"fill:rgba(var(--heat),{:.3})\" class=\"grid\"/>",
                    0.85 * share
                );
                if count > 0 {
                    text(
                        &mut out,
                        x + 0.5 * CELL,
                        y + 0.5 * CELL + 4.0,
                        "middle",
                        "tick",
                        &count.to_string(),
                    );
                }
            }
        }
        svg(width, height, &format!("{} against {}", self.down, self.across), &out)
    }
}
