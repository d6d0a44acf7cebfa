//! Lanes for any machine, as arrays: the compiler makes of them what it can.

use super::format::{Format, ROWS};
use super::kernel::Lanes;
use half::{bf16, f16};

/// Any machine.
pub struct Plain;

#[inline(always)]
unsafe fn bytes<const N: usize>(from: *const u8) -> [u8; N] {
    // SAFETY: the caller's.
    unsafe { from.cast::<[u8; N]>().read_unaligned() }
}

#[inline(always)]
unsafe fn words(from: *const u8) -> [u16; ROWS] {
    // SAFETY: the caller's.
    unsafe { from.cast::<[u16; ROWS]>().read_unaligned() }
}

impl Lanes for Plain {
    type Bytes = [u8; 64];
    type Floats = [f32; ROWS];
    const SIGNED_BYTES: bool = false;

    #[inline(always)]
    unsafe fn unpack<F: Format>(quants: *const u8) -> [[u8; 64]; 8] {
        // SAFETY: the caller's.
        unsafe {
            if F::BITS == 8 {
                return std::array::from_fn(|q| bytes(quants.add(64 * q)));
            }
            let mut quads: [[u8; 64]; 8] = std::array::from_fn(|q| {
                let pair: [u8; 64] = bytes(quants.add(64 * (q / 2)));
                pair.map(|b| b >> (4 * (q % 2)) & 15)
            });
            for plane in 0..F::BITS - 4 {
                for (q, quad) in quads.iter_mut().enumerate() {
                    let mask = u64::from_le_bytes(bytes(quants.add(256 + 64 * plane + 8 * q)));
                    for (i, b) in quad.iter_mut().enumerate() {
                        *b |= ((mask >> i & 1) as u8) << (4 + plane);
                    }
                }
            }
            quads
        }
    }

    #[inline(always)]
    unsafe fn dot<F: Format>(quads: &[[u8; 64]], x: *const i8) -> [f32; ROWS] {
        let mut sums = [0_i32; ROWS];
        for (q, quad) in quads.iter().enumerate() {
            for j in 0..4 {
                // SAFETY: the caller's.
                let x = unsafe { 128 * i32::from(*x.add(4 * q + j)) + i32::from(*x.add(32 + 4 * q + j)) };
                for (row, sum) in sums.iter_mut().enumerate() {
                    *sum += i32::from(quad[4 * row + j]) * x;
                }
            }
        }
        sums.map(|s| s as f32)
    }

    #[inline(always)]
    fn prefetch(_: *const u8) {}

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; ROWS] {
        // SAFETY: the caller's.
        unsafe { from.cast::<[f32; ROWS]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> [f32; ROWS] {
        // SAFETY: the caller's.
        unsafe { words(from) }.map(|w| f16::from_bits(u16::from_le(w)).to_f32())
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u8) -> [f32; ROWS] {
        // SAFETY: the caller's.
        unsafe { words(from) }.map(|w| bf16::from_bits(u16::from_le(w)).to_f32())
    }

    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> [f32; ROWS] {
        // SAFETY: the caller's.
        unsafe { bytes::<ROWS>(from) }.map(|b| f32::from(b as i8))
    }

    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> [f32; ROWS] {
        // SAFETY: the caller's.
        unsafe { bytes::<ROWS>(from) }.map(f32::from)
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> [f32; ROWS] {
        [x; ROWS]
    }

    #[inline(always)]
    unsafe fn mul(a: [f32; ROWS], b: [f32; ROWS]) -> [f32; ROWS] {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    unsafe fn mul_add(a: [f32; ROWS], b: [f32; ROWS], c: [f32; ROWS]) -> [f32; ROWS] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, x: [f32; ROWS]) {
        // SAFETY: the caller's.
        unsafe { to.cast::<[f32; ROWS]>().write_unaligned(x) }
    }
}
