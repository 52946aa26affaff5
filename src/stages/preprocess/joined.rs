//! What `cxr-preprocess` states of a table of patients.

use std::path::Path;

use crate::cli::Context;
use crate::dataset::patient_table::JoinCounts;

/// States how many rows and images match, and warns of images that remain without.
pub fn warn(ctx: &Context, counts: &JoinCounts, table: Option<&Path>) {
    let table = table.map(|path| format!("`{}`", path.display())).unwrap_or_default();
    let JoinCounts { rows, rows_matched, images, images_matched, .. } = counts;
    let matched = format!(
        "{table}: {images_matched} of {images} images have a row of their own \
         ({rows_matched} of {rows} rows)"
    );
    match images_matched {
        0 => ctx.ui.warn(format_args!(
            "{matched}: the table tells no patient; its paths must end like those of the images"
        )),
        few if 2 * few < *images => ctx.ui.warn(format_args!(
            "{matched}: the patients of more than half of the images are not in the table"
        )),
        _ => ctx.ui.note(matched),
    }
    if counts.of_several_patients > 0 {
        ctx.ui.warn(format_args!(
            "{table}: rows of several patients fit {} images equally well, so none of them is \
             assigned; a table with paths tells such images apart",
            counts.of_several_patients
        ));
    }
    if counts.of_shared_rows > 0 {
        ctx.ui.warn(format_args!(
            "{table}: {} images share their row with an image of the same name in another \
             folder, so its patient is not assigned; a table with paths tells them apart",
            counts.of_shared_rows
        ));
    }
}
