//! Priors from texts about the tools, and the choice among them where examples are few. None needs an example.

use crate::{Head, HeadError, Pool, Prior, Scale, Scores, Source, Subset, Table, Text, Weighting};
use lm::Matrix;

/// Scales of the comparison, as shares of the mean norm of the word head's rows.
pub const SCALES: [f64; 3] = [0.3, 1.0, 3.0];

/// A text's rows of the word head, or its hidden states, at a scale.
pub fn of_text(text: Text, source: Source, factor: f64) -> Prior {
    pooled(text, source, Pool::Mean, factor)
}

/// The same, pooled in some way.
pub fn pooled(text: Text, source: Source, pool: Pool, factor: f64) -> Prior {
    Prior::Text { text, source, pool, scale: Scale::Unit { factor, centred: false } }
}

/// Hidden states after the start token.
pub const STATES: Source = Source::HiddenStates { bos: true };

/// What the name's rows and the description's hidden states say, together.
pub fn together(factor: f64) -> Prior {
    Prior::Sum(vec![
        of_text(Text::Name, Source::HeadRows, factor),
        of_text(Text::Description, STATES, factor),
    ])
}

/// The prior and its scale by what they predict: of the candidates the one whose rows, as they are, give the training calls
/// the highest probability among tools and words. No fit and no fold are needed, since a text's rows have seen no example. (By
/// held-out loss after fits, a tool whose one example is held out is scored by an offset, which favours small scales: with one
/// example a tool that took the worse priors.)
///
/// # Errors
/// As `build`, which makes a prior's rows.
pub fn choose(
    table: &Table<'_>,
    part: &Subset,
    weighting: Weighting,
    build: &dyn Fn(&Prior) -> Result<Matrix, HeadError>,
) -> Result<Prior, HeadError> {
    let mut best: Option<(f64, Prior)> = None;
    for prior in candidates() {
        let head = Head::new(table.tools().to_vec(), build(&prior)?)?;
        let seen = Scores::of(&head, table, part)?;
        let nll = seen.metrics(table, weighting, 0.0).call_nll.unwrap_or(f64::INFINITY);
        if best.as_ref().is_none_or(|(least, _)| nll < *least) {
            best = Some((nll, prior));
        }
    }
    best.map(|(_, prior)| prior).ok_or_else(|| HeadError::Setting("no prior to choose from".into()))
}

/// What is chosen among: every source of a text that says what the tool does, at every scale, and nothing.
fn candidates() -> Vec<Prior> {
    let mut all = vec![Prior::Zero];
    for factor in SCALES {
        all.push(of_text(Text::Name, Source::HeadRows, factor));
        all.push(of_text(Text::Description, Source::HeadRows, factor));
        all.push(of_text(Text::Description, STATES, factor));
    }
    all.extend([0.3, 0.5, 1.0].map(together));
    all
}
