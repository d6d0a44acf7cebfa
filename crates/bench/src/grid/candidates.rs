//! Priors that are compared where examples are few, and the one method among them that chooses by itself.

use head::{Pool, Prior, Scale, Source, Text};

/// Scales of the comparison, as shares of the mean norm of the word head's rows.
pub const SCALES: [f64; 3] = [0.3, 1.0, 3.0];

/// Values of λ / mean‖h‖² that candidates are tried with; the winner then gets the whole grid.
pub const TRIED: [f64; 4] = [1e-5, 1.8e-6, 3.2e-7, 5.6e-8];

/// Folds that candidates are tried on.
pub const FOLDS: usize = 3;

/// A text's rows of the word head, or its hidden states, at a scale.
pub fn of_text(text: Text, source: Source, factor: f64) -> Prior {
    Prior::Text { text, source, pool: Pool::Mean, scale: Scale::Unit { factor, centred: false } }
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

/// What cross-validation chooses among: every source of a text that says what the tool does, at every scale, and nothing.
pub fn candidates() -> Vec<Prior> {
    let mut all = vec![Prior::Zero];
    for factor in SCALES {
        all.push(of_text(Text::Name, Source::HeadRows, factor));
        all.push(of_text(Text::Description, Source::HeadRows, factor));
        all.push(of_text(Text::Description, STATES, factor));
    }
    all.push(together(0.5));
    all.push(together(1.0));
    all
}
