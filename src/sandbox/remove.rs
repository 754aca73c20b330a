//! Removing a tree that a lab has had its way with.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::fabric::in_user_namespace;

/// Removes a directory and all below it, following no link. Directories that
/// even their owner may not enter (an overlay's work directory has mode 000) are
/// opened up first.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.is_dir() => return fs::remove_file(path),
        Ok(found) => {
            let mode = found.permissions().mode();
            if mode & 0o700 != 0o700 {
                fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o700))?;
            }
        }
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir(path)
}

/// Removes a tree as root of a user namespace with all users that a lab may have
/// had, in a process of its own.
pub(crate) fn remove_as_root(path: &Path) -> io::Result<()> {
    let output = Command::new("/proc/self/exe")
        .args(["sandbox-enter", "remove"])
        .arg(path)
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(words.trim().to_owned()))
}

/// `sandbox-enter remove PATH`.
pub(crate) fn remove_inside(path: &Path) -> std::process::ExitCode {
    let outcome = in_user_namespace(nix::sched::CloneFlags::empty(), || {
        crate::enter::become_root()
            .and_then(|()| remove_tree(path))
            .map_err(|error| ("remove the tree", error.to_string()))
    });
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err((_, reason)) => {
            eprintln!("{reason}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_directories_and_links_go_and_targets_stay() {
        let dir = tempfile::tempdir().expect("a directory");
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("a/locked")).expect("make");
        fs::write(dir.path().join("outside"), "x").expect("write");
        std::os::unix::fs::symlink(dir.path(), tree.join("a/link")).expect("link");
        fs::set_permissions(tree.join("a/locked"), fs::Permissions::from_mode(0o000))
            .expect("lock");
        remove_tree(&tree).expect("remove");
        assert!(!tree.exists() && dir.path().join("outside").exists());
        remove_tree(&tree).expect("what is gone is gone");
    }
}
