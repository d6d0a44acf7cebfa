//! Bars with intervals, in groups, from left to right: names have a column of their own.

use super::axis::Fitted;
use super::{Axis, colour, legend, svg, text};
use crate::stats::Interval;
use std::fmt::Write;

/// Height of a bar, and the space between groups.
const BAR: f64 = 11.0;
const GAP: f64 = 7.0;
/// Width of the names' column, and of the drawing.
const NAMES: f64 = 200.0;
const WIDTH: f64 = 560.0;

/// Groups of bars.
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    /// The axis of the values.
    pub x: Axis,
    /// The names of a group's bars: one colour each.
    pub series: Vec<String>,
    /// The groups.
    pub groups: Vec<Bar>,
}

/// A group of bars, one below the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What it is of.
    pub name: String,
    /// One value a series; nothing where there is none.
    pub values: Vec<Option<Interval>>,
}

impl Bars {
    /// The drawing.
    pub fn svg(&self) -> String {
        let values = self.groups.iter().flat_map(|group| group.values.iter().flatten());
        let axis = Fitted::new(&self.x, values.flat_map(|v| [0.0, v.low, v.high]));
        let place = |x: f64| NAMES + (WIDTH - NAMES - 16.0) * axis.place(x).clamp(0.0, 1.0);
        let mut out = String::new();
        let mut y = 6.0;
        for group in &self.groups {
            let there: Vec<_> =
                group.values.iter().enumerate().filter_map(|(n, v)| Some((n, (*v)?))).collect();
            let middle = y + 0.5 * BAR * there.len().max(1) as f64;
            text(&mut out, NAMES - 6.0, middle + 4.0, "end", "tick", &group.name);
            for (n, value) in there {
                let centre = y + 0.5 * BAR;
                let of = format!("{}, {}", group.name, self.series.get(n).map_or("", String::as_str));
                let _ = write!(
                    out,
                    "<rect x=\"{NAMES:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\" opacity=\".75\"><title>{}: {:.4} ({:.4} to {:.4})</title></rect>\
                     <path d=\"M{:.1} {centre:.1}H{:.1}\" class=\"axis\"/>",
                    y + 1.0,
                    (place(value.value) - NAMES).max(0.0),
                    BAR - 2.0,
                    colour(n),
                    super::escape(&of),
                    value.value,
                    value.low,
                    value.high,
                    place(value.low),
                    place(value.high),
                );
                y += BAR;
            }
            y += GAP;
        }
        for (value, label) in axis.ticks() {
            let x = place(value);
            let _ = write!(out, "<path d=\"M{x:.1} 2V{y:.1}\" class=\"grid\"/>");
            text(&mut out, x, y + 13.0, "middle", "tick", &label);
        }
        text(&mut out, 0.5 * (NAMES + WIDTH), y + 28.0, "middle", "tick", &self.x.label);
        let mut height = y + 36.0;
        let names: Vec<&str> = self.series.iter().map(String::as_str).collect();
        if names.len() > 1 {
            height += legend(&mut out, &names, 8.0, WIDTH - 8.0, height + 10.0);
        }
        svg(WIDTH, height, &self.x.label, &out)
    }
}
