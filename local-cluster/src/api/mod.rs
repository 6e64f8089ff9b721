//! The API server: storage, resources, handlers.
