//! Python's operators and `math` functions on [`Number`]s: which kind of number comes out, how it is rounded, and
//! which exception is raised. Source: CPython's `longobject.c`, `floatobject.c` and `mathmodule.c`, by behaviour.

use super::Fault;
use crate::Number;
use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_traits::{Signed, ToPrimitive, Zero};

/// The widest intermediate integer. Results past 2^1024 are refused in any case (see [`super::render`]); the room above it
/// is for what is divided again, and keeps a hostile call from filling the memory.
const MAX_BITS: u64 = 8192;

pub(super) fn add(a: &Number, b: &Number) -> Result<Number, Fault> {
    binary(a, b, |a, b| a + b, |a, b| a + b)
}

pub(super) fn subtract(a: &Number, b: &Number) -> Result<Number, Fault> {
    binary(a, b, |a, b| a - b, |a, b| a - b)
}

pub(super) fn multiply(a: &Number, b: &Number) -> Result<Number, Fault> {
    binary(a, b, |a, b| a * b, |a, b| a * b)
}

/// Integers stay integers; one float makes both floats.
fn binary(
    a: &Number,
    b: &Number,
    integers: impl Fn(&BigInt, &BigInt) -> BigInt,
    floats: impl Fn(f64, f64) -> f64,
) -> Result<Number, Fault> {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => {
            let result = integers(a, b);
            if result.bits() > MAX_BITS {
                return Err(Fault::overflow("the result is too large"));
            }
            Ok(Number::Int(result))
        }
        _ => Ok(Number::Float(floats(a.to_float()?, b.to_float()?))),
    }
}

/// `/`: a float, and for two integers the float nearest to the exact quotient.
pub(super) fn divide(a: &Number, b: &Number) -> Result<Number, Fault> {
    if let (Number::Int(a), Number::Int(b)) = (a, b) {
        return if b.is_zero() { Err(Fault::zero_division()) } else { quotient(a, b).map(Number::Float) };
    }
    let (a, b) = (a.to_float()?, b.to_float()?);
    if b == 0.0 { Err(Fault::zero_division()) } else { Ok(Number::Float(a / b)) }
}

/// a / b for b ≠ 0, rounded once.
fn quotient(a: &BigInt, b: &BigInt) -> Result<f64, Fault> {
    /// Integers up to this many bits are floats exactly.
    const EXACT: u64 = f64::MANTISSA_DIGITS as u64;
    /// Bits of quotient that are computed: a float's 53, and enough below them for the rounding.
    const QUOTIENT: u64 = 66;
    if a.bits() <= EXACT
        && b.bits() <= EXACT
        && let (Some(a), Some(b)) = (a.to_f64(), b.to_f64())
    {
        return Ok(a / b);
    }
    let shift = (QUOTIENT + b.bits()).saturating_sub(a.bits());
    let (mut bits, remainder) = (a.magnitude() << shift).div_rem(b.magnitude());
    bits.set_bit(0, bits.bit(0) || !remainder.is_zero());
    let magnitude = scale(bits.to_f64().unwrap_or(f64::INFINITY), shift);
    if magnitude.is_infinite() {
        return Err(Fault::overflow("the quotient is past the range of a float"));
    }
    let negative = (a.sign() == Sign::Minus) != (b.sign() == Sign::Minus);
    Ok(if negative { -magnitude } else { magnitude })
}

/// x · 2^−shift, in steps that a float's exponent can hold.
fn scale(mut x: f64, mut shift: u64) -> f64 {
    while shift > 0 && x != 0.0 {
        let step = shift.min(1000);
        x *= 0.5f64.powi(step as i32);
        shift -= step;
    }
    x
}

/// `**`: an integer to a whole power ≥ 0 is an integer, anything else a float.
pub(super) fn power(a: &Number, b: &Number) -> Result<Number, Fault> {
    if let (Number::Int(base), Number::Int(exponent)) = (a, b)
        && let Some(exponent) = exponent.to_biguint()
    {
        return integer_power(base, &exponent).map(Number::Int);
    }
    let (x, y) = (a.to_float()?, b.to_float()?);
    if x == 0.0 && y < 0.0 {
        return Err(Fault::zero_division());
    }
    // A negative number to a broken power: Python goes on with a complex number, and rounding then refuses it.
    let complex = x < 0.0 && x.is_finite() && y.is_finite() && y.fract() != 0.0;
    let result = if complex { (-x).powf(y) } else { x.powf(y) };
    if result.is_infinite() && x.is_finite() && y.is_finite() {
        return Err(Fault::overflow("the power is past the range of a float"));
    }
    if complex {
        return Err(Fault::type_error("a negative number to a broken power is no real number"));
    }
    Ok(Number::Float(result))
}

fn integer_power(base: &BigInt, exponent: &BigUint) -> Result<BigInt, Fault> {
    if base.bits() <= 1 {
        // −1, 0 and 1 take any exponent: only whether it is zero or odd matters.
        let small = if exponent.is_zero() { 0 } else { 2 - u32::from(exponent.bit(0)) };
        return Ok(base.pow(small));
    }
    match exponent.to_u32() {
        // |base| ≥ 2^(bits − 1), so the result has at least (bits − 1) · exponent bits.
        Some(exponent) if (base.bits() - 1).saturating_mul(exponent.into()) <= MAX_BITS => {
            Ok(base.pow(exponent))
        }
        _ => Err(Fault::overflow("the power is too large")),
    }
}

/// `%`: the remainder with the divisor's sign.
pub(super) fn remainder(a: &Number, b: &Number) -> Result<Number, Fault> {
    if let (Number::Int(a), Number::Int(b)) = (a, b) {
        return if b.is_zero() { Err(Fault::zero_division()) } else { Ok(Number::Int(a.mod_floor(b))) };
    }
    let (a, b) = (a.to_float()?, b.to_float()?);
    if b == 0.0 {
        return Err(Fault::zero_division());
    }
    let truncated = a % b;
    Ok(Number::Float(if truncated == 0.0 {
        0f64.copysign(b)
    } else if (truncated < 0.0) != (b < 0.0) {
        truncated + b
    } else {
        truncated
    }))
}

/// `math.sqrt`.
pub(super) fn square_root(n: &Number) -> Result<Number, Fault> {
    let x = n.to_float()?;
    if x < 0.0 {
        Err(Fault::domain("the square root of a negative number"))
    } else {
        Ok(Number::Float(x.sqrt()))
    }
}

/// `math.log10`.
pub(super) fn log10(n: &Number) -> Result<f64, Fault> {
    logarithm(n, f64::log10)
}

/// `math.log` of one argument.
pub(super) fn ln(n: &Number) -> Result<f64, Fault> {
    logarithm(n, f64::ln)
}

/// `log` of a number > 0, also of an integer past the range of a float: log n = log(n / 2^e) + e · log 2.
fn logarithm(n: &Number, log: fn(f64) -> f64) -> Result<f64, Fault> {
    let not_positive = || Fault::domain("the logarithm of a number that is not above zero");
    match n {
        Number::Int(n) if !n.is_positive() => Err(not_positive()),
        Number::Int(n) => Ok(match n.to_f64() {
            Some(x) if x.is_finite() => log(x),
            _ => {
                let exponent = n.bits();
                let leading = (n >> exponent.saturating_sub(64)).to_f64().unwrap_or(f64::NAN);
                log(leading * 0.5f64.powi(64)) + exponent as f64 * log(2.0)
            }
        }),
        Number::Float(x) if *x <= 0.0 => Err(not_positive()),
        Number::Float(x) => Ok(log(*x)),
    }
}

/// `math.gcd` of two: never negative, of integers alone.
pub(super) fn gcd(a: &Number, b: &Number) -> Result<Number, Fault> {
    let (a, b) = (integer(a)?, integer(b)?);
    Ok(Number::Int(a.gcd(b)))
}

/// a · b / gcd(a, b), with the sign of the product; two zeros divide by zero, as in the reference.
pub(super) fn lcm(a: &Number, b: &Number) -> Result<Number, Fault> {
    let product = multiply(a, b)?;
    let (a, b) = (integer(a)?, integer(b)?);
    let divisor = a.gcd(b);
    if divisor.is_zero() {
        return Err(Fault::zero_division());
    }
    Ok(Number::Int(integer(&product)? / divisor))
}

/// `math.comb`: C(n, k), 0 for k > n.
pub(super) fn combinations(n: &Number, k: &Number) -> Result<Number, Fault> {
    let (n, k) = counts(n, k)?;
    if k > n {
        return Ok(Number::from(0));
    }
    let k = k.min(&(n - k)).clone();
    // C(n, i) ≥ 2^i for i ≤ n / 2, so an answer that is too large shows within MAX_BITS steps.
    let mut result = BigInt::from(1);
    let mut i = BigInt::zero();
    while i < k {
        result *= n - &i;
        i += 1;
        result /= &i;
        if result.bits() > MAX_BITS {
            return Err(Fault::overflow("the number of choices is too large"));
        }
    }
    Ok(Number::Int(result))
}

/// `math.perm`: n! / (n − k)!, 0 for k > n.
pub(super) fn permutations(n: &Number, k: &Number) -> Result<Number, Fault> {
    let (n, k) = counts(n, k)?;
    if k > n {
        return Ok(Number::from(0));
    }
    let mut result = BigInt::from(1);
    let mut i = BigInt::zero();
    while &i < k {
        result *= n - &i;
        i += 1;
        if result.bits() > MAX_BITS {
            return Err(Fault::overflow("the number of arrangements is too large"));
        }
    }
    Ok(Number::Int(result))
}

fn counts<'a>(n: &'a Number, k: &'a Number) -> Result<(&'a BigInt, &'a BigInt), Fault> {
    let (n, k) = (integer(n)?, integer(k)?);
    if n.is_negative() || k.is_negative() {
        return Err(Fault::domain("a count below zero"));
    }
    Ok((n, k))
}

fn integer(n: &Number) -> Result<&BigInt, Fault> {
    match n {
        Number::Int(n) => Ok(n),
        Number::Float(_) => {
            Err(Fault::type_error("a number with a decimal point where an integer is needed"))
        }
    }
}
