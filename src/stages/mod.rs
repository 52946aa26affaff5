//! One file per command: its arguments, its settings, its `run`.
