//! Many chains, one batch: where chains that need a gradient meet.
//!
//! Each chain runs in a thread of its own and holds a [`Seat`], which looks like a density to it. A
//! seat sends the position to the server and waits; the server waits until every chain that still
//! holds its seat has asked, evaluates all positions as one batch, and answers. A chain's `k`-th
//! question is therefore always part of the `k`-th batch, next to those of the same other chains:
//! results do not depend on the scheduling of threads.
//!
//! Nobody waits for ever. A chain leaves by dropping its seat, however it ends: with all its draws,
//! with an error, or unwinding. A server that ends, however it does, drops the ends of the chains'
//! channels, which they see as a fatal error.

use std::sync::mpsc::{Receiver, Sender, channel};

use hmc::{LogDensity, LogDensityError};

use crate::error::Result;

/// What a chain sends.
enum Message {
    /// A position to evaluate.
    Position { seat: usize, position: Vec<f64> },
    /// Nothing more will come from this seat.
    Leave,
}

/// Log density and gradient, or nothing where they are not finite.
type Answer = Option<(f64, Vec<f64>)>;

/// Why a seat gives no density.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Only here: the density or its gradient is not finite.
    #[error("the density or its gradient is not finite")]
    NotFinite,
    /// The server has ended.
    #[error("no densities are evaluated any more")]
    Closed,
}

impl LogDensityError for Refusal {
    fn is_recoverable(&self) -> bool {
        *self == Self::NotFinite
    }
}

/// The density as a chain sees it.
pub struct Seat {
    index: usize,
    dim: usize,
    questions: Sender<Message>,
    answers: Receiver<Answer>,
}

impl LogDensity for Seat {
    type Error = Refusal;

    fn dim(&self) -> usize {
        self.dim
    }

    fn log_density_and_gradient(
        &mut self,
        position: &[f64],
        gradient: &mut [f64],
    ) -> std::result::Result<f64, Refusal> {
        let message = Message::Position { seat: self.index, position: position.to_vec() };
        self.questions.send(message).map_err(|_| Refusal::Closed)?;
        let answer = self.answers.recv().map_err(|_| Refusal::Closed)?;
        let (value, found) = answer.ok_or(Refusal::NotFinite)?;
        gradient.copy_from_slice(&found);
        Ok(value)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // a server that has ended needs no notice
        let _ = self.questions.send(Message::Leave);
    }
}

/// The other side of the seats.
pub struct Server {
    dim: usize,
    questions: Receiver<Message>,
    answers: Vec<Sender<Answer>>,
}

/// A server and its seats, one per chain of `dim` coordinates.
pub fn rendezvous(chains: usize, dim: usize) -> (Server, Vec<Seat>) {
    let (ask, questions) = channel();
    let (answers, seats) = (0..chains)
        .map(|index| {
            let (answer, answers) = channel();
            (answer, Seat { index, dim, questions: ask.clone(), answers })
        })
        .unzip();
    (Server { dim, questions, answers }, seats)
}

impl Server {
    /// Serves until every seat is left. `evaluate` gives log densities and gradients of positions
    /// `[row][coordinate]`.
    ///
    /// # Errors
    /// The first error of `evaluate`; every chain then hears that the server is closed.
    pub fn serve(
        self,
        mut evaluate: impl FnMut(&[f64]) -> Result<(Vec<f64>, Vec<f64>)>,
    ) -> Result<()> {
        let mut seated = self.answers.len();
        let mut asked: Vec<Option<Vec<f64>>> = vec![None; seated];
        let mut waiting = 0;
        loop {
            while waiting < seated {
                match self.questions.recv() {
                    Ok(Message::Position { seat, position }) => {
                        asked[seat] = Some(position);
                        waiting += 1;
                    }
                    Ok(Message::Leave) => seated -= 1,
                    Err(_) => return Ok(()),
                }
            }
            if seated == 0 {
                return Ok(());
            }
            let rows: Vec<(usize, Vec<f64>)> = asked
                .iter_mut()
                .enumerate()
                .filter_map(|(seat, position)| Some((seat, position.take()?)))
                .collect();
            let positions: Vec<f64> =
                rows.iter().flat_map(|(_, position)| position).copied().collect();
            let (values, gradients) = evaluate(&positions)?;
            waiting = 0;
            for ((seat, _), (value, gradient)) in
                rows.iter().zip(values.iter().zip(gradients.chunks(self.dim)))
            {
                let finite = value.is_finite() && gradient.iter().all(|g| g.is_finite());
                let answer = finite.then(|| (*value, gradient.to_vec()));
                // a chain that is unwinding needs no answer; it leaves
                let _ = self.answers[*seat].send(answer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    /// Minus half the square of one coordinate; not finite beyond 10.
    fn evaluate(positions: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let value = |x: &f64| if x.abs() > 10.0 { f64::NAN } else { -0.5 * x * x };
        Ok((positions.iter().map(value).collect(), positions.iter().map(|x| -x).collect()))
    }

    #[test]
    fn every_seated_chain_is_in_every_batch_whatever_becomes_of_the_others() {
        let (server, seats) = rendezvous(4, 1);
        let mut sizes = Vec::new();
        let counts = std::thread::scope(|scope| {
            let handles: Vec<_> = seats
                .into_iter()
                .enumerate()
                .map(|(index, mut seat)| {
                    scope.spawn(move || {
                        let mut gradient = [0.0];
                        let mut answered = 0;
                        for step in 0..10 {
                            match (index, step) {
                                (1, 3) => break,
                                (2, 5) => panic!("a chain that unwinds"),
                                _ => {}
                            }
                            let position = if step == 7 { 11.0 } else { step as f64 };
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
                    })
                })
                .collect();
            server
                .serve(|positions| {
                    sizes.push(positions.len());
                    evaluate(positions)
                })
                .unwrap();
            handles.into_iter().map(|handle| handle.join().ok()).collect::<Vec<_>>()
        });
        assert_eq!(sizes, [4, 4, 4, 3, 3, 2, 2, 2, 2, 2]);
        assert_eq!(counts, [Some(10), Some(3), None, Some(10)]);
    }

    #[test]
    fn chains_hear_that_the_server_ended() {
        for unwinds in [false, true] {
            let (server, seats) = rendezvous(3, 1);
            std::thread::scope(|scope| {
                let handles: Vec<_> = seats
                    .into_iter()
                    .map(|mut seat| {
                        scope.spawn(move || {
                            let mut gradient = [0.0];
                            (0..100).find_map(|_| {
                                seat.log_density_and_gradient(&[1.0], &mut gradient).err()
                            })
                        })
                    })
                    .collect();
                let mut batches = 0;
                let served = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    server.serve(|positions| {
                        batches += 1;
                        assert!(!(unwinds && batches == 5), "a server that unwinds");
                        if batches == 5 {
                            return Err(Error::Chain("the device is gone".into()));
                        }
                        evaluate(positions)
                    })
                }));
                assert_eq!(served.is_err(), unwinds);
                assert!(served.is_err() || served.is_ok_and(|result| result.is_err()));
                for handle in handles {
                    assert_eq!(handle.join().unwrap(), Some(Refusal::Closed));
                }
            });
        }
    }
}
