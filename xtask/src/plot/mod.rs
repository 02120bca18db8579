//! Figures: plain data in, the text of an SVG drawing out; no files, no clock, no randomness.
//!
//! - [`corner`]: posteriors compared, with densities ([`density`]) and their level lines
//!   ([`contour`]);
//! - [`maps`]: tomographic maps as images with a common colour bar;
//! - [`spectra`]: measured angular power spectra against theory, all pairs of bins;
//! - [`chains`]: traces, rank plots and the convergence of Markov chains;
//! - [`lines`]: a general plot of curves with error bars.
//!
//! Drawing is done by two small modules: [`svg`] (lines, text, images) and [`axis`] (ticks,
//! numbers, panels), with labels in the markup of [`markup`]. A plotting crate was measured
//! against them: the one with scientific plots takes minutes to build, which a first run would
//! have to wait for, and none draws corner plots, so that these primitives are needed in any case.

pub mod axis;
pub mod chains;
pub mod contour;
pub mod corner;
pub mod density;
pub mod error;
pub mod lines;
pub mod maps;
pub mod markup;
pub mod spectra;
pub mod svg;
