//! When warmup adapts what.
//!
//! As in Stan: a fast interval that only tunes the step size while the chain finds the typical set,
//! slow windows of doubling length each of which ends with a new metric, and a final fast interval
//! for the step size that goes with the last metric. A warmup too short for Stan's 75, 25, 50
//! transitions is divided 15 : 70 : 15 per cent,
//! with a first window of a seventh of the slow interval.
//!
//! Reference: Stan Reference Manual, *MCMC sampling: automatic parameter tuning*.

/// The windows of a warmup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    warmup: usize,
    /// First transition of the first slow window.
    slow_start: usize,
    /// One past the last transition of each slow window.
    window_ends: Vec<usize>,
}

impl Schedule {
    const INITIAL: usize = 75;
    const FIRST_WINDOW: usize = 25;
    const FINAL: usize = 50;
    /// Below this no metric is worth estimating.
    const SHORTEST: usize = 20;

    /// The schedule for a number of warmup transitions.
    pub fn new(warmup: usize) -> Self {
        if warmup < Self::SHORTEST {
            return Self { warmup, slow_start: warmup, window_ends: Vec::new() };
        }
        let slow_start = Self::INITIAL.min(warmup * 15 / 100);
        let slow_end = warmup - Self::FINAL.min(warmup * 15 / 100);
        let mut window_ends = Vec::new();
        let mut start = slow_start;
        let mut length = Self::FIRST_WINDOW.min((slow_end - slow_start) / 7).max(1);
        while start < slow_end {
            // a window is stretched to the end if the next, doubled, would not fit
            let end = if start + 3 * length > slow_end { slow_end } else { start + length };
            window_ends.push(end);
            start = end;
            length *= 2;
        }
        Self { warmup, slow_start, window_ends }
    }

    /// Whether transition `draw` belongs to the first fast interval.
    pub fn is_initial(&self, draw: usize) -> bool {
        draw < self.slow_start
    }

    /// Whether transition `draw` contributes to a metric estimate.
    pub fn is_slow(&self, draw: usize) -> bool {
        draw >= self.slow_start && self.window_ends.last().is_some_and(|&end| draw < end)
    }

    /// Whether transition `draw` is the last of a slow window.
    pub fn ends_window(&self, draw: usize) -> bool {
        self.window_ends.contains(&(draw + 1))
    }

    /// Whether transition `draw` belongs to the last slow window, which is also the longest.
    pub fn is_in_last_window(&self, draw: usize) -> bool {
        let start = self.window_ends.len().checked_sub(2).map(|i| self.window_ends[i]);
        self.is_slow(draw) && draw >= start.unwrap_or(self.slow_start)
    }

    /// Whether transition `draw` is the last of the last slow window.
    pub fn ends_last_window(&self, draw: usize) -> bool {
        self.window_ends.last() == Some(&(draw + 1))
    }

    /// Whether transition `draw` is the last of warmup.
    pub fn ends_warmup(&self, draw: usize) -> bool {
        draw + 1 == self.warmup
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_warmups_follow_stan() {
        let schedule = Schedule::new(1000);
        assert_eq!(schedule.slow_start, 75);
        assert_eq!(schedule.window_ends, [100, 150, 250, 450, 950]);
        let last: Vec<_> = (0..1000).filter(|&draw| schedule.is_in_last_window(draw)).collect();
        assert_eq!((last[0], last[last.len() - 1], last.len()), (450, 949, 500));
        assert!(schedule.ends_last_window(949) && !schedule.ends_last_window(449));
    }

    #[test]
    fn short_warmups_keep_the_proportions() {
        let schedule = Schedule::new(200);
        assert_eq!((schedule.slow_start, schedule.window_ends), (30, vec![50, 90, 170]));
        let schedule = Schedule::new(100);
        assert_eq!((schedule.slow_start, schedule.window_ends), (15, vec![25, 45, 85]));
        let schedule = Schedule::new(10);
        assert!(schedule.window_ends.is_empty() && !schedule.is_slow(5));
    }

    #[test]
    fn windows_cover_the_slow_interval_for_every_length() {
        for warmup in 0..500 {
            let schedule = Schedule::new(warmup);
            let slow = (0..warmup).filter(|&draw| schedule.is_slow(draw)).count();
            let ends: Vec<_> = (0..warmup).filter(|&draw| schedule.ends_window(draw)).collect();
            assert!(ends.is_sorted() && ends.iter().all(|&draw| schedule.is_slow(draw)));
            assert_eq!(slow > 0, warmup >= 20);
            assert_eq!((0..warmup).filter(|&d| schedule.ends_warmup(d)).count(), warmup.min(1));
        }
    }
}
