//! The tests over whole commands: a file per command, run as a user would.

mod support;

mod cli;
mod layers;
