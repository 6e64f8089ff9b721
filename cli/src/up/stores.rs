//! Where logs are kept: on this machine, unless somebody brings a Redis or an archive of their own.

use std::{
    ffi::OsString,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{
    error::{UpError, file_error},
    layout::{Layout, write_private},
};
use crate::commands::up::UpArgs;

/// What the AWS tools look at to find credentials, where there is no key in the environment. None of these is a secret.
const CREDENTIAL_SOURCES: [&str; 9] = [
    "HOME",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];
/// What they look at besides.
const S3_SETTINGS: [&str; 6] = [
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CONFIG_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// The stores that all parts must agree on.
#[derive(Debug, Default)]
pub struct Stores {
    /// `CODEX_LIVE_STORE` and what belongs to it; empty when the operator's memory holds the log of running tasks.
    redis: Vec<(&'static str, OsString)>,
    /// `CODEX_ARCHIVE` and what belongs to it; empty when the archive is a folder of the data folder.
    archive: Vec<(&'static str, OsString)>,
}

impl Stores {
    /// Reads the options. Keys for S3 that stand in the environment are put into a file among the secrets: the environment of a
    /// process is open to whoever may look at the process.
    ///
    /// # Errors
    /// When an address is none, holds a password, or a file cannot be read or written.
    pub fn open(
        args: &UpArgs,
        layout: &Layout,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, UpError> {
        let credentials = layout.secret("s3-credentials");
        let archive = match args.archive.as_deref() {
            None => Vec::new(),
            Some(location) if location.starts_with("s3://") => s3(location, &credentials, &env)?,
            Some(location) if location.starts_with("file:///") => {
                vec![("CODEX_ARCHIVE", location.into())]
            }
            Some(location) => {
                return Err(UpError::Setting(format!(
                    "--archive {location}: write file:///folder or s3://bucket/prefix?endpoint=URL&region=NAME"
                )));
            }
        };
        let is_used = archive.iter().any(|(_, value)| value == &credentials);
        if !is_used && credentials.exists() {
            // A key that is not used any more must not lie around.
            std::fs::remove_file(&credentials).map_err(file_error("remove", &credentials))?;
        }
        Ok(Self {
            redis: redis(args)?,
            archive,
        })
    }

    /// Settings of the live log, for operator and gateway; `hub` is the socket of the operator.
    #[must_use]
    pub fn live(&self, hub: &Path) -> Vec<(&'static str, OsString)> {
        if !self.redis.is_empty() {
            return self.redis.clone();
        }
        let mut store = OsString::from("hub:");
        store.push(hub);
        vec![("CODEX_LIVE_STORE", store)]
    }

    /// Settings of the archive, for whoever reads or writes there; `folder` is the one in the data folder.
    #[must_use]
    pub fn archive(&self, folder: &Path) -> Vec<(&'static str, OsString)> {
        if !self.archive.is_empty() {
            return self.archive.clone();
        }
        let mut archive = OsString::from("file://");
        archive.push(folder);
        vec![("CODEX_ARCHIVE", archive)]
    }
}

fn redis(args: &UpArgs) -> Result<Vec<(&'static str, OsString)>, UpError> {
    let files = [
        (
            "--redis-password-file",
            "CODEX_REDIS_PASSWORD_FILE",
            &args.redis_password_file,
        ),
        (
            "--redis-ca-file",
            "CODEX_REDIS_CA_FILE",
            &args.redis_ca_file,
        ),
    ];
    let files = files.map(|(option, name, file)| Some((option, name, file.as_deref()?)));
    let mut files = files.into_iter().flatten();
    let Some(address) = &args.redis else {
        return match files.next() {
            None => Ok(Vec::new()),
            Some((option, ..)) => Err(UpError::Setting(format!(
                "{option}: say with --redis which Redis it is for"
            ))),
        };
    };
    check_redis(address)?;
    let mut env = vec![("CODEX_LIVE_STORE", address.expose_secret().into())];
    for (_, name, file) in files {
        // The parts work in another folder than this command.
        let file = std::fs::canonicalize(file).map_err(file_error("open", file))?;
        env.push((name, file.into()));
    }
    Ok(env)
}

/// The messages leave the address out: whoever got it wrong may have put a password there.
fn check_redis(address: &SecretString) -> Result<(), UpError> {
    let url = Url::parse(address.expose_secret()).ok();
    let url = url.filter(|url| matches!(url.scheme(), "redis" | "rediss" | "redis+unix"));
    match url {
        None => Err(UpError::Setting(
            "--redis: write redis://host:6379/0, rediss://host:6379/0 for TLS, or redis+unix:///path/to.sock".into(),
        )),
        Some(url) if url.password().is_some() => Err(UpError::Setting(
            "--redis: the address holds a password, which everybody on this machine can read in the list of processes; \
             put it into a file and name that with --redis-password-file"
                .into(),
        )),
        Some(_) => Ok(()),
    }
}

fn s3(
    location: &str,
    credentials: &PathBuf,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<(&'static str, OsString)>, UpError> {
    let set = |name: &'static str| {
        env(name)
            .filter(|value| !value.is_empty())
            .map(|value| (name, value))
    };
    let mut settings = vec![("CODEX_ARCHIVE", location.into())];
    settings.extend(S3_SETTINGS.into_iter().filter_map(set));
    match credentials_file(&env)? {
        Some(text) => {
            write_private(credentials, text.expose_secret().as_bytes())?;
            settings.push(("AWS_SHARED_CREDENTIALS_FILE", credentials.into()));
        }
        None => settings.extend(CREDENTIAL_SOURCES.into_iter().filter_map(set)),
    }
    Ok(settings)
}

/// The keys of the environment, in the form in which the AWS tools read them from a file.
fn credentials_file(
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<SecretString>, UpError> {
    let mut text = String::from("[default]\n");
    for (name, key, is_needed) in [
        ("AWS_ACCESS_KEY_ID", "aws_access_key_id", true),
        ("AWS_SECRET_ACCESS_KEY", "aws_secret_access_key", true),
        ("AWS_SESSION_TOKEN", "aws_session_token", false),
    ] {
        let value = env(name).filter(|value| !value.is_empty());
        let Some(value) = value else {
            if is_needed {
                return Ok(None);
            }
            continue;
        };
        let value = value
            .to_str()
            .filter(|value| !value.contains(char::is_control));
        let value = value.ok_or_else(|| {
            UpError::Setting(format!(
                "{name}: it holds characters that no key has; set it again"
            ))
        })?;
        writeln!(text, "{key} = {value}").expect("writing to a String does not fail");
    }
    Ok(Some(text.into()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: UpArgs,
    }

    struct World {
        dir: tempfile::TempDir,
        layout: Layout,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let layout = Layout::open(&dir.path().join("data")).unwrap();
            Self { dir, layout }
        }

        fn open(&self, line: &[&str], env: &[(&str, &str)]) -> Result<Stores, UpError> {
            let args = Line::parse_from([&["up"], line].concat()).args;
            Stores::open(&args, &self.layout, |name| {
                let found = env.iter().find(|(key, _)| *key == name)?;
                Some(found.1.into())
            })
        }

        fn refusal(&self, line: &[&str]) -> String {
            self.open(line, &[]).unwrap_err().to_string()
        }
    }

    fn names(settings: &[(&'static str, OsString)]) -> Vec<&'static str> {
        settings.iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn without_options_logs_stay_on_this_machine() {
        let stores = World::new().open(&[], &[]).unwrap();
        assert_eq!(
            stores.live(Path::new("/run/log.sock")),
            [("CODEX_LIVE_STORE", "hub:/run/log.sock".into())]
        );
        assert_eq!(
            stores.archive(Path::new("/data/archive")),
            [("CODEX_ARCHIVE", "file:///data/archive".into())]
        );
    }

    #[test]
    fn what_is_secret_or_long_about_redis_comes_from_files() {
        let world = World::new();
        let file = world.dir.path().join("password");
        std::fs::write(&file, "s3cret").unwrap();
        let file = file.to_str().unwrap();
        let stores = world
            .open(
                &[
                    "--redis",
                    "rediss://cache:6380/1",
                    "--redis-password-file",
                    file,
                    "--redis-ca-file",
                    file,
                ],
                &[],
            )
            .unwrap();
        assert_eq!(
            stores.live(Path::new("/unused")),
            [
                ("CODEX_LIVE_STORE", "rediss://cache:6380/1".into()),
                ("CODEX_REDIS_PASSWORD_FILE", file.into()),
                ("CODEX_REDIS_CA_FILE", file.into()),
            ]
        );
        let said = world.refusal(&["--redis", "redis://:s3cret@cache"]);
        assert!(
            said.contains("--redis-password-file") && !said.contains("s3cret"),
            "{said}"
        );
        for wrong in ["cache:6379", "http://cache", "hub:/run/log.sock"] {
            assert!(world.refusal(&["--redis", wrong]).contains("redis://"));
        }
        for option in ["--redis-password-file", "--redis-ca-file"] {
            let said = world.refusal(&[option, file]);
            assert!(said.contains(option) && said.contains("--redis "), "{said}");
        }
        assert!(
            world
                .refusal(&["--redis", "redis://x", "--redis-password-file", "/nowhere"])
                .contains("/nowhere")
        );
    }

    #[test]
    fn keys_for_s3_go_into_a_file_and_leave_with_the_option() {
        let world = World::new();
        let env = [
            ("AWS_ACCESS_KEY_ID", "AKEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "s3cret"),
            ("AWS_REGION", "eu-west-1"),
            ("HOME", "/home/ada"),
        ];
        let line = ["--archive", "s3://logs/prefix"];
        let settings = world.open(&line, &env).unwrap().archive(Path::new("/x"));
        assert_eq!(
            names(&settings),
            ["CODEX_ARCHIVE", "AWS_REGION", "AWS_SHARED_CREDENTIALS_FILE"]
        );
        assert!(!format!("{settings:?}").contains("s3cret"));
        let file = PathBuf::from(&settings[2].1);
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "[default]\naws_access_key_id = AKEXAMPLE\naws_secret_access_key = s3cret\n"
        );
        // Without keys everything else that may lead to some is handed on.
        let settings = world.open(&line, &env[2..]).unwrap();
        assert_eq!(
            names(&settings.archive(Path::new("/x"))),
            ["CODEX_ARCHIVE", "AWS_REGION", "HOME"]
        );
        assert!(!file.exists());
        let broken = [
            ("AWS_ACCESS_KEY_ID", "AKEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "s3cret\n[other]"),
        ];
        let said = world.open(&line, &broken).unwrap_err().to_string();
        assert!(said.contains("AWS_SECRET_ACCESS_KEY") && !said.contains("s3cret"));
    }

    #[test]
    fn an_archive_is_a_folder_or_a_bucket() {
        let world = World::new();
        let stores = world.open(&["--archive", "file:///logs"], &[]).unwrap();
        assert_eq!(
            stores.archive(Path::new("/x")),
            [("CODEX_ARCHIVE", "file:///logs".into())]
        );
        for wrong in ["/logs", "file://logs", "http://logs"] {
            assert!(world.refusal(&["--archive", wrong]).contains("s3://"));
        }
    }
}
