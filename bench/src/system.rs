//! What the machine knows: processor time, memory, cores, clock.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sysconf};

/// The two cores that a run uses: one for the server, one for the load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) load: usize,
}

impl Cores {
    /// Picks two cores of those that this process may use.
    ///
    /// # Errors
    /// When there is only one: then server and load would slow each other down.
    pub(crate) fn pick() -> Result<Self> {
        let allowed = sched_getaffinity(Pid::from_raw(0)).context("asking for the usable cores")?;
        let mut usable = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
        match (usable.next(), usable.next()) {
            (Some(server), Some(load)) => Ok(Self { server, load }),
            _ => anyhow::bail!("the benchmarks need two cores; this process may use only one"),
        }
    }
}

/// Keeps this thread, and the processes that it starts, on one core.
///
/// # Errors
/// When the system refuses.
pub(crate) fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core).context("choosing a core")?;
    sched_setaffinity(Pid::from_raw(0), &set).context("staying on a core")
}

/// Allows as many open files as the system lets this process have.
///
/// # Errors
/// When these are fewer than `wanted`.
pub(crate) fn allow_files(wanted: u64) -> Result<()> {
    let (_, hard) =
        getrlimit(Resource::RLIMIT_NOFILE).context("reading the limit of open files")?;
    ensure!(
        hard >= wanted,
        "only {hard} open files are allowed, {wanted} are needed: raise the limit with `ulimit -Hn`"
    );
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("raising the limit of open files")
}

/// Nanoseconds of the monotonic clock, which is the same in all processes.
pub(crate) fn now() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        let nanos = time.tv_sec() * 1_000_000_000 + time.tv_nsec();
        u64::try_from(nanos).unwrap_or(0)
    })
}

/// The processor time of a process, of all its threads and children that still run.
///
/// # Errors
/// When the process is gone.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let mut total = Duration::ZERO;
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .with_context(|| format!("process {pid} is gone"))?;
    for task in tasks.flatten() {
        let path = task.path();
        total += match fs::read_to_string(path.join("schedstat")) {
            Ok(text) => Duration::from_nanos(field(&text, 0)),
            // Kernels without scheduler statistics count in ticks.
            Err(_) => {
                let text = fs::read_to_string(path.join("stat")).unwrap_or_default();
                let fields = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
                ticks(field(fields, 11) + field(fields, 12))
            }
        };
    }
    for child in children(pid) {
        total += cpu_time(child).unwrap_or_default();
    }
    Ok(total)
}

/// The resident memory of a process and its children, in bytes, without what they share with each other.
///
/// # Errors
/// When the process is gone, or belongs to someone else.
pub(crate) fn memory(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .with_context(|| format!("reading the memory of process {pid}"))?;
    let kilobytes = text
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .map_or(0, |rest| field(rest, 0));
    let own = kilobytes * 1024;
    Ok(children(pid)
        .into_iter()
        .fold(own, |sum, child| sum + memory(child).unwrap_or(0)))
}

/// The most memory that a process has ever held, in bytes.
///
/// # Errors
/// When the process is gone.
pub(crate) fn peak_memory(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} is gone"))?;
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(peak.map_or(0, |rest| field(rest, 0)) * 1024)
}

fn children(pid: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

/// The processor time of the whole machine, of everyone, and what the hypervisor took.
pub(crate) fn machine_time() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let line = line.trim_start_matches("cpu");
    // user, nice, system, (idle, iowait,) irq, softirq, steal.
    ticks(
        [0, 1, 2, 5, 6, 7]
            .map(|index| field(line, index))
            .iter()
            .sum(),
    )
}

fn field(text: &str, index: usize) -> u64 {
    let field = text.split_whitespace().nth(index);
    field.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn ticks(ticks: u64) -> Duration {
    let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    Duration::from_secs_f64(ticks as f64 / per_second as f64)
}

/// One line about the machine.
pub(crate) fn description() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let cores = cpu
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let gigabytes = field(memory.trim_start_matches("MemTotal:"), 0) as f64 / f64::from(1 << 20);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.split('-').next().unwrap_or_default().trim();
    format!("{cores} x {model}, {gigabytes:.0} GB, Linux {kernel}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_have_time_and_memory() {
        let pid = std::process::id();
        assert!(memory(pid).unwrap() > 100_000);
        assert!(peak_memory(pid).unwrap() > 100_000);
        assert!(cpu_time(pid).is_ok());
        assert!(cpu_time(u32::MAX).is_err());
        assert!(machine_time() > Duration::ZERO);
    }

    #[test]
    fn the_clock_goes_on() {
        let before = now();
        assert!(before > 0 && now() >= before);
    }
}
