//! Every element type on every path of the machine, against candle's conversion to f32 and sums in f64.

use super::pack::Stored;
use super::*;
use candle_core::quantized::GgmlDType;
use candle_core::quantized::ggml_file::qtensor_from_ggml;
use half::{bf16, f16};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const KINDS: [GgmlDType; 11] = [
    GgmlDType::F32,
    GgmlDType::F16,
    GgmlDType::BF16,
    GgmlDType::Q4_0,
    GgmlDType::Q4_1,
    GgmlDType::Q5_0,
    GgmlDType::Q5_1,
    GgmlDType::Q8_0,
    GgmlDType::Q4K,
    GgmlDType::Q5K,
    GgmlDType::Q6K,
];

/// Bytes of a matrix: quants, small scales and mins any bits at all, f16 scales of the given size.
fn stored(kind: GgmlDType, rows: usize, cols: usize, size: f32, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut value = || rng.random_range(-1.0_f32..1.0) * size;
    let Some(blocks) = Kind::of(kind) else {
        return (0..rows * cols)
            .flat_map(|_| match kind {
                GgmlDType::F32 => value().to_le_bytes().to_vec(),
                GgmlDType::F16 => f16::from_f32(value()).to_le_bytes().to_vec(),
                _ => bf16::from_f32(value()).to_le_bytes().to_vec(),
            })
            .collect();
    };
    let (columns, bytes) = blocks.block();
    let mut out = vec![0; rows * cols / columns * bytes];
    rng.fill_bytes(&mut out);
    for block in out.chunks_exact_mut(bytes) {
        let halves: &[usize] = match kind {
            GgmlDType::Q6K => &[208],
            GgmlDType::Q4_0 | GgmlDType::Q5_0 | GgmlDType::Q8_0 => &[0],
            _ => &[0, 2],
        };
        for &at in halves {
            let value = f16::from_f32(rng.random_range(-1.0_f32..1.0) * size);
            block[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
    }
    out
}

fn f32s(kind: GgmlDType, bytes: &[u8], rows: usize, cols: usize) -> Vec<f32> {
    let cpu = candle_core::Device::Cpu;
    let tensor = qtensor_from_ggml(kind, bytes, vec![rows, cols], &cpu).expect("a matrix");
    tensor.dequantize(&cpu).and_then(|t| t.flatten_all()?.to_vec1()).expect("f32")
}

fn pack(kind: GgmlDType, bytes: &[u8], rows: usize, cols: usize) -> Packed {
    Packed::pack(&Arena::default(), Stored { kind, bytes, rows, cols }, |row| row).expect("packs")
}

/// One path's products of all panels.
fn on(path: Path, matrix: &Packed, x: &[f32]) -> Vec<f32> {
    let x = prepare(x, std::slice::from_ref(matrix));
    let mut out = vec![f32::NAN; x.rows() * matrix.rows];
    let shared = Shared::new(&mut out);
    // SAFETY: one thread.
    unsafe { matrix.run(path, &x, 0..matrix.panels(), &shared, 0, matrix.rows) };
    out
}

/// The exact product, and how far off one may be: half a step of each activation where they are cut, and f32's rounding of
/// sums whose parts are as large as scale · q · x and min · x may be.
fn exact(kind: GgmlDType, w: &[f32], x: &[f32]) -> (f64, f64) {
    let product = w.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
    let (mut steps, mut parts) = (0.0, 0.0);
    for (w, x) in w.chunks(GROUP).zip(x.chunks(GROUP)) {
        let largest = |v: &[f32]| v.iter().fold(0.0_f64, |m, v| m.max(f64::from(v.abs())));
        // Of blocks, scale · q and min are up to 4 times the largest weight when every q occurs; a lone group may have it
        // worse, so 32 · the largest weight is taken for its sum of 32.
        parts += 8.0 * 32.0 * largest(w) * largest(x);
        if Kind::of(kind).is_some() {
            let sum: f64 = w.iter().map(|w| f64::from(w.abs())).sum();
            steps += 0.504 * largest(x) / 16_256.0 * sum;
        }
    }
    (product, steps + 4.0 * f64::from(f32::EPSILON) * parts + 1e-30)
}

fn check(kind: GgmlDType, rows: usize, cols: usize, size: f32, n: usize, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let bytes = stored(kind, rows, cols, size, &mut rng);
    let dense = f32s(kind, &bytes, rows, cols);
    let matrix = pack(kind, &bytes, rows, cols);
    let mut row = vec![0.0; cols];
    for r in 0..rows {
        matrix.row(r, &mut row);
        assert_eq!(row, dense[r * cols..(r + 1) * cols], "{kind:?} row {r}");
    }
    let x: Vec<f32> = (0..n * cols).map(|_| rng.random_range(-1.0_f32..1.0).powi(3) * 20.0).collect();
    for path in Path::all() {
        let out = on(path, &matrix, &x);
        for i in 0..n {
            let x = &x[i * cols..(i + 1) * cols];
            for r in 0..rows {
                let (want, bound) = exact(kind, &dense[r * cols..(r + 1) * cols], x);
                let error = (f64::from(out[i * rows + r]) - want).abs();
                assert!(error <= bound, "{kind:?} {path:?} ({i}, {r}): off by {error}, allowed {bound}");
            }
            // A row of a batch is the same, to the bit, alone.
            assert_eq!(on(path, &matrix, x), out[i * rows..(i + 1) * rows], "{kind:?} {path:?} row {i}");
        }
    }
}

#[test]
fn products_of_every_type_are_within_their_bound_on_every_path() {
    for (k, kind) in KINDS.into_iter().enumerate() {
        for (i, (rows, cols, n)) in
            [(16, 256, 1), (1, 256, 3), (37, 512, 17), (15, 1024, 9), (64, 768, 5)].into_iter().enumerate()
        {
            check(kind, rows, cols, 0.1, n, (10 * k + i) as u64);
        }
    }
}

#[test]
fn widths_of_one_block_and_odd_widths_of_floats() {
    for kind in KINDS {
        let columns = Kind::of(kind).map_or(1, |k| k.block().0);
        for blocks in [1, 3, 7, 9] {
            check(kind, 5, columns * blocks, 1.0, 2, 99);
        }
    }
}

#[test]
fn the_largest_and_smallest_scales() {
    for kind in KINDS {
        for size in [0.0, 6e-8, 6e-5, 60_000.0] {
            check(kind, 18, 256, size, 2, 7);
        }
    }
}

#[test]
fn extreme_quants_do_not_overflow() {
    // Every bit of every quant set, and activations that are all the largest: what 16-bit sums would not hold.
    for kind in KINDS.into_iter().filter_map(|kind| Kind::of(kind).map(|_| kind)) {
        let (columns, bytes) = Kind::of(kind).expect("blocks").block();
        for fill in [0x00, 0xff, 0x80, 0x7f] {
            let mut all = vec![fill; 16 * 512 / columns * bytes];
            for block in all.chunks_exact_mut(bytes) {
                let one = f16::from_f32(1.0).to_le_bytes();
                let at = if kind == GgmlDType::Q6K { 208 } else { 0 };
                block[at..at + 2].copy_from_slice(&one);
                if !matches!(kind, GgmlDType::Q4_0 | GgmlDType::Q5_0 | GgmlDType::Q8_0 | GgmlDType::Q6K) {
                    block[2..4].copy_from_slice(&one);
                }
            }
            let dense = f32s(kind, &all, 16, 512);
            let matrix = pack(kind, &all, 16, 512);
            for x in [vec![3.0_f32; 512], vec![-3.0; 512]] {
                for path in Path::all() {
                    for (r, out) in on(path, &matrix, &x).iter().enumerate() {
                        let (want, bound) = exact(kind, &dense[r * 512..(r + 1) * 512], &x);
                        let error = (f64::from(*out) - want).abs();
                        assert!(error <= bound, "{kind:?} {path:?} fill {fill:#x}: {out} for {want}");
                    }
                }
            }
        }
    }
}

#[test]
fn parts_and_blocks_of_rows_are_the_whole_product() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let kinds = [(GgmlDType::Q5_0, 48), (GgmlDType::Q8_0, 5), (GgmlDType::F16, 70), (GgmlDType::Q4K, 33)];
    let bytes = kinds.map(|(kind, rows)| stored(kind, rows, 256, 0.1, &mut rng));
    let parts: Vec<Packed> =
        kinds.iter().zip(&bytes).map(|(&(kind, rows), bytes)| pack(kind, bytes, rows, 256)).collect();
    for n in [1, 2, 40] {
        let x: Vec<f32> = (0..n * 256).map(|_| rng.random_range(-1.0_f32..1.0)).collect();
        let all: usize = parts.iter().map(Packed::rows).sum();
        let mut out = vec![f32::NAN; n * all];
        let x = prepare(&x, &parts);
        product(&x, &parts, &mut out);
        let mut first = 0;
        for part in &parts {
            let alone = on(Path::best(), part, x.plain.data);
            for i in 0..n {
                let rows = &out[i * all + first..][..part.rows];
                assert_eq!(rows, &alone[i * part.rows..][..part.rows]);
            }
            let half = part.rows.min(32);
            for rows in
                [0..half, half..part.rows].into_iter().filter(|r| r.start % ROWS == 0 && !r.is_empty())
            {
                let mut block = vec![f32::NAN; n * rows.len()];
                part.product_of(&x, rows.clone(), &mut block);
                for i in 0..n {
                    assert_eq!(block[i * rows.len()..][..rows.len()], alone[i * part.rows..][rows.clone()]);
                }
            }
            first += part.rows;
        }
    }
}

#[test]
fn rows_come_in_the_order_that_is_asked_for() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let bytes = stored(GgmlDType::Q4_1, 20, 64, 1.0, &mut rng);
    let dense = f32s(GgmlDType::Q4_1, &bytes, 20, 64);
    let stored = Stored { kind: GgmlDType::Q4_1, bytes: &bytes, rows: 20, cols: 64 };
    let matrix = Packed::pack(&Arena::default(), stored, |row| 19 - row).expect("packs");
    let mut row = vec![0.0; 64];
    for r in 0..20 {
        matrix.row(r, &mut row);
        assert_eq!(row, dense[(19 - r) * 64..(20 - r) * 64]);
    }
}

#[test]
fn damaged_matrices_are_refused_in_words() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for kind in KINDS {
        let good = stored(kind, 17, 256, 1.0, &mut rng);
        let refused = |bytes: &[u8], rows, cols| {
            let packed = Packed::pack(&Arena::default(), Stored { kind, bytes, rows, cols }, |row| row);
            packed.map(|_| ()).expect_err("refused").to_string()
        };
        assert!(refused(&good[1..], 17, 256).contains("bytes"), "{kind:?}");
        assert!(refused(&good, 17, 255).contains("bytes"), "{kind:?}");
        assert!(refused(&[], 0, 256).contains("bytes"), "{kind:?}");
        let mut bad = good.clone();
        let row = bytes_of_row(kind);
        let at = if kind == GgmlDType::Q6K { row * 16 + 208 } else { row * 16 };
        let infinite: &[u8] = match kind {
            GgmlDType::F32 => &f32::INFINITY.to_le_bytes(),
            GgmlDType::BF16 => &bf16::INFINITY.to_le_bytes(),
            _ => &f16::INFINITY.to_le_bytes(),
        };
        bad[at..at + infinite.len()].copy_from_slice(infinite);
        let message = refused(&bad, 17, 256);
        assert!(message.contains("element 4096 is not a finite number"), "{kind:?}: {message}");
    }
}

fn bytes_of_row(kind: GgmlDType) -> usize {
    match (Kind::of(kind), kind) {
        (Some(kind), _) => 256 / kind.block().0 * kind.block().1,
        (None, GgmlDType::F32) => 1024,
        _ => 512,
    }
}
