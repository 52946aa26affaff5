//! Facts about an image from its DICOM header, as fixed words.
//!
//! All texts except those of [`Patient`] are fixed, so that no name in the free text of a header
//! can pass through.

use std::collections::BTreeSet;
use std::fmt;

use super::elements::{Elements, tag};
use super::{truncated, unsupported};
use crate::image::DecodeError;

/// Facts about an image from its DICOM header; empty if not stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// `CR`, `DX`, `RG`, …: type of the device.
    pub modality: &'static str,
    /// `PA`, `AP`, `LL`, …, `LATERAL`: direction of the beam; `OTHER` for any other text.
    pub view: &'static str,
    /// `L`, `R`, `B` or `U`: side of a paired body part, not of the beam.
    pub laterality: &'static str,
    /// `MONOCHROME1`, `MONOCHROME2`, `RGB`, …: meaning of a stored value.
    pub photometric: &'static str,
    /// Patient, if stated.
    pub patient: Option<Patient>,
}

/// Modalities of projection radiographs, and `OT` (other) and `SC` (secondary capture), which often
/// are scanned or exported images.
const IMAGES: [&str; 6] = ["CR", "DX", "RG", "DR", "OT", "SC"];

/// Texts and their terms (PS3.3 C.8.11.5.1.1).
#[rustfmt::skip]
const VIEWS: [(&str, &str); 27] = [
    ("PA", "PA"), ("AP", "AP"), ("LL", "LL"), ("RL", "RL"), ("LLD", "LLD"), ("RLD", "RLD"),
    ("LLO", "LLO"), ("RLO", "RLO"), ("RAO", "RAO"), ("LAO", "LAO"), ("RPO", "RPO"), ("LPO", "LPO"),
    ("POSTERO ANTERIOR", "PA"), ("POSTEROANTERIOR", "PA"), ("POSTERIOR ANTERIOR", "PA"),
    ("ANTERO POSTERIOR", "AP"), ("ANTEROPOSTERIOR", "AP"), ("ANTERIOR POSTERIOR", "AP"),
    ("LEFT LATERAL", "LL"), ("RIGHT LATERAL", "RL"), ("L LATERAL", "LL"), ("R LATERAL", "RL"),
    ("LATERAL", "LATERAL"), ("LAT", "LATERAL"), ("L", "LATERAL"), ("LEFT", "LATERAL"),
    ("RIGHT", "LATERAL"),
];
const POSTURES: [&str; 8] =
    ["ERECT", "SUPINE", "STANDING", "SITTING", "SEMI", "UPRIGHT", "PORTABLE", "CHEST"];
const SIDES: [&str; 4] = ["L", "R", "B", "U"];

/// Returns `true` if objects of this SOP class contain an image: computed radiography, digital
/// X-ray or secondary capture (PS3.4, B.5). An empty class is decided by the modality.
pub fn is_image(class: &str, modality: &str) -> bool {
    if class.is_empty() {
        return IMAGES.contains(&modality);
    }
    let kind = class.strip_prefix("1.2.840.10008.5.1.4.1.1.").unwrap_or_default();
    matches!(kind.split('.').next(), Some("1" | "7"))
}

/// Returns the kind of object of this modality; `None` if it may be a radiograph.
pub fn objection(modality: &str) -> Option<&'static str> {
    Some(match modality {
        "" => return None,
        image if IMAGES.contains(&image) => return None,
        "CT" => "a CT slice",
        "MR" => "an MR slice",
        "US" | "IVUS" => "an ultrasound image",
        "NM" | "PT" => "a nuclear medicine image",
        "MG" => "a mammogram",
        "IO" | "PX" => "a dental image",
        "XA" | "RF" => "a fluoroscopy image",
        "SR" => "a structured report",
        "PR" => "a presentation state",
        "KO" => "a list of key objects",
        "DOC" => "a document",
        "SEG" => "a segmentation",
        _ => "an object of another modality",
    })
}

/// Returns the kind of object of this SOP class; `None` if it may hold pixels (PS3.4, B.5).
fn other_object(class: &str) -> Option<&'static str> {
    let number = class.strip_prefix("1.2.840.10008.5.1.4.1.1.")?;
    Some(match number.split('.').next()? {
        "9" => "a waveform",
        "11" => "a presentation state",
        "66" => "raw data",
        "88" => "a structured report",
        "104" => "a document",
        "481" => "a radiotherapy object",
        _ => return None,
    })
}

/// Returns the error for a complete data set without pixels.
pub(super) fn without_pixels(data: &Elements, class: &str, modality: &str) -> DecodeError {
    let has = |tag| data.bytes(tag).is_some();
    let no_pixels = |what| DecodeError::NoPixels { what };
    if data.is_empty() || data.ends_in_zeros() {
        return truncated();
    }
    if let Some(what) = other_object(class) {
        return DecodeError::NotARadiograph { what };
    }
    if has(tag::FLOAT_PIXELS) || has(tag::DOUBLE_PIXELS) {
        return unsupported("floating-point pixels (FloatPixelData, DoubleFloatPixelData)");
    }
    if has(tag::PIXELS_ELSEWHERE) {
        return no_pixels("the header names a server that holds them");
    }
    if has(tag::PIXELS) {
        return no_pixels("the PixelData element is empty");
    }
    if is_image(class, modality) || has(tag::ROWS) {
        return no_pixels("the header of an image without a PixelData element");
    }
    DecodeError::NotARadiograph { what: "a DICOM object without an image" }
}

impl Tags {
    pub(super) fn new(data: &Elements, photometric: &'static str) -> Self {
        let modality = data.text(tag::MODALITY).to_uppercase();
        let mut view = find_term(&VIEWS, &data.text(tag::VIEW_POSITION));
        // Damaged codes are ignored: the image can still be read.
        if view.is_empty()
            && let Ok(Some(code)) = data.item(tag::VIEW_CODES)
        {
            view = find_term(&VIEWS, &code.text(tag::CODE_MEANING));
        }
        let [image, body_part] =
            [tag::IMAGE_LATERALITY, tag::LATERALITY].map(|tag| data.text(tag).to_uppercase());
        let side = if image.is_empty() { body_part } else { image };
        Self {
            modality: IMAGES.into_iter().find(|image| *image == modality).unwrap_or_default(),
            view,
            laterality: SIDES.into_iter().find(|known| *known == side).unwrap_or_default(),
            photometric,
            patient: Patient::new(data),
        }
    }
}

/// Returns the term of a text, whose case and punctuation are ignored; `OTHER` for an unknown text.
fn find_term(terms: &[(&str, &'static str)], text: &str) -> &'static str {
    let words: Vec<_> = words(text).into_iter().filter(|w| !POSTURES.contains(&&**w)).collect();
    let text = words.join(" ");
    let term = terms.iter().find(|(known, _)| *known == text).map(|(_, term)| *term);
    term.unwrap_or(if text.is_empty() { "" } else { "OTHER" })
}

/// Patient of an image. Only [`Self::id`] and [`Self::issuer`] return texts of the header; `Debug`
/// hides them.
#[derive(Clone, PartialEq, Eq)]
pub struct Patient {
    id: String,
    issuer: String,
    name: String,
}

impl fmt::Debug for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Patient(..)")
    }
}

impl Patient {
    fn new(data: &Elements) -> Option<Self> {
        let [id, issuer, name] =
            [tag::PATIENT_ID, tag::ISSUER_OF_PATIENT_ID, tag::PATIENT_NAME].map(|t| data.text(t));
        (!id.is_empty() || !name.is_empty()).then_some(Self { id, issuer, name })
    }

    /// Patient ID; `None` if there is none, or if it is a placeholder that programs write into
    /// every anonymized file: all images would belong to one patient.
    pub fn id(&self) -> Option<&str> {
        const PLACEHOLDERS: [&str; 12] = [
            "",
            "0",
            "NONE",
            "UNKNOWN",
            "ANON",
            "ANONYMOUS",
            "ANONYMIZED",
            "ANONYMISED",
            "DEIDENTIFIED",
            "REMOVED",
            "PATIENT",
            "N A",
        ];
        let plain = words(&self.id).join(" ");
        (!PLACEHOLDERS.contains(&plain.as_str())).then_some(&self.id)
    }

    /// Issuer of the patient ID; often empty.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns `true` if a path names the patient: by a word of the name with three letters or
    /// more, or by the ID with four characters or more.
    pub fn is_named_in(&self, path: &str) -> bool {
        let path = words(path);
        let name: BTreeSet<_> =
            words(&self.name).into_iter().filter(|word| word.chars().count() >= 3).collect();
        let id = words(&self.id);
        let long = id.iter().map(|word| word.chars().count()).sum::<usize>() >= 4;
        path.iter().any(|word| name.contains(word))
            || (long && path.windows(id.len().max(1)).any(|words| words == id))
    }
}

/// Runs of letters and digits, in upper case.
fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_become_fixed_terms() {
        let cases = [
            ("PA", "PA"),
            (" ap ", "AP"),
            ("AP Supine", "AP"),
            ("postero-anterior", "PA"),
            ("Antero-posterior", "AP"),
            ("left lateral", "LL"),
            ("LAT", "LATERAL"),
            ("", ""),
            ("DOE^JOHN", "OTHER"),
        ];
        for (text, term) in cases {
            assert_eq!(find_term(&VIEWS, text), term, "{text}");
        }
    }

    #[test]
    fn paths_that_name_a_patient_are_detected() {
        let [id, issuer, name] = ["AB-12345", "Clinic", "D\u{fc}ro^Anna Li"].map(str::to_owned);
        let patient = Patient { id, issuer, name };
        for path in
            ["covid/d\u{fc}ro_anna/1", "covid/DURO/Anna", "covid/x/ab-12345", "c/AB_12345/1"]
        {
            assert!(patient.is_named_in(path), "{path}");
        }
        for path in ["covid/1/2.dcm", "covid/li/1", "covid/annabel", "covid/12345"] {
            assert!(!patient.is_named_in(path), "{path}");
        }
        assert_eq!(format!("{patient:?}"), "Patient(..)");
        assert_eq!(patient.id(), Some("AB-12345"));
        let anonymous = Patient { id: "Anonymous".into(), ..patient };
        assert_eq!(anonymous.id(), None);
    }
}
