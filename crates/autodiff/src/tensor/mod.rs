//! Derivatives of tensor code that can themselves be differentiated.
//!
//! A [`Var`] is a matrix, usually `[batch, feature]`, made of burn tensors. Operations on variables
//! of a [`Tape`] are recorded; [`Tape::gradient`] walks the record backwards with ordinary burn
//! operations. Its result is therefore a burn tensor like any other: where weights that require
//! gradients went into it, one call of burn's `backward` on a loss that contains the derivative
//! gives the gradient of that loss, second derivatives included. Variables without a tape
//! ([`Var::constant`]) cost nothing: the same code serves plain evaluation.
//!
//! A tape [of weights](Tape::of_weights) also differentiates a loss with respect to the weights of
//! networks, without burn's own graph: for losses without derivatives in them, the fast way to train.
//!
//! Burn itself differentiates once only. Of the ways to differentiate twice, reverse over reverse
//! costs a small multiple of one evaluation whatever the number of inputs.

mod adam;
mod adjoint;
mod arithmetic;
mod device;
mod elementary;
mod host;
mod implicit;
mod linear;
mod shape;
mod tape;

pub use adam::{AdamMoments, AdamStep, mean_step};
pub use device::{DeviceChoice, DeviceError, open_device};
pub use implicit::{RootError, RootSettings, implicit_root};
pub use tape::{Tape, Var, WeightGradients};
