//! Rows of numbers in the element types of model files: to `f32` and back.

use crate::ExportError;
use candle_core::quantized::{GgmlDType, QTensor, ggml_file::qtensor_from_ggml};
use candle_core::{Device, Tensor};
use half::{bf16, f16};

/// Bytes of a row of `width` numbers; `None` if blocks of this type do not fit the width.
pub(crate) fn row_bytes(kind: GgmlDType, width: usize) -> Option<usize> {
    width.is_multiple_of(kind.block_size()).then(|| width / kind.block_size() * kind.type_size())
}

/// The numbers of whole rows `(n, width)`.
///
/// # Errors
/// The library's; a number that is not finite is for the caller to refuse.
pub(crate) fn decode(kind: GgmlDType, bytes: &[u8], width: usize) -> Result<Vec<f32>, ExportError> {
    let halves = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    Ok(match kind {
        GgmlDType::F32 => {
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        }
        GgmlDType::F16 => halves().map(|b| f16::from_le_bytes(b).to_f32()).collect(),
        GgmlDType::BF16 => halves().map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
        kind => {
            let row = row_bytes(kind, width).filter(|&row| row > 0 && bytes.len().is_multiple_of(row));
            let rows = bytes.len() / row.ok_or_else(|| no_room(kind, width))?;
            // The library reads whole blocks in place: they must lie as a block does. `to_vec` is aligned as any
            // allocation, to 16 bytes; a block needs 4.
            let bytes = bytes.to_vec();
            let tensor = qtensor_from_ggml(kind, &bytes, vec![rows, width], &Device::Cpu)?;
            tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?
        }
    })
}

/// Rows `(n, width)` in another type.
///
/// # Errors
/// A width that the type's blocks do not fit; the library's.
pub(crate) fn encode(kind: GgmlDType, rows: &[f32], width: usize) -> Result<Vec<u8>, ExportError> {
    Ok(match kind {
        GgmlDType::F32 => rows.iter().flat_map(|x| x.to_le_bytes()).collect(),
        GgmlDType::F16 => rows.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect(),
        GgmlDType::BF16 => rows.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect(),
        kind => {
            row_bytes(kind, width).ok_or_else(|| no_room(kind, width))?;
            let tensor = Tensor::from_slice(rows, (rows.len() / width, width), &Device::Cpu)?;
            QTensor::quantize(&tensor, kind)?.data()?.into_owned()
        }
    })
}

fn no_room(kind: GgmlDType, width: usize) -> ExportError {
    ExportError::Setting(format!(
        "rows of {width} numbers cannot be {kind:?}, whose blocks hold {}: choose another --head-type",
        kind.block_size()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [(GgmlDType, f32); 6] = [
        (GgmlDType::F32, 0.0),
        (GgmlDType::F16, 5e-4),
        (GgmlDType::BF16, 4e-3),
        (GgmlDType::Q8_0, 5e-3),
        (GgmlDType::Q6K, 3e-2),
        (GgmlDType::Q4_0, 1e-1),
    ];

    /// The share of the numbers' norm that a type may lose: half a step of its grid at most, by its number of bits.
    #[test]
    fn what_is_encoded_is_decoded_to_the_precision_of_the_type() {
        let rows: Vec<f32> = (0..512).map(|i| ((i * 7919 + 13) % 1009) as f32 / 504.0 - 1.0).collect();
        let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|x| x * x).sum::<f32>().sqrt();
        for (kind, tolerance) in KINDS {
            let bytes = encode(kind, &rows, 256).unwrap();
            assert_eq!(bytes.len(), 2 * row_bytes(kind, 256).unwrap(), "{kind:?}");
            let back = decode(kind, &bytes, 256).unwrap();
            let lost =
                norm(&mut rows.iter().zip(&back).map(|(a, b)| a - b)) / norm(&mut rows.iter().copied());
            assert!(lost <= tolerance, "{kind:?} loses {lost}");
        }
    }

    #[test]
    fn a_width_that_blocks_do_not_fit_is_an_error() {
        assert_eq!(row_bytes(GgmlDType::Q6K, 640), None);
        let error = encode(GgmlDType::Q6K, &vec![0.0; 640], 640).unwrap_err().to_string();
        assert!(error.contains("640") && error.contains("256"), "{error}");
        assert!(decode(GgmlDType::Q8_0, &[0; 33], 32).is_err());
    }
}
