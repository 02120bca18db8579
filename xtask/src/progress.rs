//! Bars with the time left on a terminal; an occasional line where there is none.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use taskgraph::{Bar, Observer};

/// Time between lines where there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(20);

/// Progress of work on one or more parallel tracks of equal length.
pub struct Progress {
    label: String,
    length: u64,
    bars: Vec<ProgressBar>,
    plain: Mutex<Plain>,
}

/// What the plain lines need to know.
struct Plain {
    positions: Vec<u64>,
    first: u64,
    start: Instant,
    last_line: Instant,
    remark: String,
}

impl Progress {
    /// One track of `length` steps.
    #[must_use]
    pub fn new(label: &str, length: usize) -> Self {
        Self::starting_at(label, length, &[0])
    }

    /// One track for each of `positions`, the steps that earlier runs have done.
    #[must_use]
    pub fn starting_at(label: &str, length: usize, positions: &[usize]) -> Self {
        let length = length as u64;
        let style = ProgressStyle::with_template(
            "{prefix:>22} {bar:28.cyan/blue} {pos}/{len} {elapsed} left {eta} {msg:.dim}",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        let group = MultiProgress::new();
        let bars = positions
            .iter()
            .enumerate()
            .map(|(track, &position)| {
                let bar = group.add(ProgressBar::new(length).with_position(position as u64));
                bar.reset_eta();
                bar.set_style(style.clone());
                bar.set_prefix(if positions.len() == 1 {
                    label.to_owned()
                } else {
                    format!("{label} {}", track + 1)
                });
                bar
            })
            .collect();
        let positions: Vec<u64> = positions.iter().map(|&position| position as u64).collect();
        let now = Instant::now();
        let plain = Plain {
            first: positions.iter().sum(),
            positions,
            start: now,
            last_line: now,
            remark: String::new(),
        };
        Self { label: label.to_owned(), length, bars, plain: Mutex::new(plain) }
    }

    /// One more step of a track, with a remark shown beside its bar.
    pub fn step(&self, track: usize, remark: impl Into<Cow<'static, str>>) {
        self.bars[track].set_message(remark);
        self.inc(track, 1);
    }

    /// `count` more steps of the only track.
    pub fn advance(&self, count: usize) {
        self.inc(0, count as u64);
    }

    /// `count` steps of the only track that earlier runs have done.
    pub fn skip(&self, count: usize) {
        let count = count as u64;
        self.bars[0].inc(count);
        self.bars[0].reset_eta();
        let mut plain = self.plain();
        plain.positions[0] += count;
        plain.first += count;
    }

    /// What is shown beside the only bar, and at the end of plain lines.
    pub fn remark(&self, remark: String) {
        self.bars[0].set_message(remark.clone());
        self.plain().remark = remark;
    }

    fn inc(&self, track: usize, count: u64) {
        let bar = &self.bars[track];
        bar.inc(count);
        let mut plain = self.plain();
        plain.positions[track] += count;
        if bar.is_hidden() && plain.last_line.elapsed() >= PLAIN_INTERVAL {
            plain.last_line = Instant::now();
            eprintln!("{}", plain.line(&self.label, self.length));
        }
    }

    /// The end: bars stay as they are, and where there are none one line says how long it took.
    pub fn finish(&self) {
        let plain = self.plain();
        if self.bars.iter().any(ProgressBar::is_hidden) {
            let steps: u64 = plain.positions.iter().sum();
            let seconds = plain.start.elapsed().as_secs_f64();
            eprintln!("{}: {steps} steps done in {seconds:.1} s", self.label);
        }
        for bar in &self.bars {
            bar.abandon();
        }
    }

    /// The counts stay usable even if a thread that held them panicked.
    fn plain(&self) -> MutexGuard<'_, Plain> {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Studies as a terminal shows them.
pub struct Terminal;

impl Observer for Terminal {
    fn remark(&self, message: &str) {
        eprintln!("{message}");
    }

    fn stage(&self, label: &str, steps: usize) -> Box<dyn Bar> {
        Box::new(Progress::new(label, steps))
    }
}

impl Bar for Progress {
    fn advance(&self, steps: usize) {
        self.advance(steps);
    }

    fn skip(&self, steps: usize) {
        self.skip(steps);
    }

    fn remark(&self, text: String) {
        self.remark(text);
    }

    fn finish(&self) {
        self.finish();
    }
}

impl Plain {
    fn line(&self, label: &str, length: u64) -> String {
        let done: u64 = self.positions.iter().sum();
        let all = length * self.positions.len() as u64;
        let rate = (done - self.first) as f64 / self.start.elapsed().as_secs_f64();
        let left = all.saturating_sub(done) as f64 / rate;
        let time = if left.is_finite() { format!("{left:.0} s left") } else { "starting".into() };
        let remark = &self.remark;
        let remark = if remark.is_empty() { String::new() } else { format!(" ({remark})") };
        format!("{label}: {done}/{all}, {time}{remark}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_earlier_runs_do_not_flatter_the_rate() {
        let progress = Progress::starting_at("chains", 100, &[50, 40]);
        assert!(progress.plain().line("chains", 100).starts_with("chains: 90/200, starting"));
        for _ in 0..10 {
            progress.step(1, "");
        }
        let mut plain = progress.plain();
        plain.start -= Duration::from_secs(10);
        let line = plain.line("chains", 100);
        assert!(line.starts_with("chains: 100/200, ") && line.ends_with(" s left"), "{line}");
        let left: f64 = line["chains: 100/200, ".len()..line.len() - " s left".len()]
            .parse()
            .expect("a number");
        assert!((99.0..120.0).contains(&left), "100 steps at about one a second: {left}");
    }

    #[test]
    fn steps_found_later_do_not_flatter_the_rate_either() {
        let progress = Progress::new("tasks", 100);
        progress.remark("1 of 4 tasks".into());
        progress.skip(50);
        progress.advance(10);
        let mut plain = progress.plain();
        plain.start -= Duration::from_secs(10);
        let line = plain.line("tasks", 100);
        assert!(line.starts_with("tasks: 60/100, 4"), "40 steps at about one a second: {line}");
        assert!(line.ends_with(" s left (1 of 4 tasks)"), "{line}");
    }
}
