//! Patient groups and fold assignments of all images.

use ndarray::{Array2, Axis};

use super::super::stage_inputs;
use super::{FoldSource, Settings};
use crate::artifact::crossval::{CrossValidation, Run, read_runs};
use crate::artifact::groups::Grouping;
use crate::artifact::index::Index;
use crate::audit::Deal;
use crate::cli::{Context, Failure};
use crate::pipeline::Job;

/// Groups of the images, and their folds if `cxr crossval` assigned them.
pub struct FoldAssignment {
    /// Group of each image of the index.
    pub groups: Vec<String>,
    /// Source of the groups.
    pub grouped_by: Grouping,
    /// Runs of `cxr crossval`; none if the audit assigns the folds.
    runs: Option<Vec<Run>>,
}

impl FoldAssignment {
    /// Reads the groups, and with `folds-from = "crossval"` the runs of the cross-validation.
    pub fn read(
        ctx: &Context,
        job: &Job,
        index: &Index,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        if settings.folds_from == FoldSource::Audit {
            let groups = stage_inputs::groups(ctx, job, index, settings.groups)?;
            return Ok(Self { groups, grouped_by: settings.groups, runs: None });
        }
        let hash = &job.inputs()["preprocess/index.csv"];
        let read = |path: &_| CrossValidation::read_for(path, hash);
        let crossval = ctx.read("crossval", "crossval.json", read)?;
        let read = |path: &_| read_runs(path, index);
        let (groups, runs) = ctx.read("crossval", "predictions.csv", read)?;
        Ok(Self { groups, grouped_by: crossval.grouped_by, runs: Some(runs) })
    }

    /// Fold of each of the images `rows`, for each repeat; none if the audit assigns the folds.
    pub fn folds(&self, rows: &[usize]) -> Option<Vec<Vec<usize>>> {
        let first_heads = self.runs.as_ref()?.iter().filter(|run| run.seed == 0);
        Some(first_heads.map(|run| rows.iter().map(|row| run.folds[*row]).collect()).collect())
    }

    /// Folds and probabilities `[rows, classes]` of the images `rows` in each run; none if the
    /// audit assigns the folds.
    pub fn runs(&self, rows: &[usize]) -> Option<Vec<(Vec<usize>, Array2<f64>)>> {
        let select = |run: &Run| {
            let folds = rows.iter().map(|row| run.folds[*row]).collect();
            (folds, run.probabilities.select(Axis(0), rows))
        };
        Some(self.runs.as_ref()?.iter().map(select).collect())
    }
}

/// The scored folds of [`FoldAssignment::runs`].
pub fn scored_folds(runs: &[(Vec<usize>, Array2<f64>)]) -> Vec<Deal<'_>> {
    runs.iter().map(|(folds, scores)| Deal { folds, scores: scores.clone() }).collect()
}
