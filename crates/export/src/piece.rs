//! Tensors of the new file as pieces: most of them bytes of the old one, which pass through a small buffer.

use crate::ExportError;
use crate::rows::{decode, encode, row_bytes};
use candle_core::quantized::GgmlDType;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes that are in memory at once.
const BUFFER: usize = 4 << 20;

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes of tensors that are in the new file.
    pub bytes: u64,
    /// Bytes of tensors that it will hold.
    pub total: u64,
}

/// Where bytes stand in a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub file: PathBuf,
    pub from: u64,
    pub bytes: u64,
}

impl Place {
    /// Part of this place.
    pub fn part(&self, from: u64, bytes: u64) -> Self {
        debug_assert!(from + bytes <= self.bytes);
        Self { file: self.file.clone(), from: self.from + from, bytes }
    }

    /// All of it, in memory: for a few rows.
    pub fn read(&self) -> Result<Vec<u8>, ExportError> {
        let io = |e| ExportError::io(&self.file, e);
        let mut file = File::open(&self.file).map_err(io)?;
        file.seek(SeekFrom::Start(self.from)).map_err(io)?;
        let mut bytes = Vec::new();
        file.take(self.bytes).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 != self.bytes {
            return Err(cut_short(&self.file));
        }
        Ok(bytes)
    }
}

/// Some of a tensor's bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// As they are in a file.
    Copy(Place),
    /// Whole rows of a file in another element type.
    Recast { place: Place, width: usize, from: GgmlDType, to: GgmlDType },
    /// Made here.
    Made(Vec<u8>),
}

impl Piece {
    /// Bytes in the new file.
    pub fn len(&self) -> u64 {
        match self {
            Self::Copy(place) => place.bytes,
            Self::Recast { place, width, from, to } => {
                let [from, to] = [from, to].map(|kind| row_bytes(*kind, *width).unwrap_or(1) as u64);
                place.bytes / from * to
            }
            Self::Made(bytes) => bytes.len() as u64,
        }
    }

    /// Puts the bytes into `out`, whose path is `target`; tells `done` how many were put there.
    pub fn write(
        &self,
        out: &mut impl Write,
        target: &Path,
        done: &mut dyn FnMut(u64),
    ) -> Result<(), ExportError> {
        let mut put = |bytes: &[u8]| {
            out.write_all(bytes).map_err(|e| ExportError::io(target, e))?;
            done(bytes.len() as u64);
            Ok(())
        };
        match self {
            Self::Made(bytes) => put(bytes),
            Self::Copy(place) => blocks(place, BUFFER, &mut put),
            Self::Recast { place, width, from, to } => {
                let row = row_bytes(*from, *width).unwrap_or(1);
                let whole = (BUFFER / row).max(1) * row;
                blocks(place, whole, &mut |bytes| put(&encode(*to, &decode(*from, bytes, *width)?, *width)?))
            }
        }
    }
}

/// Reads a place block by block: `each` sees `size` bytes at a time, and what is left.
fn blocks(
    place: &Place,
    size: usize,
    each: &mut dyn FnMut(&[u8]) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let io = |e| ExportError::io(&place.file, e);
    let mut file = File::open(&place.file).map_err(io)?;
    file.seek(SeekFrom::Start(place.from)).map_err(io)?;
    let mut buffer = vec![0; size.min(usize::try_from(place.bytes).unwrap_or(size))];
    let mut left = place.bytes;
    while left > 0 {
        let now = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.read_exact(&mut buffer[..now]).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => cut_short(&place.file),
            _ => io(e),
        })?;
        each(&buffer[..now])?;
        left -= now as u64;
    }
    Ok(())
}

fn cut_short(path: &Path) -> ExportError {
    ExportError::file(path, "has become shorter while it was read: let nothing write to it, and export again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_as_long_as_they_say_and_read_where_they_say() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows");
        let numbers: Vec<f32> = (0..96).map(|i| i as f32 / 8.0).collect();
        let bytes: Vec<u8> =
            [7u8; 5].into_iter().chain(numbers.iter().flat_map(|x| x.to_le_bytes())).collect();
        std::fs::write(&file, &bytes).unwrap();
        let place = Place { file, from: 5, bytes: 96 * 4 };
        for (piece, expected) in [
            (Piece::Made(vec![1, 2, 3]), vec![1, 2, 3]),
            (Piece::Copy(place.part(128, 128)), bytes[133..261].to_vec()),
            (
                Piece::Recast { place: place.clone(), width: 32, from: GgmlDType::F32, to: GgmlDType::F16 },
                numbers.iter().flat_map(|&x| half::f16::from_f32(x).to_le_bytes()).collect(),
            ),
        ] {
            let (mut out, mut told) = (Vec::new(), 0);
            piece.write(&mut out, Path::new("out"), &mut |n| told += n).unwrap();
            assert_eq!(out, expected);
            assert_eq!((piece.len(), told), (out.len() as u64, out.len() as u64));
        }
        let beyond = Place { bytes: 97 * 4, ..place };
        let error = Piece::Copy(beyond).write(&mut Vec::new(), Path::new("out"), &mut |_| ()).unwrap_err();
        assert!(error.to_string().contains("shorter"), "{error}");
    }
}
