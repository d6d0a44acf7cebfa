//! The prior of a pack: where in the model's space a tool is wanted, told from its name and description alone.
//!
//! The description is put to the model as a user's message, and the hidden state that opens the assistant's turn is taken:
//! the state at which users' own requests for the tool are decided. Rows are centred on the middle between tools and
//! ordinary talk, then scaled to s·ρ, ρ the mean row norm of W_v.

use head::words_of_name;
use lm::Matrix;
use tools::Tool;

/// The message that stands for a tool.
pub(crate) fn message(tool: &Tool) -> String {
    let name = words_of_name(&tool.name);
    let description: String = tool.description.trim().chars().take(400).collect();
    match (name.is_empty(), description.is_empty()) {
        (_, true) => name,
        (true, _) => description,
        (false, false) => format!("{name}: {description}"),
    }
}

/// Unit rows `(tools, d)`: the tools' states, centred. `talk` are the states at which ordinary talk is answered.
pub(crate) fn directions(tools: &[&[f32]], talk: &[&[f32]]) -> Matrix {
    let width = tools.first().map_or(0, |row| row.len());
    let mean = |rows: &[&[f32]]| -> Vec<f32> {
        let sum = |j: usize| rows.iter().map(|row| row[j]).sum::<f32>();
        (0..width).map(|j| sum(j) / rows.len().max(1) as f32).collect()
    };
    let (of_tools, of_talk) = (mean(tools), mean(talk));
    let middle = |j: usize| if talk.is_empty() { of_tools[j] } else { 0.5 * (of_tools[j] + of_talk[j]) };
    let mut rows = Matrix::zeros(tools.len(), width);
    for (k, state) in tools.iter().enumerate() {
        let row = rows.row_mut(k);
        row.iter_mut().zip(*state).enumerate().for_each(|(j, (x, h))| *x = h - middle(j));
        let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        // A single tool without talk has no direction; its row is then zero.
        if norm > 1e-6 {
            row.iter_mut().for_each(|x| *x /= norm);
        }
    }
    rows
}

/// Rows times a factor.
pub(crate) fn scaled(rows: &Matrix, factor: f64) -> Matrix {
    let data = rows.data().iter().map(|x| (f64::from(*x) * factor) as f32).collect();
    Matrix::new(rows.rows(), rows.cols(), data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_point_from_the_middle_to_the_tool() {
        let rows = directions(&[&[4.0, 3.0], &[4.0, -3.0]], &[&[-4.0, 0.0]]);
        assert_eq!(rows.row(0), [0.8, 0.6]); // the middle is the origin
        assert_eq!(rows.row(1), [0.8, -0.6]);
        assert_eq!(directions(&[&[1.0, 1.0]], &[]).row(0), [0.0, 0.0]);
    }
}
