//! Warnings of `cxr-preprocess` about a patient table.

use std::path::Path;

use crate::cli::Context;
use crate::dataset::patient_table::JoinCounts;

/// Reports the numbers of matched rows and images, and warns of images without a patient.
pub fn warn(ctx: &Context, counts: &JoinCounts, table: Option<&Path>) {
    let table = table.map(|path| format!("`{}`", path.display())).unwrap_or_default();
    let JoinCounts { rows, rows_matched, images, images_matched, .. } = counts;
    let matched = format!(
        "{table}: {images_matched} of {images} images match a row \
         ({rows_matched} of {rows} rows)"
    );
    match images_matched {
        0 => ctx.ui.warn(format_args!(
            "{matched}: no patient is assigned; the paths in the table must have the same ends as \
             those of the images"
        )),
        few if 2 * few < *images => {
            ctx.ui.warn(format_args!("{matched}: more than half of the images match no row"))
        }
        _ => ctx.ui.note(matched),
    }
    if counts.of_several_patients > 0 {
        ctx.ui.warn(format_args!(
            "{table}: {} images match rows of several patients equally well and get no patient; \
             use a table with paths instead of file names",
            counts.of_several_patients
        ));
    }
    if counts.of_shared_rows > 0 {
        ctx.ui.warn(format_args!(
            "{table}: {} images share a row with an image of the same name in another folder and \
             get no patient; use a table with paths instead of file names",
            counts.of_shared_rows
        ));
    }
}
