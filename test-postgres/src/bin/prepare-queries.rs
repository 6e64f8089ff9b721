//! Writes `gateway/.sqlx`: what PostgreSQL says about every statement of the gateway, with which the macros check them where no database
//! is.
//!
//! The macros write it themselves when they can ask a database, so this starts one, brings its schema up to date and has the gateway
//! compiled. `cargo sqlx prepare` does the same; it would have to be installed first, which takes longer than all of this.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let gateway = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway");
    let url = codex_test_postgres::create_database().await?;
    let mut connection = PgConnection::connect(&url).await?;
    let migrations = Migrator::new(gateway.join("migrations")).await?;
    migrations.run(&mut connection).await?;
    connection.close().await?;

    let found = tempfile::tempdir()?;
    compile(&gateway, &url, found.path())?;
    let found = read(found.path())?;
    ensure!(
        !found.is_empty(),
        "no statement was seen while the gateway was compiled"
    );
    bring_up_to_date(&gateway.join(".sqlx"), &found)
}

/// Has the gateway compiled with its eyes on the database.
fn compile(gateway: &Path, url: &str, to: &Path) -> anyhow::Result<()> {
    // A macro only runs when its crate is compiled. The time of the file is put back, so that nothing else is compiled again for it.
    let _touched = Touched::new(&gateway.join("src/lib.rs"))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args([
            "check",
            "--locked",
            "--quiet",
            "--package=codex-gateway",
            "--lib",
        ])
        .current_dir(gateway)
        .env("DATABASE_URL", url)
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", to)
        .status()?;
    ensure!(status.success(), "the gateway does not compile");
    Ok(())
}

/// A file that looks changed, until this is dropped.
struct Touched {
    file: File,
    before: SystemTime,
}

impl Touched {
    fn new(path: &Path) -> anyhow::Result<Self> {
        let file = File::options()
            .append(true)
            .open(path)
            .with_context(|| path.display().to_string())?;
        let before = file.metadata()?.modified()?;
        file.set_modified(SystemTime::now())?;
        Ok(Self { file, before })
    }
}

impl Drop for Touched {
    fn drop(&mut self) {
        if let Err(error) = self.file.set_modified(self.before) {
            eprintln!("the time of a file cannot be put back: {error}");
        }
    }
}

/// The files of a folder, by name.
fn read(dir: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        files.insert(name, fs::read(entry.path())?);
    }
    Ok(files)
}

/// Writes what differs and removes what no statement has any more; the rest keeps its time.
fn bring_up_to_date(dir: &Path, found: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<()> {
    fs::create_dir_all(dir)?;
    let stored = read(dir)?;
    for (name, content) in found {
        if stored.get(name) != Some(content) {
            fs::write(dir.join(name), content)?;
        }
    }
    for name in stored.keys().filter(|name| !found.contains_key(*name)) {
        fs::remove_file(dir.join(name))?;
    }
    Ok(())
}
