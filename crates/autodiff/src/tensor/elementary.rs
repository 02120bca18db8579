//! Functions of each entry, and the softmax of each row.

use burn::tensor::{Bool, Tensor, activation};

use super::Var;
use super::host::{
    Exp, Pointwise, Relu, Sigmoid, Silu, Sin, Tanh, evaluate, is_near, replace, replace_with_slope,
};

impl Var {
    /// Applies a function of each entry, given its values and its first derivatives. The
    /// derivatives must be made from tensors that burn tracks, if second derivatives are wanted.
    #[must_use]
    pub fn chain(&self, value: Tensor<2>, derivative: Tensor<2>) -> Self {
        self.unary(value, move |adjoint| adjoint * derivative.clone())
    }

    /// A function whose derivatives are known in numbers: `y_0 + y'_0 (x - x_0)` about the present
    /// `x_0 = x`, which has the right value and derivative for burn, and likewise for the derivative
    /// that the tape uses. `None` where the numbers are not at hand.
    fn pointwise<F: Pointwise>(&self) -> Option<Self> {
        let x = self.value();
        match (x.is_tracked(), self.is_recorded()) {
            (false, false) => is_near(x).then(|| Self::constant(replace::<F>(x.clone()))),
            (false, true) => {
                let [value, slope] = evaluate::<F, 2>(x)?;
                Some(self.chain(value, slope))
            }
            (true, false) => {
                let [value, slope] = evaluate::<F, 2>(x)?;
                Some(Self::constant(self.excursion() * slope + value))
            }
            (true, true) => {
                let [value, slope, bend] = evaluate::<F, 3>(x)?;
                let nothing = self.excursion();
                let value = nothing.clone() * slope.clone() + value;
                Some(self.chain(value, nothing * bend + slope))
            }
        }
    }

    /// The same of a variable that is not needed any more, in its memory where possible.
    fn into_pointwise<F: Pointwise>(self, otherwise: impl Fn(&Self) -> Self) -> Self {
        if self.value().is_tracked() || !is_near(self.value()) {
            return otherwise(&self);
        }
        let Some(node) = self.node() else {
            return Self::constant(replace::<F>(self.into_value()));
        };
        let (value, slope) = replace_with_slope::<F>(self.into_value());
        Self::joined(value, vec![(Some(node), Box::new(move |adjoint| adjoint * slope.clone()))])
    }

    /// [`Var::silu`] of a variable that is not needed any more, in its memory where possible.
    #[must_use]
    pub fn into_silu(self) -> Self {
        self.into_pointwise::<Silu>(Self::silu)
    }

    /// [`Var::tanh`] of a variable that is not needed any more, in its memory where possible.
    #[must_use]
    pub fn into_tanh(self) -> Self {
        self.into_pointwise::<Tanh>(Self::tanh)
    }

    /// [`Var::sin`] of a variable that is not needed any more, in its memory where possible.
    #[must_use]
    pub fn into_sin(self) -> Self {
        self.into_pointwise::<Sin>(Self::sin)
    }

    /// [`Var::relu`] of a variable that is not needed any more, in its memory where possible.
    #[must_use]
    pub fn into_relu(self) -> Self {
        self.into_pointwise::<Relu>(Self::relu)
    }

    /// A function and its derivative, as [`Var::pointwise`].
    fn pointwise_with_derivative<F: Pointwise>(&self) -> Option<(Self, Self)> {
        let x = self.value();
        if !x.is_tracked() {
            let [value, slope, bend] = evaluate::<F, 3>(x)?;
            return Some((self.chain(value, slope.clone()), self.chain(slope, bend)));
        }
        let [value, slope, bend, twist] = evaluate::<F, 4>(x)?;
        let nothing = self.excursion();
        let value = nothing.clone() * slope.clone() + value;
        let slope = nothing.clone() * bend.clone() + slope;
        if !self.is_recorded() {
            return Some((Self::constant(value), Self::constant(slope)));
        }
        let bend = nothing * twist + bend;
        Some((self.chain(value, slope.clone()), self.chain(slope, bend)))
    }

    /// `x - x_0`: zero, but burn knows its derivative.
    fn excursion(&self) -> Tensor<2> {
        let x = self.value().clone();
        x.clone() - x.inner()
    }

    /// `e^x`.
    #[must_use]
    pub fn exp(&self) -> Self {
        if let Some(found) = self.pointwise::<Exp>() {
            return found;
        }
        let value = self.value().clone().exp();
        self.chain(value.clone(), value)
    }

    /// Natural logarithm; infinite at 0, NaN below.
    #[must_use]
    pub fn ln(&self) -> Self {
        let x = self.value().clone();
        self.unary(x.clone().log(), move |adjoint| adjoint / x.clone())
    }

    /// Square root; its derivative at 0 is infinite.
    #[must_use]
    pub fn sqrt(&self) -> Self {
        let root = self.value().clone().sqrt();
        self.unary(root.clone(), move |adjoint| adjoint / (root.clone() * 2.0))
    }

    /// `x²`.
    #[must_use]
    pub fn square(&self) -> Self {
        let x = self.value().clone();
        self.unary(x.clone().square(), move |adjoint| adjoint * x.clone() * 2.0)
    }

    /// `1 / x`.
    #[must_use]
    pub fn recip(&self) -> Self {
        let inverse = self.value().clone().recip();
        self.unary(inverse.clone(), move |adjoint| (adjoint * inverse.clone().square()).neg())
    }

    /// Sine.
    #[must_use]
    pub fn sin(&self) -> Self {
        if let Some(found) = self.pointwise::<Sin>() {
            return found;
        }
        let x = self.value().clone();
        self.unary(x.clone().sin(), move |adjoint| adjoint * x.clone().cos())
    }

    /// Hyperbolic tangent.
    #[must_use]
    pub fn tanh(&self) -> Self {
        if let Some(found) = self.pointwise::<Tanh>() {
            return found;
        }
        let value = self.value().clone().tanh();
        self.unary(value.clone(), move |adjoint| adjoint.clone() - adjoint * value.clone().square())
    }

    /// `1 / (1 + e^-x)`.
    #[must_use]
    pub fn sigmoid(&self) -> Self {
        if let Some(found) = self.pointwise::<Sigmoid>() {
            return found;
        }
        let value = activation::sigmoid(self.value().clone());
        self.unary(value.clone(), move |adjoint| adjoint * (value.clone() - value.clone().square()))
    }

    /// `1 / (1 + e^-x)` and its derivative, which is exact in both tails.
    #[must_use]
    pub fn sigmoid_with_derivative(&self) -> (Self, Self) {
        if let Some(found) = self.pointwise_with_derivative::<Sigmoid>() {
            return found;
        }
        let value = self.sigmoid();
        let slope = &value * (-self).sigmoid();
        (value, slope)
    }

    /// `ln(sigmoid(x))`, exact in both tails.
    #[must_use]
    pub fn log_sigmoid(&self) -> Self {
        let x = self.value().clone();
        self.unary(activation::log_sigmoid(x.clone()), move |adjoint| {
            adjoint * activation::sigmoid(x.clone().neg())
        })
    }

    /// `ln(1 + e^x)`, exact in both tails.
    #[must_use]
    pub fn softplus(&self) -> Self {
        -(-self).log_sigmoid()
    }

    /// `x sigmoid(x)`.
    #[must_use]
    pub fn silu(&self) -> Self {
        if let Some(found) = self.pointwise::<Silu>() {
            return found;
        }
        let x = self.value().clone();
        let gate = activation::sigmoid(x.clone());
        let value = x * gate.clone();
        let slope = value.clone();
        self.unary(value, move |adjoint| {
            // s + y (1 - s)
            adjoint * (gate.clone() + slope.clone() - slope.clone() * gate.clone())
        })
    }

    /// `max(x, 0)`; its derivative at 0 is 0.
    #[must_use]
    pub fn relu(&self) -> Self {
        if let Some(found) = self.pointwise::<Relu>() {
            return found;
        }
        let x = self.value().clone();
        let inactive = x.clone().inner().lower_equal_elem(0.0);
        self.unary(activation::relu(x), move |adjoint| adjoint.mask_fill(inactive.clone(), 0.0))
    }

    /// `ln(x / (1 - x))` for x in (0, 1).
    #[must_use]
    pub fn logit(&self) -> Self {
        let x = self.value().clone();
        let odds = x.clone() / (x.clone().neg() + 1.0);
        self.unary(odds.log(), move |adjoint| adjoint / (x.clone() - x.clone().square()))
    }

    /// Softmax of each row: positive entries that sum to one.
    #[must_use]
    pub fn softmax(&self) -> Self {
        let value = activation::softmax(self.value().clone(), 1);
        self.unary(value.clone(), move |adjoint| {
            let mean = (adjoint.clone() * value.clone()).sum_dim(1);
            (adjoint - mean) * value.clone()
        })
    }

    /// `ln sum_j e^x_j` of each row, `[rows, 1]`, without overflow.
    #[must_use]
    pub fn log_sum_exp(&self) -> Self {
        let x = self.value().clone();
        let largest = x.clone().inner().max_dim(1);
        let value = (x.clone() - largest.clone()).exp().sum_dim(1).log() + largest;
        let sum = value.clone();
        self.unary(value, move |adjoint| (x.clone() - sum.clone()).exp() * adjoint)
    }

    /// The entries of `self` where `mask` is true, of `other` elsewhere; all of one shape. An entry
    /// that is not chosen contributes nothing to derivatives, unless it is NaN or infinite.
    #[must_use]
    pub fn or_else(&self, mask: Tensor<2, Bool>, other: &Self) -> Self {
        let inverse = mask.clone().bool_not();
        let value = other.value().clone().mask_where(mask.clone(), self.value().clone());
        Self::joined(
            value,
            vec![
                (self.node(), Box::new(move |adjoint| adjoint.mask_fill(inverse.clone(), 0.0))),
                (other.node(), Box::new(move |adjoint| adjoint.mask_fill(mask.clone(), 0.0))),
            ],
        )
    }

    /// Entries limited to `[lower, upper]`; the derivative is zero beyond.
    #[must_use]
    pub fn clamp(&self, lower: f32, upper: f32) -> Self {
        let x = self.value().clone();
        let plain = x.clone().inner();
        let beyond = plain.clone().lower_elem(lower).bool_or(plain.greater_elem(upper));
        self.unary(x.clamp(lower, upper), move |adjoint| adjoint.mask_fill(beyond.clone(), 0.0))
    }
}
