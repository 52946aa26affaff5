//! Atomic replacement of a whole folder, such as a clone. For the output files of a stage see
//! [`super::staging::Staging`].

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::atomic::{FileError, at, parent};
use super::staging::is_running;

/// Temporary folder beside its target; removed when dropped.
#[derive(Debug)]
pub struct Folder {
    temporary: TempDir,
    target: PathBuf,
}

impl Folder {
    /// Creates an empty folder beside `target`, and the parents of `target`. Removes folders
    /// left by dead processes, or restores a previous `target` from them.
    ///
    /// # Errors
    /// If the parent of `target` is not writable.
    pub fn begin(target: &Path) -> Result<Self, FileError> {
        let folder = parent(target);
        at("create", folder, fs::create_dir_all(folder))?;
        recover(target)?;
        let prefix = format!("{}{}-", prefix(target, "new"), std::process::id());
        let temporary = tempfile::Builder::new().prefix(&prefix).tempdir_in(folder);
        let temporary = at("create a folder beside", target, temporary)?;
        Ok(Folder { temporary, target: target.to_owned() })
    }

    /// Returns the path of the temporary folder.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Replaces the target by the folder.
    ///
    /// # Errors
    /// If a rename fails; the previous target is then restored.
    #[expect(clippy::disallowed_methods, reason = "this module replaces folders")]
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
        // The folder has been moved: nothing to remove on drop.
        let _ = self.temporary.keep();
        if had_target {
            at("remove", &old, fs::remove_dir_all(&old))?;
        }
        Ok(())
    }
}

/// Removes temporary folders of dead processes. Restores the previous target if its process
/// died before the replacement.
fn recover(target: &Path) -> Result<(), FileError> {
    for (kind, is_previous) in [("old", true), ("new", false)] {
        let prefix = prefix(target, kind);
        for entry in at("list", parent(target), fs::read_dir(parent(target)))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name.strip_prefix(&prefix).and_then(|rest| rest.split('-').next());
            if pid.and_then(|pid| pid.parse().ok()).is_none_or(is_running) {
                continue;
            }
            if is_previous && !target.exists() {
                #[expect(clippy::disallowed_methods, reason = "this module replaces folders")]
                at("put back", target, fs::rename(entry.path(), target))?;
            } else {
                at("remove", &entry.path(), fs::remove_dir_all(entry.path()))?;
            }
        }
    }
    Ok(())
}

/// Returns `.covid.new-` for `sources/covid`.
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
    fn publishing_replaces_the_whole_folder() {
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
    fn folders_of_dead_processes_are_removed_or_restored() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("clone");
        let left_over = |kind: &str, pid: i64| dir.path().join(format!(".clone.{kind}-{pid}-x"));
        let (dead, live) = (i64::from(i32::MAX), i64::from(std::process::id()));
        fs::create_dir_all(left_over("old", dead).join("good")).unwrap();
        fs::create_dir_all(left_over("new", dead)).unwrap();
        fs::create_dir_all(left_over("new", live)).unwrap();
        drop(Folder::begin(&target).unwrap());
        assert_eq!(names(&target), ["good"]);
        assert_eq!(names(dir.path()), [format!(".clone.new-{live}-x"), "clone".into()]);
    }
}
