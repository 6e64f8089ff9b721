//! What an archive needs of the store that holds its objects.

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::LogError;

/// Objects under keys. A key is a relative path of plain names.
///
/// An object appears whole or not at all. What was stored is seen by every reader from then on.
#[async_trait]
pub trait ObjectStore: Send + Sync + 'static {
    /// An object; `None` when there is none.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached or refuses.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, LogError>;

    /// The size of an object in bytes; `None` when there is none.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached or refuses.
    async fn size(&self, key: &str) -> Result<Option<u64>, LogError> {
        Ok(self.get(key).await?.map(|object| object.len() as u64))
    }

    /// Stores an object under a key that has none. Answers `false`, and changes nothing, when it has one.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached or refuses; the object may be there nevertheless.
    async fn create(&self, key: &str, data: Bytes) -> Result<bool, LogError>;

    /// Stores an object in place of any other.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached or refuses; the object may be there nevertheless.
    async fn replace(&self, key: &str, data: Bytes) -> Result<(), LogError>;

    /// The names of the objects in a folder, in any order.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the store cannot be reached or refuses.
    async fn list(&self, folder: &str) -> Result<Vec<String>, LogError>;

    /// The address of an object, for people.
    fn location(&self, key: &str) -> String;
}
