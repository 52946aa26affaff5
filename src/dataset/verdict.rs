//! Selection results: kept, or dropped with one of the exclusion reasons of the selection log.

use std::fmt;

/// Exclusion reason of a row or file of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The finding is blank, `todo` or `Unknown`.
    Unlabelled,
    /// Another finding than wanted.
    OtherFinding,
    /// The view is blank or `?`.
    NoView,
    /// Another view than wanted.
    OtherView,
    /// Neither a modality nor a view that implies one.
    NoModality,
    /// Another modality than wanted.
    OtherModality,
    /// Another folder than the image folder, such as `volumes`.
    OtherFolder,
    /// The row has no file name.
    NoFileName,
    /// The path, or the target of the link, is outside the source.
    UnsafePath,
    /// The name contains control characters or begins like a spreadsheet formula.
    UnsafeName,
    /// The file is hidden or has no image extension.
    NotAnImage,
    /// The file does not exist.
    NoFile,
    /// An earlier row has the same file.
    SameFile,
    /// A `__MACOSX` or `._` file, which is an image by its extension only.
    ArchiveLeftover,
    /// Nested copy of the data set, as in the archive of the Kaggle set.
    NestedCopy,
    /// Another split of the source than the sampled one.
    OtherSplit,
    /// Pneumonia, by folder or file name.
    Pneumonia,
    /// A candidate that was not sampled.
    NotSampled,
}

impl Reason {
    /// Returns the stable text of the reason in the selection log.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unlabelled => "finding not labelled",
            Self::OtherFinding => "other finding",
            Self::NoView => "no view given",
            Self::OtherView => "other view",
            Self::NoModality => "no modality given",
            Self::OtherModality => "other modality",
            Self::OtherFolder => "other folder",
            Self::NoFileName => "no file name",
            Self::UnsafePath => "outside the source tree",
            Self::UnsafeName => "unsafe name",
            Self::NotAnImage => "not an image",
            Self::NoFile => "no file",
            Self::SameFile => "same file as an earlier row",
            Self::ArchiveLeftover => "archive leftover",
            Self::NestedCopy => "nested copy",
            Self::OtherSplit => "other split",
            Self::Pneumonia => "pneumonia",
            Self::NotSampled => "not sampled",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// Selection result of a row or file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Selected as an image of the class.
    Kept,
    /// Excluded for a reason.
    Dropped(Reason),
}

impl Verdict {
    /// Returns whether the row or file is kept.
    pub fn kept(self) -> bool {
        self == Self::Kept
    }
}
