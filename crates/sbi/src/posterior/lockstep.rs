//! Many chains, one batch: chains that need a gradient wait for each other.
//!
//! Each chain is a coroutine and holds a [`Seat`], which looks like a density to it. A seat hands a
//! position out and suspends its chain; when every chain that goes on has handed one out, all
//! positions are evaluated as one batch, and the chains are resumed in turn with the answers. A
//! chain's `k`-th question is therefore always part of the `k`-th batch, next to those of the same
//! other chains.

use std::io;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use hmc::{LogDensity, LogDensityError};

use crate::error::{Error, Result};

/// Stack of a chain, in bytes; a transition needs a few thousand.
const STACK: usize = 1 << 18;

/// Log density and gradient of a position, or why there is none.
type Answer = std::result::Result<(f64, Vec<f64>), Refusal>;

/// Why a seat gives no density.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Only here: the density or its gradient is not finite.
    #[error("the density or its gradient is not finite")]
    NotFinite,
    /// An evaluation failed, all chains end.
    #[error("no densities are evaluated any more")]
    Closed,
}

impl LogDensityError for Refusal {
    fn is_recoverable(&self) -> bool {
        *self == Self::NotFinite
    }
}

/// The density as a chain sees it.
pub struct Seat<'a> {
    dim: usize,
    questions: &'a Yielder<Answer, Vec<f64>>,
}

impl LogDensity for Seat<'_> {
    type Error = Refusal;

    fn dim(&self) -> usize {
        self.dim
    }

    fn log_density_and_gradient(
        &mut self,
        position: &[f64],
        gradient: &mut [f64],
    ) -> std::result::Result<f64, Refusal> {
        let (value, found) = self.questions.suspend(position.to_vec())?;
        gradient.copy_from_slice(&found);
        Ok(value)
    }
}

/// A chain that waits for an answer, or what it has left.
enum Place<T> {
    Waits(Coroutine<Answer, Vec<f64>, T>, Vec<f64>),
    Ended(T),
}

impl<T: 'static> Place<T> {
    /// A chain up to its first question.
    fn start(dim: usize, life: impl FnOnce(Seat<'_>) -> T + 'static) -> io::Result<Self> {
        let chain = Coroutine::with_stack(DefaultStack::new(STACK)?, move |questions, _| {
            life(Seat { dim, questions })
        });
        // what a chain is resumed with at its start is no answer: there was no question
        Ok(Self::resume(chain, Err(Refusal::Closed)))
    }

    fn resume(mut chain: Coroutine<Answer, Vec<f64>, T>, answer: Answer) -> Self {
        match chain.resume(answer) {
            CoroutineResult::Yield(position) => Self::Waits(chain, position),
            CoroutineResult::Return(left) => Self::Ended(left),
        }
    }
}

/// Runs chains of `dim` coordinates to their ends; what each has left, in order. `evaluate` gives log
/// densities and gradients of positions `[row][coordinate]`.
///
/// # Errors
/// The first error of `evaluate`, after every chain has heard that nothing is evaluated any more; if
/// there is no memory for the stack of a chain.
pub fn lockstep<T: 'static>(
    lives: impl IntoIterator<Item = impl FnOnce(Seat<'_>) -> T + 'static>,
    dim: usize,
    mut evaluate: impl FnMut(&[f64]) -> Result<(Vec<f64>, Vec<f64>)>,
) -> Result<Vec<T>> {
    let started = lives.into_iter().map(|life| Place::start(dim, life));
    let mut places = started
        .collect::<io::Result<Vec<_>>>()
        .map_err(|error| Error::Chain(format!("no memory for its stack: {error}")))?;
    let mut failure = None;
    loop {
        let positions: Vec<f64> = places
            .iter()
            .filter_map(|place| match place {
                Place::Waits(_, position) => Some(position.as_slice()),
                Place::Ended(_) => None,
            })
            .flatten()
            .copied()
            .collect();
        if positions.is_empty() {
            break;
        }
        let (values, gradients) = match failure {
            None => evaluate(&positions).unwrap_or_else(|error| {
                failure = Some(error);
                Default::default()
            }),
            Some(_) => Default::default(),
        };
        let mut answers = values.iter().zip(gradients.chunks(dim));
        places = places
            .into_iter()
            .map(|place| match place {
                Place::Waits(chain, _) => {
                    let answer =
                        answers.next().map_or(Err(Refusal::Closed), |(value, gradient)| {
                            let finite =
                                value.is_finite() && gradient.iter().all(|g| g.is_finite());
                            if finite {
                                Ok((*value, gradient.to_vec()))
                            } else {
                                Err(Refusal::NotFinite)
                            }
                        });
                    Place::resume(chain, answer)
                }
                ended @ Place::Ended(_) => ended,
            })
            .collect();
    }
    if let Some(error) = failure {
        return Err(error);
    }
    let left = places.into_iter().filter_map(|place| match place {
        Place::Ended(left) => Some(left),
        Place::Waits(..) => None,
    });
    Ok(left.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minus half the square of one coordinate; not finite beyond 10.
    fn evaluate(positions: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let value = |x: &f64| if x.abs() > 10.0 { f64::NAN } else { -0.5 * x * x };
        Ok((positions.iter().map(value).collect(), positions.iter().map(|x| -x).collect()))
    }

    #[test]
    fn every_chain_that_goes_on_is_in_every_batch() {
        let lives = (0..4).map(|index| {
            move |mut seat: Seat<'_>| {
                let mut gradient = [0.0];
                let mut answered = 0;
                for step in 0..[10, 3, 5, 10][index] {
                    let position = if step == 7 { 11.0 } else { f64::from(step) };
                    match seat.log_density_and_gradient(&[position], &mut gradient) {
                        Ok(value) => assert_eq!(
                            (value, gradient[0]),
                            (-0.5 * position * position, -position)
                        ),
                        Err(error) => assert!(error.is_recoverable() && step == 7),
                    }
                    answered += 1;
                }
                answered
            }
        });
        let mut sizes = Vec::new();
        let counts = lockstep(lives, 1, |positions| {
            sizes.push(positions.len());
            evaluate(positions)
        });
        assert_eq!(sizes, [4, 4, 4, 3, 3, 2, 2, 2, 2, 2]);
        assert_eq!(counts.unwrap(), [10, 3, 5, 10]);
        assert!(lockstep(Vec::<fn(Seat<'_>) -> i32>::new(), 1, evaluate).unwrap().is_empty());
    }

    #[test]
    fn chains_hear_that_an_evaluation_failed() {
        use std::cell::RefCell;
        use std::rc::Rc;

        let heard = Rc::new(RefCell::new(Vec::new()));
        let lives = (0..3).map(|_| {
            let heard = heard.clone();
            move |mut seat: Seat<'_>| {
                let mut gradient = [0.0];
                let end = (0..100)
                    .find_map(|_| seat.log_density_and_gradient(&[1.0], &mut gradient).err());
                heard.borrow_mut().push(end);
            }
        });
        let mut batches = 0;
        let outcome = lockstep(lives, 1, |positions| {
            batches += 1;
            if batches == 5 {
                return Err(Error::Chain("the device is gone".into()));
            }
            evaluate(positions)
        });
        assert!(outcome.unwrap_err().to_string().contains("the device is gone"));
        assert_eq!((batches, heard.take()), (5, vec![Some(Refusal::Closed); 3]));
    }

    #[test]
    fn a_chain_that_panics_takes_all_others_with_it() {
        let lives = (0..3).map(|index| {
            move |mut seat: Seat<'_>| {
                let mut gradient = [0.0];
                for step in 0..10 {
                    assert!(index != 1 || step < 4, "a mistake in a chain");
                    seat.log_density_and_gradient(&[1.0], &mut gradient).unwrap();
                }
            }
        });
        let lives: Vec<_> = lives.collect();
        let run = || lockstep(lives, 1, evaluate);
        let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"a mistake in a chain"));
    }
}
