//! `cxr-fetch covid`: a clone of the COVID-19 image data collection.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{Summary, details, lock, program, source_folder};
use crate::cli::{Context, Failure, ResultExt};
use crate::io::folder::Folder;

/// Repository of the collection (Cohen et al. 2020).
pub const REPOSITORY: &str = "https://github.com/ieee8023/covid-chestxray-dataset";

const LICENCE: &str = "each image: see its row of metadata.csv (Apache 2.0, CC BY 4.0, CC BY-NC-SA 4.0); metadata CC BY-NC-SA 4.0: Cohen et al. 2020";

/// Arguments of `cxr-fetch covid`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Clone this repository [default: the one on GitHub]
    #[arg(long)]
    pub url: Option<String>,
    /// Clone again, and replace the existing clone
    #[arg(long)]
    force: bool,
}

pub fn run(ctx: &Context, args: &Args, url: &str) -> Result<Summary, Failure> {
    let target = source_folder(ctx, "covid-chestxray-dataset");
    let _lock = lock(ctx, &target)?;
    let fetched = args.force || !target.exists();
    if fetched {
        let folder = Folder::begin(&target).hint("choose another folder with `--dataset`")?;
        clone(ctx, url, folder.path())
            .context(format!("cannot clone `{url}`"))
            .hint(format_args!("download {REPOSITORY}/archive/refs/heads/master.zip in a browser"))
            .hint("then unpack it and run `cxr build-covid --source DIR`")?;
        check(folder.path()).context(format!("`{url}` is not the COVID-19 collection"))?;
        folder.publish()?;
    } else {
        check(&target)
            .context(format!("`{}` exists but is not usable", target.display()))
            .hint("`--force` replaces it")?;
    }
    Ok(Summary {
        what: "covid",
        fetched,
        source: git_output(&target, &["remote", "get-url", "origin"]),
        licence: LICENCE,
        details: details([("commit", json!(git_output(&target, &["rev-parse", "HEAD"])))]),
        path: target,
    })
}

fn clone(ctx: &Context, url: &str, into: &Path) -> Result<(), Failure> {
    let mut git = Command::new("git");
    git.args(["clone", "--depth", "1", "--progress", "--", url])
        .arg(into)
        // No password prompt, and no transport that runs other programs.
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ALLOW_PROTOCOL", "https:http:ssh:git:file")
        .env("LC_ALL", "C");
    ctx.ui.note(format_args!("cloning `{url}`"));
    let bar = ctx.ui.progress("clone", 100, "%");
    // Lines that git prints only after the connection is made.
    let connected = |line: &str| line.starts_with("remote:") || line.contains("objects:");
    program::run(git, connected, |line| {
        if let Some(percent) = percent(line) {
            bar.set(percent);
        }
    })?;
    Ok(())
}

/// Parses the progress in percent of `Receiving objects:  45% (450/1000)`.
fn percent(line: &str) -> Option<usize> {
    line.strip_prefix("Receiving objects:")?.split('%').next()?.trim().parse().ok()
}

/// Checks that `folder` has the files of the collection.
fn check(folder: &Path) -> Result<(), Failure> {
    match ["metadata.csv", "images"].iter().find(|name| !folder.join(name).exists()) {
        None => Ok(()),
        Some(name) => Err(Failure::new(format_args!("the folder has no `{name}`"))),
    }
}

/// Output of a git command on a clone; `unknown` if git fails or is not installed.
fn git_output(clone: &Path, args: &[&str]) -> String {
    let output = Command::new("git").arg("--git-dir").arg(clone.join(".git")).args(args).output();
    let output = output.ok().filter(|output| output.status.success());
    output
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".into(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_progress_is_parsed() {
        assert_eq!(percent("Receiving objects:  45% (450/1000), 1 MiB | 1 MiB/s"), Some(45));
        assert_eq!(percent("remote: Counting objects:  12% (1/8)"), None);
    }
}
