//! `cxr-fetch normal`: download and unpacking of the Kaggle dataset of children's chest X-rays.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::kaggle::Token;
use super::{Summary, byte_bar, details, lock, source_folder};
use crate::cli::{Context, Failure, ResultExt};
use crate::io::archive::{Archive, ExtractSummary, Limits};
use crate::io::atomic;
use crate::io::download::{self, Error, Request};
use crate::io::folder::Folder;

/// URL of the archive for programs; needs a Kaggle token.
pub const ARCHIVE: &str =
    "https://www.kaggle.com/api/v1/datasets/download/paultimothymooney/chest-xray-pneumonia";

/// URL of the dataset's page for browsers.
const PAGE: &str = "https://www.kaggle.com/datasets/paultimothymooney/chest-xray-pneumonia";

const LICENCE: &str = "CC BY 4.0: Kermany, Zhang & Goldbaum 2018, doi:10.17632/rscbjbr9sj.2";

/// Limits for unpacking. The archive has 2.3 GB and about 18,000 entries with its duplicates.
const LIMITS: Limits = Limits { entries: 200_000, bytes: 16 << 30, ratio: 100 };

/// Arguments of `cxr-fetch normal`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Unpack this archive instead of downloading one
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    zip: Option<PathBuf>,
    /// Download the archive from this URL [default: the archive on Kaggle]
    #[arg(long)]
    pub url: Option<String>,
    /// Unpack again, and replace the existing dataset
    #[arg(long)]
    force: bool,
}

pub fn run(ctx: &Context, args: &Args, url: &str) -> Result<Summary, Failure> {
    let target = source_folder(ctx, "chest_xray");
    let _lock = lock(ctx, &target)?;
    let what = "normal";
    if target.exists() && !args.force {
        let (source, details) = ("unknown".to_owned(), details([]));
        return Ok(Summary {
            what,
            fetched: false,
            path: target,
            source,
            licence: LICENCE,
            details,
        });
    }
    let (plan, done, source) = match &args.zip {
        Some(zip) => {
            let (plan, done) = unpack(ctx, zip, &target)?;
            let source = zip.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (plan, done, source)
        }
        None => {
            let zip = source_folder(ctx, "chest-xray-pneumonia.zip");
            fetch(ctx, url, &zip)?;
            let (plan, done) = unpack(ctx, &zip, &target)
                .hint(format_args!("the archive is kept for `--zip {}`", zip.display()))?;
            atomic::at("remove", &zip, fs::remove_file(&zip))?;
            (plan, done, url.to_owned())
        }
    };
    let count = |class: &str| plan.files.values().filter(|path| in_folder(path, class)).count();
    let details = details([
        ("bytes", json!(done.bytes)),
        ("normal", json!(count("NORMAL"))),
        ("pneumonia", json!(count("PNEUMONIA"))),
        ("duplicates left out", json!(plan.duplicates)),
        ("litter left out", json!(plan.litter)),
        ("others left out", json!(plan.others)),
    ]);
    Ok(Summary { what, fetched: true, path: target, source, licence: LICENCE, details })
}

/// Downloads the archive with the user's token; resumes a partial download.
fn fetch(ctx: &Context, url: &str, zip: &Path) -> Result<(), Failure> {
    let browser_hints = |failure: Failure| {
        failure
            .hint(format_args!("download the archive from {PAGE}"))
            .hint("then run `cxr fetch normal --zip FILE`")
    };
    let authorization = Token::find().map_err(|error| browser_hints(error.into()))?.authorization();
    let request =
        Request { authorization: Some(&authorization), ..Request::new(url, LIMITS.bytes) };
    download::download(&request, zip, &mut byte_bar(&ctx.ui, "archive")).map_err(|error| {
        let refused =
            matches!(&error, Error::Status { status, .. } if [401, 403].contains(&status.as_u16()));
        let failure = browser_hints(error.into());
        if refused { failure.hint("or create a new token on kaggle.com") } else { failure }
    })
}

/// Unpacks the dataset to `target`; after an error, `target` is unchanged.
fn unpack(ctx: &Context, zip: &Path, target: &Path) -> Result<(Plan, ExtractSummary), Failure> {
    let context = || format!("cannot unpack `{}`", zip.display());
    let hint = format!("download the archive from {PAGE}");
    let mut archive = Archive::open(zip, LIMITS).context(context()).hint(&hint)?;
    let plan = Plan::new(archive.names());
    if plan.files.is_empty() {
        let error = Failure::new("the archive has no folder `train/NORMAL`");
        return Err(error.hint(&hint)).context(context());
    }
    let folder = Folder::begin(target).hint("choose another folder with `--dataset`")?;
    let mut bar = byte_bar(&ctx.ui, "unpack");
    let bytes = archive.size_of(&plan.files);
    let done = archive
        .extract(&plan.files, folder.path(), &mut |done| bar(done, Some(bytes)))
        .context(context())
        .hint(&hint)?;
    folder.publish()?;
    Ok((plan, done))
}

/// Files to unpack, and the numbers of files that are left out.
#[derive(Debug, Default, PartialEq)]
struct Plan {
    /// Name of each image's archive entry, with the path in the dataset: `train/NORMAL/a.jpeg`.
    files: BTreeMap<String, PathBuf>,
    /// Number of files of the copy of the dataset inside the archive.
    duplicates: usize,
    /// Number of system files: `__MACOSX`, `._a.jpeg`, `.DS_Store`.
    litter: usize,
    /// Number of files outside the folders of the dataset.
    others: usize,
}

impl Plan {
    fn new(names: &[String]) -> Self {
        let is_litter =
            |name: &str| name.split('/').any(|part| part == "__MACOSX" || part.starts_with('.'));
        let images = names.iter().filter(|name| !is_litter(name)).filter_map(|name| image(name));
        // The dataset is in the folder with the fewest parents; all other folders are copies.
        let root =
            images.map(|(root, _)| root).min_by_key(|root| (root.matches('/').count(), *root));
        let mut plan = Plan::default();
        for name in names {
            match image(name) {
                _ if is_litter(name) => plan.litter += 1,
                Some((folder, path)) if Some(folder) == root => {
                    plan.files.insert(name.clone(), path.into());
                }
                Some(_) => plan.duplicates += 1,
                None => plan.others += 1,
            }
        }
        plan
    }
}

/// Splits `chest_xray/train/NORMAL/a.jpeg` before `train`; none if the file is not in a class
/// folder.
fn image(name: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = name.rsplitn(4, '/').collect();
    let [_, class, split, ..] = parts[..] else { return None };
    let known =
        ["train", "test", "val"].contains(&split) && ["NORMAL", "PNEUMONIA"].contains(&class);
    let root = parts.get(3).copied().unwrap_or_default();
    let path = name[root.len()..].trim_start_matches('/');
    known.then_some((root, path))
}

/// Returns whether the parent folder of `path` is called `name`.
fn in_folder(path: &Path, name: &str) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(names: &[&str]) -> Plan {
        Plan::new(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn outer_dataset_is_unpacked_and_other_files_are_counted() {
        let plan = plan(&[
            "chest_xray/chest_xray/train/NORMAL/a.jpeg",
            "chest_xray/__MACOSX/train/NORMAL/._a.jpeg",
            "chest_xray/train/NORMAL/a.jpeg",
            "chest_xray/test/PNEUMONIA/b.jpeg",
            "chest_xray/train/NORMAL/.DS_Store",
            "chest_xray/train/OTHER/c.jpeg",
            "chest_xray/readme.txt",
        ]);
        let files: Vec<_> = plan.files.values().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(files, ["test/PNEUMONIA/b.jpeg", "train/NORMAL/a.jpeg"]);
        assert_eq!((plan.duplicates, plan.litter, plan.others), (1, 2, 2));
    }

    #[test]
    fn dataset_is_found_at_any_depth() {
        let top = plan(&["train/NORMAL/a.jpeg"]);
        assert_eq!(top.files["train/NORMAL/a.jpeg"], Path::new("train/NORMAL/a.jpeg"));
        let deep = plan(&["x/y/train/NORMAL/a.jpeg"]);
        assert_eq!(deep.files["x/y/train/NORMAL/a.jpeg"], Path::new("train/NORMAL/a.jpeg"));
        assert_eq!(plan(&["NORMAL/a.jpeg", "a.jpeg"]).others, 2);
    }
}
