//! Quantised weights as panels: how GGUF's blocks lie in memory while a model runs.
//!
//! A panel is sixteen rows, and a group 32 of their columns. A weight is `scale · q + min` with a whole number q ≥ 0 of
//! `BITS` bits; where the file's type has no mins, min is `−OFFSET · scale`. Within a group, quads of four neighbouring
//! columns lie together, a byte for each of 16 × 4 weights, row by row: what one instruction multiplies and adds.
//!
//! ```text
//! quants of a group:  nibbles  [quads 0, 1] [2, 3] [4, 5] [6, 7]    64 bytes each, the even quad in the low nibble
//!                     planes   for bit 4, for bit 5: eight words of 64 bits, a quad each
//!                   or, of 8 bits: [quad 0] … [quad 7]               64 bytes each
//! scales, plain:      for each group: 16 × f16 scale, [16 × f16 min]
//! scales, nested:     for each eight groups: 16 × f16 d, [16 × f16 dmin],
//!                       for each group, for each half of it if it has halves: 16 × i8 scale / d,
//!                       [for each group: 16 × u8 −min / dmin]
//! ```

use candle_core::quantized::GgmlDType;
use half::f16;

/// Rows of a panel.
pub const ROWS: usize = 16;
/// Columns of a group.
pub const GROUP: usize = 32;
/// Groups that share a `d` in nested scales.
pub const NEST: usize = 8;

/// One type of blocks, known when the kernels are compiled.
pub trait Format {
    /// Bits of a weight.
    const BITS: usize;
    /// Scales are 8-bit multiples of one for 256 columns.
    const NESTED: bool;
    /// There are mins.
    const MINS: bool;
    /// Scales for a group: 2 where each is for 16 columns.
    const HALVES: usize;
    /// −min / scale where there are no mins.
    const OFFSET: f32;
}

macro_rules! formats {
    ($($name:ident: $bits:literal bits, nested $nested:literal, mins $mins:literal, halves $halves:literal, offset $offset:literal;)*) => {
        $(
            #[doc = concat!("GGUF's ", stringify!($name), ".")]
            pub struct $name;

            impl Format for $name {
                const BITS: usize = $bits;
                const NESTED: bool = $nested;
                const MINS: bool = $mins;
                const HALVES: usize = $halves;
                const OFFSET: f32 = $offset;
            }
        )*

        /// A [`Format`] as a value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $(#[doc = concat!("GGUF's ", stringify!($name), ".")] $name,)*
        }

        /// Runs `$body` with `$F` the format of a kind.
        macro_rules! with_format {
            ($kind:expr, $F:ident => $body:expr) => {
                match $kind {
                    $(Kind::$name => { type $F = $crate::packed::format::$name; $body })*
                }
            };
        }
        pub(crate) use with_format;
    };
}

// rustfmt would break a table
#[rustfmt::skip]
formats! {
    Q4_0: 4 bits, nested false, mins false, halves 1, offset 8.0;
    Q4_1: 4 bits, nested false, mins true, halves 1, offset 0.0;
    Q5_0: 5 bits, nested false, mins false, halves 1, offset 16.0;
    Q5_1: 5 bits, nested false, mins true, halves 1, offset 0.0;
    Q8_0: 8 bits, nested false, mins false, halves 1, offset 128.0;
    Q4K: 4 bits, nested true, mins true, halves 1, offset 0.0;
    Q5K: 5 bits, nested true, mins true, halves 1, offset 0.0;
    Q6K: 6 bits, nested true, mins false, halves 2, offset 32.0;
}

impl Kind {
    /// Of a GGUF's element type, if it is one of blocks.
    pub fn of(kind: GgmlDType) -> Option<Self> {
        Some(match kind {
            GgmlDType::Q4_0 => Self::Q4_0,
            GgmlDType::Q4_1 => Self::Q4_1,
            GgmlDType::Q5_0 => Self::Q5_0,
            GgmlDType::Q5_1 => Self::Q5_1,
            GgmlDType::Q8_0 => Self::Q8_0,
            GgmlDType::Q4K => Self::Q4K,
            GgmlDType::Q5K => Self::Q5K,
            GgmlDType::Q6K => Self::Q6K,
            _ => return None,
        })
    }

    /// Columns and bytes of a block in the file.
    pub fn block(self) -> (usize, usize) {
        match self {
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
        }
    }
}

/// Bytes of a group's quants in a panel.
pub const fn quants_bytes<F: Format>() -> usize {
    64 * F::BITS
}

/// Bytes of a panel's scales for `groups` groups.
pub const fn scales_bytes<F: Format>(groups: usize) -> usize {
    let fixed = 2 * ROWS * (1 + F::MINS as usize);
    if F::NESTED { groups.div_ceil(NEST) * nest_bytes::<F>() } else { groups * fixed }
}

/// Bytes of the scales of eight groups in a panel.
pub const fn nest_bytes<F: Format>() -> usize {
    let fixed = 2 * ROWS * (1 + F::MINS as usize);
    fixed + NEST * ROWS * (F::HALVES + F::MINS as usize)
}

/// Where the small scales of group `group` of eight lie within their nest, and its mins.
pub const fn nested_at<F: Format>(group: usize) -> (usize, usize) {
    let fixed = 2 * ROWS * (1 + F::MINS as usize);
    (fixed + group * ROWS * F::HALVES, fixed + NEST * ROWS * F::HALVES + group * ROWS)
}

/// A block of the file, taken apart: 32 or 256 columns of one row.
pub struct Block {
    /// The whole numbers, without the file's offset: all ≥ 0.
    pub quants: [u8; 256],
    /// `scale`, or `d`.
    pub scale: f16,
    /// `min`, or `dmin`.
    pub min: f16,
    /// Multiples of `d`, one for each 32 columns or, of Q6_K, 16.
    pub scales: [i8; 16],
    /// Multiples of `dmin`.
    pub mins: [u8; 8],
}

impl Block {
    /// Takes a block apart; `bytes` are as many as [`Kind::block`] says.
    pub fn read(kind: Kind, bytes: &[u8]) -> Self {
        let half = |at: usize| f16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let mut block =
            Self { quants: [0; 256], scale: half(0), min: f16::ZERO, scales: [0; 16], mins: [0; 8] };
        let quants = &mut block.quants;
        // (the nibbles, the fifth bits)
        let mut simple = |nibbles: &[u8], fifth: u32| {
            for (j, byte) in nibbles.iter().enumerate() {
                quants[j] = (byte & 15) | ((fifth >> j & 1) as u8 * 16);
                quants[j + 16] = (byte >> 4) | ((fifth >> (j + 16) & 1) as u8 * 16);
            }
        };
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        match kind {
            Kind::Q4_0 => simple(&bytes[2..18], 0),
            Kind::Q4_1 => {
                simple(&bytes[4..20], 0);
                block.min = half(2);
            }
            Kind::Q5_0 => simple(&bytes[6..22], word(2)),
            Kind::Q5_1 => {
                simple(&bytes[8..24], word(4));
                block.min = half(2);
            }
            Kind::Q8_0 => quants.iter_mut().zip(&bytes[2..]).for_each(|(q, b)| *q = b ^ 0x80),
            Kind::Q4K | Kind::Q5K => {
                block.min = half(2);
                for j in 0..8 {
                    let (scale, min) = six_bits(j, &bytes[4..16]);
                    block.scales[j] = scale as i8;
                    block.mins[j] = min;
                }
                let (high, low) = match kind {
                    Kind::Q5K => bytes[16..].split_at(32),
                    _ => (&[0; 32][..], &bytes[16..]),
                };
                for (i, quant) in quants.iter_mut().enumerate() {
                    let (pair, odd, j) = (i / 64, i / 32 % 2, i % 32);
                    *quant = ((low[32 * pair + j] >> (4 * odd)) & 15) | (((high[j] >> (i / 32)) & 1) * 16);
                }
            }
            Kind::Q6K => {
                let (low, high) = (&bytes[..128], &bytes[128..192]);
                for (i, quant) in quants.iter_mut().enumerate() {
                    let (part, quarter, j) = (i / 128, i / 32 % 4, i % 32);
                    let nibble = low[64 * part + 32 * (quarter % 2) + j] >> (4 * (quarter / 2)) & 15;
                    *quant = nibble | (((high[32 * part + j] >> (2 * quarter)) & 3) * 16);
                }
                block.scales.iter_mut().zip(&bytes[192..208]).for_each(|(s, &b)| *s = b as i8);
                block.scale = half(208);
            }
        }
        block
    }
}

/// Scale and min number `j` of Q4_K and Q5_K, six bits each in twelve bytes.
fn six_bits(j: usize, bytes: &[u8]) -> (u8, u8) {
    if j < 4 {
        (bytes[j] & 63, bytes[j + 4] & 63)
    } else {
        (bytes[j + 4] & 15 | bytes[j - 4] >> 6 << 4, bytes[j + 4] >> 4 | bytes[j] >> 6 << 4)
    }
}
