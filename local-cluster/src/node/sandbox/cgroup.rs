//! Limits by control groups: version 2 where a part of the tree can be written, version 1 where the node is root.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::plan::{CgroupDir, CgroupPlan};

/// Name of the group that holds all Pods.
const ROOT_GROUP: &str = "codex-local-cluster";

/// Where containers are limited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CgroupTree {
    /// One tree for all controllers.
    V2 {
        /// A folder below which groups can be made, with memory and pids enabled for them.
        base: PathBuf,
    },
    /// One tree for each controller.
    V1 {
        /// Memory limits.
        memory: Option<PathBuf>,
        /// Process limits.
        pids: Option<PathBuf>,
        /// CPU limits.
        cpu: Option<PathBuf>,
    },
    /// Nothing can be written.
    Unavailable {
        /// Why.
        reason: String,
    },
}

/// What a container may use. `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes.
    pub memory: Option<u64>,
    /// Thousandths of a processor.
    pub cpu_millis: Option<u64>,
    /// Processes and threads.
    pub pids: u64,
}

impl CgroupTree {
    /// Finds out what this machine offers, by trying it.
    pub fn detect() -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let (unified, controllers) = parse(&own, &mounts);
        let usable = |name: &str| {
            let base = controllers
                .iter()
                .find(|(controllers, _)| controllers.iter().any(|controller| controller == name))
                .map(|(_, path)| path.join(ROOT_GROUP))?;
            prove(&base).ok().map(|()| base)
        };
        let (memory, pids, cpu) = (usable("memory"), usable("pids"), usable("cpu"));
        if memory.is_some() || pids.is_some() {
            return Self::V1 { memory, pids, cpu };
        }
        match unified
            .ok_or_else(|| io::Error::other("no control group file system is mounted"))
            .and_then(|group| v2_base(&group))
        {
            Ok(base) => Self::V2 { base },
            Err(error) => Self::Unavailable {
                reason: error.to_string(),
            },
        }
    }

    /// Whether memory limits are enforced.
    pub fn limits_memory(&self) -> bool {
        matches!(
            self,
            Self::V2 { .. }
                | Self::V1 {
                    memory: Some(_),
                    ..
                }
        )
    }

    /// Folders that the groups of a container may have.
    pub fn groups_of(&self, pod: &str, container: &str) -> Vec<PathBuf> {
        let bases: Vec<&PathBuf> = match self {
            Self::V2 { base } => vec![base],
            Self::V1 { memory, pids, cpu } => [memory, pids, cpu].into_iter().flatten().collect(),
            Self::Unavailable { .. } => Vec::new(),
        };
        bases
            .into_iter()
            .map(|base| base.join(group_name(pod, container)))
            .collect()
    }

    /// The groups of one container. Pure: the shim makes them.
    pub fn plan(&self, pod: &str, container: &str, limits: Limits) -> CgroupPlan {
        let group = group_name(pod, container);
        let dir = |base: &Path, writes: Vec<(&str, String)>, oom_events: Option<&str>| CgroupDir {
            path: base.join(&group),
            writes: writes
                .into_iter()
                .map(|(file, value)| (file.to_owned(), value))
                .collect(),
            oom_events: oom_events.map(str::to_owned),
        };
        match self {
            Self::V2 { base } => {
                let mut writes = vec![("pids.max", limits.pids.to_string())];
                if let Some(bytes) = limits.memory {
                    writes.push(("memory.max", bytes.to_string()));
                    writes.push(("memory.oom.group", "1".to_owned()));
                }
                if let Some(millis) = limits.cpu_millis {
                    writes.push(("cpu.max", format!("{} 100000", (millis * 100).max(1000))));
                }
                CgroupPlan {
                    groups: vec![dir(base, writes, Some("memory.events"))],
                    process_limit: None,
                }
            }
            Self::V1 { memory, pids, cpu } => {
                let mut groups = Vec::new();
                if let (Some(base), Some(bytes)) = (memory, limits.memory) {
                    groups.push(dir(
                        base,
                        vec![("memory.limit_in_bytes", bytes.to_string())],
                        Some("memory.oom_control"),
                    ));
                }
                if let Some(base) = pids {
                    groups.push(dir(base, vec![("pids.max", limits.pids.to_string())], None));
                }
                if let (Some(base), Some(millis)) = (cpu, limits.cpu_millis) {
                    groups.push(dir(
                        base,
                        vec![
                            ("cpu.cfs_period_us", "100000".to_owned()),
                            ("cpu.cfs_quota_us", (millis * 100).max(1000).to_string()),
                        ],
                        None,
                    ));
                }
                CgroupPlan {
                    groups,
                    process_limit: pids.is_none().then_some(limits.pids),
                }
            }
            Self::Unavailable { .. } => CgroupPlan {
                groups: Vec::new(),
                process_limit: Some(limits.pids),
            },
        }
    }
}

impl CgroupDir {
    /// Makes the group and sets its limits. Controllers that the kernel lacks are skipped.
    ///
    /// # Errors
    /// Fails when the group cannot be made, or a memory limit cannot be set.
    pub fn create(&self) -> io::Result<()> {
        make(&self.path)?;
        for (file, value) in &self.writes {
            let path = self.path.join(file);
            match fs::write(&path, value) {
                Err(error)
                    if error.kind() != io::ErrorKind::NotFound
                        || file.starts_with("memory.max")
                        || file.starts_with("memory.limit") =>
                {
                    return Err(io::Error::new(
                        error.kind(),
                        format!("cannot write {value} to {}: {error}", path.display()),
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Times that the kernel killed a process of the group for lack of memory.
    pub fn oom_kills(&self) -> u64 {
        let Some(file) = &self.oom_events else {
            return 0;
        };
        let text = fs::read_to_string(self.path.join(file)).unwrap_or_default();
        let count = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse().ok();
        text.lines().find_map(count).unwrap_or(0)
    }
}

fn group_name(pod: &str, container: &str) -> String {
    format!("{pod}_{container}")
}

fn make(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("cannot make the control group {}: {error}", path.display()),
        )),
        Ok(()) => Ok(()),
    }
}

/// Makes a group, and one in it: that it exists (root made it once) doesn't say that this user may use it.
fn prove(base: &Path) -> io::Result<()> {
    make(base)?;
    let trial = base.join(format!("trial-{:x}", rand::random::<u64>()));
    make(&trial)?;
    fs::remove_dir(trial)
}

/// Own group in the unified tree, and own group for each set of version 1 controllers, as folders.
fn parse(own: &str, mounts: &str) -> (Option<PathBuf>, Vec<(Vec<String>, PathBuf)>) {
    // A line of mountinfo: id parent dev root mountpoint options... - type source super-options.
    let mounted: Vec<(&str, &str, &str, &str)> = mounts
        .lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let mut left = left.split(' ').skip(3);
            let (root, point) = (left.next()?, left.next()?);
            let mut right = right.split(' ');
            Some((root, point, right.next()?, right.nth(1)?))
        })
        .collect();
    let folder = |root: &str, point: &str, group: &str| {
        let below = group
            .strip_prefix(root.trim_end_matches('/'))
            .unwrap_or(group);
        Path::new(point).join(below.trim_start_matches('/'))
    };
    let mut unified = None;
    let mut controllers = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(names), Some(group)) = (fields.next(), fields.next()) else {
            continue;
        };
        if names.is_empty() {
            unified = mounted
                .iter()
                .find(|mount| mount.2 == "cgroup2")
                .map(|mount| folder(mount.0, mount.1, group));
        } else {
            let names: Vec<String> = names.split(',').map(str::to_owned).collect();
            let mount = mounted.iter().find(|mount| {
                mount.2 == "cgroup"
                    && names
                        .iter()
                        .all(|name| mount.3.split(',').any(|option| option == name))
            });
            if let Some(mount) = mount {
                controllers.push((names, folder(mount.0, mount.1, group)));
            }
        }
    }
    (unified, controllers)
}

/// The highest folder from `own` upwards that can be written: a process may only be moved between groups whose common
/// ancestor the mover can write.
fn v2_base(own: &Path) -> io::Result<PathBuf> {
    let writable = |path: &&Path| {
        rustix::fs::access(path.join("cgroup.procs"), rustix::fs::Access::WRITE_OK).is_ok()
            && rustix::fs::access(*path, rustix::fs::Access::WRITE_OK).is_ok()
    };
    let top = own
        .ancestors()
        .take_while(writable)
        .last()
        .ok_or_else(|| io::Error::other(format!("the control group {} belongs to another user; start the node with `systemd-run --user --scope -p Delegate=yes`", own.display())))?;
    let available = fs::read_to_string(top.join("cgroup.controllers"))?;
    if !available
        .split_ascii_whitespace()
        .any(|controller| controller == "memory")
    {
        return Err(io::Error::other(format!(
            "the memory controller isn't available in {}",
            top.display()
        )));
    }
    let wanted: String = available
        .split_ascii_whitespace()
        .filter(|controller| ["memory", "pids", "cpu"].contains(controller))
        .map(|controller| format!("+{controller} "))
        .collect();
    let enable = |path: &Path| {
        fs::write(path.join("cgroup.subtree_control"), wanted.trim_end()).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot enable {wanted}in {}: {error}", path.display()),
            )
        })
    };
    let base = top.join(ROOT_GROUP);
    enable(top)?;
    make(&base)?;
    enable(&base)?;
    prove(&base)?;
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_groups_are_found_in_both_versions() {
        let mounts = "35 30 0:29 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                      36 30 0:30 /docker/x /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                      37 30 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let (unified, controllers) = parse(
            "4:memory:/a/b\n2:cpu,cpuacct:/docker/x/y\n0::/user.slice\n",
            mounts,
        );
        assert_eq!(
            unified.unwrap(),
            Path::new("/sys/fs/cgroup/unified/user.slice")
        );
        assert_eq!(controllers[0].1, Path::new("/sys/fs/cgroup/memory/a/b"));
        assert_eq!(controllers[1].1, Path::new("/sys/fs/cgroup/cpu/y"));
    }

    #[test]
    fn limits_become_files() {
        let tree = CgroupTree::V2 {
            base: "/base".into(),
        };
        let plan = tree.plan(
            "uid",
            "main",
            Limits {
                memory: Some(1 << 20),
                cpu_millis: Some(500),
                pids: 10,
            },
        );
        let group = &plan.groups[0];
        assert_eq!(group.path, Path::new("/base/uid_main"));
        assert!(
            group
                .writes
                .contains(&("memory.max".to_owned(), "1048576".to_owned()))
        );
        assert!(
            group
                .writes
                .contains(&("cpu.max".to_owned(), "50000 100000".to_owned()))
        );
        assert!(
            group
                .writes
                .contains(&("pids.max".to_owned(), "10".to_owned()))
        );
        assert_eq!(plan.process_limit, None);
        let none = CgroupTree::Unavailable {
            reason: String::new(),
        };
        assert_eq!(
            none.plan(
                "uid",
                "main",
                Limits {
                    pids: 10,
                    ..Limits::default()
                }
            )
            .process_limit,
            Some(10)
        );
    }
}
