//! What a fabric and its nodes shall look like: plain data, no IO.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// An IPv4 network such as 192.168.10.0/24.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Any address of the network; its host bits are ignored.
    pub address: Ipv4Addr,
    /// Leading bits of the network, 1 to 30.
    pub prefix: u8,
}

impl Subnet {
    /// The network's address of all zero host bits plus `n`.
    pub fn host(&self, n: u32) -> Ipv4Addr {
        Ipv4Addr::from((u32::from(self.address) & self.mask()) + n)
    }

    /// The fabric's bridge, and every node's default route: the first address.
    pub fn gateway(&self) -> Ipv4Addr {
        self.host(1)
    }

    /// Whether an address lies within the network.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask() == u32::from(self.address) & self.mask()
    }

    fn mask(&self) -> u32 {
        u32::MAX
            .checked_shl(32 - u32::from(self.prefix))
            .unwrap_or(0)
    }
}

impl Default for Subnet {
    /// 192.168.10.0/24, the network of the course notes.
    fn default() -> Self {
        Subnet {
            address: Ipv4Addr::new(192, 168, 10, 0),
            prefix: 24,
        }
    }
}

/// A lab's machines and the network between them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FabricSpec {
    /// Where everything of the session lives on the host. Made if absent, mode
    /// 0700. The nodes' trees below it survive a stop and can be booted again.
    pub session_dir: PathBuf,
    /// The network of the nodes; its first address is the bridge.
    pub subnet: Subnet,
    /// At least one; names and addresses must differ.
    pub nodes: Vec<NodeSpec>,
    /// The kubedrill binary, which is every applet and every node's init.
    pub program: PathBuf,
    /// Processes and threads that all users of all nodes may have together.
    #[serde(default = "max_processes")]
    pub max_processes: u64,
}

/// More than any lab needs on a machine with many cores, and half of what the kernel has
/// numbers for where it has few.
fn max_processes() -> u64 {
    16384
}

impl FabricSpec {
    /// A fabric without nodes yet, with the default network and this program.
    pub fn new(session_dir: impl Into<PathBuf>) -> Self {
        FabricSpec {
            session_dir: session_dir.into(),
            subnet: Subnet::default(),
            nodes: Vec::new(),
            program: PathBuf::from("/proc/self/exe"),
            max_processes: max_processes(),
        }
    }

    /// Refuses contradictions: no nodes, equal names or addresses, names that
    /// are not host names, addresses outside of the network.
    pub fn check(&self) -> Result<()> {
        let wrong = |text: String| Err(Error::Spec(text));
        if !(1..=30).contains(&self.subnet.prefix) {
            return wrong(format!(
                "a network of /{} has no room for nodes",
                self.subnet.prefix
            ));
        }
        if self.nodes.is_empty() {
            return wrong("a fabric needs at least one node".to_owned());
        }
        for (index, node) in self.nodes.iter().enumerate() {
            if !is_host_name(&node.name) {
                return wrong(format!(
                    "{:?} is no name for a node: up to 63 lower-case letters, digits and hyphens",
                    node.name
                ));
            }
            if !self.subnet.contains(node.address) || node.address == self.subnet.gateway() {
                return wrong(format!(
                    "the address {} of node {} must lie in {}/{} and differ from the bridge's {}",
                    node.address,
                    node.name,
                    self.subnet.host(0),
                    self.subnet.prefix,
                    self.subnet.gateway()
                ));
            }
            for other in &self.nodes[..index] {
                if other.name == node.name {
                    return wrong(format!("two nodes are called {}", node.name));
                }
                if other.address == node.address {
                    return wrong(format!(
                        "the nodes {} and {} share the address {}",
                        other.name, node.name, node.address
                    ));
                }
            }
        }
        Ok(())
    }
}

fn is_host_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.bytes().all(|byte| inner(byte) || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// One machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Its host name.
    pub name: String,
    /// Its address on `eth0`.
    pub address: Ipv4Addr,
    /// Names in the node's PATH (`/usr/local/bin`) that are kubedrill:
    /// `etcdctl`, `kubectl`, `kubelet`, `crictl`, `systemctl`, `sudo`, `ssh`…
    pub applets: Vec<String>,
    /// Foreign binaries that take the place of applets of the same name, in the
    /// node and in its containers: (name, path on the host).
    pub binaries: Vec<(String, PathBuf)>,
    /// Written below the node's root before its first boot, and never again:
    /// what the learner made of them survives a reboot and a resume.
    pub files: Vec<File>,
    /// Made below the node's root before its first boot, before the files.
    #[serde(default)]
    pub directories: Vec<Directory>,
    /// Users that the node knows besides the host's system users, from its first boot.
    #[serde(default)]
    pub users: Vec<Account>,
    /// Directories of the host that appear in the node.
    pub binds: Vec<HostBind>,
    /// Units that are enabled at the first boot, such as `kubelet.service`.
    pub units: Vec<String>,
    /// More lines for `/etc/hosts`; the fabric's nodes are in it anyway.
    pub hosts: Vec<(Ipv4Addr, Vec<String>)>,
}

impl NodeSpec {
    /// A node with a name and an address and nothing else.
    pub fn new(name: impl Into<String>, address: Ipv4Addr) -> Self {
        NodeSpec {
            name: name.into(),
            address,
            applets: Vec::new(),
            binaries: Vec::new(),
            files: Vec::new(),
            directories: Vec::new(),
            users: Vec::new(),
            binds: Vec::new(),
            units: Vec::new(),
            hosts: Vec::new(),
        }
    }
}

/// A file of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its absolute path in the node. Missing parents are made, mode 0755.
    pub path: PathBuf,
    /// Permission bits, such as 0o600.
    pub mode: u32,
    /// Its owner and group in the node; 0 is root. Others need a host that maps
    /// more than one user into the lab (see [`crate::maps_users`]).
    pub uid: u32,
    /// What is in it.
    pub contents: Vec<u8>,
}

impl File {
    /// A file of root's, mode 0644.
    pub fn new(path: impl Into<PathBuf>, contents: impl Into<Vec<u8>>) -> Self {
        File {
            path: path.into(),
            mode: 0o644,
            uid: 0,
            contents: contents.into(),
        }
    }

    /// The same file with other permission bits.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }
}

/// A directory of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// Its absolute path in the node. Missing parents are made, mode 0755.
    pub path: PathBuf,
    /// Permission bits, such as 0o700.
    pub mode: u32,
    /// Its owner and group in the node; see [`File::uid`].
    pub uid: u32,
}

/// A system user of a node, with a group of the same name and number and no shell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name in `/etc/passwd` and `/etc/group`.
    pub name: String,
    /// Its user and group; 1 to 999, as system users have.
    pub uid: u32,
    /// Its home, which need not exist.
    pub home: PathBuf,
}

/// A directory or file of the host that appears in a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostBind {
    /// Where it is on the host.
    pub host: PathBuf,
    /// The absolute path at which the node sees it.
    pub node: PathBuf,
    /// Whether the node may only read it; root in the node cannot undo that.
    pub read_only: bool,
}

/// A command to run in a node or in a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exec {
    /// The program, looked up in PATH if it has no slash, and its arguments.
    pub argv: Vec<String>,
    /// Added to a login's environment (PATH, HOME, USER, SHELL, LANG, TERM) in a
    /// node, or to the container's own.
    pub env: Vec<(String, String)>,
    /// Where it starts; the user's home in a node, the container's own else.
    pub cwd: Option<PathBuf>,
    /// Whether it gets a terminal of its own, made in the node. The caller's
    /// terminal, if standard input is one, turns raw meanwhile and passes on its
    /// window size.
    pub tty: bool,
    /// A user of the node's `/etc/passwd`, or a number; root if `None`.
    pub user: Option<String>,
}

impl Exec {
    /// Runs a program with arguments as root.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Exec {
            argv: argv.into_iter().map(Into::into).collect(),
            ..Exec::default()
        }
    }

    /// Runs a script with `bash -c`.
    pub fn bash(script: impl Into<String>) -> Self {
        Exec::new(["bash".to_owned(), "-c".to_owned(), script.into()])
    }
}
