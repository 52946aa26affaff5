//! `pipeline.toml` and the order of stages; knows programs and files, not learning.
