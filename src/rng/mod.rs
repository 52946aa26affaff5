//! Random streams.
//!
//! [`NumpyRandom`] and [`PythonRandom`] repeat the legacy streams of numpy and
//! of Python where a result must equal theirs; [`Rng`] serves all else, seeded
//! through [`derive()`].

mod derive;
mod mt19937;
mod numpy;
mod python;
mod xoshiro;

pub use derive::derive;
pub use numpy::NumpyRandom;
pub use python::PythonRandom;
pub use xoshiro::Rng;
