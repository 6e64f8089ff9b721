//! The sandbox, seen from inside a container.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use codex_local_cluster::node::config::{ImageBind, ServiceConfig};
use codex_local_cluster::node::plan::objects::Objects;
use codex_local_cluster::node::shim::state::Outcome;
use serde_json::json;

mod node_support;
use node_support::{Bench, config, exited, pod, poll};

#[tokio::test]
async fn exit_codes_and_output_come_out() {
    let bench = Bench::new(config());
    let (outcome, output) = bench
        .run(
            &pod("echo out; echo err >&2; exit 7", json!({})),
            &Objects::default(),
        )
        .await;
    assert_eq!(outcome, exited(7), "{output}");
    assert!(
        output.contains("out\n") && output.contains("err\n"),
        "{output}"
    );
    let killed = "bash -c 'kill -9 $BASHPID'; exit $?";
    assert_eq!(
        bench
            .run(&pod(killed, json!({})), &Objects::default())
            .await
            .0,
        exited(137)
    );
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_said() {
    let bench = Bench::new(config());
    let mut pod = pod("", json!({}));
    pod.spec.as_mut().unwrap().containers[0].command = Some(vec!["/no/such/program".to_owned()]);
    let (outcome, _) = bench.run(&pod, &Objects::default()).await;
    let Outcome::CannotRun { message } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(message.contains("/no/such/program"), "{message}");
}

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

#[tokio::test]
async fn services_are_reached_and_nothing_else() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let other_port = other.local_addr().unwrap().port();
    let service = ServiceConfig {
        listen: "127.0.0.1:8787".parse().unwrap(),
        target: target.local_addr().unwrap(),
    };
    let answers = std::thread::spawn(move || {
        let (mut stream, _) = target.accept().unwrap();
        let mut word = [0_u8; 5];
        stream.read_exact(&mut word).unwrap();
        stream
            .write_all(&word.map(|byte| byte.to_ascii_uppercase()))
            .unwrap();
    });
    let bench = Bench::new(codex_local_cluster::node::NodeConfig {
        services: vec![service],
        ..config()
    });
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/8787; printf hello >&3; head -c 5 <&3; echo
         for address in 127.0.0.1/{other_port} ::1/{other_port} 1.1.1.1/53 169.254.169.254/80; do
           timeout 2 bash -c \"exec 3<>/dev/tcp/$address\" 2>/dev/null && echo \"BAD: reaches $address\"
         done
         getent hosts example.com && echo 'BAD: resolves names'
         echo finished"
    );
    let (_, output) = bench
        .run(&pod(&script, json!({})), &Objects::default())
        .await;
    assert_eq!(output, "HELLO\nfinished\n");
    answers.join().unwrap();
    // The check is worth something only if the port is open to the host.
    assert!(TcpStream::connect(("127.0.0.1", other_port)).is_ok());
}

#[tokio::test]
async fn a_service_that_is_away_is_an_error_and_comes_back() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let service = ServiceConfig {
        listen: "127.0.0.1:8787".parse().unwrap(),
        target: port,
    };
    let bench = Bench::new(codex_local_cluster::node::NodeConfig {
        services: vec![service],
        ..config()
    });
    let script = "until exec 3<>/dev/tcp/127.0.0.1/8787 && read -t 5 line <&3 && echo \"$line\"; do echo again; sleep 0.05; done";
    let pod = pod(script, json!({}));
    let mut run = bench
        .start(
            &pod,
            &pod.spec.as_ref().unwrap().containers[0],
            0,
            &Objects::default(),
        )
        .await;
    run.wait_for_output("again").await;
    let listener = TcpListener::bind(port).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"here\n").unwrap();
    assert_eq!(run.exit().await.outcome, exited(0));
    run.wait_for_output("here").await;
}

fn objects() -> Objects {
    let secret = serde_json::from_value(
        json!({"metadata": {"name": "keys"}, "data": {"token": "czNjcjN0", "other": "eA=="}}),
    )
    .unwrap();
    let config_map = serde_json::from_value(
        json!({"metadata": {"name": "settings"}, "data": {"a.conf": "A\n", "b.conf": "B\n"}}),
    )
    .unwrap();
    Objects {
        secrets: [("keys".to_owned(), secret)].into(),
        config_maps: [("settings".to_owned(), config_map)].into(),
        ..Objects::default()
    }
}

#[tokio::test]
async fn volumes_and_variables_are_there() {
    let bench = Bench::new(config());
    // Closed to everybody but its owner, as a data folder below a home is.
    let host = bench.folder.path().join("closed/repository");
    std::fs::create_dir_all(host.join("sub")).unwrap();
    std::fs::write(host.join("file"), "from the host").unwrap();
    std::fs::write(host.join("sub/inner"), "deep").unwrap();
    std::os::unix::fs::symlink("/etc", host.join("escape")).unwrap();
    std::fs::set_permissions(
        bench.folder.path().join("closed"),
        std::fs::Permissions::from_mode(0o700),
    )
    .unwrap();
    let script = r#"
        cd /srv/repos/demo && cat file && echo
        ( echo x > /srv/repos/demo/new ) 2>/dev/null && echo BAD: repository is writable
        cat /part/inner && echo
        cat /keys/token && echo; ls /keys; stat -c %a /keys/token
        ( echo x > /keys/new ) 2>/dev/null && echo BAD: secret is writable
        cat /settings/renamed; cat /one/a.conf
        cat /about/name && echo; cat /about/limit && echo
        echo kept > /workspace/result; stat -c %a /workspace
        dd if=/dev/zero of=/memory/big bs=1M count=2 2>/dev/null && echo BAD: memory volume has no limit
        ( echo x > /usr/local/lib/probe ) 2>/dev/null && echo BAD: host folder is writable
        echo "$TOKEN $MISSING $SETTING $NAME $LIMIT $BOTH $PREFIXED_other"
    "#;
    let pod = pod(
        script,
        json!({
            "volumes": [
                {"name": "repository", "hostPath": {"path": host}},
                {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400, "items": [{"key": "token", "path": "token"}]}},
                {"name": "settings", "configMap": {"name": "settings", "items": [{"key": "b.conf", "path": "renamed"}]}},
                {"name": "all", "projected": {"sources": [{"configMap": {"name": "settings"}}]}},
                {"name": "about", "downwardAPI": {"items": [
                    {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
                    {"path": "limit", "resourceFieldRef": {"containerName": "main", "resource": "limits.memory", "divisor": "1Mi"}},
                ]}},
                {"name": "workspace", "emptyDir": {}},
                {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            ],
            "containers": [{
                "resources": {"limits": {"memory": "256Mi", "cpu": "1"}},
                "volumeMounts": [
                    {"name": "repository", "mountPath": "/srv/repos/demo", "readOnly": true},
                    {"name": "repository", "mountPath": "/part", "subPath": "sub"},
                    {"name": "keys", "mountPath": "/keys"},
                    {"name": "settings", "mountPath": "/settings"},
                    {"name": "all", "mountPath": "/one/a.conf", "subPath": "a.conf"},
                    {"name": "about", "mountPath": "/about"},
                    {"name": "workspace", "mountPath": "/workspace"},
                    {"name": "memory", "mountPath": "/memory"},
                ],
                "envFrom": [{"prefix": "PREFIXED_", "secretRef": {"name": "keys"}}],
                "env": [
                    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
                    {"name": "MISSING", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "no", "optional": true}}},
                    {"name": "SETTING", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a.conf"}}},
                    {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
                    {"name": "BOTH", "value": "$(NAME)-$(TOKEN)"},
                ],
            }],
        }),
    );
    let (outcome, output) = bench.run(&pod, &objects()).await;
    assert_eq!(
        output,
        "from the host\ndeep\ns3cr3t\ntoken\n400\nB\nA\nprobe\n256\n777\ns3cr3t  A\n probe 268435456 probe-s3cr3t x\n",
        "{outcome:?}"
    );
    let kept = bench
        .runtime
        .pod_dir(&pod)
        .unwrap()
        .volumes()
        .join("workspace/result");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "kept\n");
    assert_no_secret_on_disk(bench.folder.path());
}

fn assert_no_secret_on_disk(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_symlink() {
        } else if path.is_dir() {
            assert_no_secret_on_disk(&path);
        } else if path.extension().is_none_or(|extension| extension != "log") {
            let content = std::fs::read(&path).unwrap();
            assert!(
                !content.windows(6).any(|window| window == b"s3cr3t"),
                "{} holds a secret",
                path.display()
            );
        }
    }
}

#[tokio::test]
async fn a_sub_path_cannot_leave_its_volume() {
    let bench = Bench::new(config());
    let host = bench.folder.path().join("volume");
    std::fs::create_dir(&host).unwrap();
    std::os::unix::fs::symlink("/etc", host.join("escape")).unwrap();
    let pod = pod(
        "ls /escaped",
        json!({
            "volumes": [{"name": "volume", "hostPath": {"path": host}}],
            "containers": [{"volumeMounts": [{"name": "volume", "mountPath": "/escaped", "subPath": "escape"}]}],
        }),
    );
    let (outcome, output) = bench.run(&pod, &Objects::default()).await;
    assert!(
        matches!(outcome, Outcome::CannotRun { .. }),
        "{outcome:?} {output}"
    );
}

#[tokio::test]
async fn an_image_adds_files_beside_those_of_the_host() {
    let bench_folder = tempfile::tempdir().unwrap();
    let tool = bench_folder.path().join("tool");
    std::fs::write(&tool, "#!/bin/sh\necho from the image\n").unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut config = config();
    let image = config.images.get_mut("test").unwrap();
    image.binds = [
        "/usr/local/bin/codex-probe-tool",
        "/opt/probe/bin/tool",
        "/usr/local/bin/codex-other-tool",
    ]
    .map(|target| ImageBind {
        source: tool.clone(),
        target: target.to_owned(),
    })
    .into();
    image.env.insert("FROM_IMAGE".to_owned(), "yes".to_owned());
    let bench = Bench::new(config);
    let host: usize = std::fs::read_dir("/usr/local/bin").map_or(0, Iterator::count);
    let script = "codex-probe-tool; codex-other-tool; /opt/probe/bin/tool; echo $FROM_IMAGE; ls /usr/local/bin | wc -l; ( : > /usr/local/bin/x ) 2>/dev/null && echo BAD";
    let (_, output) = bench
        .run(&pod(script, json!({})), &Objects::default())
        .await;
    assert_eq!(
        output,
        format!(
            "from the image\nfrom the image\nfrom the image\nyes\n{}\n",
            host + 2
        )
    );
}

#[tokio::test]
async fn memory_is_limited() {
    let bench = Bench::new(config());
    if !bench.runtime.found().cgroups.limits_memory() {
        println!(
            "skipped: no memory control group on this machine: {:?}",
            bench.runtime.found().cgroups
        );
        return;
    }
    let limits = json!({"containers": [{"resources": {"limits": {"memory": "64Mi"}}}]});
    // The process that takes the memory is not the first one, which would go on and hide it.
    let script = "python3 -c 'x = bytearray(256 << 20); print(len(x))'; echo survived; sleep 60";
    let (outcome, output) = bench.run(&pod(script, limits), &Objects::default()).await;
    assert_eq!(
        outcome,
        Outcome::Exited {
            code: 137,
            out_of_memory: true
        },
        "{output}"
    );
}

#[tokio::test]
async fn processes_are_limited() {
    let mut config = config();
    config.pod_pids_limit = 20;
    let bench = Bench::new(config);
    let script = "python3 -c '
import os, time
children = 0
try:
    while children < 100:
        if os.fork() == 0: time.sleep(30); os._exit(0)
        children += 1
except BlockingIOError: pass
print(5 < children < 20, flush=True)
os._exit(0)'";
    let (_, output) = bench
        .run(&pod(script, json!({})), &Objects::default())
        .await;
    assert_eq!(output, "True\n");
}

#[tokio::test]
async fn a_stop_is_asked_for_first_and_forced_after() {
    let bench = Bench::new(config());
    let polite = pod(
        "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done",
        json!({}),
    );
    let mut run = bench
        .start(
            &polite,
            &polite.spec.as_ref().unwrap().containers[0],
            0,
            &Objects::default(),
        )
        .await;
    run.started().await;
    run.wait_for_output("ready").await;
    run.handle.stopper().stop(Duration::from_secs(20)).unwrap();
    assert_eq!(run.exit().await.outcome, exited(3));
    run.wait_for_output("bye").await;

    let deaf = pod("trap '' TERM; echo ready; sleep 60", json!({}));
    let mut run = bench
        .start(
            &deaf,
            &deaf.spec.as_ref().unwrap().containers[0],
            0,
            &Objects::default(),
        )
        .await;
    run.started().await;
    run.wait_for_output("ready").await;
    run.handle.stopper().stop(Duration::from_secs(600)).unwrap();
    // Asking again shortens the time.
    run.handle
        .stopper()
        .stop(Duration::from_millis(100))
        .unwrap();
    assert_eq!(run.exit().await.outcome, exited(137));
}

#[tokio::test]
async fn a_container_dies_with_its_shim() {
    let bench = Bench::new(config());
    let pod = pod("echo ready; sleep 60", json!({}));
    let mut run = bench
        .start(
            &pod,
            &pod.spec.as_ref().unwrap().containers[0],
            0,
            &Objects::default(),
        )
        .await;
    let started = run.started().await;
    run.wait_for_output("ready").await;
    let shim = run.handle.dir().shim().unwrap();
    shim.signal(rustix::process::Signal::KILL).unwrap();
    assert_eq!(run.exit().await.outcome, Outcome::Lost);
    poll(|| !started.process.is_alive(), "the container to die").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_pods_at_once() {
    let bench = std::sync::Arc::new(Bench::new(config()));
    let runs = (0..50).map(|number| {
        let bench = bench.clone();
        tokio::spawn(async move {
            bench
                .run(
                    &pod(&format!("echo {number}; sleep 0.5"), json!({})),
                    &Objects::default(),
                )
                .await
        })
    });
    for (number, run) in runs.collect::<Vec<_>>().into_iter().enumerate() {
        let (outcome, output) = run.await.unwrap();
        assert_eq!((outcome, output), (exited(0), format!("{number}\n")));
    }
}

#[tokio::test]
async fn codex_itself_runs() {
    let config = config();
    let Some(bwrap) = codex_local_cluster::node::preflight::find_bwrap(&config) else {
        panic!("no bubblewrap")
    };
    let package = bwrap
        .parent()
        .and_then(|folder| folder.parent())
        .unwrap()
        .to_owned();
    if !package.join("bin/codex").is_file() {
        println!(
            "skipped: bubblewrap at {} isn't the one of the codex package",
            bwrap.display()
        );
        return;
    }
    let mut config = config;
    config.images.get_mut("test").unwrap().binds = vec![ImageBind {
        source: package,
        target: "/opt/codex".to_owned(),
    }];
    let bench = Bench::new(config);
    let script = "/opt/codex/bin/codex --version && /opt/codex/codex-path/rg --version | head -1";
    let (outcome, output) = bench
        .run(&pod(script, json!({})), &Objects::default())
        .await;
    assert_eq!(outcome, exited(0), "{output}");
    assert!(
        output.contains("codex-cli ") && output.contains("ripgrep"),
        "{output}"
    );
}
