//! The two matrix products that everything here is made of, on a block of positions.

/// A floating-point type that a block can be computed in.
pub(crate) trait Real: Copy + Send + Sync + PartialOrd + 'static {
    const ZERO: Self;
    const ONE: Self;
    fn from_f64(x: f64) -> Self;
    fn to_f64(self) -> f64;
    /// The block in this precision: as it is, or converted into `scratch`.
    fn block<'a>(h: &'a [f32], scratch: &'a mut Vec<Self>) -> &'a [Self];
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    fn from_f64(x: f64) -> Self {
        x as f32
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn block<'a>(h: &'a [f32], _: &'a mut Vec<Self>) -> &'a [Self] {
        h
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    fn from_f64(x: f64) -> Self {
        x
    }
    fn to_f64(self) -> f64 {
        self
    }
    fn block<'a>(h: &'a [f32], scratch: &'a mut Vec<Self>) -> &'a [Self] {
        scratch.clear();
        scratch.extend(h.iter().map(|&x| f64::from(x)));
        scratch
    }
}

/// H Wᵀ: `h` is `(n, d)`, `w` is `(T, d)`, `out` becomes `(n, T)`.
pub(crate) fn scores<R: Real>(h: &[R], w: &[R], width: usize, out: &mut Vec<R>) {
    let (n, tools) = (h.len() / width, w.len() / width);
    out.clear();
    out.resize(n * tools, R::ZERO);
    if out.is_empty() {
        return;
    }
    assert!(h.len() == n * width && w.len() == tools * width);
    // SAFETY: the strides below stay inside the three slices, whose lengths are checked above.
    unsafe {
        gemm::gemm(
            tools,
            n,
            width,
            out.as_mut_ptr(),
            tools as isize,
            1,
            false,
            w.as_ptr(),
            1,
            width as isize,
            h.as_ptr(),
            width as isize,
            1,
            R::ZERO,
            R::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// G += Rᵀ H: `r` is `(n, T)`, `h` is `(n, d)`, `g` is `(T, d)`.
pub(crate) fn accumulate<R: Real>(r: &[R], h: &[R], width: usize, g: &mut [R]) {
    let (n, tools) = (h.len() / width, g.len() / width);
    if n == 0 || tools == 0 {
        return;
    }
    assert!(h.len() == n * width && g.len() == tools * width && r.len() == n * tools);
    // SAFETY: the strides below stay inside the three slices, whose lengths are checked above.
    unsafe {
        gemm::gemm(
            tools,
            width,
            n,
            g.as_mut_ptr(),
            1,
            width as isize,
            true,
            r.as_ptr(),
            tools as isize,
            1,
            h.as_ptr(),
            1,
            width as isize,
            R::ONE,
            R::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
