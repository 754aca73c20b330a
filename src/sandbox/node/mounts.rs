//! The mounts of a node.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;

use super::{HostSide, LIBRARY, PROGRAM, Plan, etc};
use crate::error::{Context as _, Error, Result};
use crate::sys;

/// The devices of the host that a node sees.
pub(super) const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Directories of `/usr` that are made beforehand in the overlay's upper layer:
/// one that belongs to the host's root takes no new files.
const OWN_DIRECTORIES: [&str; 12] = [
    "bin",
    "sbin",
    "lib",
    "libexec",
    "share",
    "local",
    "local/bin",
    "local/sbin",
    "local/lib",
    "local/share",
    "local/etc",
    "local/lib/kubedrill",
];

/// Opens a path of the host without reading it.
pub(crate) fn open_path(path: &Path) -> Result<OwnedFd> {
    nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
        .with_context(|| format!("open {}", path.display()))
}

/// A path that leads to an open descriptor, for system calls that take paths.
pub(crate) fn path_of(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// Makes a directory with exactly this mode; what else has that name (a file, a
/// symbolic link) is removed.
pub(crate) fn ensure_dir(path: &Path, mode: u32) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => {
            fs::remove_file(path).with_context(|| format!("remove {}", path.display()))?;
        }
        Err(_) => {}
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .with_context(|| format!("make the directory {}", path.display()))
}

/// Makes sure that an absolute path exists below `root`, as a directory or as a
/// file, and opens it. Symbolic links stay within `root`.
pub(crate) fn ensure_target(root: &Path, path: &Path, directory: bool) -> Result<OwnedFd> {
    let root_fd = open_path(root)?;
    let what = || format!("make {}", path.display());
    let mut seen = PathBuf::from("/");
    let names: Vec<_> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    let mut here = sys::open_in_root(root_fd.as_fd(), &seen, libc::O_PATH).with_context(what)?;
    for (index, name) in names.iter().enumerate() {
        seen.push(name);
        let last = index + 1 == names.len();
        here = match sys::open_in_root(root_fd.as_fd(), &seen, libc::O_PATH) {
            Ok(fd) => fd,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let missing = path_of(&here).join(name);
                if directory || !last {
                    fs::create_dir(&missing).with_context(what)?;
                } else {
                    fs::File::create_new(&missing).with_context(what)?;
                }
                sys::open_in_root(root_fd.as_fd(), &seen, libc::O_PATH).with_context(what)?
            }
            Err(error) => return Err(error).with_context(what),
        };
    }
    Ok(here)
}

/// Binds `source` to `target`, with what is mounted below it if `recursive`.
pub(crate) fn bind(source: &Path, target: &Path, recursive: bool) -> Result<()> {
    let mut flags = MsFlags::MS_BIND;
    flags.set(MsFlags::MS_REC, recursive);
    mount(Some(source), target, None::<&str>, flags, None::<&str>)
        .with_context(|| format!("bind {} to {}", source.display(), target.display()))
}

/// Adds flags (`MS_RDONLY`, `MS_NOSUID`…) to one bind mount. What the mount has
/// already is repeated, because the kernel refuses to lose a locked flag.
pub(crate) fn remount_bind(target: &Path, extra: u64) -> Result<()> {
    let what = || format!("set the mount flags of {}", target.display());
    let now = nix::sys::statvfs::statvfs(target)
        .with_context(what)?
        .flags();
    let mut flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT;
    flags |= MsFlags::from_bits_truncate(extra);
    // statvfs(3) and mount(2) number these alike, but for relatime.
    let same = libc::ST_RDONLY | libc::ST_NOSUID | libc::ST_NODEV | libc::ST_NOEXEC;
    let same = same | libc::ST_NOATIME | libc::ST_NODIRATIME;
    flags |= MsFlags::from_bits_truncate(now.bits() & same);
    if now.bits() & libc::ST_RELATIME != 0 {
        flags |= MsFlags::MS_RELATIME;
    }
    mount(None::<&str>, target, None::<&str>, flags, None::<&str>).with_context(what)
}

/// Mounts a new file system of a type.
fn mount_new(kind: &str, target: &str, flags: MsFlags, data: &str) -> Result<()> {
    let data = (!data.is_empty()).then_some(data);
    mount(Some(kind), target, Some(kind), flags, data)
        .with_context(|| format!("mount {kind} on {target}"))
}

/// Mounts all that a node sees besides its own tree. The process's root is the
/// node's tree already, the host's tree is still mounted beneath it.
pub(super) fn mount_all(host: &HostSide, plan: &Plan<'_>) -> Result<()> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    ensure_dir(Path::new("/proc"), 0o555)?;
    mount_new("proc", "/proc", plain | MsFlags::MS_NOEXEC, "").map_err(masked_proc)?;

    for (name, target) in &host.links {
        let path = Path::new("/").join(name);
        if fs::read_link(&path).ok().as_ref() != Some(target) {
            remove_any(&path);
            symlink(target, &path).with_context(|| format!("link {}", path.display()))?;
        }
    }
    for (name, fd) in &host.directories {
        let path = Path::new("/").join(name);
        ensure_dir(&path, 0o755)?;
        bind(&path_of(fd), &path, true)?;
        remount_bind(&path, libc::MS_RDONLY | libc::MS_NOSUID)?;
    }
    mount_usr(host)?;
    share_etc(host)?;
    mount_library(host)?;

    ensure_dir(Path::new("/sys"), 0o555)?;
    // A container may forbid it; nothing here depends on it.
    let _ = mount_sys();
    mount_dev(host, plan)?;
    ensure_dir(Path::new("/run"), 0o755)?;
    mount_new("tmpfs", "/run", plain, "mode=755,size=256m")?;
    for dir in ["/run/lock", "/run/kubedrill"] {
        ensure_dir(Path::new(dir), 0o755)?;
    }
    for (fd, wanted) in host.binds.iter().zip(&plan.node.binds) {
        let directory = fs::metadata(path_of(fd)).is_ok_and(|found| found.is_dir());
        let target = ensure_target(Path::new("/"), &wanted.node, directory)?;
        bind(&path_of(fd), &path_of(&target), true)?;
        // The descriptor shows what was there before; the path shows the mount.
        let target = fs::read_link(path_of(&target)).context("find a bound directory")?;
        let extra = if wanted.read_only { libc::MS_RDONLY } else { 0 };
        remount_bind(&target, extra | libc::MS_NOSUID | libc::MS_NODEV)?;
    }
    Ok(())
}

/// `/sys`, which shows the links of the network namespace that it is mounted from. The one
/// mount that is made twice: the kernel lets a node's own user namespace have a new one only
/// where there is one already, and this first one shows the fabric's links.
pub(super) fn mount_sys() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_new("sysfs", "/sys", flags | MsFlags::MS_RDONLY, "")
}

fn masked_proc(error: Error) -> Error {
    match error {
        Error::Io { source, .. } => crate::error::Preflight::MaskedProc {
            reason: source.to_string(),
        }
        .into(),
        other => other,
    }
}

fn remove_any(path: &Path) {
    // Either call fails when the other one fits; the link that follows tells.
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir_all(path);
}

/// `/usr` of the host, writable where the lab owns the directory. Where the
/// kernel or the file system has no such overlay, a writable layer in memory;
/// where that fails too, read-only but for `/usr/local`.
fn mount_usr(host: &HostSide) -> Result<()> {
    let usr = Path::new("/usr");
    ensure_dir(usr, 0o755)?;
    let layers = path_of(&host.dir).join("usr");
    prepare_layers(&layers, &path_of(&host.usr))?;
    if overlay(&path_of(&host.usr), &layers, usr).is_ok() {
        return Ok(());
    }
    mount_new(
        "tmpfs",
        "/usr",
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        "mode=755",
    )?;
    prepare_layers(usr, &path_of(&host.usr))?;
    if overlay(&path_of(&host.usr), usr, usr).is_ok() {
        return Ok(());
    }
    bind(&path_of(&host.usr), usr, true)?;
    remount_bind(usr, libc::MS_RDONLY | libc::MS_NOSUID)?;
    bind(&layers.join("upper/local"), Path::new("/usr/local"), false)
}

/// The directories of `/etc` that hold hundreds of small files: they are not copied, for
/// making so many files would be most of a node's boot. The node may write over them where
/// there are overlays, else they are read-only.
fn share_etc(host: &HostSide) -> Result<()> {
    for name in etc::SHARED {
        let lower = path_of(&host.etc).join(name);
        if !fs::symlink_metadata(&lower).is_ok_and(|found| found.is_dir()) {
            continue;
        }
        let target = Path::new("/etc").join(name);
        ensure_dir(&target, 0o755)?;
        let layers = path_of(&host.dir).join(format!("etc-{}", name.replace('/', "-")));
        for layer in ["upper", "work"] {
            ensure_dir(&layers.join(layer), 0o755)?;
        }
        if overlay(&lower, &layers, &target).is_err() {
            bind(&lower, &target, true)?;
            remount_bind(&target, libc::MS_RDONLY | libc::MS_NOSUID)?;
        }
    }
    Ok(())
}

fn overlay(lower: &Path, layers: &Path, target: &Path) -> Result<()> {
    let data = format!(
        "userxattr,lowerdir={},upperdir={},workdir={}",
        lower.display(),
        layers.join("upper").display(),
        layers.join("work").display()
    );
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(
        Some("overlay"),
        target,
        Some("overlay"),
        flags,
        Some(data.as_str()),
    )
    .with_context(|| format!("mount the overlay on {}", target.display()))
}

fn prepare_layers(layers: &Path, usr: &Path) -> Result<()> {
    ensure_dir(&layers.join("work"), 0o755)?;
    let upper = layers.join("upper");
    ensure_dir(&upper, 0o755)?;
    for name in OWN_DIRECTORIES {
        // On some systems `sbin` is a link to `bin`: a directory would hide it.
        let is_link = fs::symlink_metadata(usr.join(name)).is_ok_and(|found| found.is_symlink());
        if is_link && !name.starts_with("local") {
            continue;
        }
        ensure_dir(&upper.join(name), 0o755)?;
    }
    Ok(())
}

/// The program and the foreign binaries, out of reach of the node's root.
fn mount_library(host: &HostSide) -> Result<()> {
    let library = Path::new(LIBRARY);
    ensure_dir(library, 0o755)?;
    mount_new(
        "tmpfs",
        LIBRARY,
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        "mode=755,size=1m",
    )?;
    let place = |fd: &OwnedFd, target: &Path| -> Result<()> {
        fs::File::create(target).with_context(|| format!("make {}", target.display()))?;
        bind(&path_of(fd), target, false)?;
        remount_bind(target, libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV)
    };
    place(&host.program, Path::new(PROGRAM))?;
    let bin = library.join("bin");
    ensure_dir(&bin, 0o755)?;
    for (name, fd) in &host.binaries {
        place(fd, &bin.join(name))?;
    }
    remount_bind(library, libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV)
}

fn mount_dev(host: &HostSide, plan: &Plan<'_>) -> Result<()> {
    ensure_dir(Path::new("/dev"), 0o755)?;
    mount_new("tmpfs", "/dev", MsFlags::MS_NOSUID, "mode=755,size=1m")?;
    for (name, fd) in &host.devices {
        let target = Path::new("/dev").join(name);
        fs::File::create(&target).with_context(|| format!("make {}", target.display()))?;
        bind(&path_of(fd), &target, false)?;
    }
    ensure_dir(Path::new("/dev/pts"), 0o755)?;
    let options = "newinstance,ptmxmode=0666,mode=0620";
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let with_group = format!("{options},gid=5");
    // Group 5 (tty) exists only where more than one group is mapped.
    if !plan.has_users || mount_new("devpts", "/dev/pts", flags, &with_group).is_err() {
        mount_new("devpts", "/dev/pts", flags, options)?;
    }
    ensure_dir(Path::new("/dev/shm"), 0o1777)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount_new("tmpfs", "/dev/shm", flags, "mode=1777,size=256m")?;
    for (link, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, Path::new("/dev").join(link)).context("make a link in /dev")?;
    }
    Ok(())
}
