//! Explanation of predictions by saliency maps.
//!
//! [`grad_cam()`] needs one forward pass per image and shows where features that increase the
//! score of a class are located. [`Occlusion`] covers the image patch by patch, needs one pass
//! per patch, and shows which patches change the score. Both return a map on a grid over the
//! image; [`outside_centre`] measures the proportion of the map outside the lungs. [`Region`]
//! blackens the pixels of the cells that the head pools, or all others; [`Effect`] summarises
//! the change.

mod blackened;
mod grad_cam;
mod occlusion;
mod share;

pub use blackened::{Effect, Region};
pub use grad_cam::grad_cam;
pub use occlusion::Occlusion;
pub use share::{outside_centre, uniform_outside_centre};
