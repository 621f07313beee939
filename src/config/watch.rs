//! Whether the files of a configuration have changed: a comparison of contents, since a Kubernetes ConfigMap changes by a swapped
//! link and editors write files anew without changing them.
//!
//! Nothing here watches: the caller asks when the operating system says that something happened, or from time to time.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};

/// The files that a configuration came from, with what they contained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    files: Vec<Source>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    path: PathBuf,
    content: Content,
}

/// What a file contained, as far as a comparison needs it: some of the files hold secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Sha256([u8; 32]),
    Unreadable,
}

impl Sources {
    /// The present content of `paths`.
    pub fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let paths: BTreeSet<PathBuf> = paths.into_iter().collect();
        Self { files: paths.into_iter().map(|path| Source { content: Content::of(&path), path }).collect() }
    }

    /// The files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|source| source.path.as_path())
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
        self.files.iter().any(|source| Content::of(&source.path) != source.content)
    }
}

impl Content {
    fn of(path: &Path) -> Self {
        let Ok(content) = fs::read(path) else { return Self::Unreadable };
        digest(&SHA256, &content).as_ref().try_into().map_or(Self::Unreadable, Self::Sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_content_counts_as_a_change() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("myelin.yaml");
        fs::write(&path, "a").unwrap();
        let sources = Sources::of([path.clone(), path.clone()]);
        assert_eq!(sources.paths().count(), 1);
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
        let sources = Sources::of([link.clone()]);
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&second, &link).unwrap();
        assert!(sources.changed());
    }
}
