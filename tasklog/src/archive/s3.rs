//! Objects in S3, or in a store that speaks its protocol.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use bytes::{Bytes, BytesMut};
use url::Url;

use super::chunk::MAX_OBJECT_BYTES;
use super::object::ObjectStore;
use crate::error::LogError;

/// Regions mean nothing to most other stores, but signatures need one.
const DEFAULT_REGION: &str = "us-east-1";
/// How often a write is tried that collides with another write of the same key.
const COLLISIONS: u32 = 5;

/// Which bucket, and how to reach it. Credentials come from where the AWS tools look for them: `AWS_ACCESS_KEY_ID` and so on,
/// `AWS_SHARED_CREDENTIALS_FILE`, web identity, the metadata of the container or of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Config {
    /// The bucket, which must be there.
    pub bucket: String,
    /// What all keys begin with, without slashes around it; may be empty.
    pub prefix: String,
    /// The URL of another store than AWS.
    pub endpoint: Option<String>,
    /// The region; otherwise that of the environment.
    pub region: Option<String>,
    /// Whether the bucket is named in the path instead of in the host name; the default for other stores.
    pub path_style: bool,
    /// How long one try may take until it is answered, and then the body until it is read.
    pub attempt: Duration,
    /// How often a request is tried, with pauses that grow, before it fails.
    pub attempts: u32,
}

impl FromStr for S3Config {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        let bucket = match url.host_str() {
            Some(bucket) if url.scheme() == "s3" && !bucket.is_empty() => bucket.to_owned(),
            _ => return Err("name a bucket: s3://bucket/prefix".into()),
        };
        if !url.username().is_empty() || url.password().is_some() || url.port().is_some() {
            return Err(
                "write s3://bucket/prefix; credentials come from the environment or from files"
                    .into(),
            );
        }
        if text
            .split(['?', '#'])
            .next()
            .is_some_and(|path| path.contains(".."))
        {
            return Err("the prefix must not contain \"..\"".into());
        }
        let mut config = Self {
            bucket,
            prefix: url.path().trim_matches('/').to_owned(),
            endpoint: None,
            region: None,
            path_style: false,
            attempt: Duration::from_secs(30),
            attempts: 4,
        };
        let mut path_style = None;
        for (name, value) in url.query_pairs() {
            match &*name {
                "endpoint" => config.endpoint = Some(endpoint(&value)?),
                "region" => config.region = Some(value.into_owned()),
                "path-style" => {
                    path_style = Some(value.parse().map_err(|_| "path-style is true or false")?);
                }
                _ => return Err(format!("{name:?} is not an option of an S3 archive")),
            }
        }
        config.path_style = path_style.unwrap_or(config.endpoint.is_some());
        Ok(config)
    }
}

fn endpoint(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url.into()),
        _ => Err(format!("{text:?} is not the URL of an endpoint")),
    }
}

/// A bucket. Clones share connections.
#[derive(Clone, Debug)]
pub struct S3Store {
    client: Client,
    bucket: String,
    prefix: String,
    attempt: Duration,
}

impl S3Store {
    /// Takes credentials and what else is missing from the environment.
    pub async fn connect(config: &S3Config) -> Self {
        let mut loader =
            aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http_client());
        // Where nobody names a region, the AWS tools ask the metadata service of the machine, which costs seconds where there is none.
        // A region that is configured stands above its answer, and a store that is not AWS has none there.
        if let Some(region) = &config.region {
            loader = loader.region(Region::new(region.clone()));
        } else if config.endpoint.is_some() {
            let environment = EnvironmentVariableRegionProvider::new();
            loader = loader.region(
                RegionProviderChain::first_try(environment)
                    .or_else(Region::from_static(DEFAULT_REGION)),
            );
        }
        let environment = loader.load().await;
        Self::with_environment(config, &environment)
    }

    /// The same with a given environment.
    #[must_use]
    pub fn with_environment(config: &S3Config, environment: &SdkConfig) -> Self {
        let region = config.region.clone().map(Region::new);
        let region = region.or_else(|| environment.region().cloned());
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(config.attempt.min(Duration::from_secs(5)))
            .operation_attempt_timeout(config.attempt)
            .build();
        let mut builder = aws_sdk_s3::config::Builder::from(environment)
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(http_client())
            .region(region.unwrap_or(Region::from_static(DEFAULT_REGION)))
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(config.attempts))
            .force_path_style(config.path_style);
        if let Some(endpoint) = &config.endpoint {
            // Chunks carry checksums of their own, and not every store knows those of AWS.
            builder = builder
                .endpoint_url(endpoint)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        }
        Self {
            client: Client::from_conf(builder.build()),
            bucket: config.bucket.clone(),
            prefix: config.prefix.clone(),
            attempt: config.attempt,
        }
    }

    fn key(&self, key: &str) -> String {
        match self.prefix.as_str() {
            "" => key.to_owned(),
            prefix => format!("{prefix}/{key}"),
        }
    }

    fn unavailable<E, R>(&self, doing: &str, error: &SdkError<E, R>) -> LogError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug,
    {
        let bucket = &self.bucket;
        let problem = match error
            .as_service_error()
            .and_then(ProvideErrorMetadata::code)
        {
            Some("NoSuchBucket") => format!("the bucket {bucket} does not exist; create it"),
            Some("AccessDenied") => format!(
                "access to the bucket {bucket} is denied; allow s3:GetObject, s3:PutObject and s3:ListBucket"
            ),
            _ => DisplayErrorContext(error).to_string(),
        };
        LogError::Unavailable(std::io::Error::other(format!("{doing}: {problem}")))
    }

    async fn put(&self, key: &str, data: Bytes, rule: Rule) -> Result<bool, LogError> {
        let mut collisions = 0;
        loop {
            let request = self
                .client
                .put_object()
                .bucket(&self.bucket)
                .key(self.key(key))
                .body(ByteStream::from(data.clone()));
            let request = match rule {
                Rule::Create => request.if_none_match("*"),
                Rule::Replace => request,
            };
            let Err(error) = request.send().await else {
                return Ok(true);
            };
            let status = error
                .raw_response()
                .map(|response| response.status().as_u16());
            match (rule, status) {
                (Rule::Create, Some(412)) => return Ok(false),
                // Another write of the same key is under way; what comes of it decides.
                (Rule::Create, Some(409)) if collisions < COLLISIONS => {
                    collisions += 1;
                    tokio::time::sleep(Duration::from_millis(50 << collisions)).await;
                }
                // A store without conditional writes. Whoever writes at the same time writes the same frames.
                (Rule::Create, Some(501)) => {
                    if self.get(key).await?.is_some() {
                        return Ok(false);
                    }
                    return Box::pin(self.put(key, data, Rule::Replace)).await;
                }
                _ => return Err(self.unavailable("an object could not be stored", &error)),
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Rule {
    Create,
    Replace,
}

#[async_trait]
impl ObjectStore for S3Store {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, LogError> {
        let request = self.client.get_object().bucket(&self.bucket);
        let mut object = match request.key(self.key(key)).send().await {
            Ok(object) => object,
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetObjectError::is_no_such_key) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(self.unavailable("an object could not be read", &error)),
        };
        let mut data = BytesMut::new();
        let read = async {
            while let Some(part) = object
                .body
                .try_next()
                .await
                .map_err(std::io::Error::other)?
            {
                data.extend_from_slice(&part);
                if data.len() as u64 > MAX_OBJECT_BYTES {
                    break;
                }
            }
            Ok(())
        };
        match tokio::time::timeout(self.attempt, read).await {
            Ok(read) => read.map_err(LogError::Unavailable)?,
            Err(elapsed) => return Err(LogError::Unavailable(elapsed.into())),
        }
        Ok(Some(data.freeze()))
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, LogError> {
        let request = self.client.head_object().bucket(&self.bucket);
        match request.key(self.key(key)).send().await {
            Ok(head) => Ok(Some(
                head.content_length()
                    .and_then(|length| length.try_into().ok())
                    .unwrap_or(0),
            )),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(HeadObjectError::is_not_found) =>
            {
                Ok(None)
            }
            Err(error) => Err(self.unavailable("an object could not be looked at", &error)),
        }
    }

    async fn create(&self, key: &str, data: Bytes) -> Result<bool, LogError> {
        self.put(key, data, Rule::Create).await
    }

    async fn replace(&self, key: &str, data: Bytes) -> Result<(), LogError> {
        self.put(key, data, Rule::Replace).await.map(|_| ())
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, LogError> {
        let prefix = format!("{}/", self.key(folder));
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(&prefix)
            .into_paginator()
            .send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| self.unavailable("objects could not be listed", &error))?;
            let keys = page
                .contents()
                .iter()
                .filter_map(aws_sdk_s3::types::Object::key);
            names.extend(keys.filter_map(|key| Some(key.strip_prefix(&prefix)?.to_owned())));
        }
        Ok(names)
    }

    fn location(&self, key: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.key(key))
    }
}

fn http_client() -> aws_sdk_s3::config::SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}
