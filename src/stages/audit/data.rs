//! Inputs of the audit, and findings that need no probe.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3, Axis};

use super::super::stage_inputs;
use super::Settings;
use super::folds::FoldAssignment;
use super::images::Images;
use crate::artifact::Document;
use crate::artifact::audit::Saliency;
use crate::artifact::explanation::Explanation;
use crate::artifact::features::Features;
use crate::artifact::groups::Grouping;
use crate::artifact::index::Index;
use crate::artifact::model::Model;
use crate::artifact::split::Split;
use crate::audit::{Finding, LUNG_FREE, Probe, finding};
use crate::backbone::Pooling;
use crate::cli::{Context, Failure};
use crate::dataset::kaggle;
use crate::image::Part;
use crate::pipeline::Job;

/// Artifacts that the audit reads.
pub struct Data {
    pub index: Index,
    pub assignment: FoldAssignment,
    split: Split,
    description: Features,
    /// Features of all images `[images, width]`.
    pub features: Array2<f32>,
    /// Features of the masked images `[regions, images, width]`, regions as in
    /// [`Features::masks`].
    masked: Array3<f32>,
    pub model: Model,
    explanation: Option<Explanation>,
}

impl Data {
    /// Reads the artifacts and checks that they belong together.
    pub fn read(ctx: &Context, job: &Job, settings: &Settings) -> Result<Self, Failure> {
        let index = stage_inputs::index(ctx)?;
        let split = stage_inputs::split(ctx, job, &index)?;
        let description = stage_inputs::features(ctx, job)?;
        let features = stage_inputs::table(ctx, &index, &description)?;
        let masks = description.masks.len();
        let shape = [masks, index.rows.len(), description.extractor.width];
        let masked = match masks {
            0 => Array3::zeros(shape),
            _ => stage_inputs::array(ctx, "masked.npy", &shape)?,
        };
        let model = stage_inputs::trained(ctx, job)?;
        let lineage = ctx.lineage(&["preprocess", "split", "extract", "train", "explain"]);
        let read = Explanation::read;
        let explanation = stage_inputs::optional(ctx, &lineage, "explain", "explain.json", read)?;
        let assignment = FoldAssignment::read(ctx, job, &index, settings)?;
        Ok(Self { index, assignment, split, description, features, masked, model, explanation })
    }

    /// Features `[images, width]` with only the region `part` visible; none if `cxr extract` ran
    /// without `masks`.
    pub fn region_features(&self, part: Part) -> Option<Array2<f32>> {
        let position = self.description.masks.iter().position(|masked| *masked == part)?;
        Some(self.masked.index_axis(Axis(0), position).to_owned())
    }

    /// Location of the saliency of the explained images; none without `explain.json` or without
    /// positive saliency.
    pub fn saliency(&self) -> Option<Saliency> {
        let explanation = self.explanation.as_ref()?;
        Some(Saliency { outside: explanation.outside?, even: explanation.even })
    }

    /// Findings from the artifacts, then from `probes`.
    pub fn findings(
        &self,
        ctx: &Context,
        images: &Images,
        probes: &BTreeMap<String, Probe>,
    ) -> Result<Vec<Finding>, Failure> {
        let rows = &self.index.rows;
        let mut findings = Vec::new();
        for class in self.index.classes.iter().filter(|class| kaggle::is_normal(class)) {
            let members = || rows.iter().filter(|row| row.class == *class);
            let mislabelled = members().filter(|row| kaggle::misfiled(class, &row.path)).count();
            findings.extend(finding::pneumonia(class, mislabelled, members().count()));
        }
        findings.extend(images.cramers_v().and_then(finding::source_is_class));
        let leaking = |row: &&usize| self.split.leaking.contains(&self.assignment.groups[**row]);
        let leaks = self.split.test.iter().filter(leaking).count();
        findings.extend(finding::leaks(&self.split.leaking, leaks, self.split.test.len()));
        if let Some(copies) = &self.split.copies {
            findings.extend(finding::copies(copies.in_training.len(), self.split.test.len()));
            findings.extend(finding::copies_in_classes(copies.in_classes.len()));
        }
        let unknown = rows.iter().filter(|row| row.patient.is_empty()).count();
        let compared = self.assignment.grouped_by == Grouping::Link;
        findings.extend(finding::unknown_patients(unknown, rows.len(), compared));
        // Without validation images, `cxr-train` validates on the test images.
        if self.split.validation.is_empty() && self.model.inputs.contains_key("split/split.json") {
            findings.push(finding::validation_is_test());
        }
        for class in &self.index.classes {
            let tested = self.split.test.iter().filter(|row| rows[**row].class == *class).count();
            findings.extend(finding::few_test_images(class, tested));
        }
        if self.description.extractor.pooling == Pooling::Tutorial {
            let cells = self.description.extractor.side / 32;
            let measured = self.explanation.as_ref().filter(|e| e.blackened.is_some());
            let measured = measured.and_then(Explanation::pooled_region);
            findings.extend(finding::unpooled(cells.min(4).pow(2), cells.pow(2), measured));
        }
        let centre_finding =
            |saliency: Saliency| finding::saliency_outside(saliency.outside, saliency.even);
        findings.extend(self.saliency().and_then(centre_finding));
        findings.extend(probes.get("shuffled").and_then(finding::shuffled_labels_predicted));
        let below_chance =
            |(name, words): &(&str, &str)| finding::below_chance(words, probes.get(*name)?);
        findings.extend(LUNG_FREE.iter().filter_map(below_chance));
        ctx.ui.detail(format_args!("{} findings", findings.len()));
        Ok(findings)
    }
}
