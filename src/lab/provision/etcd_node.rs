//! Machines of an external etcd, as kubeadm's "Set up a High Availability etcd Cluster"
//! and etcd's own "Run etcd as a systemd service" leave them: the programs in
//! `/usr/local/bin`, the user `etcd`, certificates below `/etc/kubernetes/pki/etcd`,
//! data in `/var/lib/etcd`, the unit `etcd.service`.

use std::net::Ipv4Addr;

use sandbox::{Account, Directory, File, NodeSpec};

use super::{Error, initial_cluster, pair_files, pki::ClusterPki};

const DATA_DIR: &str = "/var/lib/etcd";
const UNIT: &str = "etcd.service";

/// The highest number of a system user that the host, whose system users the nodes know
/// too, has given to nobody: what `useradd --system` would take.
pub fn free_uid(passwd: &str, group: &str) -> u32 {
    let taken: Vec<u32> = passwd
        .lines()
        .chain(group.lines())
        .filter_map(|line| line.split(':').nth(2)?.parse().ok())
        .collect();
    // If all are taken, sharing one is no harm.
    (101..=999)
        .rev()
        .find(|uid| !taken.contains(uid))
        .unwrap_or(999)
}

/// Puts on a machine what a member needs before it can be started. `uid` is the user
/// `etcd`; 0 means that no user besides root can be had, and everything is root's.
///
/// # Errors
/// Certificates can't be made.
pub fn prepare(node: &mut NodeSpec, pki: &ClusterPki, uid: u32) -> Result<(), Error> {
    node.applets
        .extend(["etcd", "etcdctl", "etcdutl"].map(str::to_owned));
    if uid != 0 {
        node.users.push(Account {
            name: "etcd".into(),
            uid,
            home: DATA_DIR.into(),
        });
    }
    node.directories.push(Directory {
        path: DATA_DIR.into(),
        mode: 0o700,
        uid,
    });
    let mut files = vec![File::new(
        "/etc/kubernetes/pki/etcd/ca.crt",
        pki.etcd.pair.cert.clone(),
    )];
    for (name, pair) in pki.member(&node.name, node.address)? {
        files.extend(pair_files(name, &pair));
    }
    for file in &mut files {
        file.uid = uid;
    }
    node.files.extend(files);
    Ok(())
}

/// Makes a prepared machine one of `members` from its first boot on.
pub fn enable(node: &mut NodeSpec, members: &[(String, Ipv4Addr)], has_users: bool) {
    let unit = unit(&node.name, node.address, members, has_users);
    node.files
        .push(File::new(format!("/etc/systemd/system/{UNIT}"), unit));
    node.units.push(UNIT.into());
}

fn unit(name: &str, address: Ipv4Addr, members: &[(String, Ipv4Addr)], has_users: bool) -> String {
    let user = if has_users { "User=etcd\n" } else { "" };
    let cluster = initial_cluster(members);
    let pki = "/etc/kubernetes/pki/etcd";
    format!(
        "[Unit]\n\
         Description=etcd key-value store\n\
         Documentation=https://etcd.io/docs/\n\
         After=network-online.target\n\
         Wants=network-online.target\n\
         \n\
         [Service]\n\
         {user}\
         Type=notify\n\
         ExecStart=/usr/local/bin/etcd \\\n  \
           --name={name} \\\n  \
           --data-dir={DATA_DIR} \\\n  \
           --listen-client-urls=https://127.0.0.1:2379,https://{address}:2379 \\\n  \
           --advertise-client-urls=https://{address}:2379 \\\n  \
           --listen-peer-urls=https://{address}:2380 \\\n  \
           --initial-advertise-peer-urls=https://{address}:2380 \\\n  \
           --initial-cluster={cluster} \\\n  \
           --initial-cluster-state=new \\\n  \
           --initial-cluster-token=etcd-cluster \\\n  \
           --client-cert-auth \\\n  \
           --trusted-ca-file={pki}/ca.crt \\\n  \
           --cert-file={pki}/server.crt \\\n  \
           --key-file={pki}/server.key \\\n  \
           --peer-client-cert-auth \\\n  \
           --peer-trusted-ca-file={pki}/ca.crt \\\n  \
           --peer-cert-file={pki}/peer.crt \\\n  \
           --peer-key-file={pki}/peer.key\n\
         Restart=always\n\
         RestartSec=5\n\
         LimitNOFILE=65536\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}

#[cfg(test)]
mod tests {
    use super::free_uid;

    #[test]
    fn the_user_etcd_takes_a_free_number() {
        let passwd = "root:x:0:0::/root:/bin/sh\nnet:x:998:998::/:/bin/false\nbroken\n";
        let group = "root:x:0:\nadm:x:999:\nnet:x:998:\n";
        assert_eq!(free_uid(passwd, group), 997);
        assert_eq!(free_uid("", ""), 999);
    }
}
