//! Random number generators.
//!
//! [`NumpyRandom`] and [`PythonRandom`] reproduce the generators of numpy and Python where results
//! must equal theirs. Everything else uses [`Rng`], with seeds from [`derive()`].

mod derive;
mod mt19937;
mod numpy;
mod python;
mod xoshiro;

pub use derive::derive;
pub use numpy::NumpyRandom;
pub use python::PythonRandom;
pub use xoshiro::Rng;
