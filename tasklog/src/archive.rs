//! Where finished logs stay.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, BufWriter};

use crate::error::LogError;
use crate::frame::Frame;
use crate::live::FrameStream;

/// How many frames a reader gets at once.
const BATCH: usize = 256;

/// The store of finished logs.
#[async_trait]
pub trait Archive: Send + Sync + 'static {
    /// Stores the whole log of a task; answers with its location. A repetition replaces it as a whole.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when it could not be stored; nothing half-written is ever visible.
    async fn put(&self, task: &str, frames: &[Arc<Frame>]) -> Result<String, LogError>;

    /// The frames after number `after` of an archived log; `None` when the task has none.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached.
    async fn read(&self, task: &str, after: u64) -> Result<Option<FrameStream>, LogError>;
}

/// An archive in a folder: one file a task, one frame a line.
#[derive(Clone, Debug)]
pub struct DirArchive {
    dir: PathBuf,
}

impl DirArchive {
    /// An archive in `dir`, which is created when needed.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    fn path(&self, task: &str) -> Result<PathBuf, LogError> {
        crate::check_task_id(task)?;
        Ok(self.dir.join(format!("{task}.ndjson")))
    }
}

#[async_trait]
impl Archive for DirArchive {
    async fn put(&self, task: &str, frames: &[Arc<Frame>]) -> Result<String, LogError> {
        let path = self.path(task)?;
        write_whole(&self.dir, &path, frames)
            .await
            .map_err(LogError::Unavailable)?;
        Ok(format!("file://{}", path.display()))
    }

    async fn read(&self, task: &str, after: u64) -> Result<Option<FrameStream>, LogError> {
        let path = self.path(task)?;
        let file = match tokio::fs::File::open(&path).await {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LogError::Unavailable(error)),
        };
        let lines = BufReader::new(file).lines();
        let batches = futures::stream::try_unfold(lines, move |mut lines| async move {
            let mut batch = Vec::new();
            while batch.len() < BATCH {
                let Some(line) = lines.next_line().await.map_err(LogError::Unavailable)? else {
                    break;
                };
                let frame = Frame::from_json(line.as_bytes())
                    .map_err(|error| LogError::Damaged(error.to_string()))?;
                if frame.seq > after {
                    batch.push(Arc::new(frame));
                }
            }
            Ok((!batch.is_empty()).then_some((batch, lines)))
        });
        Ok(Some(batches.boxed()))
    }
}

/// Writes beside the target and renames, so that a crash leaves the old state or the new one.
async fn write_whole(dir: &Path, path: &Path, frames: &[Arc<Frame>]) -> std::io::Result<()> {
    tokio::fs::create_dir_all(dir).await?;
    let unique = format!("ndjson.{}.tmp", std::process::id());
    let temporary = path.with_extension(unique);
    let mut file = BufWriter::new(tokio::fs::File::create(&temporary).await?);
    for frame in frames {
        file.write_all(frame.to_json(None).as_bytes()).await?;
        file.write_all(b"\n").await?;
    }
    file.flush().await?;
    file.get_ref().sync_all().await?;
    tokio::fs::rename(&temporary, path).await?;
    tokio::fs::File::open(dir).await?.sync_all().await
}
