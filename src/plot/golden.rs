//! Figures against golden pictures, `tests/golden/plot/<name>.png`, of a quarter of the
//! figure's size. `CXR_BLESS=1 cargo test --lib plot::golden` renews them; look at them
//! before you commit them.

use super::samples::usual;
use super::{Figure, render};
use crate::io::atomic;
use std::path::PathBuf;

/// Dots per pixel of the golden pictures: four figure pixels.
const CELL: u32 = 24;
/// Largest difference that rounding on another machine may make, of 255.
const TOLERANCE: u8 = 12;

fn path(figure: &dyn Figure) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/plot");
    PathBuf::from(folder).join(figure.name()).with_extension("png")
}

#[test]
fn figures_look_as_they_did() {
    for figure in usual() {
        let (figure, path) = (figure.as_ref(), path(figure.as_ref()));
        let got = render::thumbnail(figure, CELL);
        if std::env::var_os("CXR_BLESS").is_some() {
            atomic::write(&path, &got).unwrap();
        }
        let decode = |bytes: &[u8]| image::load_from_memory(bytes).unwrap().to_rgb8();
        let golden = decode(&std::fs::read(&path).unwrap());
        let got = decode(&got);
        assert_eq!(got.dimensions(), golden.dimensions(), "{}", figure.name());
        let worst = got.iter().zip(golden.iter()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(TOLERANCE), "{} differs by {worst:?} of 255", figure.name());
    }
}

#[test]
fn a_changed_figure_is_noticed() {
    let [one, two] = [5, 6].map(|hits| {
        let confusion = super::Confusion {
            on: "test set".into(),
            classes: vec!["covid".into(), "normal".into()],
            counts: vec![vec![hits, 0], vec![1, 4]],
            sensitivity: vec![],
        };
        render::raster(&confusion, CELL)
    });
    assert!(one.iter().zip(&two).any(|(a, b)| a.abs_diff(*b) > TOLERANCE));
}

#[test]
fn the_same_figure_gives_the_same_bytes() {
    let twice =
        || usual().iter().map(|f| (super::png(f.as_ref()), super::svg(f.as_ref()))).collect();
    let [one, two]: [Vec<_>; 2] = [twice(), twice()];
    assert!(one == two);
}
