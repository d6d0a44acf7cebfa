//! Where a head's rows came from and went to, in the plane that shows most of it.

use crate::BenchError;
use crate::heads::{HeadPlan, fit_head};
use head::{Bias, Head, Method, MethodName, Search, Subset, Table, ToolText, choose_lambda, nearest_words};
use lm::{FrozenLm, Matrix, RowSource};
use serde::{Deserialize, Serialize};

/// Steps of the power iteration; two directions of a few dozen points are found long before.
const STEPS: usize = 200;
/// Words that each row has beside it.
const WORDS: usize = 2;

/// A map: the two leading principal components of all rows together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MapOfRows {
    /// Tools, in order: where their rows of W0 and W lie.
    pub tools: Vec<Placed>,
    /// Vocabulary words near them.
    pub words: Vec<Placed>,
    /// The two components' shares of the variance.
    pub explained: [f64; 2],
}

/// A row on the map.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Placed {
    /// Whose row it is.
    pub name: String,
    /// Where the row of W lies, or the word's.
    pub at: [f64; 2],
    /// Where the row of W0 lies; only of tools.
    pub from: Option<[f64; 2]>,
}

/// Maps a head's W0 and W, each row of unit length, among the words nearest to W's rows. Rows of W0 that are zero lie at
/// the origin.
///
/// # Errors
/// The model's.
pub fn map_of_rows(lm: &dyn FrozenLm, head: &Head) -> Result<MapOfRows, BenchError> {
    let near = nearest_words(lm, &head.weights, WORDS)?;
    let mut words: Vec<(u32, String)> =
        near.into_iter().flatten().map(|n| (n.id, n.text.trim().to_owned())).collect();
    words.sort_unstable();
    words.dedup_by_key(|word| word.0);
    let ids: Vec<u32> = words.iter().map(|(id, _)| *id).collect();
    let rows = lm.rows(RowSource::Head, &ids)?;
    let mut points: Vec<Vec<f64>> = Vec::new();
    for matrix in [&head.weights, &head.prior, &rows] {
        points.extend((0..matrix.rows()).map(|i| unit(matrix, i)));
    }
    let (places, explained) = principal_plane(points);
    let tools = head.tools.len();
    let placed = |name: &str, at, from| Placed { name: name.to_owned(), at, from };
    Ok(MapOfRows {
        tools: (0..tools).map(|k| placed(&head.tools[k], places[k], Some(places[tools + k]))).collect(),
        words: (words.iter().enumerate())
            .map(|(i, (_, text))| placed(text, places[2 * tools + i], None))
            .collect(),
        explained,
    })
}

/// Maps of the heads whose way is worth a look: TokenLearning's, and the exact optimum from the same rows.
///
/// # Errors
/// As [`head::fit()`] and [`head::choose_lambda`].
pub fn maps(
    lm: &dyn FrozenLm,
    table: &Table<'_>,
    texts: &[ToolText],
    published: (f64, usize),
) -> Result<Vec<(String, MapOfRows)>, BenchError> {
    let plan = |method| HeadPlan::new(method, published);
    let all = Subset::all(table.groups().len());
    let bias = Bias::Fixed(0.0);
    let learned = fit_head(lm, table, &all, texts, &plan(MethodName::TokenLearning), bias)?;
    let method = Method::named(MethodName::Exact);
    let search = Search { bias, ..Search::default() };
    let exact = choose_lambda(table, &all, &learned.prior, &method, &search, &mut |_, _| ())?.fit.head;
    Ok(vec![
        ("exact, prior of the names' head rows, λ auto".to_owned(), map_of_rows(lm, &exact)?),
        ("tokenlearning".to_owned(), map_of_rows(lm, &learned)?),
    ])
}

fn unit(matrix: &Matrix, row: usize) -> Vec<f64> {
    let row: Vec<f64> = matrix.row(row).iter().map(|&x| f64::from(x)).collect();
    let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
    if norm > 0.0 { row.iter().map(|x| x / norm).collect() } else { row }
}

/// Coordinates along the two leading principal components, and the components' shares of the variance. The components are
/// found by power iteration on the points' Gram matrix, which is small whatever their width.
fn principal_plane(mut points: Vec<Vec<f64>>) -> (Vec<[f64; 2]>, [f64; 2]) {
    let n = points.len();
    let width = points.first().map_or(0, Vec::len);
    for at in 0..width {
        let mean = points.iter().map(|p| p[at]).sum::<f64>() / n.max(1) as f64;
        points.iter_mut().for_each(|p| p[at] -= mean);
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut gram: Vec<Vec<f64>> = points.iter().map(|a| points.iter().map(|b| dot(a, b)).collect()).collect();
    let total: f64 = (0..n).map(|i| gram[i][i]).sum();
    let (mut places, mut explained) = (vec![[0.0; 2]; n], [0.0; 2]);
    for axis in 0..2 {
        // Any start does that is not orthogonal to the component.
        let mut v: Vec<f64> = (0..n).map(|i| 1.0 + (i as f64 * 0.7).sin()).collect();
        let mut size = 0.0;
        for _ in 0..STEPS {
            let next: Vec<f64> = gram.iter().map(|row| dot(row, &v)).collect();
            size = dot(&next, &next).sqrt();
            if size <= 1e-12 {
                break;
            }
            v = next.into_iter().map(|x| x / size).collect();
        }
        if size <= 1e-12 {
            break;
        }
        explained[axis] = size / total;
        (0..n).for_each(|i| places[i][axis] = v[i] * size.sqrt());
        for i in 0..n {
            for j in 0..n {
                gram[i][j] -= size * v[i] * v[j];
            }
        }
    }
    (places, explained)
}

#[cfg(test)]
mod tests {
    use super::principal_plane;

    /// Points in a plane come back with their distances, whatever the width they are embedded in.
    #[test]
    fn distances_in_a_plane_are_kept() {
        let flat: [[f64; 2]; 5] = [[0.0, 0.0], [3.0, 0.5], [-1.0, 2.0], [4.0, -2.0], [0.5, 0.7]];
        let points = flat.map(|[x, y]| vec![0.6 * x, 0.8 * x, y, 0.0, 7.0]).to_vec();
        let (places, explained) = principal_plane(points);
        let distance = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        for i in 0..5 {
            for j in 0..5 {
                assert!((distance(places[i], places[j]) - distance(flat[i], flat[j])).abs() < 1e-6);
            }
        }
        assert!((explained[0] + explained[1] - 1.0).abs() < 1e-9 && explained[0] >= explained[1]);
        assert_eq!(principal_plane(Vec::new()).0.len(), 0);
        assert_eq!(principal_plane(vec![vec![1.0]; 3]).0, [[0.0; 2]; 3]);
    }
}
