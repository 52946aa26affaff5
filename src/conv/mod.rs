//! Convolution engine: 3x3 SAME convolutions and 2x2 max pooling of NHWC f32 feature maps.
//!
//! The tests in `suite` compare every kernel with the direct convolution in f64. Miri runs
//! the smallest case on the portable kernels:
//!
//! ```sh
//! MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-tree-borrows -Zmiri-permissive-provenance -Zmiri-ignore-leaks" \
//!     RAYON_NUM_THREADS=1 cargo +nightly miri test --lib portable::tiny
//! ```

mod buffer;
pub mod direct;
mod dispatch;
mod engine;
mod extent;
mod lanes;
mod maps;
mod portable;
mod shallow;
mod simd;
#[cfg(test)]
mod suite;
mod winograd;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub use buffer::OutOfMemory;
pub use engine::{Algorithm, Engine, EngineError, InstructionSet};
pub use extent::Extent;
pub use maps::{MapSlot, Maps};
pub use shallow::RgbConv;
pub use winograd::{Scratch, Winograd};
