//! Sheets of films: samples of each class, and those that the model believes in least.

use std::collections::BTreeMap;

use super::super::upstream;
use super::{Drawing, Drawn, optional};
use crate::artifact::Document;
use crate::artifact::explanation::{Explanation, FilmHeat, read_heat};
use crate::artifact::index::{Index, IndexRow};
use crate::artifact::predictions::{Prediction, Predictions};
use crate::cli::{Context, Failure};
use crate::io::npy::Reader;
use crate::pipeline::Lineage;
use crate::plot::{Overlay, Pixels, Sheet, Tile};

/// Films on the sheet of a class.
const SAMPLES: usize = 10;
/// Films on the sheet of those least believed.
const WORST: usize = 8;

/// A film on a sheet.
struct Shown {
    rgb: Vec<u8>,
    /// The film under its heat.
    heat: Option<Vec<u8>>,
    caption: Vec<String>,
}

/// A sheet, before it is drawn.
struct Contacts {
    name: String,
    title: String,
    subtitle: String,
    films: Vec<Shown>,
}

impl Contacts {
    /// The sheet of films of `side` pixels.
    fn figure(&self, side: usize) -> Drawn<'_> {
        if self.films.is_empty() {
            return (self.name.clone(), Err("no film was judged".to_owned()));
        }
        let tiles = self.films.iter().map(|film| Tile {
            film: Pixels { width: side, height: side, rgb: &film.rgb },
            heat: film.heat.as_deref().map(Overlay::pixels),
            caption: film.caption.clone(),
        });
        let sheet: Drawing<'_> = Box::new(Sheet {
            name: self.name.clone(),
            title: self.title.clone(),
            subtitle: self.subtitle.clone(),
            tiles: tiles.collect(),
        });
        (self.name.clone(), Ok(sheet))
    }
}

/// The films of the sheets, as the net sees them.
pub struct Films {
    side: usize,
    sheets: Vec<Contacts>,
}

impl Films {
    /// Reads the films that are shown, if films were preprocessed.
    pub fn read(
        ctx: &Context,
        lineage: &Lineage,
        predictions: &Predictions,
    ) -> Result<Option<Self>, Failure> {
        let Some(index) = optional(ctx, lineage, "preprocess", "index.csv", Index::read)? else {
            return Ok(None);
        };
        if !ctx.artifact("preprocess", "images.npy").exists() {
            return Ok(None);
        }
        let reader = upstream::images(ctx, &index)?;
        let side = reader.shape()[1];
        let explanation = optional(ctx, lineage, "explain", "explain.json", Explanation::read)?;
        let heat = optional(ctx, lineage, "explain", "heat.npy", read_heat)?.unwrap_or_default();
        let mut picker = Picker { reader, pooled: explanation.map(|e| e.pooled()), heat, side };
        let mut sheets = Vec::new();
        for class in &index.classes {
            let films: Vec<&IndexRow> = index.rows.iter().filter(|r| r.class == *class).collect();
            let step = films.len().div_ceil(SAMPLES).max(1);
            let shown = films.iter().step_by(step).map(|film| picker.sample(film));
            let shown: Vec<Shown> = shown.collect::<Result<_, _>>()?;
            let subtitle =
                format!("{} of {} films, as the net sees them", shown.len(), films.len());
            let name = format!("samples-{}", plain(class));
            let title = format!("Films of the class {class}");
            sheets.push(Contacts { name, title, subtitle, films: shown });
        }
        let shown: Vec<Shown> = least_believed(&index, predictions)
            .map(|(film, said)| picker.judged(film, said, &predictions.classes))
            .collect::<Result<_, _>>()?;
        sheets.push(Contacts {
            name: "least-believed".into(),
            title: "The films that the model believes in least".into(),
            subtitle: "Of the test films, those whose true class has the least probability".into(),
            films: shown,
        });
        Ok(Some(Self { side, sheets }))
    }

    /// A figure per sheet.
    pub fn figures(&self) -> Vec<Drawn<'_>> {
        self.sheets.iter().map(|sheet| sheet.figure(self.side)).collect()
    }
}

/// The test films by how little the model believes in their true class.
fn least_believed<'a>(
    index: &'a Index,
    predictions: &'a Predictions,
) -> impl Iterator<Item = (&'a IndexRow, &'a Prediction)> {
    let rows: BTreeMap<&str, &IndexRow> =
        index.rows.iter().map(|row| (row.path.as_str(), row)).collect();
    let mut films: Vec<_> = predictions
        .rows
        .iter()
        .filter_map(|film| Some((*rows.get(film.path.as_str())?, film)))
        .collect();
    let belief = |film: &Prediction| film.probabilities[film.truth];
    films.sort_by(|a, b| belief(a.1).total_cmp(&belief(b.1)).then(a.0.row.cmp(&b.0.row)));
    films.into_iter().take(WORST)
}

/// Reads films and lays their heat over them.
struct Picker {
    reader: Reader<u8>,
    pooled: Option<(usize, usize)>,
    heat: BTreeMap<String, FilmHeat>,
    side: usize,
}

impl Picker {
    fn sample(&mut self, film: &IndexRow) -> Result<Shown, Failure> {
        let size = format!("{} × {} pixels", film.width, film.height);
        let person = if film.patient.is_empty() { "unknown person" } else { &film.patient };
        let caption = vec![file(&film.path), person.to_owned(), size];
        Ok(Shown { rgb: self.reader.read(film.row..film.row + 1)?, heat: None, caption })
    }

    fn judged(
        &mut self,
        film: &IndexRow,
        said: &Prediction,
        classes: &[String],
    ) -> Result<Shown, Failure> {
        let rgb = self.reader.read(film.row..film.row + 1)?;
        let (truth, named) = (&classes[said.truth], &classes[said.predicted]);
        let probability = said.probabilities[said.predicted];
        let result = if truth == named { "rightly" } else { "wrongly" };
        let says = format!("{truth}, {result} taken for {named}, probability {probability:.2}");
        let heat = self.heat.get(&film.path).filter(|heat| heat.predicted == *named);
        let heat = heat.zip(self.pooled).map(|(heat, pooled)| {
            let overlay = Overlay {
                label: String::new(),
                note: String::new(),
                cells: heat.cells.nrows(),
                heat: heat.cells.iter().copied().collect(),
                pooled,
            };
            overlay.over(Pixels { width: self.side, height: self.side, rgb: &rgb })
        });
        Ok(Shown { heat, rgb, caption: vec![file(&film.path), says] })
    }
}

/// The file's name without its folder.
fn file(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// A name that stands in file names and ids: all but letters, digits, `_` and `-`
/// replaced.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "_-".contains(c) { c } else { '-' }).collect()
}
