//! The report (HTML) and the model card (Markdown).
//!
//! [`html`] and [`model_card`] render a [`Page`]. The HTML page is self-contained: style and
//! script are inline, images are data URIs, figures are inline SVG, and the content security
//! policy forbids every request. Templates: `page.html`, `card.md` and the macros in
//! `parts.html`. `browser.js` is the script of the image browser.

mod card;
mod claim;
mod page;
mod render;
mod tripod;

pub use card::{Item, Status};
pub use page::*;
pub use render::{RenderError, html, model_card};
