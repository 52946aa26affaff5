//! Bytes on disk: atomic writes, hashing, and the file formats of others.

pub mod archive;
pub mod checkpoint;
pub mod checksum;
pub mod hdf5;
pub mod onnx;
pub mod safetensors;
pub mod tensor;
