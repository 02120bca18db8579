//! Elementary functions of many single-precision numbers at once.
//!
//! On the processor, burn evaluates exponentials one by one through the C library, which costs a
//! network more than its matrix products. Here they are polynomials in loops that the compiler
//! turns into vector instructions. Every entry is computed by the same sequence of operations
//! whatever the instructions, so results do not depend on the machine.
//!
//! # References
//! S. L. Moshier, *Methods and Programs for Mathematical Functions*, Ellis Horwood 1989 (the
//! coefficients of the Cephes library, single precision).

use burn::tensor::{DType, Device, Tensor, TensorData};

/// A function with its first three derivatives.
pub(super) trait Pointwise {
    /// Largest size of an argument; for larger ones [`Pointwise::far`] is used.
    const REACH: f32 = f32::INFINITY;

    /// Value and derivatives of orders one to three, to some 2e-7 of the largest value around.
    fn at(x: f32) -> [f32; 4];

    /// The same for arguments of any size, slowly.
    fn far(x: f32) -> [f32; 4] {
        Self::at(x)
    }
}

/// `e^x`: zero below -87.3, infinite above 88.
pub(super) struct Exp;
/// `x sigmoid(x)`.
pub(super) struct Silu;
/// `1 / (1 + e^-x)`.
pub(super) struct Sigmoid;
/// Hyperbolic tangent.
pub(super) struct Tanh;
/// Sine.
pub(super) struct Sin;
/// `max(x, 0)`, with the derivative 0 at 0.
pub(super) struct Relu;

impl Pointwise for Exp {
    #[inline(always)]
    fn at(x: f32) -> [f32; 4] {
        let inside = exp_within(x.clamp(-87.3, 88.0));
        let value = if x > 88.0 { f32::INFINITY } else { inside };
        [if x < -87.3 { 0.0 } else { value }; 4]
    }
}

impl Pointwise for Silu {
    #[inline(always)]
    fn at(x: f32) -> [f32; 4] {
        let [s, first, second, third] = Sigmoid::at(x);
        [x * s, s + x * first, 2.0 * first + x * second, 3.0 * second + x * third]
    }
}

impl Pointwise for Sigmoid {
    #[inline(always)]
    fn at(x: f32) -> [f32; 4] {
        let tail = exp_within(-x.abs().clamp(0.0, 87.3));
        let larger = 1.0 / (1.0 + tail);
        let smaller = tail * larger;
        let (s, rest) = if x < 0.0 { (smaller, larger) } else { (larger, smaller) };
        let first = smaller * larger;
        let second = first * (rest - s);
        [s, first, second, first * (1.0 - 6.0 * first)]
    }
}

impl Pointwise for Tanh {
    #[inline(always)]
    #[expect(clippy::excessive_precision, reason = "coefficients as they were published")]
    fn at(x: f32) -> [f32; 4] {
        let size = x.abs();
        let tail = exp_within((-2.0 * size).clamp(-87.3, 0.0));
        let far = (1.0 - tail) / (1.0 + tail);
        let z = x * x;
        let p = -5.704_988_7e-3;
        let p = p * z + 2.063_908_9e-2;
        let p = p * z - 5.373_971_6e-2;
        let p = p * z + 1.333_144_2e-1;
        let p = p * z - 3.333_328_2e-1;
        let near = size + size * z * p;
        let t = (if size < 0.625 { near } else { far }).copysign(x);
        let first = 4.0 * tail / ((1.0 + tail) * (1.0 + tail));
        [t, first, -2.0 * t * first, first * (6.0 * t * t - 2.0)]
    }
}

impl Pointwise for Sin {
    const REACH: f32 = 8192.0;

    #[inline(always)]
    fn at(x: f32) -> [f32; 4] {
        // x = k pi / 2 + r
        let shifted = x * std::f32::consts::FRAC_2_PI + ROUND;
        let quarter = shifted - ROUND;
        let r = ((x - quarter * 1.570_312_5) - quarter * 4.837_513e-4) - quarter * 7.549_79e-8;
        let z = r * r;
        let s = r + r * z * ((-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1);
        let c =
            1.0 - 0.5 * z + z * z * ((2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2);
        let turn = shifted.to_bits();
        let (a, b) = if turn & 1 == 0 { (s, c) } else { (c, s) };
        let sine = if turn & 2 == 0 { a } else { -a };
        let cosine = if turn.wrapping_add(1) & 2 == 0 { b } else { -b };
        [sine, cosine, -sine, -cosine]
    }

    fn far(x: f32) -> [f32; 4] {
        let (sine, cosine) = x.sin_cos();
        [sine, cosine, -sine, -cosine]
    }
}

impl Pointwise for Relu {
    #[inline(always)]
    fn at(x: f32) -> [f32; 4] {
        // NaN stays
        let value = if x < 0.0 { 0.0 } else { x };
        [value, if x > 0.0 { 1.0 } else { 0.0 }, 0.0, 0.0]
    }
}

/// Adding and subtracting it rounds to an integer, which the low bits of the sum hold.
const ROUND: f32 = 12_582_912.0;

/// `e^x` for x in [-87.3, 88]; NaN for NaN.
#[inline(always)]
fn exp_within(x: f32) -> f32 {
    // x = n ln 2 + r
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    (p * r * r + r + 1.0) * power
}

/// True for tensors in the processor's memory and in single precision.
pub(super) fn is_near(tensor: &Tensor<2>) -> bool {
    tensor.dtype() == DType::F32 && tensor.device() == Device::flex()
}

/// The function at each entry of a tensor that is [near](is_near), in its memory if nothing else holds
/// it.
pub(super) fn replace<F: Pointwise>(x: Tensor<2>) -> Tensor<2> {
    let mut data = x.inner().into_data();
    put_values::<F>(data.as_mut_slice().expect("single precision"));
    Tensor::from_data(data, &Device::flex())
}

/// The same, and the first derivative.
pub(super) fn replace_with_slope<F: Pointwise>(x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let (dims, device) = (x.dims(), Device::flex());
    let mut data = x.inner().into_data();
    let numbers = data.as_mut_slice::<f32>().expect("single precision");
    let slope = put_values_for_slopes::<F>(numbers);
    let slope = Tensor::from_data(TensorData::new(slope, dims), &device);
    (Tensor::from_data(data, &device), slope)
}

fn put_values<F: Pointwise>(numbers: &mut [f32]) {
    if within_reach::<F>(numbers) {
        numbers.iter_mut().for_each(|x| *x = F::at(*x)[0]);
    } else {
        numbers.iter_mut().for_each(|x| *x = F::far(*x)[0]);
    }
}

/// Puts the values, and returns the first derivatives, which have most operations in common.
fn put_values_for_slopes<F: Pointwise>(numbers: &mut [f32]) -> Vec<f32> {
    let put = |x: &mut f32, [value, slope, ..]: [f32; 4]| {
        *x = value;
        slope
    };
    if within_reach::<F>(numbers) {
        numbers.iter_mut().map(|x| put(x, F::at(*x))).collect()
    } else {
        numbers.iter_mut().map(|x| put(x, F::far(*x))).collect()
    }
}

/// The function and its first `N - 1` derivatives at each entry, as constants for burn; `None` if
/// the tensor is not in the processor's memory or not in single precision.
pub(super) fn evaluate<F: Pointwise, const N: usize>(x: &Tensor<2>) -> Option<[Tensor<2>; N]> {
    if !is_near(x) {
        return None;
    }
    let data = x.clone().inner().into_data();
    let numbers = data.as_slice::<f32>().expect("single precision");
    let near = within_reach::<F>(numbers);
    let device = Device::flex();
    let mut order = 0;
    Some([(); N].map(|()| {
        let values = derivative::<F>(numbers, order, near);
        order += 1;
        Tensor::from_data(TensorData::new(values, x.dims()), &device)
    }))
}

fn within_reach<F: Pointwise>(numbers: &[f32]) -> bool {
    F::REACH == f32::INFINITY || numbers.iter().all(|x| x.abs() <= F::REACH)
}

/// One derivative at each entry, each in a loop of its own, which becomes vector instructions.
fn derivative<F: Pointwise>(numbers: &[f32], order: usize, near: bool) -> Vec<f32> {
    match (near, order) {
        (true, 0) => numbers.iter().map(|x| F::at(*x)[0]).collect(),
        (true, 1) => numbers.iter().map(|x| F::at(*x)[1]).collect(),
        (true, 2) => numbers.iter().map(|x| F::at(*x)[2]).collect(),
        (true, _) => numbers.iter().map(|x| F::at(*x)[3]).collect(),
        (false, _) => numbers.iter().map(|x| F::far(*x)[order]).collect(),
    }
}
