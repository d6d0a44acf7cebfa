//! Points in a plane, with names and arrows.

use super::axis::Frame;
use super::{Axis, colour, svg, text};
use std::fmt::Write;

/// A map.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Map {
    /// What the axes are.
    pub axes: (String, String),
    /// What is marked.
    pub marks: Vec<Mark>,
}

/// A mark: a point, with an arrow to it where it came from elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub at: (f64, f64),
    /// Where it came from.
    pub from: Option<(f64, f64)>,
}

impl Map {
    /// The drawing: marks with an arrow in colour, the others small and grey.
    pub fn svg(&self) -> String {
        let (width, height) = (640.0, 480.0);
        let places = || self.marks.iter().flat_map(|mark| [Some(mark.at), mark.from]).flatten();
        let frame = Frame::new(
            (width, height),
            (&Axis::linear(&self.axes.0), &Axis::linear(&self.axes.1)),
            places().map(|p| p.0),
            places().map(|p| p.1),
        );
        let mut out = String::from(
            "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"6\" markerHeight=\"6\" orient=\"auto\">\
             <path d=\"M0 0L8 4L0 8Z\" style=\"fill:var(--soft)\"/></marker></defs>",
        );
        frame.draw(&mut out);
        let mut tools = 0;
        for mark in &self.marks {
            let (x, y) = (frame.x(mark.at.0), frame.y(mark.at.1));
            let Some(from) = mark.from else {
                text(&mut out, x, y, "middle", "tick", &mark.name);
                continue;
            };
            let (from_x, from_y) = (frame.x(from.0), frame.y(from.1));
            let colour = colour(tools);
            tools += 1;
            let _ = write!(
                out,
                "<path d=\"M{from_x:.1} {from_y:.1}L{x:.1} {y:.1}\" class=\"axis\" marker-end=\"url(#tip)\"/>\
                 <circle cx=\"{from_x:.1}\" cy=\"{from_y:.1}\" r=\"2.5\" fill=\"none\" stroke=\"{colour}\"/>\
                 <circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>"
            );
            text(&mut out, x + 6.0, y - 5.0, "start", "", &mark.name);
        }
        svg(width, height, "map of rows", &out)
    }
}
