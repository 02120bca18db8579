//! What R-hat and effective sample sizes say of several chains together.

use hmc::Record;
use metrics::{Doubt, ess_bulk, ess_tail, r_hat};

/// The worst numbers of any coordinate over all chains; NaN where they cannot be computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixing {
    /// Rank-normalised split R-hat.
    pub r_hat: f64,
    /// Effective sample size of the bulk.
    pub bulk: f64,
    /// Effective sample size of the tails.
    pub tails: f64,
}

impl Mixing {
    /// Of the draws after warmup of chains of equal length. A coordinate with one value in all draws
    /// of all chains does not count.
    pub fn of(chains: &[&Record]) -> Self {
        let dim = chains.iter().find_map(|chain| chain.values.first()).map_or(0, Vec::len);
        let mut found = Vec::new();
        for coordinate in 0..dim {
            let draws: Vec<Vec<f64>> = chains
                .iter()
                .map(|chain| chain.values.iter().map(|draw| draw[coordinate]).collect())
                .collect();
            match of_coordinate(&draws) {
                Ok(mixing) => found.push(mixing),
                Err(metrics::Error::Constant { .. }) => {}
                Err(_) => return Self::UNKNOWN,
            }
        }
        let worse = |a: Self, b: Self| Self {
            r_hat: a.r_hat.max(b.r_hat),
            bulk: a.bulk.min(b.bulk),
            tails: a.tails.min(b.tails),
        };
        found.into_iter().reduce(worse).unwrap_or(Self::UNKNOWN)
    }

    const UNKNOWN: Self = Self { r_hat: f64::NAN, bulk: f64::NAN, tails: f64::NAN };

    /// What forbids to use the draws.
    pub fn doubts(self) -> Vec<Doubt> {
        Doubt::of(self.r_hat, self.bulk, self.tails)
    }
}

fn of_coordinate(draws: &[Vec<f64>]) -> metrics::Result<Mixing> {
    Ok(Mixing { r_hat: r_hat(draws)?, bulk: ess_bulk(draws)?, tails: ess_tail(draws)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(chains: &[&[f64]]) -> Vec<Record> {
        let values = |chain: &&[f64]| chain.iter().map(|x| vec![*x, 7.0]).collect();
        chains.iter().map(|c| Record { values: values(c), ..Record::default() }).collect()
    }

    fn mixing(chains: &[&[f64]]) -> Mixing {
        Mixing::of(&records(chains).iter().collect::<Vec<_>>())
    }

    #[test]
    fn numbers_are_those_of_the_metrics_and_a_constant_does_not_count() {
        let chain = |start: f64| -> Vec<f64> {
            (0..200).map(|i| (0.618 * f64::from(i) + start).fract()).collect()
        };
        let chains = [chain(0.0), chain(0.3)];
        let found = mixing(&[&chains[0], &chains[1]]);
        assert_eq!(found.r_hat, r_hat(&chains).unwrap());
        assert_eq!(
            (found.bulk, found.tails),
            (ess_bulk(&chains).unwrap(), ess_tail(&chains).unwrap())
        );
        assert!(found.doubts().is_empty(), "{found:?}");
    }

    #[test]
    fn chains_that_stand_still_or_are_too_short_are_in_doubt() {
        let found = mixing(&[&[1.0; 6], &[2.0; 6]]);
        assert_eq!(found.r_hat, f64::INFINITY);
        assert!(!found.doubts().is_empty());
        let cases: [&[&[f64]]; 3] = [&[&[1.0, 2.0]], &[], &[&[1.0; 6], &[1.0; 6]]];
        for chains in cases {
            let found = mixing(chains);
            assert!(found.r_hat.is_nan() && found.doubts().len() == 3, "{found:?}");
        }
    }
}
