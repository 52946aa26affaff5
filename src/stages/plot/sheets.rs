//! Sheets of films: samples of each class, and those that the model believes in least.

use std::collections::BTreeMap;

use super::super::upstream;
use super::{Drawing, Drawn, optional};
use crate::artifact::Document;
use crate::artifact::explanation::{Explanation, FilmHeat, read_heat};
use crate::artifact::index::{Index, IndexRow};
use crate::artifact::predictions::{Prediction, Predictions};
use crate::classifier::picture_name;
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
pub struct Contacts {
    name: String,
    title: String,
    subtitle: String,
    films: Vec<Shown>,
}

impl Contacts {
    /// The sheet of films of `side` pixels.
    pub fn figure(&self, side: usize) -> Drawn<'_> {
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

/// The sheets of films, as the net sees them: one per class, then the least believed.
pub struct Films<'a> {
    index: Index,
    predictions: &'a Predictions,
    picker: Picker,
    /// Sheets that were made.
    made: usize,
}

impl<'a> Films<'a> {
    /// Opens the films, if films were preprocessed.
    pub fn read(
        ctx: &Context,
        lineage: &Lineage,
        predictions: &'a Predictions,
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
        let picker = Picker { reader, pooled: explanation.map(|e| e.pooled()), heat, side };
        Ok(Some(Self { index, predictions, picker, made: 0 }))
    }

    /// Width and height of a film in pixels.
    pub fn side(&self) -> usize {
        self.picker.side
    }

    /// The next sheets, at most `most`; none after the last.
    pub fn next(&mut self, most: usize) -> Result<Option<Vec<Contacts>>, Failure> {
        let all = self.index.classes.len() + 1;
        let sheets = self.made..(self.made + most).min(all);
        self.made = sheets.end;
        if sheets.is_empty() {
            return Ok(None);
        }
        sheets.map(|sheet| self.sheet(sheet)).collect::<Result<_, _>>().map(Some)
    }

    fn sheet(&mut self, sheet: usize) -> Result<Contacts, Failure> {
        let Self { index, predictions, picker, .. } = self;
        let Some(class) = index.classes.get(sheet) else {
            let films = least_believed(index, predictions)
                .map(|(film, said)| picker.judged(film, said, &predictions.classes))
                .collect::<Result<_, _>>()?;
            return Ok(Contacts {
                name: "least-believed".into(),
                title: "The films that the model believes in least".into(),
                subtitle: "Of the test films, those whose true class has the least probability"
                    .into(),
                films,
            });
        };
        let films: Vec<&IndexRow> = index.rows.iter().filter(|r| r.class == *class).collect();
        let step = films.len().div_ceil(SAMPLES).max(1);
        let shown = films.iter().step_by(step).map(|film| picker.sample(film));
        let shown: Vec<Shown> = shown.collect::<Result<_, _>>()?;
        Ok(Contacts {
            name: samples_name(class),
            title: format!("Films of the class {class}"),
            subtitle: format!("{} of {} films, as the net sees them", shown.len(), films.len()),
            films: shown,
        })
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

/// The stem of the files of a class: no two classes share one, since a hash follows
/// where a character is replaced.
fn samples_name(class: &str) -> String {
    format!("samples-{}", picture_name(class))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_classes_share_a_sheet() {
        assert_eq!(samples_name("covid"), "samples-covid");
        let classes = ["a b", "a,b", "a-b", "a/b", "a;b", "a", "-a", ".a", "a ", "ä b"];
        let names: BTreeSet<String> = classes.iter().map(|class| samples_name(class)).collect();
        assert_eq!(names.len(), classes.len(), "{names:?}");
        let fit = |c: char| c.is_alphanumeric() || "._-".contains(c);
        assert!(names.iter().all(|name| name.chars().all(fit)), "{names:?}");
    }
}
