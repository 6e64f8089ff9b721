//! The file system that every container starts from: the host's `/usr` read-only, a synthesized `/etc`, minimal `/dev`
//! and `/proc`, and nothing else of the host.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::plan::Mount;

/// What the base file system depends on.
#[derive(Clone, Debug)]
pub struct Base<'a> {
    /// Name of the Pod.
    pub hostname: &'a str,
    /// uid of the container.
    pub uid: u32,
    /// gid of the container.
    pub gid: u32,
    /// Lines of `/etc/hosts` past the loopback's.
    pub host_aliases: &'a [(IpAddr, Vec<String>)],
}

/// Parts of `/etc` that programs need and that are the same for everybody. Folders that may hold keys
/// (`ssl/private`, `pki/tls/private`) are not on the list, and neither is anything that a site fills with passwords.
const SHARED_ETC: &[&str] = &[
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "ethertypes",
    "fonts",
    "gai.conf",
    "host.conf",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "lsb-release",
    "magic",
    "mime.types",
    "networks",
    "os-release",
    "pki/ca-trust",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "profile",
    "profile.d",
    "protocols",
    "rpc",
    "services",
    "shells",
    "skel",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "xdg",
];

/// Prefixes of names in `/etc` that belong to installed toolchains.
const SHARED_ETC_PREFIXES: &[&str] = &["java-", "python3", "perl"];

/// Kernel files that tell about the host or take memory from it: those that container engines cover as well.
const COVERED_PROC_FILES: &[&str] = &[
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
];
const COVERED_PROC_FOLDERS: &[&str] = &["/proc/acpi", "/proc/asound", "/proc/scsi"];

/// Most entries of a host folder that are mounted one by one to make room for another beside them.
const MOST_SIBLINGS: usize = 400;

/// The mounts of the base, before images and volumes.
pub fn base(base: &Base<'_>) -> Vec<Mount> {
    let mut mounts = vec![read_only("/usr", "/usr")];
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let path = Path::new("/").join(name);
        let target = format!("/{name}");
        match fs::read_link(&path) {
            Ok(to) => mounts.push(Mount::Symlink {
                to: to.display().to_string(),
                target,
            }),
            Err(_) if path.is_dir() => mounts.push(read_only(&target, &target)),
            Err(_) => {}
        }
    }
    mounts.extend([
        Mount::Proc,
        Mount::Dev,
        Mount::Tmpfs {
            target: "/dev/shm".to_owned(),
            size: Some(64 << 20),
            mode: 0o1777,
        },
        Mount::Seal {
            target: "/dev".to_owned(),
        },
        Mount::Dir {
            target: "/tmp".to_owned(),
            mode: 0o1777,
        },
        Mount::Dir {
            target: "/run".to_owned(),
            mode: 0o755,
        },
        Mount::Dir {
            target: "/var".to_owned(),
            mode: 0o755,
        },
        Mount::Dir {
            target: "/var/tmp".to_owned(),
            mode: 0o1777,
        },
        Mount::Dir {
            target: "/root".to_owned(),
            mode: 0o700,
        },
    ]);
    for path in COVERED_PROC_FILES
        .iter()
        .filter(|path| Path::new(path).exists())
    {
        mounts.push(read_only("/dev/null", path));
    }
    for path in COVERED_PROC_FOLDERS
        .iter()
        .filter(|path| Path::new(path).exists())
    {
        mounts.push(Mount::Tmpfs {
            target: (*path).to_owned(),
            size: Some(4096),
            mode: 0o555,
        });
        mounts.push(Mount::Seal {
            target: (*path).to_owned(),
        });
    }
    mounts.extend(etc(base));
    mounts
}

/// Adds what `binds` need to the mounts: a place for each target. A target below a folder of the host that doesn't
/// have it (`/usr/local/bin/codex-runner`) gets one by mounting that folder's entries one by one into an empty one.
///
/// # Errors
/// Says which folder has too many entries for that.
pub fn make_room(mounts: &mut Vec<Mount>, targets: &[String]) -> Result<(), String> {
    let mut opened: BTreeSet<PathBuf> = BTreeSet::new();
    for target in targets {
        // Only /usr is a folder of the host in the base; all else is on the root, where bubblewrap makes folders.
        let path = Path::new(target);
        if !path.starts_with("/usr") || path.symlink_metadata().is_ok() {
            continue;
        }
        let Some(parent) = path.ancestors().skip(1).find(|ancestor| ancestor.is_dir()) else {
            continue;
        };
        if !opened.insert(parent.to_owned()) {
            continue;
        }
        let entries: Vec<_> = fs::read_dir(parent)
            .map_err(|error| format!("{}: {error}", parent.display()))?
            .flatten()
            .collect();
        if entries.len() > MOST_SIBLINGS {
            return Err(format!(
                "there is no {target} on this machine, and {} has too many entries to make room for it; mount it elsewhere",
                parent.display()
            ));
        }
        let folder = parent.display().to_string();
        mounts.push(Mount::Tmpfs {
            target: folder,
            size: Some(16 << 20),
            mode: 0o755,
        });
        for entry in entries {
            let path = entry.path();
            let place = path.display().to_string();
            match fs::read_link(&path) {
                Ok(to) => mounts.push(Mount::Symlink {
                    to: to.display().to_string(),
                    target: place,
                }),
                Err(_) => mounts.push(read_only(&place, &place)),
            }
        }
    }
    Ok(())
}

/// What has to be made read-only once every mount is in place.
pub fn seal(mounts: &mut Vec<Mount>) {
    let made: Vec<String> = mounts
        .iter()
        .filter_map(|mount| match mount {
            Mount::Tmpfs { target, .. } if target.starts_with("/usr") => Some(target.clone()),
            _ => None,
        })
        .collect();
    mounts.extend(made.into_iter().map(|target| Mount::Seal { target }));
    mounts.push(Mount::Seal {
        target: "/".to_owned(),
    });
}

fn etc(base: &Base<'_>) -> Vec<Mount> {
    let mut names: Vec<String> = SHARED_ETC.iter().map(|name| (*name).to_owned()).collect();
    let toolchains = fs::read_dir("/etc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    names.extend(toolchains.filter(|name| {
        SHARED_ETC_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
    }));

    let mut mounts = vec![Mount::Dir {
        target: "/etc".to_owned(),
        mode: 0o755,
    }];
    for name in names {
        let target = format!("/etc/{name}");
        match fs::read_link(&target) {
            Ok(to) => mounts.push(Mount::Symlink {
                to: to.display().to_string(),
                target,
            }),
            Err(_) if Path::new(&target).exists() => mounts.push(read_only(&target, &target)),
            Err(_) => {}
        }
    }
    mounts.extend(
        synthesized(base)
            .into_iter()
            .map(|(name, content)| Mount::File {
                target: format!("/etc/{name}"),
                content: content.into_bytes(),
                mode: 0o644,
            }),
    );
    mounts.push(Mount::Symlink {
        to: "/proc/self/mounts".to_owned(),
        target: "/etc/mtab".to_owned(),
    });
    mounts
}

fn synthesized(base: &Base<'_>) -> Vec<(&'static str, String)> {
    let Base {
        hostname, uid, gid, ..
    } = base;
    let mut passwd = "root:x:0:0:root:/root:/usr/sbin/nologin\n".to_owned();
    let mut group = "root:x:0:\n".to_owned();
    if *uid != 0 {
        passwd.push_str(&format!("codex:x:{uid}:{gid}:codex:/workspace:/bin/bash\n"));
    }
    if *gid != 0 {
        group.push_str(&format!("codex:x:{gid}:\n"));
    }
    passwd.push_str("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
    group.push_str("nogroup:x:65534:\n");
    let mut hosts = format!(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.0.1\t{hostname}\n"
    );
    for (address, names) in base.host_aliases {
        hosts.push_str(&format!("{address}\t{}\n", names.join("\t")));
    }
    vec![
        ("passwd", passwd),
        ("group", group),
        ("hosts", hosts),
        ("hostname", format!("{hostname}\n")),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files\n".to_owned(),
        ),
        (
            "resolv.conf",
            "# Pods have no name server: the network ends at the loopback.\n".to_owned(),
        ),
    ]
}

fn read_only(source: &str, target: &str) -> Mount {
    Mount::Bind {
        source: PathBuf::from(source),
        sub_path: None,
        target: target.to_owned(),
        read_only: true,
    }
}
