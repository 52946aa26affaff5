//! No label of any figure is cut off by the edge or stands on another.

use super::page::DOTS;
use super::samples::{edges, usual};
use super::svg;
use super::text::{BASELINE, CAP_HEIGHT, Font};
use super::theme::INK;

/// Characters that reach below the baseline.
const DESCENDERS: &[char] = &['g', 'j', 'p', 'q', 'y', '(', ')', ',', ';', '_', '/', 'Q'];

/// Where a text stands, in dots.
struct Label {
    text: String,
    x: (f64, f64),
    y: (f64, f64),
}

/// The value of an attribute of an element of the SVG backend.
fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

fn labels(svg: &str) -> Vec<Label> {
    let texts = svg.split("<text").skip(1).filter_map(|rest| rest.split("</text>").next());
    texts
        .map(|element| {
            let number = |name| attribute(element, name).unwrap().parse::<f64>().unwrap();
            let text = element.split_once('>').unwrap().1.trim();
            let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            let size = number("font-size");
            let bold = attribute(element, "font-weight").is_some();
            let font = Font::new(size, INK);
            let width = if bold { font.bold() } else { font }.width(&plain);
            let start = match attribute(element, "text-anchor").unwrap() {
                "start" => 0.0,
                "middle" => -width / 2.0,
                _ => -width,
            };
            // Ink lies between the top of the capitals and the baseline, or the depth of a `g`.
            let depth = if plain.contains(DESCENDERS) { 1.0 } else { BASELINE };
            let along = (start, start + width);
            let across = ((BASELINE - CAP_HEIGHT) * size, depth * size);
            let (x, y) = (number("x"), number("y"));
            match attribute(element, "transform") {
                None => {
                    let (x, y) = ((x + along.0, x + along.1), (y + across.0, y + across.1));
                    Label { text: plain, x, y }
                }
                Some(_) => {
                    let (x, y) = ((x + across.0, x + across.1), (y - along.1, y - along.0));
                    Label { text: plain, x, y }
                }
            }
        })
        .filter(|label| !label.text.is_empty())
        .collect()
}

#[test]
fn every_label_is_on_the_page_and_on_its_own() {
    let mut faults = Vec::new();
    for figure in usual().into_iter().chain(edges()) {
        let [width, height] = <[u32; 2]>::from(figure.size()).map(|px| f64::from(px * DOTS));
        let labels = labels(&svg(figure.as_ref()));
        let mut fault = |what| faults.push(format!("{}: {what}", figure.name()));
        for (i, a) in labels.iter().enumerate() {
            if a.x.0 < 0.0 || a.y.0 < 0.0 || a.x.1 > width || a.y.1 > height {
                fault(format!("`{}` is cut off", a.text));
            }
            for b in &labels[i + 1..] {
                let apart = a.x.1 <= b.x.0 || b.x.1 <= a.x.0 || a.y.1 <= b.y.0 || b.y.1 <= a.y.0;
                if !apart {
                    fault(format!("`{}` is on `{}`", a.text, b.text));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_svg_says_what_it_shows() {
    for figure in usual().into_iter().chain(edges()) {
        let svg = svg(figure.as_ref());
        let name = figure.name();
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{name}");
        assert!(svg.contains(&format!("<title id=\"{name}-title\">")), "{name}");
        assert!(svg.ends_with("</svg>\n") && svg.matches("</svg>").count() == 1, "{name}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
        assert!(!figure.description().is_empty(), "{name}");
    }
}
