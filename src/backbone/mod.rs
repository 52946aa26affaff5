//! Frozen nets as tables over [`crate::conv`], and their weights.

pub mod names;
