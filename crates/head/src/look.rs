//! Looks at the objective: value, gradient and the tools' mass at a point, over all positions or screened.

use crate::{Objective, newton::norm, objective::DataTerm, screen};

/// Frozen positions pay off while fewer than this share must be visited: they are visited at the reference too.
const WORTH_FREEZING: f64 = 0.4;

/// The objective at a point.
pub(crate) struct Look {
    /// F, without what no head changes ([`Objective::word_term`]).
    pub value: f64,
    /// ∇F, `(T, d)`.
    pub gradient: Vec<f64>,
    /// 1 − the largest class probability, by row of the objective; of a frozen position as it was at the reference.
    pub doubt: Vec<f32>,
    /// Whether all positions were visited.
    pub complete: bool,
}

/// Looks at one objective, and remembers the last look at all positions.
pub(crate) struct Viewer<'a, 'b> {
    objective: &'b Objective<'a>,
    screening: bool,
    /// Whether logits are computed in `f64`.
    pub precise: bool,
    /// Looks at all positions so far.
    pub passes: usize,
    reference: Option<(Vec<f32>, DataTerm)>,
}

impl<'a, 'b> Viewer<'a, 'b> {
    pub fn new(objective: &'b Objective<'a>, screening: bool) -> Self {
        Self { objective, screening, precise: false, passes: 0, reference: None }
    }

    /// A look at all positions.
    pub fn complete(&mut self, w: &[f32]) -> Look {
        self.passes += 1;
        let term = self.data_term(w, &self.objective.rows);
        let look = self.look(w, term.value, term.gradient.clone(), term.doubt.clone(), true);
        self.reference = Some((w.to_vec(), term));
        look
    }

    /// A look whose gradient is wrong by at most `budget`, and by less than a quarter of itself; at all positions
    /// where screening does not pay.
    pub fn near(&mut self, w: &[f32], budget: f64) -> Look {
        let screened = match &self.reference {
            Some((from, seen)) if self.screening => self.screened(w, from, seen, budget),
            _ => None,
        };
        match screened {
            Some(look) if budget < 0.25 * norm(&look.gradient) => look,
            _ => self.complete(w),
        }
    }

    fn screened(&self, w: &[f32], from: &[f32], seen: &DataTerm, budget: f64) -> Option<Look> {
        let rows = &self.objective.rows;
        let active = screen::active(self.objective, &seen.mass, self.furthest_row(w, from), budget);
        if active.len() as f64 > WORTH_FREEZING * rows.len() as f64 {
            return None;
        }
        let (here, there) = (self.data_term(w, &active), self.data_term(from, &active));
        let (mut value, mut gradient) = (seen.value - there.value + here.value, here.gradient);
        for (k, g) in gradient.iter_mut().enumerate() {
            let frozen = seen.gradient[k] - there.gradient[k];
            value += frozen * (f64::from(w[k]) - f64::from(from[k]));
            *g += frozen;
        }
        let mut doubt = seen.doubt.clone();
        let mut at = 0;
        for (id, active_doubt) in active.iter().zip(here.doubt) {
            at += rows[at..].partition_point(|row| row < id);
            doubt[at] = active_doubt;
        }
        Some(self.look(w, value, gradient, doubt, false))
    }

    fn look(&self, w: &[f32], value: f64, mut gradient: Vec<f64>, doubt: Vec<f32>, complete: bool) -> Look {
        let value = value + self.objective.penalty(w, &mut gradient);
        Look { value, gradient, doubt, complete }
    }

    fn data_term(&self, w: &[f32], ids: &[u32]) -> DataTerm {
        if self.precise {
            self.objective.data_term::<f64>(w, ids)
        } else {
            self.objective.data_term::<f32>(w, ids)
        }
    }

    fn furthest_row(&self, w: &[f32], from: &[f32]) -> f64 {
        let width = self.objective.table().width();
        let square = |(w, from): (&[f32], &[f32])| {
            w.iter().zip(from).map(|(&w, &from)| (f64::from(w) - f64::from(from)).powi(2)).sum::<f64>()
        };
        w.chunks(width).zip(from.chunks(width)).map(square).fold(0.0, f64::max).sqrt()
    }
}
