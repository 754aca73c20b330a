//! `/etc` of a node: what is copied from the host, by an allow-list, and what is
//! the node's own. Nothing that only root of the host may read gets in.

use std::fs;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::spec::{Account, NodeSpec};

/// Files and directories that make the host's programs work as they do there.
const ALLOWED: [&str; 41] = [
    "adduser.conf",
    "bash.bashrc",
    "bash_completion.d",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "default/locale",
    "default/useradd",
    "ethertypes",
    "groff",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "login.defs",
    "lsb-release",
    "magic",
    "man_db.conf",
    "manpath.config",
    "nanorc",
    "os-release",
    "pam.conf",
    "pam.d",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "profile",
    "profile.d",
    "protocols",
    "rpc",
    "security",
    "services",
    "shells",
    "skel",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "vim",
    "wgetrc",
];

/// What a node sees of the host itself, being large: what the names of many programs stand
/// for, and whom the world trusts.
pub(super) const SHARED: [&str; 3] = ["alternatives", "pki/ca-trust/extracted", "ssl/certs"];

/// Copies what is allowed. A file that cannot be read is left out: none is
/// needed for a node to boot.
pub(super) fn copy_from_host(etc: &OwnedFd) {
    let host = PathBuf::from(format!("/proc/self/fd/{}", etc.as_raw_fd()));
    let own = Path::new("/etc");
    let _ = fs::create_dir_all(own);
    let links = SHARED
        .into_iter()
        .filter(|name| host.join(name).is_symlink());
    for name in ALLOWED.into_iter().chain(links) {
        let target = own.join(name);
        if let Some(parent) = target.parent() {
            let _ = fs::create_dir_all(parent);
        }
        copy(&host.join(name), &target, 0);
    }
    for (name, keep) in [
        ("passwd", keep_user as fn(&str) -> Option<String>),
        ("group", keep_group),
    ] {
        let text = fs::read_to_string(host.join(name)).unwrap_or_default();
        let mut lines: Vec<String> = text.lines().filter_map(keep).collect();
        if !lines.iter().any(|line| line.starts_with("root:")) {
            let root = if name == "passwd" {
                "root:x:0:0:root:/root:/bin/bash"
            } else {
                "root:x:0:"
            };
            lines.insert(0, root.to_owned());
        }
        let _ = fs::write(own.join(name), lines.join("\n") + "\n");
        // Nobody has a password here; tools that add users want the files.
        let shadow = lines
            .iter()
            .filter_map(|line| line.split(':').next())
            .map(|user| {
                if name == "passwd" {
                    format!("{user}:*:19700:0:99999:7:::\n")
                } else {
                    format!("{user}:*::\n")
                }
            });
        let path = own.join(if name == "passwd" {
            "shadow"
        } else {
            "gshadow"
        });
        if fs::write(&path, shadow.collect::<String>()).is_ok() {
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o600));
        }
    }
}

fn copy(from: &Path, to: &Path, depth: u32) {
    let Ok(found) = fs::symlink_metadata(from) else {
        return;
    };
    if found.is_symlink() {
        if let Ok(target) = fs::read_link(from) {
            let _ = symlink(target, to);
        }
    } else if found.is_dir() && depth < 6 {
        let _ = fs::create_dir(to);
        for entry in fs::read_dir(from).into_iter().flatten().flatten() {
            copy(&entry.path(), &to.join(entry.file_name()), depth + 1);
        }
    } else if found.is_file() && found.mode() & 0o004 != 0 && fs::copy(from, to).is_ok() {
        let mode = found.mode() & 0o755;
        let _ = fs::set_permissions(to, fs::Permissions::from_mode(mode));
    }
}

/// System users stay, the host's people do not.
fn keep_user(line: &str) -> Option<String> {
    let mut fields: Vec<&str> = line.split(':').collect();
    if fields.len() != 7 {
        return None;
    }
    let uid: u32 = fields[2].parse().ok()?;
    if uid >= 1000 && uid != 65534 {
        return None;
    }
    if uid == 0 {
        (fields[4], fields[5], fields[6]) = ("root", "/root", "/bin/bash");
    }
    Some(fields.join(":"))
}

/// System groups stay, without members.
fn keep_group(line: &str) -> Option<String> {
    let mut fields: Vec<&str> = line.split(':').collect();
    if fields.len() != 4 {
        return None;
    }
    let gid: u32 = fields[2].parse().ok()?;
    if gid >= 1000 && gid != 65534 {
        return None;
    }
    fields[3] = "";
    Some(fields.join(":"))
}

/// Appends a user and its group to the node's files, unless the name is there already.
pub(super) fn add_user(account: &Account) -> std::io::Result<()> {
    let Account { name, uid, home } = account;
    let home = home.display();
    for (path, line) in [
        (
            "/etc/passwd",
            format!("{name}:x:{uid}:{uid}::{home}:/usr/sbin/nologin\n"),
        ),
        ("/etc/group", format!("{name}:x:{uid}:\n")),
        ("/etc/shadow", format!("{name}:!:19700::::::\n")),
        ("/etc/gshadow", format!("{name}:!::\n")),
    ] {
        let mut text = fs::read_to_string(path)?;
        if !text.lines().any(|old| old.split(':').next() == Some(name)) {
            text.push_str(&line);
            // Rewritten in place, so that the mode stays.
            fs::write(path, text)?;
        }
    }
    Ok(())
}

/// `/etc/hosts`: the node itself, its neighbours, what the lab adds.
pub(super) fn hosts(node: &NodeSpec, nodes: &[NodeSpec]) -> String {
    let mut text =
        String::from("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    let mut line = |address: Ipv4Addr, names: &[String]| {
        text.push_str(&format!("{address}\t{}\n", names.join(" ")));
    };
    for other in nodes {
        line(other.address, std::slice::from_ref(&other.name));
    }
    for (address, names) in &node.hosts {
        line(*address, names);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_of_the_host_stay_out() {
        assert_eq!(keep_user("ada:x:1000:1000:Ada:/home/ada:/bin/zsh"), None);
        assert_eq!(keep_user("broken"), None);
        assert_eq!(
            keep_user("root:x:0:0:r:/var/root:/bin/zsh").as_deref(),
            Some("root:x:0:0:root:/root:/bin/bash")
        );
        assert_eq!(
            keep_group("adm:x:4:syslog,ada").as_deref(),
            Some("adm:x:4:")
        );
        assert_eq!(keep_group("ada:x:1000:"), None);
    }

    #[test]
    fn secrets_are_not_on_the_list() {
        for name in [
            "shadow",
            "gshadow",
            "sudoers",
            "ssh",
            "ssl/private",
            "environment",
        ] {
            assert!(
                ALLOWED
                    .iter()
                    .all(|allowed| *allowed != name && !name.starts_with(&format!("{allowed}/")))
            );
        }
    }

    #[test]
    fn hosts_names_every_node() {
        let one = NodeSpec::new("controlplane", Ipv4Addr::new(192, 168, 10, 150));
        let two = NodeSpec::new("node01", Ipv4Addr::new(192, 168, 10, 151));
        let text = hosts(&one, &[one.clone(), two]);
        assert!(text.contains("192.168.10.151\tnode01\n"), "{text}");
    }
}
