//! Users by the node's own `/etc/passwd` and `/etc/group`.

use std::fs;
use std::path::PathBuf;

use nix::unistd::{Gid, Uid};

use super::DEFAULT_PATH;
use crate::error::{Context as _, Error, Result};

/// A user as whom something runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: PathBuf,
    pub(crate) shell: String,
    pub(crate) groups: Vec<u32>,
}

impl User {
    /// The user with a name, or a number (`1000` or `1000:1000`).
    pub(crate) fn find(name: &str) -> Result<User> {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let group = fs::read_to_string("/etc/group").unwrap_or_default();
        look_up(name, &passwd, &group).ok_or_else(|| {
            Error::Spec(format!(
                "unable to find user {name}: no matching entries in passwd file"
            ))
        })
    }

    /// What a login sets.
    pub(crate) fn login_environment(&self) -> Vec<(String, String)> {
        [
            ("PATH", DEFAULT_PATH),
            ("HOME", &self.home.to_string_lossy()),
            ("USER", &self.name),
            ("LOGNAME", &self.name),
            ("SHELL", &self.shell),
            ("LANG", "C.UTF-8"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Changes this process into the user.
    pub(crate) fn become_it(&self) -> Result<()> {
        let what = || {
            format!(
                "become user {}: only one user is mapped into this lab, unless the host has \
                 newuidmap and a range in /etc/subuid",
                self.name
            )
        };
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        // Forbidden where a single group is mapped; then nobody else is mapped.
        let _ = nix::unistd::setgroups(&groups);
        if self.uid == 0 && self.gid == 0 && nix::unistd::geteuid().is_root() {
            return Ok(());
        }
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        nix::unistd::setresgid(gid, gid, gid).with_context(what)?;
        nix::unistd::setresuid(uid, uid, uid).with_context(what)
    }
}

fn look_up(name: &str, passwd: &str, group: &str) -> Option<User> {
    let number = name
        .split(':')
        .next()
        .and_then(|text| text.parse::<u32>().ok());
    let found = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let uid = fields.get(2)?.parse().ok()?;
        if fields.len() < 7 || (fields[0] != name && Some(uid) != number) {
            return None;
        }
        Some(User {
            name: fields[0].to_owned(),
            uid,
            gid: fields[3].parse().ok()?,
            home: PathBuf::from(fields[5]),
            shell: fields[6].to_owned(),
            groups: Vec::new(),
        })
    });
    let mut user = match (found, number) {
        (Some(user), _) => user,
        // Root exists even after the learner has removed the file.
        (None, _) if name == "root" => unlisted(0),
        (None, Some(uid)) => unlisted(uid),
        (None, None) => return None,
    };
    if let Some(gid) = name.split_once(':').and_then(|(_, gid)| gid.parse().ok()) {
        user.gid = gid;
    }
    user.groups = vec![user.gid];
    for line in group.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if fields.len() == 4
            && fields[3].split(',').any(|member| member == user.name)
            && let Ok(gid) = fields[2].parse()
            && !user.groups.contains(&gid)
        {
            user.groups.push(gid);
        }
    }
    Some(user)
}

fn unlisted(uid: u32) -> User {
    let root = uid == 0;
    User {
        name: if root {
            "root".to_owned()
        } else {
            uid.to_string()
        },
        uid,
        gid: uid,
        home: PathBuf::from(if root { "/root" } else { "/" }),
        shell: if root { "/bin/bash" } else { "/bin/sh" }.to_owned(),
        groups: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/bash\netcd:x:998:997::/var/lib/etcd:/bin/false\n";
    const GROUP: &str = "root:x:0:\netcd:x:997:\nadm:x:4:etcd,other\n";

    #[test]
    fn users_are_found_by_name_and_number() {
        let etcd = look_up("etcd", PASSWD, GROUP).expect("etcd");
        assert_eq!(
            (etcd.uid, etcd.gid, etcd.groups.as_slice()),
            (998, 997, &[997, 4][..])
        );
        assert_eq!(look_up("998", PASSWD, GROUP), Some(etcd));
        let other = look_up("5:6", PASSWD, GROUP).expect("a number");
        assert_eq!((other.uid, other.gid), (5, 6));
        assert_eq!(look_up("nobody", PASSWD, GROUP), None);
        assert_eq!(look_up("root", "", "").expect("root").shell, "/bin/bash");
    }
}
