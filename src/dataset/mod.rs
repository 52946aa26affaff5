//! Data sets: metadata tables, image selection, patient identity and linkage, splits, phantoms.

pub mod demographics;
pub mod dicom;
pub mod identity;
pub mod images;
pub mod kaggle;
pub mod layout;
pub mod link;
pub mod masks;
pub mod metadata;
pub mod patient_table;
pub mod phantom;
pub mod positive;
pub mod selection;
pub mod source;
pub mod split;
pub mod verdict;
pub mod words;
