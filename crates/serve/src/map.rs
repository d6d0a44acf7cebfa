//! Where the playground draws a pack's tools.

use head::Head;

/// The tools' rows on a plane: their first two principal components, by power iteration, through the rows and back.
pub(crate) fn map(head: &Head) -> Vec<[f32; 2]> {
    let (count, width) = (head.weights.rows(), head.weights.cols());
    let mean: Vec<f32> =
        (0..width).map(|j| (0..count).map(|k| head.weights.row(k)[j]).sum::<f32>() / count as f32).collect();
    let rows: Vec<Vec<f32>> =
        (0..count).map(|k| head.weights.row(k).iter().zip(&mean).map(|(x, m)| x - m).collect()).collect();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let mut axes: Vec<Vec<f32>> = Vec::new();
    for axis in 0..2 {
        let mut v: Vec<f32> = (0..count).map(|k| ((k * 7 + axis * 3 + 1) % 11) as f32 - 5.0).collect();
        for _ in 0..60 {
            for earlier in &axes {
                let along = dot(&v, earlier);
                v.iter_mut().zip(earlier).for_each(|(x, e)| *x -= along * e);
            }
            let mut through = vec![0.0; width];
            for (row, v) in rows.iter().zip(&v) {
                through.iter_mut().zip(row).for_each(|(sum, x)| *sum += v * x);
            }
            let next: Vec<f32> = rows.iter().map(|row| dot(row, &through)).collect();
            let norm = dot(&next, &next).sqrt().max(1e-12);
            v = next.into_iter().map(|x| x / norm).collect();
        }
        axes.push(v);
    }
    (0..count).map(|k| [axes[0][k], axes[1][k]]).collect()
}
