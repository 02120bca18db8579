//! Threads that prepare what is consumed in order.

use std::ops::{ControlFlow, Range};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How many threads, and how far ahead they may be.
#[derive(Clone, Copy, Debug)]
pub struct Loaders {
    /// Number of threads.
    pub threads: usize,
    /// Items that each may have ready.
    pub ahead: usize,
}

impl Loaders {
    /// Makes the items of `range` on threads, each with a state of its own, and consumes them in
    /// their order on this one; with them comes the time waited. Stops at the first error, or when
    /// the consumer breaks.
    pub fn stream<T: Send, S>(
        self,
        range: Range<usize>,
        state: impl Fn() -> S + Sync,
        make: impl Fn(&mut S, usize) -> Result<T> + Sync,
        mut consume: impl FnMut(T, Duration) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let threads = self.threads.min(range.len()).max(1);
        std::thread::scope(|scope| {
            let (state, make) = (&state, &make);
            let receivers: Vec<_> = (0..threads)
                .map(|thread| {
                    let (sender, receiver) = sync_channel(self.ahead);
                    let own = range.clone().skip(thread).step_by(threads);
                    scope.spawn(move || {
                        let mut state = state();
                        for item in own {
                            let made = make(&mut state, item);
                            let failed = made.is_err();
                            // nobody listens any more: the consumer has stopped
                            if sender.send(made).is_err() || failed {
                                break;
                            }
                        }
                    });
                    receiver
                })
                .collect();
            for place in 0..range.len() {
                let asked = Instant::now();
                let made = receivers[place % threads].recv().map_err(|_| Error::Device {
                    reason: "a thread that makes maps has panicked".into(),
                })??;
                if consume(made, asked.elapsed())?.is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}
