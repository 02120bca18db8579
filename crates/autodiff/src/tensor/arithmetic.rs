//! Sums, products and quotients, with rows or columns of length one repeated as needed.

use std::ops::{Add, Div, Mul, Neg, Sub};

use burn::tensor::Tensor;

use super::Var;

/// Sums `adjoint` over the axes along which an operand of shape `dims` was repeated.
fn sum_to(adjoint: Tensor<2>, dims: [usize; 2]) -> Tensor<2> {
    let found = adjoint.dims();
    (0..2)
        .filter(|axis| dims[*axis] == 1 && found[*axis] != 1)
        .fold(adjoint, |adjoint, axis| adjoint.sum_dim(axis))
}

impl Add for &Var {
    type Output = Var;

    fn add(self, other: &Var) -> Var {
        let (left, right) = (self.dims(), other.dims());
        Var::joined(
            self.value().clone() + other.value().clone(),
            vec![
                (self.node(), Box::new(move |adjoint| sum_to(adjoint, left))),
                (other.node(), Box::new(move |adjoint| sum_to(adjoint, right))),
            ],
        )
    }
}

impl Sub for &Var {
    type Output = Var;

    fn sub(self, other: &Var) -> Var {
        let (left, right) = (self.dims(), other.dims());
        Var::joined(
            self.value().clone() - other.value().clone(),
            vec![
                (self.node(), Box::new(move |adjoint| sum_to(adjoint, left))),
                (other.node(), Box::new(move |adjoint| sum_to(adjoint.neg(), right))),
            ],
        )
    }
}

impl Mul for &Var {
    type Output = Var;

    fn mul(self, other: &Var) -> Var {
        let (a, b) = (self.value().clone(), other.value().clone());
        let (left, right) = (a.dims(), b.dims());
        Var::joined(
            a.clone() * b.clone(),
            vec![
                (self.node(), Box::new(move |adjoint| sum_to(adjoint * b.clone(), left))),
                (other.node(), Box::new(move |adjoint| sum_to(adjoint * a.clone(), right))),
            ],
        )
    }
}

impl Div for &Var {
    type Output = Var;

    #[expect(clippy::suspicious_arithmetic_impl, reason = "the derivative of a quotient")]
    fn div(self, other: &Var) -> Var {
        let (a, b) = (self.value().clone(), other.value().clone());
        let (left, right) = (a.dims(), b.dims());
        let quotient = a / b.clone();
        let (divisor, ratio) = (b.clone(), quotient.clone());
        Var::joined(
            quotient,
            vec![
                (self.node(), Box::new(move |adjoint| sum_to(adjoint / b.clone(), left))),
                (
                    other.node(),
                    Box::new(move |adjoint| {
                        sum_to((adjoint * ratio.clone() / divisor.clone()).neg(), right)
                    }),
                ),
            ],
        )
    }
}

impl Neg for &Var {
    type Output = Var;

    fn neg(self) -> Var {
        self.unary(self.value().clone().neg(), Tensor::neg)
    }
}

macro_rules! by_value {
    ($($operator:ident $function:ident),*) => { $(
        impl $operator for Var {
            type Output = Var;

            fn $function(self, other: Var) -> Var {
                (&self).$function(&other)
            }
        }
        impl $operator<&Var> for Var {
            type Output = Var;

            fn $function(self, other: &Var) -> Var {
                (&self).$function(other)
            }
        }
        impl $operator<Var> for &Var {
            type Output = Var;

            fn $function(self, other: Var) -> Var {
                self.$function(&other)
            }
        }
    )* };
}
by_value!(Add add, Sub sub, Mul mul, Div div);

impl Neg for Var {
    type Output = Var;

    fn neg(self) -> Var {
        -&self
    }
}

impl Add<f32> for &Var {
    type Output = Var;

    fn add(self, number: f32) -> Var {
        self.unary(self.value().clone() + number, |adjoint| adjoint)
    }
}

impl Sub<f32> for &Var {
    type Output = Var;

    fn sub(self, number: f32) -> Var {
        self + -number
    }
}

impl Mul<f32> for &Var {
    type Output = Var;

    fn mul(self, number: f32) -> Var {
        self.unary(self.value().clone() * number, move |adjoint| adjoint * number)
    }
}

impl Div<f32> for &Var {
    type Output = Var;

    fn div(self, number: f32) -> Var {
        self.unary(self.value().clone() / number, move |adjoint| adjoint / number)
    }
}

macro_rules! by_value_with_number {
    ($($operator:ident $function:ident),*) => { $(
        impl $operator<f32> for Var {
            type Output = Var;

            fn $function(self, number: f32) -> Var {
                (&self).$function(number)
            }
        }
    )* };
}
by_value_with_number!(Add add, Sub sub, Mul mul, Div div);
