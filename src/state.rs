//! Files of the gateway's own: readable by its user alone, and never found half written.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// What the name of a file ends with while it is written.
pub const BESIDE: &str = "new";

/// Makes a folder, and those above it, if it is not there.
///
/// # Errors
/// The file system refuses.
pub fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Where the file of something lies that has this name: no name from outside becomes the name of a file.
pub fn place(folder: &Path, name: &str, suffix: &str) -> PathBuf {
    folder.join(format!("{}.{suffix}", URL_SAFE_NO_PAD.encode(digest(&SHA256, name.as_bytes()))))
}

/// Puts a file in its place with this content, in the place of the one before. It is written beside, confirmed by the disk and renamed:
/// whoever reads finds the old one or the new one. Blocks. Two gateways may share a folder.
///
/// # Errors
/// The file system refuses; the file stays as it was.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension(format!("{}.{BESIDE}", process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_file_is_its_user_s_alone_and_replaces_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("a/b");
        make_folder(&own).unwrap();
        let path = own.join("file.json");
        for content in ["one", "another"] {
            write(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&own), mode(&path)), (0o700, 0o600));
        assert_eq!(fs::read_dir(&own).unwrap().count(), 1, "nothing is left beside it");
    }
}
