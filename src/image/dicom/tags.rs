//! What a DICOM header says of an image, in words of this module's own.
//!
//! Everything but [`Patient`] is one of a few fixed texts: whatever a header's
//! free text holds, a name cannot pass through.

use std::collections::BTreeSet;
use std::fmt;

use super::elements::{Elements, tag};
use super::{truncated, unsupported};
use crate::image::DecodeError;

/// What an image is, by its DICOM header; empty where that does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// `CR`, `DX`, `RG`, …: the device.
    pub modality: &'static str,
    /// `PA`, `AP`, `LL`, …, `LATERAL`: the direction of the beam; `OTHER` for any
    /// text that is none.
    pub view: &'static str,
    /// `L`, `R`, `B` or `U`: the part of a pair, not the side of the beam.
    pub laterality: &'static str,
    /// `MONOCHROME1`, `MONOCHROME2`, `RGB`, …: what a stored value means.
    pub photometric: &'static str,
    /// Who is on it, if that is said.
    pub patient: Option<Patient>,
}

/// Modalities of plain projection radiographs, and those that tell nothing: `OT`
/// (other) and `SC` (secondary capture) often are scanned or exported images.
const IMAGES: [&str; 6] = ["CR", "DX", "RG", "DR", "OT", "SC"];

/// The terms of PS3.3 C.8.11.5.1.1, then the words that stand for them.
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

/// Whether objects of this SOP class have an image in them: computed radiography, digital
/// X-ray or secondary capture (PS3.4, B.5); by the modality if the class is not said.
pub fn is_image(class: &str, modality: &str) -> bool {
    if class.is_empty() {
        return IMAGES.contains(&modality);
    }
    let kind = class.strip_prefix("1.2.840.10008.5.1.4.1.1.").unwrap_or_default();
    matches!(kind.split('.').next(), Some("1" | "7"))
}

/// Why an object of this modality is no image; `None` if it may be one.
pub fn objection(modality: &str) -> Option<&'static str> {
    Some(match modality {
        "" => return None,
        image if IMAGES.contains(&image) => return None,
        "CT" => "a CT slice, no projection radiograph",
        "MR" => "an MR slice, no projection radiograph",
        "US" | "IVUS" => "an ultrasound picture, no projection radiograph",
        "NM" | "PT" => "a nuclear medicine picture, no projection radiograph",
        "MG" => "a mammogram, no chest image",
        "IO" | "PX" => "a dental image, no chest image",
        "XA" | "RF" => "fluoroscopy, no projection radiograph",
        "SR" => "a structured report, no picture",
        "PR" => "a presentation state, no picture",
        "KO" => "a list of key objects, no picture",
        "DOC" => "a document, no picture",
        "SEG" => "a segmentation, no image",
        _ => "of a modality that is no projection radiograph",
    })
}

/// What objects of this SOP class are that hold no pixels (PS3.4, B.5).
fn other_object(class: &str) -> Option<&'static str> {
    let number = class.strip_prefix("1.2.840.10008.5.1.4.1.1.")?;
    Some(match number.split('.').next()? {
        "9" => "a waveform, no picture",
        "11" => "a presentation state, no picture",
        "66" => "raw data, no picture",
        "88" => "a structured report, no picture",
        "104" => "a document, no picture",
        "481" => "an object of radiotherapy, no picture",
        _ => return None,
    })
}

/// What a data set without pixels is, none of its elements being cut off.
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
    DecodeError::NotARadiograph { what: "DICOM without a picture" }
}

impl Tags {
    pub(super) fn new(data: &Elements, photometric: &'static str) -> Self {
        let modality = data.text(tag::MODALITY).to_uppercase();
        let mut view = of(&VIEWS, &data.text(tag::VIEW_POSITION));
        // An image is an image though its codes are damaged.
        if view.is_empty()
            && let Ok(Some(code)) = data.item(tag::VIEW_CODES)
        {
            view = of(&VIEWS, &code.text(tag::CODE_MEANING));
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

/// The term of a text in free words, whatever their case and the marks between them.
fn of(terms: &[(&str, &'static str)], text: &str) -> &'static str {
    let words: Vec<_> = words(text).into_iter().filter(|w| !POSTURES.contains(&&**w)).collect();
    let text = words.join(" ");
    let term = terms.iter().find(|(known, _)| *known == text).map(|(_, term)| *term);
    term.unwrap_or(if text.is_empty() { "" } else { "OTHER" })
}

/// Who is on an image. Nothing but [`Self::id`] and [`Self::issuer`] gives the texts
/// away, not even `Debug`.
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

    /// The hospital's number; `None` if there is none or it is what programs write
    /// into every file to make it anonymous, since that would make all images one
    /// patient's.
    pub fn id(&self) -> Option<&str> {
        const NOBODY: [&str; 12] = [
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
        (!NOBODY.contains(&plain.as_str())).then_some(&self.id)
    }

    /// Who gave the number; often empty.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether a path tells who it is: by a word of the name with three letters or
    /// more, or by the number with four characters or more.
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

/// The runs of letters and digits, in upper case.
fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_one_of_a_few_words_whatever_is_written() {
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
            assert_eq!(of(&VIEWS, text), term, "{text}");
        }
    }

    #[test]
    fn paths_that_name_a_patient_are_told() {
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
