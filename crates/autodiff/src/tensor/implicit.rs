//! Roots of element-wise equations, differentiated without differentiating the search.

use burn::tensor::{Tensor, TensorData};

use super::Var;

/// When the search for a root ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RootSettings {
    /// Largest width, relative to the bracket, by which a root may still move.
    pub tolerance: f32,
    /// Most iterations; each at least halves the bracket of an element that has not converged.
    pub iterations: usize,
}

impl Default for RootSettings {
    fn default() -> Self {
        Self { tolerance: 2e-7, iterations: 80 }
    }
}

/// Why an element has no root.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum RootError {
    /// The function or the target is NaN or infinite.
    #[error("{count} of {of} equations are not finite within [{lower}, {upper}]")]
    NotFinite {
        /// Number of elements that cannot be solved.
        count: usize,
        /// Number of elements.
        of: usize,
        /// Lower end of the bracket.
        lower: f32,
        /// Upper end of the bracket.
        upper: f32,
    },
    /// The search did not settle.
    #[error("a root still moves by {step} after {iterations} iterations")]
    NoConvergence {
        /// Largest last step of an element.
        step: f32,
        /// Number of iterations.
        iterations: usize,
    },
}

/// Solves `function(x, parameters) = target` for each element of `x` in `[lower, upper]`.
///
/// `function` must increase with `x` and act element by element; it returns its value and its
/// derivative with respect to `x`. Where the target is beyond the values at the ends of the
/// bracket, the search stops at the nearer end, from which the two steps below go on: confine the
/// target before.
///
/// The search (Newton's method, with bisection wherever Newton's step leaves the bracket or is more
/// than half as long as the step before, so that rounding cannot make it cycle) sees constants only
/// and leaves no trace. Two recorded Newton steps from its result follow: by the
/// implicit function theorem the first makes first derivatives exact, the second makes second
/// derivatives exact, with respect to `target` and `parameters`, for both the tape and burn. The
/// first derivatives are, with `f(x, p) = t`,
///
/// `dx/dt = 1 / (df/dx)`, `dx/dp = -(df/dp) / (df/dx)`.
///
/// *Shapes.* `target` and the root are `[row, column]`; `parameters` are what `function` takes.
///
/// *When to use.* Inverses of increasing functions that have none in closed form, in densities and
/// losses with scores.
/// *When not.* Where there is a closed form: a search costs several evaluations. Where the
/// derivative `df/dx` vanishes at the root, which then has none itself. Equations that are coupled.
/// Third derivatives, which two steps do not make exact.
///
/// # Errors
/// [`RootError`] if the function, its derivative or the target is not finite, or the search does
/// not settle.
///
/// # References
/// A. Griewank and A. Walther, *Evaluating Derivatives*, 2nd edition, SIAM 2008, chapter 15.
pub fn implicit_root(
    function: impl Fn(&Var, &[Var]) -> (Var, Var),
    parameters: &[Var],
    target: &Var,
    [lower, upper]: [f32; 2],
    settings: RootSettings,
) -> Result<Var, RootError> {
    let constants: Vec<Var> = parameters.iter().map(Var::detach).collect();
    let wanted = target.detach().into_value();
    let start = search(|x| function(x, &constants), &wanted, [lower, upper], settings)?;
    let mut root = Var::constant(start);
    for _ in 0..2 {
        let (value, derivative) = function(&root, parameters);
        root = &root - (value - target) / derivative;
    }
    Ok(root)
}

fn search(
    function: impl Fn(&Var) -> (Var, Var),
    target: &Tensor<2>,
    [lower, upper]: [f32; 2],
    settings: RootSettings,
) -> Result<Tensor<2>, RootError> {
    let mut low = target.full_like(lower);
    let mut high = target.full_like(upper);
    let mut x = (low.clone() + high.clone()) / 2.0;
    let mut before = target.full_like(upper - lower);
    let mut step = f32::INFINITY;
    for _ in 0..settings.iterations {
        let (value, derivative) = function(&Var::constant(x.clone()));
        let excess = value.into_value() - target.clone();
        let above = excess.clone().greater_elem(0.0);
        high = high.mask_where(above.clone(), x.clone());
        low = x.clone().mask_where(above, low);
        let newton = x.clone() - excess / derivative.into_value();
        let shorter = (newton.clone() - x.clone()).abs().lower_equal(before / 2.0);
        let usable = newton
            .clone()
            .greater_equal(low.clone())
            .bool_and(newton.clone().lower_equal(high.clone()))
            .bool_and(shorter);
        let next = ((low.clone() + high.clone()) / 2.0).mask_where(usable, newton);
        let moved = (next.clone() - x).abs();
        x = next;
        step = largest(moved.clone());
        before = moved;
        if step <= settings.tolerance * (upper - lower) {
            return check(function, x, target, [lower, upper]);
        }
    }
    check(&function, x, target, [lower, upper])?;
    Err(RootError::NoConvergence { step, iterations: settings.iterations })
}

/// Comparisons with NaN are false, so that bisection would settle on an end of the bracket: look at
/// the values themselves.
fn check(
    function: impl Fn(&Var) -> (Var, Var),
    root: Tensor<2>,
    target: &Tensor<2>,
    [lower, upper]: [f32; 2],
) -> Result<Tensor<2>, RootError> {
    let (value, _) = function(&Var::constant(root.clone()));
    let all = entries((value.into_value() - target.clone()).into_data());
    let count = all.iter().filter(|entry| !entry.is_finite()).count();
    if count > 0 {
        return Err(RootError::NotFinite { count, of: all.len(), lower, upper });
    }
    Ok(root)
}

/// The largest entry; infinite if one is NaN.
fn largest(tensor: Tensor<2>) -> f32 {
    let all = entries(tensor.max().into_data());
    all.into_iter()
        .fold(0.0, |largest, entry| if entry.is_nan() { f32::INFINITY } else { largest.max(entry) })
}

fn entries(data: TensorData) -> Vec<f32> {
    data.iter::<f32>().collect()
}
