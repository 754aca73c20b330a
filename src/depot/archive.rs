//! A release archive of etcd: the same layout as the published one, with the lab's programs
//! in the place of theirs.

use std::io::Write as _;

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use crate::program;

/// Every archive is of this moment (2024-09-10, when v3.5.16 was published), so that its
/// checksum is the same whenever it is made.
const MODIFIED: u64 = 1_725_926_400;

/// `etcd-v3.5.16-linux-amd64.tar.gz`: a folder of that name with the programs. They are links
/// to what the lab runs, which every node has; a copy would be many megabytes each.
pub fn release(name: &str, programs: &[&str]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let readme = format!(
        "# {name}\n\nThis archive was made by the lab, which has no way out to the network. {} \
         are links to the lab's own programs; `etcd --version` tells which they are.\n",
        programs.join(", ")
    );
    let mut written = add(
        &mut tar,
        EntryType::Directory,
        &format!("{name}/"),
        0o755,
        b"",
    );
    for program_name in programs {
        written = written.and_then(|()| {
            let mut header = header(EntryType::Symlink, 0o777, 0);
            let path = format!("{name}/{program_name}");
            tar.append_link(&mut header, path, program(program_name))
        });
    }
    let path = format!("{name}/README.md");
    let packed = written
        .and_then(|()| {
            add(
                &mut tar,
                EntryType::Regular,
                &path,
                0o644,
                readme.as_bytes(),
            )
        })
        .and_then(|()| tar.into_inner())
        .and_then(|tar| {
            // Neither a name nor a time in the header: the bytes depend on the contents alone.
            let mut gzip = GzBuilder::new()
                .mtime(0)
                .write(Vec::new(), Compression::default());
            gzip.write_all(&tar)?;
            gzip.finish()
        });
    // Memory takes everything, and names and links are short enough for the format.
    packed.unwrap_or_default()
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(MODIFIED);
    // Root: as root, tar gives files to the owner that the archive names, and a lab may
    // have no other user.
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn add(
    tar: &mut tar::Builder<Vec<u8>>,
    kind: EntryType,
    path: &str,
    mode: u32,
    contents: &[u8],
) -> std::io::Result<()> {
    let mut header = header(kind, mode, contents.len() as u64);
    tar.append_data(&mut header, path, contents)
}

/// In hexadecimal, as `sha256sum` prints it.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn tar_unpacks_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let archive = dir.path().join("etcd.tar.gz");
        let bytes = release("etcd-v3.5.16-linux-amd64", &["etcd", "etcdctl"]);
        std::fs::write(&archive, &bytes).expect("written");
        let unpacked = Command::new("tar")
            .args(["xzf", "etcd.tar.gz"])
            .current_dir(dir.path())
            .status();
        assert!(unpacked.expect("tar runs").success());
        let folder = dir.path().join("etcd-v3.5.16-linux-amd64");
        let link = std::fs::read_link(folder.join("etcd")).expect("a link");
        assert_eq!(link, program("etcd"));
        assert!(folder.join("README.md").is_file());
        assert!(!folder.join("etcdutl").exists());
        assert_eq!(
            bytes,
            release("etcd-v3.5.16-linux-amd64", &["etcd", "etcdctl"])
        );
    }
}
