//! Kept, or dropped and why: the closed list of reasons that ledgers show.

use std::fmt;

/// Why a row or file of a source is no film of the class that is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The finding is blank, `todo` or `Unknown`.
    Unlabelled,
    /// The finding is another one.
    OtherFinding,
    /// The view is blank or `?`.
    NoView,
    /// The view is another one.
    OtherView,
    /// Neither a modality nor a view that implies one.
    NoModality,
    /// The modality is another one.
    OtherModality,
    /// In no folder of films, such as `volumes`.
    OtherFolder,
    /// The row names no file.
    NoFileName,
    /// The name or the link leads out of the source.
    UnsafePath,
    /// The name holds control characters, or begins as a formula of a spreadsheet does.
    UnsafeName,
    /// The name is not that of an image, or hidden.
    NotAnImage,
    /// The file that the row names is not there.
    NoFile,
    /// An earlier row has the same file.
    SameFile,
    /// `__MACOSX` and `._` files, which only look like images.
    ArchiveLeftover,
    /// A second copy of the tree, as unzipping the Kaggle set leaves it.
    NestedCopy,
    /// In another split of the source than the one sampled.
    OtherSplit,
    /// Pneumonia, by folder or by file name.
    Pneumonia,
    /// A candidate that the draw left out.
    NotSampled,
}

impl Reason {
    /// The text in ledgers; scripts may rely on it.
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
            Self::UnsafePath => "leads out of the source",
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

/// What became of a row or file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is a film of the class.
    Kept,
    /// It is not, and why.
    Dropped(Reason),
}

impl Verdict {
    /// Whether the film is kept.
    pub fn kept(self) -> bool {
        self == Self::Kept
    }
}
