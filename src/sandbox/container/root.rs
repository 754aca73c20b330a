//! What a container sees: a root in memory, the node's `/usr` to read, and what
//! was bound in.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use super::ContainerSpec;
use crate::error::{Context as _, Result};
use crate::node::{self, bind, ensure_dir, ensure_target, path_of, remount_bind};

/// Files of the node's `/etc` that programs need to run at all.
const ETC: [&str; 12] = [
    "passwd",
    "group",
    "nsswitch.conf",
    "ld.so.cache",
    "ld.so.conf",
    "localtime",
    "protocols",
    "services",
    "hosts",
    "resolv.conf",
    "hostname",
    "os-release",
];

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Builds the root at `root`, an empty directory, and makes it this process's.
/// Runs in the container's namespaces as root of the node.
pub(super) fn enter(spec: &ContainerSpec, root: &Path) -> Result<()> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .context("keep mounts to the container")?;
    let sources = spec
        .binds
        .iter()
        .map(|wanted| node::open_path(&wanted.host_path))
        .collect::<Result<Vec<_>>>()?;
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    new("tmpfs", root, plain, "mode=755,size=1g")?;
    for (name, mode) in [
        ("dev", 0o755),
        ("etc", 0o755),
        ("home", 0o755),
        ("proc", 0o555),
        ("root", 0o700),
        ("run", 0o755),
        ("sys", 0o555),
        ("tmp", 0o1777),
        ("usr", 0o755),
        ("var", 0o755),
        ("var/lib", 0o755),
        ("var/log", 0o755),
        ("var/tmp", 0o1777),
    ] {
        ensure_dir(&root.join(name), mode)?;
    }
    symlink("/run", root.join("var/run")).context("link /var/run")?;
    usr(spec, root)?;
    etc(root)?;
    dev(spec, root)?;
    let proc = root.join("proc");
    if spec.host_pid {
        bind(Path::new("/proc"), &proc, true)?;
    } else {
        new("proc", &proc, plain | MsFlags::MS_NOEXEC, "")?;
    }
    bind(Path::new("/sys"), &root.join("sys"), true)?;
    for (wanted, source) in spec.binds.iter().zip(&sources) {
        bind_in(root, source, &wanted.mount_path, wanted.read_only)?;
    }
    drop(sources);
    chdir(root).context("enter the container's root")?;
    pivot_root(".", ".").context("change to the container's root")?;
    umount2(".", MntFlags::MNT_DETACH).context("leave the node's tree")?;
    chdir("/").context("enter the container's root")?;
    for file in &spec.files {
        node::put(file)?;
    }
    if !spec.cwd.as_os_str().is_empty() {
        fs::create_dir_all(&spec.cwd)
            .with_context(|| format!("make the working directory {}", spec.cwd.display()))?;
    }
    if spec.read_only_root {
        remount_bind(Path::new("/"), libc::MS_RDONLY)?;
    }
    Ok(())
}

fn new(kind: &str, target: &Path, flags: MsFlags, data: &str) -> Result<()> {
    let data = (!data.is_empty()).then_some(data);
    mount(Some(kind), target, Some(kind), flags, data)
        .with_context(|| format!("mount {kind} on {}", target.display()))
}

/// Binds an opened source to a path below `root`.
fn bind_in(root: &Path, source: &OwnedFd, path: &Path, read_only: bool) -> Result<()> {
    let directory = fs::metadata(path_of(source)).is_ok_and(|found| found.is_dir());
    let target = ensure_target(root, path, directory)?;
    let place = fs::read_link(path_of(&target)).context("find the mount's target")?;
    bind(&path_of(source), &path_of(&target), true)?;
    let extra = if read_only { libc::MS_RDONLY } else { 0 };
    remount_bind(&place, extra | libc::MS_NOSUID | libc::MS_NODEV)
}

/// The node's `/usr`, read-only, with the container's own `/usr/local/bin`.
fn usr(spec: &ContainerSpec, root: &Path) -> Result<()> {
    for name in [
        "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "gnu",
    ] {
        let path = Path::new("/").join(name);
        let Ok(found) = fs::symlink_metadata(&path) else {
            continue;
        };
        let own = root.join(name);
        if found.is_symlink() {
            let target = fs::read_link(&path).context("read a link of the node's root")?;
            symlink(target, &own).with_context(|| format!("link /{name}"))?;
        } else if found.is_dir() {
            ensure_dir(&own, 0o755)?;
            bind(&path, &own, true)?;
        }
    }
    let usr = root.join("usr");
    bind(Path::new("/usr"), &usr, true)?;
    let bin = usr.join("local/bin");
    if !bin.is_dir() {
        // Only a learner who has removed it gets here.
        fs::create_dir_all(&bin).context("make the container's /usr/local/bin")?;
    }
    remount_bind(&usr, libc::MS_RDONLY)?;
    new(
        "tmpfs",
        &bin,
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        "mode=755,size=1m",
    )?;
    for name in &spec.applets {
        symlink(node::applet_target(name), bin.join(name))
            .with_context(|| format!("link {name} in the container"))?;
    }
    remount_bind(&bin, libc::MS_RDONLY)
}

fn etc(root: &Path) -> Result<()> {
    let node = Path::new("/etc");
    let own = root.join("etc");
    for name in ETC {
        // What the node lacks, the container lacks.
        let _ = fs::copy(node.join(name), own.join(name));
    }
    for name in ["alternatives", "ld.so.conf.d"] {
        if node.join(name).is_dir() {
            ensure_dir(&own.join(name), 0o755)?;
            bind(&node.join(name), &own.join(name), true)?;
            remount_bind(&own.join(name), libc::MS_RDONLY)?;
        }
    }
    Ok(())
}

fn dev(spec: &ContainerSpec, root: &Path) -> Result<()> {
    let own = root.join("dev");
    new("tmpfs", &own, MsFlags::MS_NOSUID, "mode=755,size=1m")?;
    for name in DEVICES {
        let source = Path::new("/dev").join(name);
        if source.exists() {
            fs::File::create(own.join(name)).with_context(|| format!("make /dev/{name}"))?;
            bind(&source, &own.join(name), false)?;
        }
    }
    let pts = own.join("pts");
    ensure_dir(&pts, 0o755)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    new("devpts", &pts, flags, "newinstance,ptmxmode=0666,mode=0620")?;
    let shm = own.join("shm");
    ensure_dir(&shm, 0o1777)?;
    if spec.host_ipc {
        bind(Path::new("/dev/shm"), &shm, false)?;
    } else {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        new("tmpfs", &shm, flags, "mode=1777,size=64m")?;
    }
    for (link, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, own.join(link)).context("make a link in /dev")?;
    }
    Ok(())
}
