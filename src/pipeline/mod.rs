//! Pipeline file, folders, records and order of the stages, independent of machine learning.

pub mod config;
pub mod job;
pub mod lineage;
pub mod lockfile;
pub mod order;
pub mod owner;
pub mod paths;
pub mod schedule;
pub mod stale;

pub use config::{Config, ConfigError};
pub use job::{Input, Job};
pub use lineage::Lineage;
pub use paths::Paths;
