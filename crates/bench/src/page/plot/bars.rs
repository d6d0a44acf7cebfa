//! Bars with intervals, in groups.

use super::axis::Frame;
use super::{Axis, colour, legend, svg, text};
use crate::stats::Interval;
use std::fmt::Write;

/// Groups of bars.
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    /// The vertical axis.
    pub y: Axis,
    /// The names of a group's bars: one colour each.
    pub series: Vec<String>,
    /// The groups.
    pub groups: Vec<Bar>,
}

/// A group of bars side by side.
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
        let (width, height) = (560.0, 300.0);
        let values = || self.groups.iter().flat_map(|group| group.values.iter().flatten());
        let frame = Frame::new(
            (width, height),
            (&Axis { range: Some((0.0, 1.0)), ..Axis::linear("") }, &self.y),
            std::iter::empty(),
            values().flat_map(|v| [v.low, v.high]),
        );
        let mut out = String::new();
        frame.draw(&mut out, false);
        let group_width = (frame.right - frame.left) / self.groups.len().max(1) as f64;
        let bar = (0.8 * group_width / self.series.len().max(1) as f64).min(46.0);
        for (at, group) in self.groups.iter().enumerate() {
            let middle = frame.left + (at as f64 + 0.5) * group_width;
            let first = middle - 0.5 * bar * group.values.len() as f64;
            for (n, value) in group.values.iter().enumerate() {
                let Some(value) = value else { continue };
                let x = first + bar * n as f64;
                let centre = x + 0.5 * bar;
                let _ = write!(
                    out,
                    "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\" opacity=\".75\"><title>{}: {:.4} ({:.4} to {:.4})</title></rect>\
                     <path d=\"M{centre:.1} {:.1}V{:.1}\" class=\"axis\"/>",
                    x + 1.0,
                    frame.y(value.value),
                    (bar - 2.0).max(1.0),
                    (frame.bottom - frame.y(value.value)).max(0.0),
                    colour(n),
                    super::escape(&format!(
                        "{}, {}",
                        group.name,
                        self.series.get(n).map_or("", String::as_str)
                    )),
                    value.value,
                    value.low,
                    value.high,
                    frame.y(value.low),
                    frame.y(value.high),
                );
            }
            // Neighbouring names stand at two heights, lest they run into each other.
            let lower = if self.groups.len() > 4 && at % 2 == 1 { 13.0 } else { 0.0 };
            text(&mut out, middle, frame.bottom + 15.0 + lower, "middle", "tick", &group.name);
        }
        let names: Vec<&str> = self.series.iter().map(String::as_str).collect();
        let below = if names.len() > 1 {
            legend(&mut out, &names, frame.left, width - frame.left, height + 8.0)
        } else {
            0.0
        };
        svg(width, height + below, &self.y.label, &out)
    }
}
