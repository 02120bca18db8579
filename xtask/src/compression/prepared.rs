//! Statistics of maps, made once for all networks that learn from them.

use std::path::Path;

use ::compression::{FisherSource, MapShape, MapSource};
use anyhow::{Context, Result};
use rayon::prelude::*;

use crate::arrays::{Named, read_npz, write_npz};
use crate::progress::Progress;
use crate::study::Workspace;
use full_field::SourceError;

/// File of the statistics.
const STATISTICS: &str = "statistics.npz";

/// The first examples of a source.
pub struct Prepared {
    /// NaN where there is no map.
    numbers: Rows<f32>,
    parameters: Rows<f64>,
}

/// The first maps of a source around its fiducial parameters.
pub struct PreparedAround {
    fiducial: Vec<f64>,
    steps: Vec<f64>,
    numbers: Rows<f32>,
    /// Each `every`th map has shifted ones: `[map, parameter, (plus, minus)]`.
    shifted: Rows<f32>,
    every: usize,
}

/// A table.
struct Rows<T> {
    numbers: Vec<T>,
    width: usize,
}

impl<T: Copy> Rows<T> {
    fn copy(&self, row: usize, to: &mut [T]) -> Result<(), SourceError> {
        let found = self.numbers.get(row * self.width..(row + 1) * self.width);
        to.copy_from_slice(found.ok_or_else(|| format!("there is no row {row}"))?);
        Ok(())
    }
}

fn read(path: &Path, name: &str) -> Result<Rows<f64>> {
    let found = read_npz(path, name)?;
    let width = found.shape.last().copied().filter(|width| *width > 0);
    let width = width.with_context(|| format!("{}: {name} has no columns", path.display()))?;
    Ok(Rows { numbers: found.data, width })
}

fn read_single(path: &Path, name: &str) -> Result<Rows<f32>> {
    let Rows { numbers, width } = read(path, name)?;
    Ok(Rows { numbers: numbers.into_iter().map(|x| x as f32).collect(), width })
}

/// Makes the first `count` examples of a source.
///
/// # Errors
/// If the source fails, or the folder cannot be written.
pub fn prepare(source: &dyn MapSource, count: usize, workspace: &Workspace) -> Result<()> {
    let (width, dim) = (source.shape().numbers(), source.parameters_len());
    let (mut numbers, mut parameters) = (vec![0.0; count * width], vec![0.0; count * dim]);
    let progress = Progress::new("statistics", count);
    let rows = numbers.par_chunks_exact_mut(width).zip(parameters.par_chunks_exact_mut(dim));
    rows.enumerate()
        .try_for_each(|(row, (numbers, parameters))| {
            source.pair(row as u64, numbers, parameters)?;
            source.renoise(row as u64, 0, numbers)?;
            progress.advance(1);
            Ok(())
        })
        .map_err(anyhow::Error::from_boxed)?;
    progress.finish();
    let named = [
        Named::f64("theta", &[count, dim], &parameters),
        Named::f32("statistics", &[count, width], &numbers),
    ];
    write_npz(&workspace.path(STATISTICS), named)
}

/// Makes the first `count` maps around the fiducial parameters, and the shifted ones of each
/// `every`th.
///
/// # Errors
/// If the source fails, or the folder cannot be written.
pub fn prepare_around(
    source: &dyn FisherSource,
    shape: MapShape,
    count: usize,
    every: usize,
    workspace: &Workspace,
) -> Result<()> {
    let (width, dim) = (shape.numbers(), source.fiducial().len());
    let mut numbers = vec![0.0; count * width];
    let pairs = count.div_ceil(every) * dim;
    let mut shifted = vec![0.0; pairs * 2 * width];
    let progress = Progress::new("statistics", count + 2 * pairs);
    let maps = numbers.par_chunks_exact_mut(width).enumerate().try_for_each(|(row, numbers)| {
        source.map(row as u64, 0, numbers)?;
        progress.advance(1);
        Ok(())
    });
    maps.map_err(anyhow::Error::from_boxed)?;
    let pairs = shifted.par_chunks_exact_mut(2 * width).enumerate().try_for_each(|(pair, both)| {
        let (plus, minus) = both.split_at_mut(width);
        source.pair((pair / dim * every) as u64, 0, pair % dim, plus, minus)?;
        progress.advance(2);
        Ok(())
    });
    pairs.map_err(anyhow::Error::from_boxed)?;
    progress.finish();
    let (fiducial, steps) = (source.fiducial(), source.steps());
    let named = [
        Named::f64("fiducial", &[dim], &fiducial),
        Named::f64("steps", &[dim], &steps),
        Named::f32("statistics", &[count, width], &numbers),
        Named::f32("shifted", &[count.div_ceil(every), dim, 2, width], &shifted),
    ];
    write_npz(&workspace.path(STATISTICS), named)
}

impl Prepared {
    /// Reads what [`prepare`] left in a folder.
    ///
    /// # Errors
    /// If the file is missing or damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(STATISTICS);
        Ok(Self { numbers: read_single(&path, "statistics")?, parameters: read(&path, "theta")? })
    }
}

impl MapSource for Prepared {
    fn shape(&self) -> MapShape {
        MapShape::vector(self.numbers.width)
    }

    fn parameters_len(&self) -> usize {
        self.parameters.width
    }

    fn pair(&self, index: u64, map: &mut [f32], parameters: &mut [f64]) -> Result<(), SourceError> {
        let row = usize::try_from(index)?;
        self.numbers.copy(row, map)?;
        self.parameters.copy(row, parameters)
    }

    fn symmetric(&self) -> bool {
        false
    }
}

impl PreparedAround {
    /// Reads what [`prepare_around`] left in a folder.
    ///
    /// # Errors
    /// If the file is missing or damaged.
    pub fn read(folder: &Path, every: usize) -> Result<Self> {
        let path = folder.join(STATISTICS);
        Ok(Self {
            fiducial: read(&path, "fiducial")?.numbers,
            steps: read(&path, "steps")?.numbers,
            numbers: read_single(&path, "statistics")?,
            shifted: read_single(&path, "shifted")?,
            every,
        })
    }
}

impl MapSource for PreparedAround {
    fn shape(&self) -> MapShape {
        MapShape::vector(self.numbers.width)
    }

    fn parameters_len(&self) -> usize {
        self.fiducial.len()
    }

    fn pair(&self, index: u64, map: &mut [f32], parameters: &mut [f64]) -> Result<(), SourceError> {
        parameters.copy_from_slice(&self.fiducial);
        self.numbers.copy(usize::try_from(index)?, map)
    }

    fn symmetric(&self) -> bool {
        false
    }

    fn fisher(&self) -> Option<&dyn FisherSource> {
        Some(self)
    }
}

impl FisherSource for PreparedAround {
    fn fiducial(&self) -> Vec<f64> {
        self.fiducial.clone()
    }

    fn steps(&self) -> Vec<f64> {
        self.steps.clone()
    }

    fn map(&self, index: u64, _: u64, map: &mut [f32]) -> Result<(), SourceError> {
        self.numbers.copy(usize::try_from(index)?, map)
    }

    fn pair(
        &self,
        index: u64,
        _: u64,
        parameter: usize,
        plus: &mut [f32],
        minus: &mut [f32],
    ) -> Result<(), SourceError> {
        let row = usize::try_from(index)? / self.every * self.fiducial.len() + parameter;
        self.shifted.copy(2 * row, plus)?;
        self.shifted.copy(2 * row + 1, minus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::{Earlier, Study};

    /// Numbers that tell where they are from; the second example has no map.
    struct Toy;

    impl MapSource for Toy {
        fn shape(&self) -> MapShape {
            MapShape::vector(3)
        }

        fn parameters_len(&self) -> usize {
            2
        }

        fn pair(&self, index: u64, map: &mut [f32], theta: &mut [f64]) -> Result<(), SourceError> {
            map.fill(if index == 1 { f32::NAN } else { index as f32 });
            theta.fill(10.0 + index as f64);
            Ok(())
        }
    }

    impl FisherSource for Toy {
        fn fiducial(&self) -> Vec<f64> {
            vec![1.0, 2.0]
        }

        fn steps(&self) -> Vec<f64> {
            vec![0.1, 0.2]
        }

        fn map(&self, index: u64, _: u64, map: &mut [f32]) -> Result<(), SourceError> {
            map.fill(index as f32);
            Ok(())
        }

        fn pair(
            &self,
            index: u64,
            _: u64,
            parameter: usize,
            plus: &mut [f32],
            minus: &mut [f32],
        ) -> Result<(), SourceError> {
            plus.fill(index as f32 + 0.1 * (1 + parameter) as f32);
            minus.fill(index as f32 - 0.1 * (1 + parameter) as f32);
            Ok(())
        }
    }

    #[test]
    fn what_is_prepared_is_what_the_source_makes() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let study = Study::open(folder.path(), Earlier::default())?;
        let output = study.run("plain", 1, &0, &[], |workspace| prepare(&Toy, 4, workspace))?;
        let prepared = Prepared::read(&output.path(""))?;
        let (mut map, mut theta) = ([0.0; 3], [0.0; 2]);
        MapSource::pair(&prepared, 3, &mut map, &mut theta).expect("prepared");
        assert_eq!((map, theta), ([3.0; 3], [13.0; 2]));
        MapSource::pair(&prepared, 1, &mut map, &mut theta).expect("prepared");
        assert!(map.iter().all(|number| number.is_nan()));
        assert!(MapSource::pair(&prepared, 4, &mut map, &mut theta).is_err());

        let around = |workspace: &Workspace| prepare_around(&Toy, Toy.shape(), 5, 2, workspace);
        let output = study.run("around", 1, &0, &[], around)?;
        let prepared = PreparedAround::read(&output.path(""), 2)?;
        let fisher = prepared.fisher().expect("it is around");
        assert_eq!((fisher.fiducial(), fisher.steps()), (vec![1.0, 2.0], vec![0.1, 0.2]));
        let mut expected = [[0.0; 3]; 2];
        let mut found = expected;
        for index in [0, 2, 4] {
            fisher.map(index, 0, &mut map).expect("prepared");
            assert_eq!(map, [index as f32; 3]);
            for parameter in [0, 1] {
                let [plus, minus] = &mut expected;
                FisherSource::pair(&Toy, index, 0, parameter, plus, minus).expect("always");
                let [plus, minus] = &mut found;
                fisher.pair(index, 0, parameter, plus, minus).expect("prepared");
                assert_eq!(found, expected);
            }
        }
        Ok(())
    }
}
