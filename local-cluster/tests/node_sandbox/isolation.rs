//! What a container must not be able to see or do.

use codex_local_cluster::node::plan::objects::Objects;
use serde_json::json;

use crate::node_support::{Bench, config, exited, pod};

/// Prints one line for each thing that must not be possible and is.
const ISOLATION: &str = r#"
bad() { echo "BAD: $*"; }
[ "$(id -u):$(id -g)" = 10001:10001 ] || bad "identity $(id)"
[ "$(id -G)" = 10001 ] || bad "groups $(id -G)"
[ "$$" = 1 ] || bad "the command is process $$, not 1"
[ "$(hostname)" = probe ] || bad "hostname $(hostname)"
env | cut -d= -f1 | sort | grep -vxE 'HOME|HOSTNAME|PATH|PWD|SHLVL|_|GIVEN' | while read name; do bad "variable $name"; done
[ "$GIVEN" = yes ] || bad "the given variable is missing"
grep -q '^CapEff:.0*$' /proc/self/status || bad "effective capabilities"
grep -q '^CapBnd:.0*$' /proc/self/status || bad "bounding capabilities"
grep -q '^CapPrm:.0*$' /proc/self/status || bad "permitted capabilities"
grep -q '^NoNewPrivs:.1$' /proc/self/status || bad "new privileges are possible"
grep -q '^Seccomp:.2$' /proc/self/status || bad "no seccomp filter"
for process in /proc/[0-9]*; do
  case "$(tr '\0' ' ' < $process/cmdline 2>/dev/null)" in ''|*bash*|*tr*) ;; *) bad "sees process $process" ;; esac
done
for path in /root/* /home /opt /srv /mnt /boot /sys /var/lib /var/log /etc/shadow /etc/ssl/private /run/*; do
  [ -e "$path" ] && bad "sees $path"
done
for path in / /usr /usr/bin /etc /dev /tmp /var /var/tmp /run /proc /proc/sys /root; do
  ( : > "$path/probe" ) 2>/dev/null && bad "can write to $path"
done
( echo 1 > /proc/sys/vm/drop_caches ) 2>/dev/null && bad "can write kernel settings"
[ "$(cat /proc/keys /proc/kcore /proc/timer_list 2>/dev/null | wc -c)" = 0 ] || bad "reads covered files of the kernel"
[ "$(ls /sys 2>/dev/null)" = "" ] || bad "sees /sys"
unshare -U true 2>/dev/null && bad "can make a user namespace"
unshare -n true 2>/dev/null && bad "can make a network namespace"
mount -t tmpfs none /tmp 2>/dev/null && bad "can mount"
[ "$(ls /sys/class/net 2>/dev/null)$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ')" = lo ] || bad "has more than a loopback"
[ "$(tail -n +2 /proc/net/route | wc -l)" = 0 ] || bad "has routes"
ls /proc/self/fd | while read fd; do case "$(readlink /proc/$BASHPID/fd/$fd 2>/dev/null)" in ''|/dev/null|pipe:*|/proc/*) ;; *) bad "descriptor $fd: $(readlink /proc/self/fd/$fd)" ;; esac; done
readlink /proc/1/fd/* > /dev/shm/descriptors; [ "$(grep -c pipe: /dev/shm/descriptors)" = 2 ] || bad "descriptors: $(cat /dev/shm/descriptors)"
[ -t 0 ] || [ -t 1 ] && bad "has a terminal"
( : < /dev/tty ) 2>/dev/null && bad "has a controlling terminal"
[ "$(getent passwd 10001 | cut -d: -f1)" = codex ] || bad "its user has no name"
echo 'text' > /dev/shm/probe && [ "$(cat /dev/shm/probe)" = text ] || bad "cannot use shared memory"
python3 - <<'PYTHON' 2>&1 || bad "python failed"
import socket, errno, ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def refused(name, number, *args):
    libc.syscall(number, *args)
    if ctypes.get_errno() != errno.EPERM: print("BAD: system call", name, os.strerror(ctypes.get_errno()))
if os.uname().machine == "x86_64":
    refused("keyctl", 250, 0, 0); refused("bpf", 321, 0, 0, 0); refused("io_uring_setup", 425, 1, 0)
    refused("ptrace attach", 101, 16, 1, 0, 0); refused("process_vm_readv", 310, 1, 0, 0, 0, 0, 0)
    refused("userfaultfd", 323, 0); refused("perf_event_open", 298, 0, 0, 0, 0, 0)
    ctypes.set_errno(0); libc.syscall(0x40000000 + 39)
    if ctypes.get_errno() != errno.ENOSYS: print("BAD: x32 system calls pass")
    ctypes.set_errno(0); libc.syscall(435, 0, 0)
    if ctypes.get_errno() != errno.ENOSYS: print("BAD: clone3 is not missing")
for family in (socket.AF_VSOCK, socket.AF_PACKET, 38):
    try: socket.socket(family, socket.SOCK_STREAM); print("BAD: socket family", family)
    except PermissionError: pass
import threading
thread = threading.Thread(target=lambda: print("threads work")); thread.start(); thread.join()
PYTHON
echo finished
"#;

#[tokio::test]
async fn a_container_is_alone() {
    let bench = Bench::new(config());
    let spec = json!({"containers": [{"env": [{"name": "GIVEN", "value": "yes"}], "command": ["/bin/bash", "-c", ISOLATION.replace("$$", "$$$$")]}]});
    let (outcome, output) = bench.run(&pod("", spec), &Objects::default()).await;
    assert_eq!(output, "threads work\nfinished\n");
    assert_eq!(outcome, exited(0));
}
