//! Threads that prepare what is consumed in order.

use std::any::Any;
use std::ops::{ControlFlow, Range};
use std::sync::mpsc::sync_channel;
use std::thread::ScopedJoinHandle;
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
    /// their order on this one; with them comes the time waited. Stops at the first error or panic, or
    /// when the consumer breaks.
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
            let (makers, receivers): (Vec<_>, Vec<_>) = (0..threads)
                .map(|thread| {
                    let (sender, receiver) = sync_channel(self.ahead);
                    let own = range.clone().skip(thread).step_by(threads);
                    let maker = scope.spawn(move || {
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
                    (maker, receiver)
                })
                .unzip();
            let mut consume_all = || {
                for place in 0..range.len() {
                    let asked = Instant::now();
                    // a maker that ends early has panicked
                    let Ok(made) = receivers[place % threads].recv() else { break };
                    if consume(made?, asked.elapsed())?.is_break() {
                        break;
                    }
                }
                Ok(())
            };
            let consumed = consume_all();
            drop(receivers);
            let ends: Vec<_> = makers.into_iter().map(ScopedJoinHandle::join).collect();
            match ends.into_iter().find_map(std::result::Result::err) {
                Some(panic) => Err(Error::SourcePanicked { message: message_of(&*panic) }),
                None => consumed,
            }
        })
    }
}

/// What a panic said.
fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}
