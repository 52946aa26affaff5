//! Safe paths from names in untrusted files: such names cannot refer to files outside a folder.

use std::path::{Component, Path, PathBuf};

/// Whether a path is relative, not empty, and without `.`, `..` and prefixes.
pub fn is_plain(path: &Path) -> bool {
    path.components().next().is_some()
        && path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// Returns the path of `name` in `folder`. None if `name` is not a plain relative path, or if a
/// folder between is a symbolic link.
pub fn below(folder: &Path, name: &Path) -> Option<PathBuf> {
    let path = folder.join(name);
    let mut between = path.ancestors().skip(1).take_while(|parent| *parent != folder);
    let is_no_link = |parent: &Path| !parent.is_symlink();
    (is_plain(name) && between.all(is_no_link)).then_some(path)
}

/// Returns the absolute path without `..` and links. Missing components are treated as folders.
pub fn real(path: &Path) -> PathBuf {
    let parent = |rest: &Path| match rest.as_os_str().is_empty() {
        true => real(Path::new(".")),
        false => real(rest),
    };
    path.canonicalize().unwrap_or_else(|_| {
        let mut parts = path.components();
        match parts.next_back() {
            Some(Component::Normal(name)) => parent(parts.as_path()).join(name),
            Some(Component::ParentDir) => {
                let mut above = parent(parts.as_path());
                above.pop();
                above
            }
            // `.` fails if the working directory was deleted.
            _ => path.to_owned(),
        }
    })
}

/// Whether a spreadsheet program would evaluate a cell as a formula.
pub fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn real_paths_have_no_links_and_no_parent_components() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(top.join("a/b")).unwrap();
        std::os::unix::fs::symlink(top.join("a"), top.join("link")).unwrap();
        assert_eq!(real(&top.join("link/b/../new/file")), top.join("a/new/file"));
        assert_eq!(real(&top.join("a/none/../new")), top.join("a/new"));
        assert_eq!(
            real(Path::new("no-such-file")),
            std::env::current_dir().unwrap().join("no-such-file")
        );
    }

    #[test]
    fn only_names_inside_the_folder_are_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let below = |name: &str| below(dir.path(), Path::new(name));
        assert_eq!(below("a/b.png"), Some(dir.path().join("a/b.png")));
        for name in ["", ".", "..", "a/../..", "/etc/passwd", "./a", "../a"] {
            assert_eq!(below(name), None, "{name}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/etc", dir.path().join("link")).unwrap();
            assert_eq!(below("link/passwd"), None);
            assert_eq!(below("link"), Some(dir.path().join("link")), "the link itself");
        }
    }
}
