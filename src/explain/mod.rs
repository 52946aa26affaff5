//! Why the model said what it said.
//!
//! [`grad_cam()`] reads the last convolution's maps, which costs one pass of a film
//! and shows where the features lay that spoke for a class. [`Occlusion`] covers
//! the film patch by patch, which costs a pass for each and shows what changes the
//! answer. Both give heat on a grid over the film; [`outside_centre`] says how
//! much of it lies where no lungs are. [`Region`] blackens the pixels of the cells that
//! the head pools, or all others, and [`Effect`] sums up what that changes.

mod blackened;
mod grad_cam;
mod occlusion;
mod share;

pub use blackened::{Effect, Region};
pub use grad_cam::grad_cam;
pub use occlusion::Occlusion;
pub use share::{even_outside, outside_centre};
