//! The files of a node: those of its first boot, those of every boot.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::mounts::ensure_dir;
use super::{LIBRARY, PROGRAM, Plan, etc};
use crate::error::{Context as _, Error, Result};
use crate::spec::File;

/// Directories of a node with their modes.
const DIRECTORIES: [(&str, u32); 25] = [
    ("/etc", 0o755),
    ("/etc/apt/keyrings", 0o755),
    ("/etc/apt/sources.list.d", 0o755),
    ("/etc/modules-load.d", 0o755),
    ("/etc/sysctl.d", 0o755),
    ("/etc/systemd/system", 0o755),
    ("/var/lib", 0o755),
    ("/var/log", 0o755),
    ("/var/log/journal", 0o755),
    ("/var/cache", 0o755),
    ("/var/spool", 0o755),
    ("/var/opt", 0o755),
    ("/var/mail", 0o755),
    ("/var/backups", 0o755),
    ("/var/tmp", 0o1777),
    ("/opt", 0o755),
    ("/root", 0o700),
    ("/home", 0o755),
    ("/srv", 0o755),
    ("/mnt", 0o755),
    ("/media", 0o755),
    ("/boot", 0o755),
    ("/tmp", 0o1777),
    ("/dev", 0o755),
    ("/run", 0o755),
];

const BASHRC: &str = r#"# The root user's shell.
[ -z "$PS1" ] && return
PS1='\u@\h:\w\$ '
HISTCONTROL=ignoredups
HISTSIZE=10000
shopt -s histappend checkwinsize
alias ls='ls --color=auto'
alias ll='ls -alF'
alias grep='grep --color=auto'
if [ -r /usr/share/bash-completion/bash_completion ]; then
  . /usr/share/bash-completion/bash_completion
fi
"#;

const PROFILE: &str = r#"# Read by login shells.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
if [ -n "$BASH_VERSION" ] && [ -r ~/.bashrc ]; then
  . ~/.bashrc
fi
"#;

/// Writes what the node needs. The process's root is the node's, and nothing of
/// the host is reachable any more.
pub(super) fn write_all(plan: &Plan<'_>, first_boot: bool) -> Result<()> {
    for (path, mode) in DIRECTORIES {
        ensure_dir(Path::new(path), mode)?;
    }
    for (link, target) in [("/var/run", "/run"), ("/var/lock", "/run/lock")] {
        if fs::symlink_metadata(link).is_err() {
            symlink(target, link).with_context(|| format!("link {link}"))?;
        }
    }
    let node = plan.node;
    if first_boot {
        put(&File::new("/etc/hostname", format!("{}\n", node.name)))?;
        put(&File::new("/etc/hosts", etc::hosts(node, plan.nodes)))?;
        put(&File::new(
            "/etc/resolv.conf",
            "# No name server: the lab has no way out.\n",
        ))?;
        put(&File::new("/etc/fstab", ""))?;
        put(&File::new(
            "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files\n",
        ))?;
        put(&File::new("/etc/machine-id", format!("{}\n", machine_id()?)).mode(0o444))?;
        put(&File::new("/root/.bashrc", BASHRC))?;
        put(&File::new("/root/.profile", PROFILE))?;
        for account in &node.users {
            etc::add_user(account).with_context(|| format!("add the user {}", account.name))?;
        }
        for directory in &node.directories {
            refuse_foreign_owner(plan, &directory.path, directory.uid)?;
            ensure_dir(&directory.path, directory.mode)?;
            if directory.uid != 0 {
                let owner = Some(directory.uid);
                std::os::unix::fs::chown(&directory.path, owner, owner)
                    .with_context(|| format!("give {} away", directory.path.display()))?;
            }
        }
        for file in &node.files {
            refuse_foreign_owner(plan, &file.path, file.uid)?;
            put(file)?;
        }
        for unit in &node.units {
            crate::init::enable_at_first_boot(unit)?;
        }
        // What was taken off a machine does not come back by a reboot.
        link_applets(&node.applets)?;
    }
    if !fs::symlink_metadata("/etc/mtab").is_ok_and(|mtab| mtab.is_symlink()) {
        let _ = fs::remove_file("/etc/mtab");
        let _ = symlink("/proc/self/mounts", "/etc/mtab");
    }
    Ok(())
}

/// Only root's files can be made where no other user is mapped.
fn refuse_foreign_owner(plan: &Plan<'_>, path: &Path, uid: u32) -> Result<()> {
    if uid == 0 || plan.has_users {
        return Ok(());
    }
    Err(Error::Spec(format!(
        "{} of node {} belongs to user {uid}, but only one user can be mapped here: install \
         newuidmap (package uidmap) and give yourself a range in /etc/subuid",
        path.display(),
        plan.node.name
    )))
}

/// Puts applets into PATH. A foreign binary of the same name goes first.
fn link_applets(names: &[String]) -> Result<()> {
    let directory = Path::new("/usr/local/bin");
    ensure_dir(directory, 0o755)?;
    for name in names {
        let path = directory.join(name);
        let target = applet_target(name);
        if fs::read_link(&path).ok().as_ref() == Some(&target) {
            continue;
        }
        let _ = fs::remove_file(&path);
        symlink(&target, &path).with_context(|| format!("link {}", path.display()))?;
    }
    Ok(())
}

/// What an applet's name stands for within a node.
pub(crate) fn applet_target(name: &str) -> PathBuf {
    let foreign = Path::new(LIBRARY).join("bin").join(name);
    if foreign.exists() {
        foreign
    } else {
        PathBuf::from(PROGRAM)
    }
}

/// Writes a file below the root of this process, replacing what is there.
pub(crate) fn put(file: &File) -> Result<()> {
    let what = || format!("write {}", file.path.display());
    if !file.path.is_absolute() {
        return Err(Error::Spec(format!(
            "the path {} of a file must be absolute",
            file.path.display()
        )));
    }
    if let Some(parent) = file.path.parent() {
        fs::create_dir_all(parent).with_context(what)?;
    }
    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = file.path.with_file_name(format!(".{name}.new"));
    let _ = fs::remove_file(&temporary);
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .with_context(what)?;
    out.write_all(&file.contents).with_context(what)?;
    out.set_permissions(fs::Permissions::from_mode(file.mode))
        .with_context(what)?;
    if file.uid != 0 {
        std::os::unix::fs::fchown(&out, Some(file.uid), Some(file.uid)).with_context(what)?;
        // A change of owner clears set-id bits.
        out.set_permissions(fs::Permissions::from_mode(file.mode))
            .with_context(what)?;
    }
    fs::rename(&temporary, &file.path).with_context(what)
}

fn machine_id() -> Result<String> {
    let mut bytes = [0u8; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("make a machine id")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
