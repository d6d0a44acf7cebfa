//! Lines with bands.

use super::axis::Frame;
use super::{Axis, colour, dashes, legend, svg};
use std::fmt::Write;

/// Series of points joined by lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Lines {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The series.
    pub series: Vec<Series>,
}

/// A series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<Point>,
}

/// A point with the interval that the band shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Along.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// The band's lower edge.
    pub low: f64,
    /// Its upper edge.
    pub high: f64,
}

impl Point {
    /// A point without a band.
    pub fn bare(x: f64, y: f64) -> Self {
        Self { x, y, low: y, high: y }
    }
}

impl Lines {
    /// The drawing.
    pub fn svg(&self) -> String {
        let (width, height) = (560.0, 300.0);
        let points = || self.series.iter().flat_map(|series| &series.points);
        let frame = Frame::new(
            (width, height),
            (&self.x, &self.y),
            points().map(|p| p.x),
            points().flat_map(|p| [p.y, p.low, p.high]),
        );
        let mut out = String::new();
        frame.draw(&mut out);
        for (n, series) in self.series.iter().enumerate() {
            let place = |x: f64, y: f64| format!("{:.1} {:.1}", frame.x(x), frame.y(y));
            let upper = series.points.iter().map(|p| place(p.x, p.high));
            let lower = series.points.iter().rev().map(|p| place(p.x, p.low));
            if series.points.iter().any(|p| p.high > p.low) {
                let edge: Vec<String> = upper.chain(lower).collect();
                let _ =
                    write!(out, "<path d=\"M{}Z\" fill=\"{}\" opacity=\".16\"/>", edge.join("L"), colour(n));
            }
            let line: Vec<String> = series.points.iter().map(|p| place(p.x, p.y)).collect();
            let _ = write!(
                out,
                "<path d=\"M{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\"{}/>",
                line.join("L"),
                colour(n),
                dashes(n)
            );
            for p in &series.points {
                let _ = write!(
                    out,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.6\" fill=\"{}\"><title>{}: {:.4} at {}</title></circle>",
                    frame.x(p.x),
                    frame.y(p.y),
                    colour(n),
                    super::escape(&series.name),
                    p.y,
                    p.x
                );
            }
        }
        let names: Vec<&str> = self.series.iter().map(|series| series.name.as_str()).collect();
        let below = legend(&mut out, &names, frame.left, width - frame.left, height + 12.0);
        svg(width, height + below + 2.0, &format!("{} against {}", self.y.label, self.x.label), &out)
    }
}
