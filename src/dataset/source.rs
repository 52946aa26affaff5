//! Safe lookup of image files in a source folder by untrusted file names.

use std::path::{Component, Path, PathBuf};

use super::verdict::Reason;
use crate::io::place::is_formula;

/// File extensions of images; the list of `imutils`, which the tutorial uses.
const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "png", "bmp", "tif", "tiff"];

/// Returns whether a file name has an image extension and is not hidden.
pub fn has_image_name(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    !name.starts_with('.') && extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str()))
}

/// Returns the path of the image `name` in the folder `images` of the source `root`.
///
/// `name` must be a plain file name of an image: no separator, no `..`, no drive. A symbolic
/// link is followed only to a file inside `root`, which must be a canonical path.
///
/// # Errors
/// [`Reason::UnsafePath`], [`Reason::UnsafeName`], [`Reason::NotAnImage`] or [`Reason::NoFile`].
pub fn image(root: &Path, images: &Path, name: &str) -> Result<PathBuf, Reason> {
    let mut components = Path::new(name).components();
    let plain =
        matches!(components.next(), Some(Component::Normal(_))) && components.next().is_none();
    if !plain || name.contains(['/', '\\', ':', '\0']) {
        return Err(Reason::UnsafePath);
    }
    if is_formula(name) || name.contains(char::is_control) {
        return Err(Reason::UnsafeName);
    }
    if !has_image_name(name) {
        return Err(Reason::NotAnImage);
    }
    inside(root, &images.join(name))
}

/// Resolves `path` to a file inside the canonical path `root`.
///
/// # Errors
/// [`Reason::UnsafePath`] if the target is outside `root`, [`Reason::NoFile`] if the target does
/// not exist or is a folder.
pub fn inside(root: &Path, path: &Path) -> Result<PathBuf, Reason> {
    let target = path.canonicalize().map_err(|_| Reason::NoFile)?;
    if !target.starts_with(root) {
        return Err(Reason::UnsafePath);
    }
    if target.is_file() { Ok(target) } else { Err(Reason::NoFile) }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "fixtures are written directly")]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_inside_the_source_are_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("source");
        let images = root.join("images");
        std::fs::create_dir_all(images.join("folder.png")).unwrap();
        std::fs::write(images.join("a.png"), b"image").unwrap();
        std::fs::write(root.join("b.png"), b"image").unwrap();
        std::fs::write(folder.path().join("secret.png"), b"secret").unwrap();

        let find = |name: &str| image(&root, &images, name);
        assert_eq!(find("a.png"), Ok(images.join("a.png")));
        assert_eq!(find("none.png"), Err(Reason::NoFile));
        assert_eq!(find("folder.png"), Err(Reason::NoFile));
        for name in [
            "selection.csv",
            "record.json",
            ".obsolete.json",
            ".png",
            ".a.png",
            "scan.nii.gz",
            "png",
        ] {
            assert_eq!(find(name), Err(Reason::NotAnImage), "{name:?}");
        }
        let secret = folder.path().join("secret.png");
        let names =
            ["../b.png", "..", ".", "", "a/../a.png", "./a.png", "..\\b.png", "c:a.png", "a.png\0"];
        for name in names.into_iter().chain(secret.to_str()) {
            assert_eq!(find(name), Err(Reason::UnsafePath), "{name:?}");
        }
    }

    #[test]
    fn formulas_and_control_characters_in_names_are_refused() {
        let root = Path::new("/");
        for name in ["=cmd.png", "+1.png", "-1.png", "@a.png", "a\n.png", "\u{1b}[2J.png"] {
            assert_eq!(image(root, root, name), Err(Reason::UnsafeName), "{name:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_inside_the_source_only() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("source");
        let images = root.join("images");
        std::fs::create_dir_all(&images).unwrap();
        std::fs::write(root.join("b.png"), b"image").unwrap();
        std::fs::write(folder.path().join("secret.png"), b"secret").unwrap();
        symlink("../b.png", images.join("good.png")).unwrap();
        symlink("../../secret.png", images.join("out.png")).unwrap();
        symlink("nowhere.png", images.join("broken.png")).unwrap();

        assert_eq!(image(&root, &images, "good.png"), Ok(root.join("b.png")));
        assert_eq!(image(&root, &images, "out.png"), Err(Reason::UnsafePath));
        assert_eq!(image(&root, &images, "broken.png"), Err(Reason::NoFile));
    }
}
