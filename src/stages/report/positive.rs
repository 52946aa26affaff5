//! Exclusion of stages with another positive class than the report's.

use super::super::stage_inputs::optional;
use crate::artifact::Document;
use crate::artifact::crossval::CrossValidation;
use crate::artifact::metrics::Metrics;
use crate::artifact::record::Record;
use crate::cli::{Context, Failure};
use crate::pipeline::Lineage;

/// Leaves out of `lineage` the evaluation and the figures whose positive class differs from that
/// of the first evaluation of the page: the cross-validation, else the test images.
///
/// # Errors
/// If an artifact is invalid.
pub fn leave_out_others(ctx: &Context, lineage: &mut Lineage) -> Result<(), Failure> {
    let crossval = optional(ctx, lineage, "crossval", "crossval.json", CrossValidation::read)?;
    let metrics = optional(ctx, lineage, "evaluate", "metrics.json", Metrics::read)?;
    let figures = Record::find(&ctx.paths.stage("plot")).ok().flatten();
    let figures =
        figures.and_then(|record| Some(record.params.get("positive")?.as_str()?.to_owned()));
    let classes = [
        ("crossval", crossval.map(|crossval| crossval.positive)),
        ("evaluate", metrics.map(|metrics| metrics.positive)),
        // Without this setting, the figures have the class of the evaluation that they show.
        ("plot", figures.filter(|class| !class.is_empty())),
    ];
    let mut first: Option<String> = None;
    for (stage, class) in classes {
        let Some(class) = class.filter(|_| lineage.belongs(stage)) else { continue };
        let expected = first.get_or_insert_with(|| class.clone());
        if class != *expected {
            let why = format!("its positive class is `{class}`, and the report's is `{expected}`");
            ctx.warn_left_out(stage, &why);
            lineage.leave_out(stage, why);
        }
    }
    Ok(())
}
