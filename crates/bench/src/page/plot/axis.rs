//! Axes: from values to places, and where the ticks are.

use super::text;
use std::fmt::Write;

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: String,
    /// Powers of ten are equally far apart. What is not positive is drawn at the left edge, marked 0.
    pub logarithmic: bool,
    /// Smallest and largest value shown; by default those of the data.
    pub range: Option<(f64, f64)>,
    /// Values are shares, shown in per cent.
    pub percent: bool,
}

impl Axis {
    /// A linear axis.
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), logarithmic: false, range: None, percent: false }
    }

    /// A logarithmic axis.
    pub fn logarithmic(label: &str) -> Self {
        Self { logarithmic: true, ..Self::linear(label) }
    }

    /// A linear axis of shares.
    pub fn share(label: &str) -> Self {
        Self { percent: true, ..Self::linear(label) }
    }
}

/// The rectangle that data are drawn in, with both axes fitted to them.
pub(super) struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    x: Fitted,
    y: Fitted,
}

pub(super) struct Fitted {
    axis: Axis,
    low: f64,
    high: f64,
    /// Where 0 stands on a logarithmic axis: its logarithm, half a decade below the smallest value.
    zero: Option<f64>,
}

impl Fitted {
    pub fn new(axis: &Axis, values: impl Iterator<Item = f64>) -> Self {
        let mut zero = false;
        let values: Vec<f64> = values
            .filter(|v| v.is_finite())
            .filter_map(|v| match axis.logarithmic {
                true if v > 0.0 => Some(v.log10()),
                true => {
                    zero = true;
                    None
                }
                false => Some(v),
            })
            .collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mut low, mut high) = if least.is_finite() { (least, most) } else { (0.0, 1.0) };
        if let Some((from, to)) = axis.range.filter(|_| !axis.logarithmic) {
            (low, high) = (from, to);
        } else if !axis.logarithmic {
            let margin = 0.06 * (high - low);
            (low, high) = (low - margin, high + margin);
        }
        if high - low < 1e-9 {
            (low, high) = (low - 0.5, high + 0.5);
        }
        if axis.percent && axis.range.is_none() {
            (low, high) = (low.max(0.0), high.min(1.0));
        }
        let zero = zero.then_some(low - 0.6);
        Self { axis: axis.clone(), low: zero.unwrap_or(low), high, zero }
    }

    /// The place of a value, 0 to 1.
    pub fn place(&self, value: f64) -> f64 {
        let value = match (self.axis.logarithmic, value > 0.0) {
            (true, true) => value.log10(),
            (true, false) => self.zero.unwrap_or(self.low),
            (false, _) => value,
        };
        (value - self.low) / (self.high - self.low)
    }

    pub fn ticks(&self) -> Vec<(f64, String)> {
        if self.axis.logarithmic {
            let step = ((self.high - self.low) / 6.0).ceil().max(1.0) as i32;
            let from = self.zero.map_or(self.low, |zero| zero + 0.6).ceil() as i32;
            let powers = (from..=self.high.floor() as i32).filter(|p| (p - from) % step == 0);
            let zero = self.zero.map(|_| (0.0, "0".to_owned()));
            return zero.into_iter().chain(powers.map(|p| (10f64.powi(p), power_of_ten(p)))).collect();
        }
        let scale = if self.axis.percent { 100.0 } else { 1.0 };
        let (low, high) = (self.low * scale, self.high * scale);
        let rough = (high - low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough).unwrap_or(power);
        let digits = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        let from = (low / step).ceil() as i64;
        (from..from + 12)
            .map(|i| i as f64 * step)
            .take_while(|v| *v <= high + 1e-9 * step)
            .map(|v| {
                (v / scale, format!("{:.digits$}{}", v + 0.0, if self.axis.percent { " %" } else { "" }))
            })
            .collect()
    }
}

fn power_of_ten(power: i32) -> String {
    match power {
        0 => "1".into(),
        1 => "10".into(),
        p => format!("1e{p}"),
    }
}

impl Frame {
    /// A frame in a drawing of this size, for values that are to fit in.
    pub fn new(
        (width, height): (f64, f64),
        (x, y): (&Axis, &Axis),
        xs: impl Iterator<Item = f64>,
        ys: impl Iterator<Item = f64>,
    ) -> Self {
        let (left, right, top, bottom) = (58.0, width - 12.0, 12.0, height - 40.0);
        Self { left, right, top, bottom, x: Fitted::new(x, xs), y: Fitted::new(y, ys) }
    }

    pub fn x(&self, value: f64) -> f64 {
        self.left + self.x.place(value) * (self.right - self.left)
    }

    /// Values outside an axis that was given stay at its edge.
    pub fn y(&self, value: f64) -> f64 {
        self.bottom - self.y.place(value).clamp(0.0, 1.0) * (self.bottom - self.top)
    }

    /// Grid, ticks and labels.
    pub fn draw(&self, out: &mut String) {
        for (value, label) in self.y.ticks() {
            let y = self.y(value);
            let _ = write!(
                out,
                "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" class=\"grid\"/>",
                self.left, self.right
            );
            text(out, self.left - 6.0, y + 4.0, "end", "tick", &label);
        }
        for (value, label) in self.x.ticks() {
            let x = self.x(value);
            let _ = write!(
                out,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" class=\"axis\"/>",
                self.bottom,
                self.bottom + 4.0
            );
            text(out, x, self.bottom + 16.0, "middle", "tick", &label);
        }
        let _ = write!(
            out,
            "<path d=\"M{0:.1} {1:.1}V{2:.1}H{3:.1}\" class=\"axis\"/>",
            self.left, self.top, self.bottom, self.right
        );
        text(out, 0.5 * (self.left + self.right), self.bottom + 33.0, "middle", "tick", &self.x.axis.label);
        let _ = write!(
            out,
            "<text transform=\"translate(13 {:.1}) rotate(-90)\" text-anchor=\"middle\" class=\"tick\">{}</text>",
            0.5 * (self.top + self.bottom),
            super::escape(&self.y.axis.label)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(axis: Axis, values: &[f64]) -> Vec<String> {
        Fitted::new(&axis, values.iter().copied()).ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(
            ticks(Axis { range: Some((0.0, 10.0)), ..Axis::linear("") }, &[]),
            ["0", "2", "4", "6", "8", "10"]
        );
        let percent = ticks(Axis { range: Some((0.0, 1.0)), ..Axis::share("") }, &[]);
        assert_eq!(percent, ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]);
        assert_eq!(ticks(Axis::logarithmic(""), &[0.0, 1e-2, 10.0]), ["0", "1e-2", "1e-1", "1", "10"]);
    }

    #[test]
    fn equal_or_absent_values_make_a_frame_all_the_same() {
        for values in [&[][..], &[f64::NAN], &[3.0], &[3.0, 3.0]] {
            for axis in [Axis::linear(""), Axis::logarithmic(""), Axis::share("")] {
                let fitted = Fitted::new(&axis, values.iter().copied());
                assert!(fitted.place(3.0).is_finite());
                assert!(fitted.ticks().len() < 13);
            }
        }
    }
}
