//! Structural schemas, patches, server-side apply and OpenAPI documents.
