//! lognormal-sim
