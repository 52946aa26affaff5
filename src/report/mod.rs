//! The report: one page for people, and the model card.
//!
//! [`html`] and [`model_card`] say what a [`Page`] holds. The page is one file: its
//! style and its script stand in it, pictures are data URIs, figures inline SVG, and
//! its content security policy forbids every request. Its text lies in
//! `page.html`, its look in `style.css`, the image browser in `browser.js`.

mod card;
mod claim;
mod page;
mod render;
mod tripod;

pub use card::{Item, Status};
pub use page::*;
pub use render::{RenderError, html, model_card};
