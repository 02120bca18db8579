//! Figures: plain data in, the text of an SVG drawing out; no files, no clock, no randomness.
//!
//! - [`corner`]: posteriors compared, with densities ([`density`]) and their level lines
//!   ([`contour`]);
//! - [`maps`]: tomographic maps as images with a common colour bar;
//! - [`spectra`]: measured angular power spectra against theory, all pairs of bins;
//! - [`chains`]: traces and rank plots of Markov chains;
//! - [`curves`]: quantities against budgets or steps, with error bands, beside published values;
//! - [`calibration`]: ranks and coverage of posteriors against what calibration expects;
//! - [`plane`]: samples and densities in two dimensions.
//!
//! Drawing is done by small modules: [`svg`] (lines, text), [`image`] (pixels) and [`axis`] (ticks,
//! numbers, panels), with labels in the markup of [`markup`]. No plotting crate draws corner plots,
//! so these primitives are needed in any case, and a first run does not wait for the minutes that a
//! large plotting crate takes to build.

pub mod axis;
pub mod bandwidth;
pub mod calibration;
pub mod chains;
pub mod contour;
pub mod corner;
pub mod curves;
pub mod density;
pub mod error;
pub mod image;
pub mod maps;
pub mod markup;
pub mod plane;
pub mod spectra;
pub mod svg;
