//! Input and output: atomic writes, hashes, caches, and readers of external file formats.
//!
//! # Limits
//!
//! Every reader limits the memory and disk space that a file can require, and checks sizes for
//! overflow. Whole files are read by [`bounded`]; names in files become paths through
//! [`place`]. The targets in `fuzz/` test the readers.
//!
//! | file | size of the file | limits of the content |
//! |---|---|---|
//! | weights: HDF5, ONNX, safetensors | 1 GiB | 1 GiB of tensors, for HDF5 at most 1032 times the file; 10,000 tensors and groups; 8 dimensions; headers of 16 MiB; 16 levels of groups; no external data |
//! | wheel or `.keras` with weights | any | 100,000 or 100 entries, 4 or 2 GiB, compression ratio 1000; `config.json` of 16 MiB, 128 levels |
//! | ZIP of images | 16 GiB if downloaded | 200,000 entries, 16 GiB, compression ratio 100; plain unique names, no links |
//! | image | 512 MiB | 2²⁶ pixels; 512 MiB for all images decoded in parallel, without their files |
//! | data set | any | 4,000,000 files; no links to the outside unless allowed |
//! | `metadata.csv` | 16 MiB | 250,000 rows, 1000 columns |
//! | tables and heads between stages | 256 MiB | rows as wide as the header |
//! | JSON between stages | 64 MiB | 128 levels |
//! | `.npy` | any | the expected shape, which must match the file size; a header of 64 KiB |
//! | bundle | 1 GiB | as safetensors; matching hashes; images of 2048 x 2048 pixels; 512 features |
//! | `pipeline.toml` | 1 MiB | 80 levels |
//! | `pipeline.lock` | 16 MiB | |
//! | known hashes, cached features | 256 MiB, the expected length | |
//! | Kaggle token | 64 KiB | |

pub mod archive;
pub mod atomic;
pub mod bounded;
pub mod cache;
pub mod checkpoint;
pub mod checksum;
pub mod decimal;
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
pub mod table;
pub mod tensor;
