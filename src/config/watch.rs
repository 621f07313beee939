//! Whether the files of a configuration have changed: a comparison of contents, since a Kubernetes ConfigMap changes by a swapped
//! link and editors write files anew without changing them.
//!
//! Nothing here watches: the caller asks when the operating system says that something happened, or from time to time.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};

use super::{environment::read_at_most, tree::MAX_FILE_BYTES};

/// The files that a configuration came from, with what they contained when it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    files: BTreeMap<PathBuf, Content>,
}

/// What a file contained, as far as a comparison needs it: some of the files hold secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Sha256([u8; 32]),
    Unreadable,
}

impl Sources {
    /// Adds a file with the text that was read from it, if it could be.
    pub(super) fn add(&mut self, path: &Path, text: Option<&str>) {
        self.files.insert(path.to_owned(), Content::of(text.map(str::as_bytes)));
    }

    /// One file as it is now.
    pub fn of_file(path: &Path) -> Self {
        let mut sources = Self::default();
        sources.files.insert(path.to_owned(), Content::of(read_at_most(path, MAX_FILE_BYTES).ok().as_deref()));
        sources
    }

    /// The files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    /// The directories of the files: a watch on a file itself ends when the file is replaced.
    pub fn directories(&self) -> BTreeSet<PathBuf> {
        let directory = |path: &Path| match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        self.paths().map(directory).collect()
    }

    /// Whether any of the files has another content than it had. A file that came or went has changed.
    pub fn changed(&self) -> bool {
        let now = |path: &Path| Content::of(read_at_most(path, MAX_FILE_BYTES).ok().as_deref());
        self.files.iter().any(|(path, before)| now(path) != *before)
    }
}

impl Content {
    fn of(content: Option<&[u8]>) -> Self {
        let hash = content.map(|content| digest(&SHA256, content));
        hash.and_then(|hash| hash.as_ref().try_into().ok()).map_or(Self::Unreadable, Self::Sha256)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sources(path: &Path) -> Sources {
        let mut sources = Sources::default();
        sources.add(path, fs::read_to_string(path).ok().as_deref());
        sources
    }

    #[test]
    fn only_another_content_counts_as_a_change() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("myelin.yaml");
        let absent = sources(&path);
        fs::write(&path, "a").unwrap();
        assert!(absent.changed());
        let sources = sources(&path);
        assert_eq!(sources.directories(), BTreeSet::from([directory.path().to_owned()]));
        fs::write(&path, "a").unwrap();
        assert!(!sources.changed());
        fs::write(&path, "b").unwrap();
        assert!(sources.changed());
        fs::remove_file(&path).unwrap();
        assert!(sources.changed());
    }

    #[test]
    fn a_swapped_link_is_a_change() {
        let directory = tempfile::tempdir().unwrap();
        let [first, second, link] = ["first", "second", "link"].map(|name| directory.path().join(name));
        fs::write(&first, "a").unwrap();
        fs::write(&second, "b").unwrap();
        std::os::unix::fs::symlink(&first, &link).unwrap();
        let sources = sources(&link);
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&second, &link).unwrap();
        assert!(sources.changed());
    }
}
