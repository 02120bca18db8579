//! Units in which a network sees maps and parameters.

use flows::Standardiser;
use serde::{Deserialize, Serialize};

use super::examples::Examples;
use crate::error::{Error, Result};
use crate::network::NetworkConfig;

/// Training examples that units are learnt from, at most.
const EXAMPLES: u64 = 512;

/// Mean and standard deviation of the maps and of the parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Units {
    /// Of the pixels of each bin, or of each number of a map.
    pub maps: Standardiser,
    /// Of the parameters; for maps at fiducial parameters these, and the steps around them.
    pub parameters: Standardiser,
}

/// Sums over numbers that share a unit.
#[derive(Clone, Default)]
struct Moments {
    origin: Option<f64>,
    count: f64,
    sum: f64,
    square: f64,
}

impl Moments {
    fn add(&mut self, x: f64) {
        // around the first number, so that a large offset does not cost precision
        let x = x - *self.origin.get_or_insert(x);
        self.count += 1.0;
        self.sum += x;
        self.square += x * x;
    }

    /// Mean and standard deviation; a constant keeps its units.
    fn units(&self) -> (f64, f64) {
        let mean = self.sum / self.count;
        let variance = self.square / self.count - mean * mean;
        let centre = self.origin.unwrap_or(0.0) + mean;
        let sd = variance.max(0.0).sqrt();
        (centre, if sd > 1e-7 * centre.abs() && sd > f64::MIN_POSITIVE { sd } else { 1.0 })
    }
}

fn standardiser(moments: &[Moments]) -> Result<Standardiser> {
    let (shift, scale) = moments.iter().map(Moments::units).unzip();
    Ok(Standardiser::new(shift, scale)?)
}

impl Units {
    /// Learns the units of the first training examples.
    pub fn learn(examples: &Examples<'_>, network: &NetworkConfig) -> Result<Self> {
        let shared = network.units(examples.shape());
        let mut maps = vec![Moments::default(); shared];
        let mut parameters = vec![Moments::default(); examples.parameters()];
        let mut found = 0;
        examples.look(EXAMPLES, |map, theta| {
            found += 1;
            let each = map.len() / shared;
            for (moments, numbers) in maps.iter_mut().zip(map.chunks_exact(each)) {
                numbers.iter().for_each(|x| moments.add(f64::from(*x)));
            }
            parameters.iter_mut().zip(theta).for_each(|(moments, x)| moments.add(*x));
        })?;
        if found < 2 {
            return Err(Error::TooFew { what: "finite training examples", minimum: 2, found });
        }
        let parameters = match examples.fisher() {
            Some(fisher) => Standardiser::new(fisher.fiducial(), fisher.steps())?,
            None => standardiser(&parameters)?,
        };
        let features = parameters.features();
        if features != examples.parameters() {
            let expected = format!("{} fiducial parameters and steps", examples.parameters());
            let found = features.to_string();
            return Err(Error::Shape { what: "source", expected, found });
        }
        Ok(Self { maps: standardiser(&maps)?, parameters })
    }
}
