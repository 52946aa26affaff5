//! Bytes on disk: atomic writes, hashing, and the file formats of others.

pub mod archive;
pub mod atomic;
pub mod cache;
pub mod checkpoint;
pub mod checksum;
pub mod download;
pub mod folder;
pub mod hash;
pub mod hdf5;
pub mod keras;
pub mod lock;
pub mod npy;
pub mod onnx;
pub mod place;
pub mod safetensors;
pub mod staging;
pub mod stat;
pub mod tensor;
