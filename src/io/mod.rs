//! Bytes on disk: atomic writes, hashing, and the file formats of others.
//!
//! # Limits
//!
//! Whatever a file says, its reader takes no more than this, and checks sums and
//! products of its sizes for overflow. Whole files come through [`bounded`], names out of
//! files become paths through [`place`]; `fuzz/` puts all of them to the test.
//!
//! | file | bytes | what is in it |
//! |---|---|---|
//! | weights: HDF5, ONNX, safetensors | 1 GiB | 1 GiB of tensors, of HDF5 at most 1032 times the file; 10,000 tensors and groups; 8 dimensions; headers of 16 MiB; groups 16 deep; no external data |
//! | a wheel or `.keras` with weights | any | 100,000 or 100 entries, 4 or 2 GiB, 1000 times its packed size; `config.json` of 16 MiB, 128 deep |
//! | ZIP of films | 16 GiB if fetched | 200,000 entries, 16 GiB, 100 times its packed size; plain names, no links, none twice |
//! | films | 512 MiB each | 2²⁶ pixels each; 512 MiB, beside their files, for all that are decoded at a time |
//! | a dataset | any | 4,000,000 files; no link out of it unless asked for |
//! | `metadata.csv` | 16 MiB | 250,000 rows, 1000 columns |
//! | tables and heads between stages | 256 MiB | rows of the header's width |
//! | JSON between stages | 64 MiB | 128 deep |
//! | `.npy` | any | the shape that is expected, which must be the file's length; a header of 64 KiB |
//! | a bundle | 1 GiB | as safetensors; its hashes must agree; films of 2048 pixels a side; 512 features |
//! | `pipeline.toml` | 1 MiB | 80 deep |
//! | `pipeline.lock` | 16 MiB | |
//! | known hashes, cached features | 256 MiB, as many as asked for | |
//! | Kaggle's token | 64 KiB | |

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
