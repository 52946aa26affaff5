use ndarray::{Array2, Axis};

use super::super::upstream;
use super::{Dealer, Settings};
use crate::artifact::crossval::{CrossValidation, Run, read_runs};
use crate::artifact::groups::Grouping;
use crate::artifact::index::Index;
use crate::audit::Deal;
use crate::cli::{Context, Failure};
use crate::pipeline::Job;

/// Who stands on the films of the index, and how they are dealt into folds.
pub struct Deals {
    /// The group of each film.
    pub groups: Vec<String>,
    /// What tells them.
    pub grouped_by: Grouping,
    /// The runs of the cross-validation that deals; none if the audit deals itself.
    runs: Option<Vec<Run>>,
}

impl Deals {
    /// Reads the groups, and the deals of the cross-validation if those are wanted.
    pub fn read(
        ctx: &Context,
        job: &Job,
        index: &Index,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        if settings.dealt_by == Dealer::Audit {
            let groups = upstream::groups(ctx, job, index, settings.groups)?;
            return Ok(Self { groups, grouped_by: settings.groups, runs: None });
        }
        let hash = &job.inputs()["preprocess/index.csv"];
        let read = |path: &_| CrossValidation::read_for(path, hash);
        let crossval = ctx.read("crossval", "crossval.json", read)?;
        let read = |path: &_| read_runs(path, index);
        let (groups, runs) = ctx.read("crossval", "predictions.csv", read)?;
        Ok(Self { groups, grouped_by: crossval.grouped_by, runs: Some(runs) })
    }

    /// The fold of each of the films `rows`, once for each way of dealing; none if the
    /// audit deals itself.
    pub fn folds(&self, rows: &[usize]) -> Option<Vec<Vec<usize>>> {
        let first_heads = self.runs.as_ref()?.iter().filter(|run| run.seed == 0);
        Some(first_heads.map(|run| rows.iter().map(|row| run.folds[*row]).collect()).collect())
    }

    /// What the cross-validation said of the films `rows`, each run on its folds.
    pub fn runs(&self, rows: &[usize]) -> Option<Vec<(Vec<usize>, Array2<f64>)>> {
        let of = |run: &Run| {
            let folds = rows.iter().map(|row| run.folds[*row]).collect();
            (folds, run.probabilities.select(Axis(0), rows))
        };
        Some(self.runs.as_ref()?.iter().map(of).collect())
    }
}

/// Deals as they are judged.
pub fn judged(runs: &[(Vec<usize>, Array2<f64>)]) -> Vec<Deal<'_>> {
    runs.iter().map(|(folds, scores)| Deal { folds, scores: scores.clone() }).collect()
}
