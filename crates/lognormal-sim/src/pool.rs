//! Memory lent to a computation and kept for the next.
//!
//! A map of 256 x 256 x 5 needs tens of megabytes of work space. Asked from the operating system
//! anew for each map, it costs a quarter of the time in page faults, and makes threads wait for
//! each other.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Work spaces not in use. There are as many as computations ever ran at the same time.
pub struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// A work space, made if none is free, that comes back when dropped. Its contents are what the
    /// last computation left.
    pub(crate) fn lend(&self, make: impl FnOnce() -> T) -> Lent<'_, T> {
        // A panic elsewhere leaves the list itself whole.
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lent { pool: self, space: Some(free.unwrap_or_else(make)) }
    }
}

/// A work space on loan.
pub(crate) struct Lent<'a, T> {
    pool: &'a Pool<T>,
    /// Present until dropped.
    space: Option<T>,
}

const PRESENT: &str = "a work space is present until dropped";

impl<T> Deref for Lent<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.space.as_ref().expect(PRESENT)
    }
}

impl<T> DerefMut for Lent<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.space.as_mut().expect(PRESENT)
    }
}

impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        // A space in whose use a thread panicked is not used again.
        if let Some(space) = self.space.take()
            && !std::thread::panicking()
        {
            self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).push(space);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_returned_space_is_lent_again() {
        let pool = Pool::new();
        let mut made = 0;
        for _ in 0..3 {
            let mut space = pool.lend(|| {
                made += 1;
                vec![0; 4]
            });
            space[0] += 1;
        }
        assert_eq!(made, 1);
        let first = pool.lend(Vec::new);
        let second = pool.lend(|| vec![7]);
        assert_eq!((first[0], second[0]), (3, 7));
    }
}
