//! Values that several options take.

/// A λ: a finite number that is not negative.
///
/// # Errors
/// What was expected.
pub fn lambda(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(lambda) if lambda.is_finite() && lambda >= 0.0 => Ok(lambda),
        _ => Err("expected a number that is not negative".to_owned()),
    }
}
