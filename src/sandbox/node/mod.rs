//! A node from its first process to its init: mounts, files, then its own user
//! namespace, in which it can undo none of that.

mod etc;
mod files;
mod mounts;

use std::ffi::CString;
use std::fs;
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, fchdir, pivot_root};

use crate::error::{Context as _, Error, Result};
use crate::netlink::Netlink;
use crate::spec::{NodeSpec, Subnet};
use crate::sys;

pub(crate) use files::{applet_target, put};
pub(crate) use mounts::{bind, ensure_dir, ensure_target, open_path, path_of, remount_bind};

/// Where kubedrill and the foreign binaries are in a node.
pub(crate) const LIBRARY: &str = "/usr/local/lib/kubedrill";
/// The program within [`LIBRARY`].
pub(crate) const PROGRAM: &str = "/usr/local/lib/kubedrill/kubedrill";
/// The descriptor on which a node's init answers to the fabric.
pub(crate) const READY_FD: i32 = 3;

/// What the builder of a node knows.
pub(crate) struct Plan<'a> {
    pub(crate) node: &'a NodeSpec,
    /// Every node, for `/etc/hosts`.
    pub(crate) nodes: &'a [NodeSpec],
    pub(crate) subnet: Subnet,
    /// Where the fabric has gathered what nodes need from the host.
    pub(crate) stage: &'a Path,
    /// Whether other users than root exist.
    pub(crate) has_users: bool,
    /// What all users of all nodes may run together.
    pub(crate) max_processes: u64,
}

/// The host's things, opened before the host's tree is left.
struct HostSide {
    /// `nodes/NAME` of the session.
    dir: OwnedFd,
    old_root: OwnedFd,
    usr: OwnedFd,
    etc: OwnedFd,
    program: OwnedFd,
    /// Foreign binaries with the names that they get.
    binaries: Vec<(String, OwnedFd)>,
    binds: Vec<OwnedFd>,
    devices: Vec<(&'static str, OwnedFd)>,
    /// Links and directories of the host's root: `bin`, `lib64`…
    links: Vec<(String, PathBuf)>,
    directories: Vec<(String, OwnedFd)>,
}

/// The life of a node's first process up to the exec of its init. It speaks
/// over `channel` with the fabric: one byte out when its user namespace waits
/// for a map, one byte in when map and link are there. Returns only an error.
pub(crate) fn become_node(plan: &Plan<'_>, channel: &OwnedFd) -> Error {
    match build(plan).and_then(|()| enter_own_namespaces(plan, channel)) {
        Ok(()) => exec_init(channel),
        Err(error) => error,
    }
}

fn build(plan: &Plan<'_>) -> Result<()> {
    let host = open_host_side(plan)?;
    let own = plan.stage.join("nodes").join(&plan.node.name);
    let first_boot = !own.join("booted").exists();
    let root = own.join("root");
    ensure_dir(&root, 0o755)?;
    bind(&root, &root, false)?;
    remount_bind(&root, libc::MS_NOSUID | libc::MS_NODEV)?;
    chdir(&root).context("enter the node's root")?;
    pivot_root(".", ".").context("make the node's tree its root")?;

    // From here on "/" is the node's, which its user may have filled with
    // symbolic links: they lead nowhere else. The host's tree is reachable
    // through the descriptors of `host` only.
    mounts::mount_all(&host, plan)?;
    if first_boot {
        etc::copy_from_host(&host.etc);
    }
    fchdir(host.old_root.as_fd()).context("find the host's root")?;
    umount2(".", MntFlags::MNT_DETACH).context("leave the host's tree")?;
    chdir("/").context("enter the node's root")?;
    let marker = host.dir.try_clone().context("keep the node's directory")?;
    drop(host);
    files::write_all(plan, first_boot)?;
    if first_boot {
        let path = format!("/proc/self/fd/{}/booted", marker.as_raw_fd());
        fs::write(path, "").context("note the node's first boot")?;
    }
    drop(marker);
    Ok(())
}

fn open_host_side(plan: &Plan<'_>) -> Result<HostSide> {
    let open = |path: &Path| mounts::open_path(path);
    let stage = plan.stage;
    let own = stage.join("nodes").join(&plan.node.name);
    let mut binaries = Vec::new();
    for (index, (name, _)) in plan.node.binaries.iter().enumerate() {
        let path = stage.join(format!("binary-{}-{index}", plan.node.name));
        binaries.push((name.clone(), open(&path)?));
    }
    let mut binds = Vec::new();
    for index in 0..plan.node.binds.len() {
        binds.push(open(
            &stage.join(format!("bind-{}-{index}", plan.node.name)),
        )?);
    }
    let mut devices = Vec::new();
    for name in mounts::DEVICES {
        let path = Path::new("/dev").join(name);
        if path.exists() {
            devices.push((name, open(&path)?));
        }
    }
    let (mut links, mut directories) = (Vec::new(), Vec::new());
    for name in [
        "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "gnu",
    ] {
        let path = Path::new("/").join(name);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => {
                let target = fs::read_link(&path).context("read a link of the host's root")?;
                links.push((name.to_owned(), target));
            }
            Ok(found) if found.is_dir() => directories.push((name.to_owned(), open(&path)?)),
            _ => {}
        }
    }
    Ok(HostSide {
        dir: open(&own)?,
        old_root: open(Path::new("/"))?,
        usr: open(Path::new("/usr"))?,
        etc: open(Path::new("/etc"))?,
        program: open(&stage.join("program"))?,
        binaries,
        binds,
        devices,
        links,
        directories,
    })
}

fn enter_own_namespaces(plan: &Plan<'_>, channel: &OwnedFd) -> Result<()> {
    // The kernel holds it against the new user namespace as a whole: each user's own limit
    // is none where users can be had in plenty.
    sys::limit_processes(plan.max_processes);
    // The mounts that this namespace copies become locked: root of the node can
    // neither uncover what they hide nor make the read-only ones writable.
    unshare(
        CloneFlags::CLONE_NEWUSER
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWCGROUP,
    )
    .context("make the node's namespaces")?;
    sys::set_dumpable(true).context("stay readable for the fabric")?;
    let mut stream = fs::File::from(channel.try_clone().context("keep the channel")?);
    stream.write_all(b"u").context("ask for a user map")?;
    let mut byte = [0];
    std::io::Read::read_exact(&mut stream, &mut byte).context("wait for a user map")?;
    crate::enter::become_root().context("become root of the node")?;
    nix::unistd::sethostname(&plan.node.name).context("set the host name")?;
    let netlink = Netlink::open().context("speak to the node's network")?;
    netlink.up("lo").context("switch the loopback link on")?;
    netlink
        .add_address("eth0", plan.node.address, plan.subnet.prefix)
        .context("give the node its address")?;
    netlink.up("eth0").context("switch the node's link on")?;
    netlink
        .add_default_route("eth0", plan.subnet.gateway())
        .context("give the node its default route")?;
    // Over the one that shows the fabric's links; where it is refused, that one stays.
    let _ = mounts::mount_sys();
    // Lets `ping` work for every user; an older kernel may refuse it.
    let _ = fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0");
    Ok(())
}

fn exec_init(channel: &OwnedFd) -> Error {
    let run = || -> Result<std::convert::Infallible> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open("/var/log/init.log")
            .or_else(|_| fs::OpenOptions::new().write(true).open("/dev/null"))
            .context("open init's log")?;
        let null = fs::File::open("/dev/null").context("open /dev/null")?;
        nix::unistd::dup2_stdin(&null).context("set init's input")?;
        nix::unistd::dup2_stdout(&log).context("set init's output")?;
        nix::unistd::dup2_stderr(&log).context("set init's output")?;
        sys::move_to(channel, READY_FD).context("pass the channel on")?;
        sys::close_on_exec_from(READY_FD + 1).context("close what init must not have")?;
        sys::leave_keyring().context("leave the host's keyring")?;
        sys::limit_node_process();
        sys::reset_signals();
        let program = CString::new(PROGRAM).context("name init")?;
        let argv = [program.clone(), c"sandbox-init".to_owned()];
        let env = [
            c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            c"LANG=C.UTF-8".to_owned(),
        ];
        nix::unistd::execve(&program, &argv, &env).context("start the node's init")
    };
    match run() {
        Ok(never) => match never {},
        Err(error) => error,
    }
}
