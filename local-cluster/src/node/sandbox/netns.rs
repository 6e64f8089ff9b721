//! The network of a Pod: a namespace with nothing but a loopback, and the sockets of the cluster's services in it.
//!
//! A short-lived child enters new namespaces, brings the loopback up, binds the services' addresses and hands the
//! sockets and namespaces back. A socket stays in the namespace that it was made in, so the parent, which never leaves
//! the host's network, accepts the Pod's connections on them.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socket, socketpair,
};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Gid, Uid, fork, setgroups, setresgid, setresuid};

use super::plan::HostIdentity;

/// A Pod's network.
#[derive(Debug)]
pub struct PodNetwork {
    /// The user namespace that owns the network namespace.
    pub user: OwnedFd,
    /// The network namespace.
    pub net: OwnedFd,
    /// Listening sockets inside it, in the order asked for.
    pub listeners: Vec<TcpListener>,
}

/// Services that fit into one message: the kernel passes at most 253 descriptors, and two are the namespaces.
const MOST_SERVICES: usize = 250;

/// Makes the network of a Pod. The caller must be single-threaded.
///
/// # Errors
/// Fails when the kernel forbids user or network namespaces, or an address cannot be bound.
pub fn create(host: HostIdentity, listen: &[SocketAddr]) -> io::Result<PodNetwork> {
    if listen.len() > MOST_SERVICES {
        return Err(io::Error::other(format!(
            "{} services; at most {MOST_SERVICES} are possible",
            listen.len()
        )));
    }
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?;
    // SAFETY: the caller has a single thread, so that no lock can be held by a thread that the child doesn't have.
    #[expect(unsafe_code, reason = "fork has no safe form")]
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(ours);
            let status = match inside(host, listen, &theirs) {
                Ok(()) => 0,
                Err(error) => {
                    let _ = sendmsg::<()>(
                        theirs.as_raw_fd(),
                        &[IoSlice::new(error.to_string().as_bytes())],
                        &[],
                        MsgFlags::empty(),
                        None,
                    );
                    1
                }
            };
            // Not `exit`: destructors and buffers belong to the parent.
            #[expect(unsafe_code, reason = "_exit has no safe form")]
            // SAFETY: _exit has no preconditions.
            unsafe {
                libc::_exit(status)
            }
        }
        ForkResult::Parent { child } => {
            drop(theirs);
            let received = receive(&ours);
            waitpid(child, None)?;
            let mut descriptors = received?.into_iter();
            match (descriptors.next(), descriptors.next()) {
                (Some(user), Some(net)) if descriptors.len() == listen.len() => Ok(PodNetwork {
                    user,
                    net,
                    listeners: descriptors.map(TcpListener::from).collect(),
                }),
                _ => Err(io::Error::other(
                    "the process that makes the Pod's network ended early",
                )),
            }
        }
    }
}

/// Gives up root for good. Nothing happens unless `host.change` is set.
///
/// # Errors
/// Fails when the caller isn't root.
pub fn become_host_identity(host: HostIdentity) -> nix::Result<()> {
    if host.change {
        let (uid, gid) = (Uid::from_raw(host.uid), Gid::from_raw(host.gid));
        setgroups(&[])?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)?;
    }
    Ok(())
}

fn inside(host: HostIdentity, listen: &[SocketAddr], parent: &OwnedFd) -> io::Result<()> {
    become_host_identity(host)
        .map_err(|error| context("cannot change to the host uid of Pods", &error.into()))?;
    // A process that changed its uid does not own its own /proc files until it is dumpable again.
    nix::sys::prctl::set_dumpable(true)?;
    unshare(CloneFlags::CLONE_NEWUSER)
        .map_err(|error| context("the kernel refuses a user namespace", &error.into()))?;
    map("uid_map", host.uid)
        .map_err(|error| context("cannot map the uid of the user namespace", &error))?;
    fs::write("/proc/self/setgroups", "deny")?;
    map("gid_map", host.gid)
        .map_err(|error| context("cannot map the gid of the user namespace", &error))?;
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|error| context("the kernel refuses a network namespace", &error.into()))?;
    loopback_up().map_err(|error| {
        context(
            "cannot bring the loopback of the network namespace up",
            &error,
        )
    })?;
    let listeners = listen
        .iter()
        .map(|address| {
            TcpListener::bind(address)
                .map_err(|error| context(&format!("cannot listen on {address}"), &error))
        })
        .collect::<io::Result<Vec<_>>>()?;
    let user = fs::File::open(Path::new("/proc/self/ns/user"))?;
    let net = fs::File::open(Path::new("/proc/self/ns/net"))?;
    let mut descriptors: Vec<RawFd> = vec![user.as_raw_fd(), net.as_raw_fd()];
    descriptors.extend(listeners.iter().map(AsRawFd::as_raw_fd));
    sendmsg::<()>(
        parent.as_raw_fd(),
        &[IoSlice::new(b"")],
        &[ControlMessage::ScmRights(&descriptors)],
        MsgFlags::empty(),
        None,
    )?;
    Ok(())
}

fn map(file: &str, id: u32) -> io::Result<()> {
    // To itself: containers get the uid that they ask for from bubblewrap's namespace inside this one, and as long as
    // it isn't 0 here, executing a program in between leaves no capability over the network namespace.
    fs::write(Path::new("/proc/self").join(file), format!("{id} {id} 1"))
}

fn loopback_up() -> io::Result<()> {
    let control = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    #[expect(unsafe_code, reason = "interface flags are set by an ioctl")]
    // SAFETY: ifreq is plain data; the name is NUL-terminated; the kernel only reads the structure.
    let result = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        libc::ioctl(control.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request)
    };
    nix::errno::Errno::result(result)?;
    Ok(())
}

fn receive(from: &OwnedFd) -> io::Result<Vec<OwnedFd>> {
    let mut text = [0_u8; 1024];
    let mut buffers = [IoSliceMut::new(&mut text)];
    let mut control = nix::cmsg_space!([RawFd; MOST_SERVICES + 2]);
    let message = recvmsg::<()>(
        from.as_raw_fd(),
        &mut buffers,
        Some(&mut control),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    let mut descriptors = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            #[expect(unsafe_code, reason = "received descriptors arrive as numbers")]
            // SAFETY: the kernel has just made these descriptors for this process, and nobody else knows of them.
            descriptors.extend(
                received
                    .into_iter()
                    .map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }),
            );
        }
    }
    let length = message.bytes;
    if descriptors.is_empty() && length > 0 {
        return Err(io::Error::other(
            String::from_utf8_lossy(text.get(..length).unwrap_or_default()).into_owned(),
        ));
    }
    Ok(descriptors)
}

/// Enters the namespaces of a Pod, to which the caller must have been given descriptors.
///
/// # Errors
/// Fails when the caller's uid doesn't own the user namespace.
pub fn enter(user: BorrowedFd<'_>, net: BorrowedFd<'_>) -> nix::Result<()> {
    nix::sched::setns(user, CloneFlags::CLONE_NEWUSER)?;
    nix::sched::setns(net, CloneFlags::CLONE_NEWNET)
}

fn context(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
