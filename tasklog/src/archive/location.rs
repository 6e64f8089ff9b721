//! Where the archive is, as configured.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use super::{Archive, DirArchive, Folder, ObjectStore};
#[cfg(feature = "s3")]
use super::{ChunkArchive, S3Config, S3Store};

/// Where the archive is: `file:///folder` or `s3://bucket/prefix?endpoint=URL&region=NAME&path-style=BOOL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveLocation {
    /// In a folder.
    Folder(PathBuf),
    /// In a bucket.
    #[cfg(feature = "s3")]
    S3(S3Config),
}

impl ArchiveLocation {
    /// Opens the archive. Nothing is read or written yet.
    pub async fn open(&self) -> Arc<dyn Archive> {
        match self {
            Self::Folder(path) => Arc::new(DirArchive::new(path)),
            #[cfg(feature = "s3")]
            Self::S3(config) => Arc::new(ChunkArchive::over(S3Store::connect(config).await)),
        }
    }

    /// Opens the store that the archive is in, for what lies beside the logs ([`Artifact`](crate::Artifact)). Nothing is read or
    /// written yet.
    pub async fn open_store(&self) -> Arc<dyn ObjectStore> {
        match self {
            Self::Folder(path) => Arc::new(Folder::new(path)),
            #[cfg(feature = "s3")]
            Self::S3(config) => Arc::new(S3Store::connect(config).await),
        }
    }
}

impl FromStr for ArchiveLocation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        #[cfg(feature = "s3")]
        if text.starts_with("s3://") {
            return text.parse().map(Self::S3);
        }
        match text.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => Ok(Self::Folder(path.into())),
            _ => Err("use file:///folder or s3://bucket/prefix?endpoint=URL&region=NAME".into()),
        }
    }
}

#[cfg(all(test, feature = "s3"))]
mod tests {
    use super::*;

    fn s3(text: &str) -> S3Config {
        match text.parse() {
            Ok(ArchiveLocation::S3(config)) => config,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn locations_are_checked() {
        assert_eq!(
            "file:///var/a".parse(),
            Ok(ArchiveLocation::Folder("/var/a".into()))
        );
        let aws = s3("s3://logs");
        assert_eq!((aws.bucket.as_str(), aws.prefix.as_str()), ("logs", ""));
        assert!(!aws.path_style && aws.endpoint.is_none() && aws.region.is_none());
        let own = s3("s3://logs/a/b/?endpoint=http://127.0.0.1:9000&region=eu-west-1");
        assert_eq!(own.prefix, "a/b");
        assert_eq!(own.endpoint.as_deref(), Some("http://127.0.0.1:9000/"));
        assert_eq!(own.region.as_deref(), Some("eu-west-1"));
        assert!(own.path_style);
        assert!(!s3("s3://logs?endpoint=https://s3.example.com&path-style=false").path_style);
        for wrong in [
            "/var/a",
            "file://relative",
            "s3://",
            "s3:///prefix",
            "s3://key:secret@logs",
            "s3://logs/a/../b",
            "s3://logs?endpoint=ftp://x",
            "s3://logs?path-style=perhaps",
            "s3://logs?secret=x",
        ] {
            assert!(wrong.parse::<ArchiveLocation>().is_err(), "{wrong}");
        }
    }
}
