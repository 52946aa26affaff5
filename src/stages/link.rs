//! `cxr-link`: patient linkage, by patient ids, file names, equal files and
//! near-duplicate detection.
//!
//! A model that was trained on images of a patient recognises other images of that
//! patient. Patient ids alone do not prevent this leakage: a patient may have two.

use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use super::check::Check;
use super::{Stage, stage_inputs, uses};
use crate::artifact::groups::{GroupRow, LinkRow, Linked};
use crate::artifact::index::{Index, IndexRow};
use crate::artifact::{Document, write_csv};
use crate::cli::{Context, Failure, Flag, Outcome, in_range};
use crate::dataset::link::{
    Groups, Image, Link, Relation, Thumbnail, link_by_record, link_near_duplicates,
};
use crate::pipeline::Input;

/// `cxr-link`.
#[derive(Debug)]
pub struct LinkImages;

crate::settings! {
    /// Settings of `cxr-link`: `[link]` in `pipeline.toml`.
    pub struct Settings {
        /// Number of most similar images that each image is aligned and compared with
        neighbours: usize = 10,
        /// Minimum correlation of near-duplicate images after alignment, from 0 to 1
        correlation: f64 = 0.88,
    }
}

/// Arguments of `cxr-link`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

/// Number of images in memory at the same time: 38 MB.
const BATCH: usize = 256;
/// Maximum number of printed warnings of each kind; `link.json` has all.
const SHOWN: usize = 10;

impl Stage for LinkImages {
    const NAME: &'static str = "link";
    const ABOUT: &'static str = "Link the images of each patient";
    const READS: &'static str = "images.npy, index.csv";
    const WRITES: &'static str = "groups.csv, links.csv, link.json";
    const AFTER: &'static [&'static str] = &["preprocess"];
    const USES: &'static [Flag] = uses!(Threads);
    const EXAMPLES: &'static [(&'static str, &'static str)] = &[
        ("cxr-link", "By patient ID, file name, equal files and near-duplicates"),
        ("cxr-link --correlation 0.95", "Require more similar near-duplicates"),
    ];
    type Settings = Settings;
    type Args = Args;

    fn inputs(ctx: &Context, _: &Settings) -> Result<Vec<Input>, Failure> {
        Ok(vec![ctx.input("preprocess", "index.csv"), ctx.input("preprocess", "images.npy")])
    }

    fn check(check: &mut Check<'_>, settings: &Settings) {
        check.expect(settings.check());
    }

    fn run(ctx: &Context, args: Args) -> Result<Outcome, Failure> {
        let settings: Settings = ctx.settings(Self::NAME, &args.flags)?;
        settings.check()?;
        let job = Self::begin(ctx, &settings)?;
        let index = stage_inputs::index(ctx)?;
        let thumbnails = thumbnails(ctx, &index)?;
        let images: Vec<Image<'_>> = index.rows.iter().map(image).collect();
        let mut links = link_by_record(&images);
        links.extend(link_near_duplicates(
            &images,
            &thumbnails,
            settings.neighbours,
            settings.correlation,
        ));
        links.sort_by_key(|link| (link.a, link.b, link.kind));
        let groups = Groups::new(&images, &links);

        write_csv(&job.path("groups.csv")?, &group_rows(&index, &groups))?;
        write_csv(&job.path("links.csv")?, &links.iter().map(link_row).collect::<Vec<_>>())?;
        let mut linked = Linked {
            schema: Linked::SCHEMA.to_owned(),
            images: images.len(),
            groups: groups.count(),
            links: Default::default(),
            merged: groups.merged(&images),
            conflicts: groups.conflicts(&images, &links),
            index: job.inputs()["preprocess/index.csv"].clone(),
        };
        for link in &links {
            *linked.links.entry(link.kind.text().to_owned()).or_default() += 1;
        }
        linked.write(&job.path("link.json")?)?;
        job.publish()?;
        warn(ctx, &linked);
        Ok(Outcome::new(&Summary(linked)))
    }
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        in_range("correlation", self.correlation, 0.0..=1.0)
    }
}

/// Computes the thumbnail of each image.
fn thumbnails(ctx: &Context, index: &Index) -> Result<Vec<Thumbnail>, Failure> {
    let mut images = stage_inputs::images(ctx, index)?;
    let (count, side) = (index.rows.len(), images.shape()[1]);
    let bar = ctx.ui.progress("thumbnails", count, "images");
    let mut thumbnails = Vec::with_capacity(count);
    for first in (0..count).step_by(BATCH) {
        let pixels = images.read(first..(first + BATCH).min(count))?;
        let batch = pixels.par_chunks_exact(side * side * 3);
        thumbnails.par_extend(batch.map(|pixels| Thumbnail::new(pixels, side)));
        bar.add(pixels.len() / (side * side * 3));
    }
    Ok(thumbnails)
}

fn image(row: &IndexRow) -> Image<'_> {
    Image { path: &row.path, class: &row.class, patient: &row.patient, hash: &row.hash }
}

fn group_rows(index: &Index, groups: &Groups) -> Vec<GroupRow> {
    let group_row = |image: &IndexRow| {
        let evidence: Vec<_> = groups.evidence[image.row].iter().map(|kind| kind.text()).collect();
        GroupRow {
            row: image.row,
            path: image.path.clone(),
            class: image.class.clone(),
            group: groups.of[image.row].clone(),
            evidence: evidence.join("; "),
        }
    };
    index.rows.iter().map(group_row).collect()
}

fn link_row(link: &Link) -> LinkRow {
    let Link { a, b, kind, detail, relation } = link;
    let relation = relation.as_ref().map(Relation::text).unwrap_or_default();
    LinkRow { a: *a, b: *b, evidence: kind.text().to_owned(), relation, detail: detail.clone() }
}

/// Warns of patients with several IDs and of patients with images in several classes.
fn warn(ctx: &Context, linked: &Linked) {
    for ids in linked.merged.iter().take(SHOWN) {
        ctx.ui.warn(format_args!("{} are the same patient", ids.join(" and ")));
    }
    for conflict in linked.conflicts.iter().take(SHOWN) {
        let classes: Vec<_> =
            conflict.classes.iter().map(|(class, images)| format!("{class} {images}")).collect();
        let (group, classes) = (&conflict.group, classes.join(", "));
        ctx.ui.warn(if conflict.same_image {
            format!("the same image of `{group}` is in several classes: {classes}")
        } else {
            format!("the images of `{group}` are in several classes: {classes}")
        });
    }
    let more =
        linked.merged.len().saturating_sub(SHOWN) + linked.conflicts.len().saturating_sub(SHOWN);
    if more > 0 {
        ctx.ui.warn(format_args!("{more} more such findings are in `link.json`"));
    }
}

#[derive(Debug, Serialize)]
struct Summary(Linked);

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Linked { images, groups, links, merged, conflicts, .. } = &self.0;
        writeln!(f, "{images} images of {groups} patients, by patient linkage")?;
        for (evidence, links) in links {
            writeln!(f, "{evidence:15}  {links:>6} links")?;
        }
        writeln!(f, "patients with several patient ids: {}", merged.len())?;
        write!(f, "patients with images in several classes: {}", conflicts.len())
    }
}
