//! The convolution engine: 3x3 SAME convolutions and 2x2 max pooling over NHWC f32 maps.

pub mod direct;
mod engine;
mod extent;

pub use engine::{Algorithm, Engine, EngineError, Isa};
pub use extent::Extent;
