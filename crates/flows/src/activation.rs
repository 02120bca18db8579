//! Nonlinearities of the conditioner networks.

use autodiff::tensor::Var;
use serde::{Deserialize, Serialize};

/// What follows each hidden layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x sigmoid(x)`, smooth.
    #[default]
    Silu,
    /// Hyperbolic tangent, smooth.
    Tanh,
    /// Sine, smooth.
    Sin,
    /// `max(x, 0)`; scores of flows that use it have jumps.
    Relu,
}

impl Activation {
    /// Applies it to each entry.
    #[must_use]
    pub fn apply(self, x: &Var) -> Var {
        match self {
            Self::Silu => x.silu(),
            Self::Tanh => x.tanh(),
            Self::Sin => x.sin(),
            Self::Relu => x.relu(),
        }
    }

    /// Applies it to each entry, with its first derivative there.
    pub(crate) fn apply_with_slope(self, x: &Var) -> (Var, Var) {
        match self {
            Self::Silu => {
                let gate = x.sigmoid();
                let value = x * &gate;
                // s + y (1 - s)
                let slope = &gate + &value - &value * &gate;
                (value, slope)
            }
            Self::Tanh => {
                let value = x.tanh();
                let slope = -value.square() + 1.0;
                (value, slope)
            }
            Self::Sin => (x.sin(), (x + std::f32::consts::FRAC_PI_2).sin()),
            Self::Relu => {
                let active = x.detach().into_value().greater_elem(0.0).float();
                (x.relu(), Var::constant(active))
            }
        }
    }

    /// The same of a variable that is not needed any more.
    pub(crate) fn apply_to(self, x: Var) -> Var {
        match self {
            Self::Silu => x.into_silu(),
            Self::Tanh => x.into_tanh(),
            Self::Sin => x.into_sin(),
            Self::Relu => x.into_relu(),
        }
    }
}
