//! Why the model said what it said.
