//! The files of one container's log.

use std::fs;
use std::path::{Path, PathBuf};

/// The rotated files of the log at `current`, oldest first, with their numbers.
pub fn rotated_files(current: &Path) -> Vec<(u64, PathBuf)> {
    let (Some(folder), Some(name)) = (
        current.parent(),
        current.file_name().and_then(|name| name.to_str()),
    ) else {
        return Vec::new();
    };
    let number = |entry: &fs::DirEntry| {
        let file = entry.file_name();
        file.to_str()?
            .strip_prefix(name)?
            .strip_prefix('.')?
            .parse::<u64>()
            .ok()
    };
    let mut files: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((number(&entry)?, entry.path())))
        .collect();
    files.sort_unstable();
    files
}
