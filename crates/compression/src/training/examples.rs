//! Batches of maps, the same whoever makes them.

use std::sync::OnceLock;

use flows::Standardiser;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::settings::{NonFinite, TrainingSettings};
use super::units::Units;
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::shape::MapShape;
use crate::source::{FisherSource, MapSource};

/// Maps and parameters of some examples, in standard units.
#[derive(Debug, Default)]
pub struct Batch {
    /// `[row][bin][y][x]`: the examples, then the maps at shifted parameters if there are any.
    pub maps: Vec<f32>,
    /// `[example][parameter]`; none where there are shifted maps.
    pub parameters: Vec<f32>,
    /// Number of examples.
    pub examples: usize,
    /// Examples left out.
    pub dropped: u64,
}

/// What a thread keeps from batch to batch.
#[derive(Default)]
pub struct Scratch {
    epoch: Option<u64>,
    order: Vec<u64>,
}

/// Everything that batches are made of.
pub struct Examples<'a> {
    source: &'a dyn MapSource,
    fisher: Option<(&'a dyn FisherSource, u64)>,
    settings: &'a TrainingSettings,
    shape: MapShape,
    parameters: usize,
    kept: Vec<OnceLock<Kept>>,
}

/// An example without noise.
struct Kept {
    map: Box<[f32]>,
    parameters: Box<[f64]>,
}

/// Where an example is used.
#[derive(Clone, Copy)]
struct Use {
    index: u64,
    epoch: u64,
    augmented: bool,
}

impl<'a> Examples<'a> {
    /// # Errors
    /// If the source has no parameters or no pixels, or no derivatives for a loss that needs them.
    pub fn new(
        source: &'a dyn MapSource,
        loss: &Loss,
        settings: &'a TrainingSettings,
    ) -> Result<Self> {
        let (shape, parameters) = (source.shape(), source.parameters_len());
        shape.validate()?;
        Error::count("parameters", parameters)?;
        let fisher = match loss {
            Loss::Imnn { derivatives_every, .. } => {
                let fisher = source.fisher().ok_or(Error::NoDerivatives)?;
                Some((fisher, *derivatives_every as u64))
            }
            _ => None,
        };
        let bytes = (shape.numbers() * 4 + parameters * 8) as u64;
        let fits = |count: u64| count.saturating_mul(bytes) <= settings.cache_bytes;
        let all = settings.examples.map(|examples| examples.saturating_add(settings.validation));
        let kept = match all {
            _ if fisher.is_some() => 0,
            Some(all) if fits(all) => all,
            _ if fits(settings.validation) => settings.validation,
            _ => 0,
        };
        let kept = (0..kept).map(|_| OnceLock::new()).collect();
        Ok(Self { source, fisher, settings, shape, parameters, kept })
    }

    pub fn shape(&self) -> MapShape {
        self.shape
    }

    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Numbers of a map in the batches, and those of the fiducial parameters and steps.
    pub fn fisher(&self) -> Option<&'a dyn FisherSource> {
        self.fisher.map(|(fisher, _)| fisher)
    }

    /// The first training examples, in their own units, one by one; none that are dropped.
    pub fn look(&self, count: u64, mut at: impl FnMut(&[f32], &[f64])) -> Result<()> {
        let count = count.min(self.settings.examples.unwrap_or(u64::MAX));
        let mut map = vec![0.0; self.shape.numbers()];
        let mut parameters = vec![0.0; self.parameters];
        for index in self.settings.validation..self.settings.validation + count {
            let one = Use { index, epoch: 0, augmented: false };
            let usable = match self.fisher {
                Some((fisher, _)) => {
                    fisher.map(index, 0, &mut map).map_err(failed(index))?;
                    self.usable(index, &map, &[])?
                }
                None => self.example(one, &mut map, &mut parameters)?,
            };
            if usable {
                at(&map, &parameters);
            }
        }
        Ok(())
    }

    /// The batch of a step.
    pub fn training(&self, step: usize, units: &Units, scratch: &mut Scratch) -> Result<Batch> {
        let (batch, first) = (self.settings.batch as u64, self.settings.validation);
        let Some(examples) = self.settings.examples else {
            let start = first + step as u64 * batch;
            return self.batch(start..start + batch, 0, true, units);
        };
        let steps = examples / batch;
        let (epoch, within) = (step as u64 / steps, step as u64 % steps);
        if scratch.epoch != Some(epoch) {
            // as many pairs of maps in each batch
            let together = self.fisher.map_or(1, |(_, every)| every);
            let blocks = (first..first + examples).step_by(together as usize);
            let mut blocks: Vec<u64> = blocks.collect();
            let mut rng = ChaCha8Rng::seed_from_u64(self.settings.seed);
            rng.set_stream((1 << 56) | epoch);
            blocks.shuffle(&mut rng);
            let end = first + examples;
            let block = |start: u64| start..(start + together).min(end);
            scratch.order = blocks.into_iter().flat_map(block).collect();
            scratch.epoch = Some(epoch);
        }
        let start = (within * batch) as usize;
        let chosen = &scratch.order[start..start + batch as usize];
        // pass 0 has the noise of the validation examples
        self.batch(chosen.iter().copied(), epoch + 1, true, units)
    }

    /// A part of the validation examples; the same every time.
    pub fn validation(&self, part: std::ops::Range<u64>, units: &Units) -> Result<Batch> {
        self.batch(part, 0, false, units)
    }

    fn batch(
        &self,
        indices: impl Iterator<Item = u64>,
        epoch: u64,
        augmented: bool,
        units: &Units,
    ) -> Result<Batch> {
        let numbers = self.settings.batch * self.shape.numbers();
        let mut batch = Batch { maps: Vec::with_capacity(numbers), ..Batch::default() };
        let mut shifted = Vec::new();
        let mut map = vec![0.0; self.shape.numbers()];
        let mut parameters = vec![0.0; self.parameters];
        let mut all_parameters = Vec::with_capacity(self.settings.batch * self.parameters);
        for index in indices {
            let one = Use { index, epoch, augmented };
            let usable = match self.fisher {
                Some((fisher, every)) => {
                    let pairs = index.is_multiple_of(every);
                    self.fiducial(fisher, one, pairs, &mut map, units, &mut shifted)?
                }
                None => self.example(one, &mut map, &mut parameters)?,
            };
            if !usable {
                batch.dropped += 1;
                continue;
            }
            batch.examples += 1;
            append(&units.maps, &map, &mut batch.maps);
            if self.fisher.is_none() {
                all_parameters.extend_from_slice(&parameters);
            }
        }
        batch.parameters = units.parameters.encode("parameters", &all_parameters)?;
        batch.maps.append(&mut shifted);
        Ok(batch)
    }

    /// Fills in an example with its noise; false if it is to be left out.
    fn example(&self, one: Use, map: &mut [f32], parameters: &mut [f64]) -> Result<bool> {
        let Use { index, epoch, .. } = one;
        let slot = usize::try_from(index).ok().and_then(|index| self.kept.get(index));
        match slot.map(|slot| (slot, slot.get())) {
            Some((_, Some(kept))) => {
                map.copy_from_slice(&kept.map);
                parameters.copy_from_slice(&kept.parameters);
            }
            other => {
                self.source.pair(index, map, parameters).map_err(failed(index))?;
                if let Some((slot, None)) = other {
                    // another thread may have been faster, with the same numbers
                    let _ =
                        slot.set(Kept { map: (&*map).into(), parameters: (&*parameters).into() });
                }
            }
        }
        self.source.renoise(index, epoch, map).map_err(failed(index))?;
        if !self.usable(index, map, parameters)? {
            return Ok(false);
        }
        self.augment(one, map);
        Ok(true)
    }

    /// Fills in a map at the fiducial parameters and appends its shifted pairs in standard units;
    /// false if it is to be left out.
    fn fiducial(
        &self,
        fisher: &dyn FisherSource,
        one: Use,
        pairs: bool,
        map: &mut [f32],
        units: &Units,
        shifted: &mut Vec<f32>,
    ) -> Result<bool> {
        let Use { index, epoch, .. } = one;
        fisher.map(index, epoch, map).map_err(failed(index))?;
        let mut usable = self.usable(index, map, &[])?;
        self.augment(one, map);
        if pairs {
            let mut own = Vec::new();
            let (mut plus, mut minus) = (map.to_vec(), map.to_vec());
            for parameter in 0..self.parameters {
                fisher
                    .pair(index, epoch, parameter, &mut plus, &mut minus)
                    .map_err(failed(index))?;
                for map in [&mut plus, &mut minus] {
                    usable &= self.usable(index, map, &[])?;
                    self.augment(one, map);
                    append(&units.maps, map, &mut own);
                }
            }
            if usable {
                shifted.append(&mut own);
            }
        }
        Ok(usable)
    }

    fn augment(&self, one: Use, map: &mut [f32]) {
        if one.augmented && self.source.symmetric() {
            let settings = self.settings;
            let (epoch, index) = (one.epoch, one.index);
            settings.augmentation.apply(self.shape, settings.seed, epoch, index, map);
        }
    }

    fn usable(&self, index: u64, map: &[f32], parameters: &[f64]) -> Result<bool> {
        // all at once, which is faster than to look for the first
        let finite = map.iter().fold(true, |all, value| all & value.is_finite());
        if finite && parameters.iter().all(|value| value.is_finite()) {
            return Ok(true);
        }
        let bad_pixel = map.iter().position(|value| !value.is_finite());
        let bad_parameter = parameters.iter().position(|value| !value.is_finite());
        let (what, element, value) = match (bad_pixel, bad_parameter) {
            (Some(at), _) => ("map", at, f64::from(map[at])),
            (None, Some(at)) => ("parameters", at, parameters[at]),
            (None, None) => return Ok(true),
        };
        match self.settings.non_finite {
            NonFinite::Refuse => Err(Error::Example { index, what, element, value }),
            NonFinite::Drop => Ok(false),
        }
    }
}

fn failed(index: u64) -> impl FnOnce(crate::SourceError) -> Error {
    move |source| Error::Source { index, source }
}

/// Appends a map in standard units.
pub fn append(units: &Standardiser, map: &[f32], to: &mut Vec<f32>) {
    let each = map.len() / units.features();
    let standard = |x: f32, shift: f64, scale: f64| ((f64::from(x) - shift) / scale) as f32;
    let units = units.shift().iter().zip(units.scale());
    if each == 1 {
        // statistics: one loop, which processors do several numbers at a time of
        to.extend(map.iter().zip(units).map(|(x, (shift, scale))| standard(*x, *shift, *scale)));
        return;
    }
    for (numbers, (shift, scale)) in map.chunks_exact(each).zip(units) {
        to.extend(numbers.iter().map(|x| standard(*x, *shift, *scale)));
    }
}
