//! A folder that is put in place as a whole, such as a clone, whose files mean
//! nothing one by one. For a stage's set of files see [`super::staging::Staging`].

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::atomic::{FileError, at, parent};
use super::staging::alive;

/// A folder being filled beside its target; it vanishes when dropped.
#[derive(Debug)]
pub struct Folder {
    filling: TempDir,
    target: PathBuf,
}

impl Folder {
    /// Opens an empty folder beside `target`, whose parents are made as needed.
    /// What killed processes left there is removed, or put back if it is the
    /// former `target`.
    ///
    /// # Errors
    /// If the parent of `target` cannot be written.
    pub fn begin(target: &Path) -> Result<Self, FileError> {
        let folder = parent(target);
        at("create", folder, fs::create_dir_all(folder))?;
        recover(target)?;
        let prefix = format!("{}{}-", prefix(target, "new"), std::process::id());
        let filling = tempfile::Builder::new().prefix(&prefix).tempdir_in(folder);
        let filling = at("create a folder beside", target, filling)?;
        Ok(Folder { filling, target: target.to_owned() })
    }

    /// Where to write what will be the target.
    pub fn path(&self) -> &Path {
        self.filling.path()
    }

    /// Puts the folder in place of the target, if there is one.
    ///
    /// # Errors
    /// If a rename fails; the former target is back then.
    #[expect(clippy::disallowed_methods, reason = "this module puts folders in place")]
    pub fn publish(self) -> Result<(), FileError> {
        let target = &self.target;
        let old = format!("{}{}-", prefix(target, "old"), std::process::id());
        let old = parent(target).join(old);
        let had_target = target.exists();
        if had_target {
            at("replace", target, fs::rename(target, &old))?;
        }
        let renamed = fs::rename(self.path(), target);
        if had_target && renamed.is_err() {
            at("put back", target, fs::rename(&old, target))?;
        }
        at("publish", target, renamed)?;
        // The folder is no longer there to be removed on drop.
        let _ = self.filling.keep();
        if had_target {
            at("remove", &old, fs::remove_dir_all(&old))?;
        }
        Ok(())
    }
}

/// Removes the folders of dead processes; the former target comes back if its
/// process died before the new one was in place.
fn recover(target: &Path) -> Result<(), FileError> {
    for (kind, worth_keeping) in [("old", true), ("new", false)] {
        let prefix = prefix(target, kind);
        for entry in at("list", parent(target), fs::read_dir(parent(target)))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name.strip_prefix(&prefix).and_then(|rest| rest.split('-').next());
            if pid.and_then(|pid| pid.parse().ok()).is_none_or(alive) {
                continue;
            }
            if worth_keeping && !target.exists() {
                #[expect(clippy::disallowed_methods, reason = "this module puts folders in place")]
                at("put back", target, fs::rename(entry.path(), target))?;
            } else {
                at("remove", &entry.path(), fs::remove_dir_all(entry.path()))?;
            }
        }
    }
    Ok(())
}

/// `.covid.new-` for `sources/covid`.
fn prefix(target: &Path, kind: &str) -> String {
    format!(".{}.{kind}-", target.file_name().unwrap_or_default().to_string_lossy())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "fixtures are written directly")]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_replaces_another_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("sources/clone");
        for name in ["first", "second"] {
            let folder = Folder::begin(&target).unwrap();
            fs::write(folder.path().join(name), b"x").unwrap();
            folder.publish().unwrap();
            assert_eq!(names(&target), [name]);
        }
        assert_eq!(names(&dir.path().join("sources")), ["clone"]);
    }

    #[test]
    fn a_dropped_folder_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("clone");
        let folder = Folder::begin(&target).unwrap();
        fs::write(folder.path().join("half"), b"x").unwrap();
        drop(folder);
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn what_dead_processes_left_is_removed_or_put_back() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("clone");
        let beside = |kind: &str, pid: i64| dir.path().join(format!(".clone.{kind}-{pid}-x"));
        let (dead, live) = (i64::from(i32::MAX), i64::from(std::process::id()));
        fs::create_dir_all(beside("old", dead).join("good")).unwrap();
        fs::create_dir_all(beside("new", dead)).unwrap();
        fs::create_dir_all(beside("new", live)).unwrap();
        drop(Folder::begin(&target).unwrap());
        assert_eq!(names(&target), ["good"]);
        assert_eq!(names(dir.path()), [format!(".clone.new-{live}-x"), "clone".into()]);
    }
}
