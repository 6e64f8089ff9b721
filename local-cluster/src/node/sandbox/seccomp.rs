//! The seccomp filter of a container: a deny-list modelled on the default profile of container engines.
//!
//! Containers hold no capability, so most of what is refused here would be refused anyway. The filter takes away the
//! kernel code that an attacker would search for mistakes, and the three things that capabilities don't guard:
//! creating namespaces, reading other processes' memory, and socket families that network namespaces don't contain
//! (`AF_VSOCK` reaches the hypervisor from any network namespace).

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

/// A filter could not be built; a mistake in this module, which a test would show.
#[derive(Debug, thiserror::Error)]
#[error("the seccomp filter cannot be built for this processor: {0}")]
pub struct SeccompError(#[from] seccompiler::BackendError);

/// System calls that fail with `EPERM`, whatever their arguments.
const DENIED: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_migrate_pages,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

/// More of them, which only this processor has.
#[cfg(target_arch = "x86_64")]
const DENIED_ON_THIS_PROCESSOR: &[libc::c_long] = &[
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_lookup_dcookie,
    libc::SYS_modify_ldt,
    libc::SYS_sysfs,
    libc::SYS_uselib,
    libc::SYS_ustat,
];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_ON_THIS_PROCESSOR: &[libc::c_long] = &[];

/// `CLONE_NEWTIME` is only valid for `unshare`: the same bit is part of the exit signal of `clone`.
const CLONE_NEWTIME: u64 = 0x80;

/// Every other flag that creates a namespace.
const CLONE_NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Socket families that stay allowed; network namespaces contain all four.
const SOCKET_FAMILIES: &[libc::c_int] = &[
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// Builds the programs for `bwrap --add-seccomp-fd`, each as the bytes of `struct sock_filter[]`.
///
/// # Errors
/// Fails on processors that seccompiler doesn't know.
pub fn programs() -> Result<Vec<Vec<u8>>, SeccompError> {
    let mut denied: BTreeMap<i64, Vec<SeccompRule>> = DENIED
        .iter()
        .chain(DENIED_ON_THIS_PROCESSOR)
        .map(|&call| (call, Vec::new()))
        .collect();
    let namespaces = CLONE_NAMESPACES
        .iter()
        .map(|&flag| u64::from(flag.unsigned_abs()));
    denied.insert(libc::SYS_clone, bits_of_argument(0, namespaces.clone())?);
    denied.insert(
        libc::SYS_unshare,
        bits_of_argument(0, namespaces.chain([CLONE_NEWTIME]))?,
    );
    // Tracing one's own child from its start stays possible (debuggers); attaching to others does not.
    denied.insert(
        libc::SYS_ptrace,
        values_of_argument(
            0,
            [
                u64::from(libc::PTRACE_ATTACH),
                u64::from(libc::PTRACE_SEIZE),
            ],
        )?,
    );
    // Both put input into a terminal as if it had been typed.
    denied.insert(
        libc::SYS_ioctl,
        values_of_argument(1, [libc::TIOCSTI, libc::TIOCLINUX])?,
    );
    let mut families = values_of_argument(
        0,
        (0..=16)
            .filter(|family| !SOCKET_FAMILIES.contains(family))
            .map(|family| u64::from(family.unsigned_abs())),
    )?;
    families.push(SeccompRule::new(vec![SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Gt,
        16,
    )?])?);
    denied.insert(libc::SYS_socket, families);

    // The arguments of clone3 are in memory, where a filter cannot look. ENOSYS makes the C library fall back to clone.
    let missing = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let mut first = program(denied, libc::EPERM)?;
    deny_x32(&mut first);
    Ok(vec![bytes(&first), bytes(&program(missing, libc::ENOSYS)?)])
}

fn program(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    errno: libc::c_int,
) -> Result<BpfProgram, SeccompError> {
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(errno.unsigned_abs()),
        std::env::consts::ARCH.try_into()?,
    )?;
    Ok(filter.try_into()?)
}

fn values_of_argument(
    index: u8,
    values: impl IntoIterator<Item = u64>,
) -> Result<Vec<SeccompRule>, SeccompError> {
    let rule = |value| {
        let condition =
            SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?;
        Ok(SeccompRule::new(vec![condition])?)
    };
    values.into_iter().map(rule).collect()
}

fn bits_of_argument(
    index: u8,
    bits: impl IntoIterator<Item = u64>,
) -> Result<Vec<SeccompRule>, SeccompError> {
    let rule = |bit| {
        let condition = SeccompCondition::new(
            index,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::MaskedEq(bit),
            bit,
        )?;
        Ok(SeccompRule::new(vec![condition])?)
    };
    bits.into_iter().map(rule).collect()
}

/// The x32 calls of an x86-64 kernel carry the architecture of x86-64 but other numbers, and would pass a deny-list.
fn deny_x32(program: &mut BpfProgram) {
    if cfg!(target_arch = "x86_64") {
        const LOAD_WORD: u16 = 0x20;
        const JUMP_IF_GREATER_OR_EQUAL: u16 = 0x35;
        const RETURN: u16 = 0x06;
        const X32_BIT: u32 = 0x4000_0000;
        let refuse = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
        program.splice(
            0..0,
            [
                sock_filter {
                    code: LOAD_WORD,
                    jt: 0,
                    jf: 0,
                    k: 0,
                },
                sock_filter {
                    code: JUMP_IF_GREATER_OR_EQUAL,
                    jt: 0,
                    jf: 1,
                    k: X32_BIT,
                },
                sock_filter {
                    code: RETURN,
                    jt: 0,
                    jf: 0,
                    k: refuse,
                },
            ],
        );
    }
}

fn bytes(program: &BpfProgram) -> Vec<u8> {
    let instruction = |i: &sock_filter| {
        let [code_0, code_1] = i.code.to_ne_bytes();
        let [k_0, k_1, k_2, k_3] = i.k.to_ne_bytes();
        [code_0, code_1, i.jt, i.jf, k_0, k_1, k_2, k_3]
    };
    program.iter().flat_map(instruction).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_whole_instructions_and_fit_the_kernel() {
        let programs = programs().unwrap();
        assert_eq!(programs.len(), 2);
        for program in programs {
            assert_eq!(program.len() % 8, 0);
            assert!(
                program.len() / 8 < 4096,
                "the kernel takes 4,096 instructions"
            );
        }
    }
}
