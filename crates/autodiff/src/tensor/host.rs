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

/// A function with its first and second derivative.
pub(super) trait Pointwise {
    /// Largest size of an argument; for larger ones [`Pointwise::far`] is used.
    const REACH: f32 = f32::INFINITY;

    /// Value, first and second derivative; within a relative or absolute 2e-7 of the exact ones.
    fn at(x: f32) -> [f32; 3];

    /// The same for arguments of any size, slowly.
    fn far(x: f32) -> [f32; 3] {
        Self::at(x)
    }
}

/// `x sigmoid(x)`.
pub(super) struct Silu;
/// `1 / (1 + e^-x)`.
pub(super) struct Sigmoid;
/// Hyperbolic tangent.
pub(super) struct Tanh;
/// Sine.
pub(super) struct Sin;

impl Pointwise for Silu {
    #[inline(always)]
    fn at(x: f32) -> [f32; 3] {
        let s = sigmoid(x);
        let slope = s * (1.0 - s);
        [x * s, s + x * slope, slope * (2.0 + x * (1.0 - 2.0 * s))]
    }
}

impl Pointwise for Sigmoid {
    #[inline(always)]
    fn at(x: f32) -> [f32; 3] {
        let s = sigmoid(x);
        let slope = s * (1.0 - s);
        [s, slope, slope * (1.0 - 2.0 * s)]
    }
}

impl Pointwise for Tanh {
    #[inline(always)]
    fn at(x: f32) -> [f32; 3] {
        let size = x.abs();
        let tail = exp_of_negative(-2.0 * size);
        let far = (1.0 - tail) / (1.0 + tail);
        let z = x * x;
        let p = -5.704_988_7e-3;
        let p = p * z + 2.063_908_9e-2;
        let p = p * z - 5.373_971_6e-2;
        let p = p * z + 1.333_144_2e-1;
        let p = p * z - 3.333_328_2e-1;
        let near = size + size * z * p;
        let t = (if size < 0.625 { near } else { far }).copysign(x);
        let slope =
            if size < 0.625 { 1.0 - t * t } else { 4.0 * tail / ((1.0 + tail) * (1.0 + tail)) };
        [t, slope, -2.0 * t * slope]
    }
}

impl Pointwise for Sin {
    const REACH: f32 = 8192.0;

    #[inline(always)]
    fn at(x: f32) -> [f32; 3] {
        // x = k pi / 2 + r
        let shifted = x * std::f32::consts::FRAC_2_PI + ROUND;
        let quarter = shifted - ROUND;
        let r = ((x - quarter * 1.570_312_5) - quarter * 4.837_512_969_970_703e-4)
            - quarter * 7.549_789_948_768_648e-8;
        let z = r * r;
        let s = r + r * z * ((-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1);
        let c =
            1.0 - 0.5 * z + z * z * ((2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2);
        let turn = shifted.to_bits();
        let (a, b) = if turn & 1 == 0 { (s, c) } else { (c, s) };
        let sine = if turn & 2 == 0 { a } else { -a };
        let cosine = if turn.wrapping_add(1) & 2 == 0 { b } else { -b };
        [sine, cosine, -sine]
    }

    fn far(x: f32) -> [f32; 3] {
        [x.sin(), x.cos(), -x.sin()]
    }
}

/// Adding and subtracting it rounds to an integer, which the low bits of the sum hold.
const ROUND: f32 = 12_582_912.0;

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    let tail = exp_of_negative(-x.abs());
    let larger = 1.0 / (1.0 + tail);
    if x < 0.0 { tail * larger } else { larger }
}

/// `e^x` for `x <= 0`; 1.6e-38 below -87, where it is less.
#[inline(always)]
fn exp_of_negative(x: f32) -> f32 {
    // not `max`, which would lose a NaN
    let x = if x < -87.0 { -87.0 } else { x };
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

/// The numbers of a tensor in the processor's memory and in single precision; `None` elsewhere.
fn numbers(tensor: &Tensor<2>) -> Option<TensorData> {
    let near = tensor.dtype() == DType::F32 && tensor.device() == Device::flex();
    near.then(|| tensor.clone().inner().into_data())
}

/// The function and its first `N - 1` derivatives at each entry, as constants for burn; `None` if
/// the tensor is not in the processor's memory or not in single precision.
pub(super) fn evaluate<F: Pointwise, const N: usize>(x: &Tensor<2>) -> Option<[Tensor<2>; N]> {
    let data = numbers(x)?;
    let numbers = data.as_slice::<f32>().ok()?;
    let mut found: [Vec<f32>; N] = std::array::from_fn(|_| vec![0.0; numbers.len()]);
    if numbers.iter().fold(0.0, |most: f32, x| most.max(x.abs())) <= F::REACH {
        fill(numbers, &mut found, F::at);
    } else {
        fill(numbers, &mut found, F::far);
    }
    let device = Device::flex();
    Some(found.map(|values| Tensor::from_data(TensorData::new(values, x.dims()), &device)))
}

#[inline(always)]
fn fill<const N: usize>(
    numbers: &[f32],
    found: &mut [Vec<f32>; N],
    function: impl Fn(f32) -> [f32; 3],
) {
    let count = numbers.len();
    let mut outputs = found.each_mut().map(|output| &mut output[..count]);
    for (index, x) in numbers.iter().enumerate() {
        let all = function(*x);
        for (output, value) in outputs.iter_mut().zip(all) {
            output[index] = value;
        }
    }
}
