//! The database: PostgreSQL from its npm package (or the distribution's), for the gateway alone.
//!
//! It listens on a unix socket only, in a folder that other users cannot enter, and asks for passwords there too. The gateway's
//! role owns its database and is no superuser.
//!
//! PostgreSQL refuses to run as root. When root starts `up`, it runs as `postgres` (or `nobody`), who must be able to walk to its
//! files. Where they cannot, because a folder above is closed, the files are kept elsewhere and the user is told where.

mod programs;

use std::{
    ffi::OsString,
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nix::{
    sys::signal::Signal,
    unistd::{fchown, syncfs},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::process::Command;

use super::{
    account::Account,
    error::{UpError, file_error},
    layout::{Layout, fits_sockets, private_dir, write_private},
    process::{ProcessSpec, Readiness, end_with_parent},
    progress::Progress,
    secrets::Secrets,
};

/// The part's name.
pub const NAME: &str = "postgres";
/// The gateway's database, and the role that owns it.
const DATABASE: &str = "codex";

/// The database server, ready to be started.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    data: PathBuf,
    sockets: PathBuf,
    account: Option<Account>,
    /// The gateway's connection URL with the password in it, as a file.
    pub url_file: PathBuf,
}

impl Postgres {
    /// Finds a place for the files, and creates the database there if there is none.
    ///
    /// # Errors
    /// When the place is not usable, or PostgreSQL's own tools fail; the error has what they said.
    pub async fn prepare(
        layout: &Layout,
        secrets: &Secrets,
        bin: &Path,
        progress: Progress,
    ) -> Result<Self, UpError> {
        let account = Account::for_postgres()?;
        let base = base_dir(layout, account.as_ref(), progress)?;
        let bin = programs::usable(bin, &base, account.as_ref(), progress)?;
        let home = base.join("cluster");
        own_dir(&home, account.as_ref())?;
        let mut sockets = base.join("run");
        if !fits_sockets(&sockets) {
            sockets = Path::new("/tmp").join(format!("codex-remote-pg-{}", layout.short_name()));
        }
        own_dir(&sockets, account.as_ref())?;
        let url_file = layout.secret("database-url");
        let url = connection_url(&sockets, &secrets.database_password);
        write_private(&url_file, url.expose_secret().as_bytes())?;

        let postgres = Self {
            bin,
            data: home.join("data"),
            sockets,
            account,
            url_file,
        };
        if postgres.data.join("PG_VERSION").exists() {
            postgres.check_version().await?;
        } else {
            postgres.create(&home, secrets).await?;
        }
        Ok(postgres)
    }

    /// How to run it.
    #[must_use]
    pub fn spec(&self) -> ProcessSpec {
        let mut args: Vec<OsString> = vec![
            "-D".into(),
            self.data.clone().into(),
            "-k".into(),
            self.sockets.clone().into(),
        ];
        for setting in [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            "max_connections=60",
            "password_encryption=scram-sha-256",
            // A log line must never hold a password or a prompt.
            "log_min_error_statement=panic",
            "log_parameter_max_length=0",
            "log_checkpoints=off",
            "log_line_prefix=%m [%p] ",
        ] {
            args.extend(["-c".into(), setting.into()]);
        }
        ProcessSpec {
            name: NAME,
            title: "PostgreSQL",
            program: self.bin.join("postgres"),
            args,
            env: environment(),
            listens: Vec::new(),
            account: self.account.clone(),
            readiness: Readiness::Postmaster(self.data.join("postmaster.pid")),
            // After a crash it reads its log first.
            ready_timeout: Duration::from_secs(120),
            // "Fast": ends the sessions and stops; SIGTERM would wait for the clients to leave.
            stop_signal: Signal::SIGINT,
            stop_timeout: Duration::from_secs(30),
        }
    }

    /// Creates the cluster beside its place and renames it: it is there completely or not at all.
    async fn create(&self, home: &Path, secrets: &Secrets) -> Result<(), UpError> {
        let building = home.join("data.new");
        if building.exists() {
            fs::remove_dir_all(&building).map_err(file_error("remove", &building))?;
        }
        self.tool(
            "initdb",
            &[
                "-D".as_ref(),
                building.as_os_str(),
                "-U".as_ref(),
                "postgres".as_ref(),
                "--auth=scram-sha-256".as_ref(),
                "--encoding=UTF8".as_ref(),
                "--locale=C".as_ref(),
                "--no-sync".as_ref(),
                // The pipe that `tool` makes: the password is in no file and on no command line.
                "--pwfile=/dev/stdin".as_ref(),
            ],
            secrets.database_superuser_password.expose_secret(),
        )
        .await?;
        // Single-user mode: one line is one statement. The passwords need no quoting.
        let statements = format!(
            "CREATE ROLE {DATABASE} LOGIN PASSWORD '{}';\nCREATE DATABASE {DATABASE} OWNER {DATABASE};\n",
            secrets.database_password.expose_secret()
        );
        self.tool(
            "postgres",
            &[
                "--single".as_ref(),
                "-D".as_ref(),
                building.as_os_str(),
                "-c".as_ref(),
                "exit_on_error=on".as_ref(),
                "-c".as_ref(),
                "fsync=off".as_ref(),
                "-c".as_ref(),
                "password_encryption=scram-sha-256".as_ref(),
                "-c".as_ref(),
                "log_min_error_statement=panic".as_ref(),
                "postgres".as_ref(),
            ],
            &statements,
        )
        .await?;
        // The tools were told not to wait for the disk, a thousand times; this waits once, before the rename that makes it count.
        let folder = fs::File::open(&building).map_err(file_error("open", &building))?;
        let synced = tokio::task::spawn_blocking(move || syncfs(&folder)).await;
        synced
            .map_err(std::io::Error::other)
            .and_then(|result| result.map_err(std::io::Error::from))
            .map_err(file_error("flush", &building))?;
        fs::rename(&building, &self.data).map_err(file_error("create", &self.data))
    }

    /// Runs one of PostgreSQL's tools to its end.
    async fn tool(
        &self,
        name: &str,
        args: &[&std::ffi::OsStr],
        input: &str,
    ) -> Result<(), UpError> {
        let program = self.bin.join(name);
        let failed = |source| UpError::System {
            what: format!("cannot run {}", program.display()),
            source,
        };
        // All of the input fits into the pipe, so it is written before anybody reads.
        let (stdin, mut writer) = std::io::pipe().map_err(failed)?;
        writer.write_all(input.as_bytes()).map_err(failed)?;
        drop(writer);
        let mut command = Command::new(&program);
        command
            .args(args)
            .env_clear()
            .envs(environment())
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some(account) = &self.account {
            // Otherwise it could read the pipe but not open it by its name in /dev.
            fchown(&stdin, Some(account.uid.into()), Some(account.gid.into()))
                .map_err(|errno| failed(errno.into()))?;
            command.uid(account.uid).gid(account.gid);
        }
        // A start that is given up must not leave it behind.
        command.stdin(stdin).kill_on_drop(true);
        end_with_parent(&mut command, Signal::SIGKILL);
        let output = command.output().await.map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(UpError::Postgres(format!("{name} failed: {}", said.trim())))
    }

    /// A cluster is only readable by the major version that made it.
    async fn check_version(&self) -> Result<(), UpError> {
        let file = self.data.join("PG_VERSION");
        let made_by = fs::read_to_string(&file).map_err(file_error("read", &file))?;
        let output = Command::new(self.bin.join("postgres"))
            .arg("--version")
            .env_clear()
            .output()
            .await;
        let text = output
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default();
        let major = text
            .split_whitespace()
            .find_map(|word| word.split('.').next()?.parse::<u32>().ok());
        match (made_by.trim().parse::<u32>(), major) {
            (Ok(made_by), Some(major)) if made_by != major => Err(UpError::Postgres(format!(
                "{} was made by version {made_by}, and {} is version {major}. Name the programs of version {made_by} with --postgres-bin, or move the data with pg_upgrade",
                self.data.display(),
                self.bin.display()
            ))),
            _ => Ok(()),
        }
    }
}

fn environment() -> Vec<(&'static str, OsString)> {
    vec![
        ("PATH", "/usr/local/bin:/usr/bin:/bin".into()),
        ("LC_ALL", "C".into()),
        ("TZ", "UTC".into()),
    ]
}

fn connection_url(sockets: &Path, password: &SecretString) -> SecretString {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("host", &sockets.to_string_lossy());
    let query = query.finish();
    format!(
        "postgres://{DATABASE}:{}@localhost/{DATABASE}?{query}",
        password.expose_secret()
    )
    .into()
}

/// The folder of everything about PostgreSQL. It stays ours and PostgreSQL's user only owns folders in it: what root writes here must not
/// be led astray by links that somebody else could make.
fn base_dir(
    layout: &Layout,
    account: Option<&Account>,
    progress: Progress,
) -> Result<PathBuf, UpError> {
    let mut base = layout.root().join("postgres");
    if let Some(account) = account
        && let Some(barrier) = account.barrier(layout.root())
    {
        // Temporary data stay temporary.
        let temporary = layout.root().starts_with(std::env::temp_dir());
        let parent = Path::new(if temporary { "/tmp" } else { "/var/lib" });
        base = parent.join(format!("codex-remote-postgres-{}", layout.short_name()));
        progress.line(format!(
            "PostgreSQL runs as {}, who cannot enter {}: its files are in {}",
            account.name,
            barrier.display(),
            base.display()
        ));
    }
    private_dir(&base)?;
    if account.is_some() {
        fs::set_permissions(&base, fs::Permissions::from_mode(0o711))
            .map_err(file_error("set the permissions of", &base))?;
    }
    Ok(base)
}

/// A private folder of the account, or of this user when there is none.
fn own_dir(path: &Path, account: Option<&Account>) -> Result<(), UpError> {
    let Some(account) = account else {
        return private_dir(path);
    };
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == account.uid) {
        return Ok(());
    }
    private_dir(path)?;
    account.own(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_names_the_socket_and_survives_odd_paths() {
        let url = connection_url(Path::new("/tmp/a b&c/run"), &"pass".into());
        let url = url::Url::parse(url.expose_secret()).unwrap();
        let host = url
            .query_pairs()
            .find(|(name, _)| name == "host")
            .unwrap()
            .1
            .into_owned();
        assert_eq!(host, "/tmp/a b&c/run");
        assert_eq!(
            (url.username(), url.password(), url.path()),
            ("codex", Some("pass"), "/codex")
        );
    }
}
