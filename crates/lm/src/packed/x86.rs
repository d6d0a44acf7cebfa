//! Lanes of x86-64: AVX-512 with VNNI, and AVX2.

use super::format::Format;
use super::kernel::Lanes;
use std::arch::x86_64::*;

// Loops and no closures below: a closure has none of the instructions of the function around it unless it is inlined.

/// Four numbers as one.
#[inline(always)]
unsafe fn four(x: *const i8) -> i32 {
    // SAFETY: the caller's.
    unsafe { x.cast::<i32>().read_unaligned() }
}

/// AVX-512 with VNNI: a quad is one register, and four products and their sum one instruction.
pub struct Avx512;

impl Lanes for Avx512 {
    type Bytes = __m512i;
    type Floats = __m512;
    const SIGNED_BYTES: bool = false;

    #[inline(always)]
    unsafe fn unpack<F: Format>(quants: *const u8) -> [__m512i; 8] {
        // SAFETY: the caller's.
        unsafe {
            let mut quads = [_mm512_setzero_si512(); 8];
            let low = _mm512_set1_epi8(15);
            for (q, quad) in quads.iter_mut().enumerate() {
                if F::BITS == 8 {
                    *quad = _mm512_loadu_si512(quants.add(64 * q).cast());
                    continue;
                }
                let pair = _mm512_loadu_si512(quants.add(64 * (q / 2)).cast());
                let pair = if q % 2 == 0 { pair } else { _mm512_srli_epi16::<4>(pair) };
                *quad = _mm512_and_si512(pair, low);
                for plane in 0..F::BITS - 4 {
                    let mask = quants.add(256 + 64 * plane + 8 * q).cast::<u64>().read_unaligned();
                    *quad = _mm512_mask_add_epi8(*quad, mask, *quad, _mm512_set1_epi8(16 << plane));
                }
            }
            quads
        }
    }

    #[inline(always)]
    unsafe fn dot<F: Format>(quads: &[__m512i], x: *const i8) -> __m512 {
        // SAFETY: the caller's.
        unsafe {
            let (mut hi, mut lo) = (_mm512_setzero_si512(), _mm512_setzero_si512());
            for (q, &quad) in quads.iter().enumerate() {
                hi = _mm512_dpbusd_epi32(hi, quad, _mm512_set1_epi32(four(x.add(4 * q))));
                lo = _mm512_dpbusd_epi32(lo, quad, _mm512_set1_epi32(four(x.add(32 + 4 * q))));
            }
            _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32::<7>(hi), lo))
        }
    }

    #[inline(always)]
    fn prefetch(from: *const u8) {
        // SAFETY: nothing is read.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the caller's.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> __m512 {
        // SAFETY: the caller's.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u8) -> __m512 {
        // SAFETY: the caller's.
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }

    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> __m512 {
        // SAFETY: the caller's.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> __m512 {
        // SAFETY: the caller's.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        // SAFETY: the caller's.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller's.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the caller's.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, x: __m512) {
        // SAFETY: the caller's.
        unsafe { _mm512_storeu_ps(to, x) }
    }
}

/// AVX2 with FMA and F16C: sixteen lanes are two registers.
pub struct Avx2;

impl Lanes for Avx2 {
    type Bytes = [__m256i; 2];
    type Floats = [__m256; 2];
    const SIGNED_BYTES: bool = true;

    #[inline(always)]
    unsafe fn unpack<F: Format>(quants: *const u8) -> [[__m256i; 2]; 8] {
        // SAFETY: the caller's.
        unsafe {
            let mut quads = [[_mm256_setzero_si256(); 2]; 8];
            let low = _mm256_set1_epi8(15);
            // Byte i of 32 is set where bit i of a word is.
            let spread = _mm256_setr_epi8(
                0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3,
                3,
            );
            let bits = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
            for (q, quad) in quads.iter_mut().enumerate() {
                for (i, part) in quad.iter_mut().enumerate() {
                    if F::BITS == 8 {
                        // As signed numbers: `dot` says why.
                        let bytes = _mm256_loadu_si256(quants.add(64 * q + 32 * i).cast());
                        *part = _mm256_xor_si256(bytes, _mm256_set1_epi8(i8::MIN));
                        continue;
                    }
                    let pair = _mm256_loadu_si256(quants.add(64 * (q / 2) + 32 * i).cast());
                    let pair = if q % 2 == 0 { pair } else { _mm256_srli_epi16::<4>(pair) };
                    *part = _mm256_and_si256(pair, low);
                    for plane in 0..F::BITS - 4 {
                        let word = four(quants.add(256 + 64 * plane + 8 * q + 4 * i).cast());
                        let own = _mm256_shuffle_epi8(_mm256_set1_epi32(word), spread);
                        let set = _mm256_cmpeq_epi8(_mm256_and_si256(own, bits), bits);
                        *part = _mm256_or_si256(*part, _mm256_and_si256(set, _mm256_set1_epi8(16 << plane)));
                    }
                }
            }
            quads
        }
    }

    #[inline(always)]
    unsafe fn dot<F: Format>(quads: &[[__m256i; 2]], x: *const i8) -> [__m256; 2] {
        // SAFETY: the caller's.
        unsafe {
            let ones = _mm256_set1_epi16(1);
            let (mut hi, mut lo) = ([_mm256_setzero_si256(); 2], [_mm256_setzero_si256(); 2]);
            for (q, quad) in quads.iter().enumerate() {
                for (plane, sums) in [&mut hi, &mut lo].into_iter().enumerate() {
                    let by = _mm256_set1_epi32(four(x.add(32 * plane + 4 * q)));
                    for (sum, &quad) in sums.iter_mut().zip(quad) {
                        // Two products of a byte and ±127 must fit 16 bits: up to 6 bits they do. Of 8 bits the
                        // weight's sign goes to the other factor: 2 · 128 · 127 fits.
                        let pairs = if F::BITS == 8 {
                            _mm256_maddubs_epi16(_mm256_abs_epi8(quad), _mm256_sign_epi8(by, quad))
                        } else {
                            _mm256_maddubs_epi16(quad, by)
                        };
                        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
                    }
                }
            }
            [
                _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_slli_epi32::<7>(hi[0]), lo[0])),
                _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_slli_epi32::<7>(hi[1]), lo[1])),
            ]
        }
    }

    #[inline(always)]
    fn prefetch(from: *const u8) {
        // SAFETY: nothing is read.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [__m256; 2] {
        // SAFETY: the caller's.
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> [__m256; 2] {
        // SAFETY: the caller's.
        unsafe {
            [
                _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
                _mm256_cvtph_ps(_mm_loadu_si128(from.add(16).cast())),
            ]
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u8) -> [__m256; 2] {
        // SAFETY: the caller's.
        unsafe {
            let low = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            let high = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.add(16).cast()));
            [
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(low)),
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(high)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> [__m256; 2] {
        // SAFETY: the caller's.
        unsafe {
            [
                _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))),
                _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.add(8).cast()))),
            ]
        }
    }

    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> [__m256; 2] {
        // SAFETY: the caller's.
        unsafe {
            [
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()))),
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.add(8).cast()))),
            ]
        }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> [__m256; 2] {
        // SAFETY: the caller's.
        unsafe { [_mm256_set1_ps(x); 2] }
    }

    #[inline(always)]
    unsafe fn mul(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: the caller's.
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn mul_add(a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: the caller's.
        unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, x: [__m256; 2]) {
        // SAFETY: the caller's.
        unsafe {
            _mm256_storeu_ps(to, x[0]);
            _mm256_storeu_ps(to.add(8), x[1]);
        }
    }
}
