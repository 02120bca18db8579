//! Statements that should hold, with the numbers that they are judged by.
//!
//! A [`Claim`] is data. What becomes of it is found from its evidence in one place
//! ([`Claim::outcome`]); both its badge and its sentence follow from that, so that they cannot
//! contradict each other.

use crate::report::{Grade, Verdict};
use crate::runs::{CLEAR, Difference, Sign};

/// A statement with its numbers.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What it says, whatever becomes of it.
    pub words: Words,
    /// What it is judged by.
    pub evidence: Evidence,
    /// The numbers as readers see them.
    pub numbers: String,
}

/// A statement in words, one sentence for each [`Outcome`].
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// It holds.
    pub holds: &'static str,
    /// The numbers do not tell, or tell with reservations.
    pub open: &'static str,
    /// It does not hold.
    pub fails: &'static str,
}

/// What a statement is judged by.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// Differences that should be below zero. The statement holds if none of them is above zero and
    /// one is clearly below; it fails if one is clearly above.
    Below(Vec<Difference>),
    /// Differences of which none should be clearly below zero, all of known error.
    NotBelow(Vec<Difference>),
    /// Numbers with their limits.
    Limits(Vec<Limits>),
    /// What was counted, without error.
    Counted(bool),
}

/// A number that should be on the better side of a limit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The number.
    pub value: f64,
    /// What it should reach.
    pub good: f64,
    /// What is usable with reservations; it is above `good` where less is better, and below where
    /// more is.
    pub usable: f64,
}

/// What became of a statement.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// The numbers do not tell, or tell with reservations.
    Open,
    /// It does not hold.
    Fails,
}

impl Limits {
    fn outcome(self) -> Outcome {
        let Self { value, good, usable } = self;
        let reaches = |limit: f64| if good <= usable { value <= limit } else { value >= limit };
        match (reaches(good), reaches(usable)) {
            (true, _) => Outcome::Holds,
            (_, true) => Outcome::Open,
            _ => Outcome::Fails,
        }
    }
}

impl Claim {
    /// What becomes of it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match &self.evidence {
            Evidence::Below(differences) => {
                let signs = || differences.iter().map(|one| one.sign(CLEAR));
                let in_order = differences.iter().all(|one| one.value <= 0.0);
                if signs().any(|sign| sign == Sign::Above) {
                    Outcome::Fails
                } else if in_order && signs().any(|sign| sign == Sign::Below) {
                    Outcome::Holds
                } else {
                    Outcome::Open
                }
            }
            Evidence::NotBelow(differences) => {
                let known = |one: &Difference| one.error.is_some_and(f64::is_finite);
                if differences.iter().any(|one| one.sign(CLEAR) == Sign::Below) {
                    Outcome::Fails
                } else if differences.iter().all(known) {
                    Outcome::Holds
                } else {
                    Outcome::Open
                }
            }
            Evidence::Limits(limits) => {
                limits.iter().map(|one| one.outcome()).max().unwrap_or(Outcome::Open)
            }
            Evidence::Counted(true) => Outcome::Holds,
            Evidence::Counted(false) => Outcome::Fails,
        }
    }

    /// Its badge and its sentence.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let (grade, sentence) = match self.outcome() {
            Outcome::Holds => (Grade::Good, self.words.holds),
            Outcome::Open => (Grade::Doubtful, self.words.open),
            Outcome::Fails => (Grade::Bad, self.words.fails),
        };
        Verdict { grade, text: format!("{sentence}: {}", self.numbers) }
    }
}
