//! The first process of a fabric's PID namespace: it owns the bridge, makes the
//! nodes and reaps what they leave. When it dies the kernel kills all of them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::link::{Event, Link, Order};
use crate::error::{Context as _, Error, Result};
use crate::ids::IdMap;
use crate::netlink::Netlink;
use crate::node::{self, Plan};
use crate::spec::{FabricSpec, NodeSpec};
use crate::sys;

/// The bridge's name.
const BRIDGE: &str = "kubedrill0";
/// A directory that every host has, covered by the fabric's own in-memory one.
const STAGE: &str = "/tmp";
/// How long a node may take to boot; it takes some 30 ms.
const BOOT_LIMIT: Duration = Duration::from_secs(30);
/// How long units may take to stop before a reboot.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// The exit status with which a node's init asks to be booted again.
pub(crate) const EXIT_REBOOT: i32 = 3;

struct Node {
    spec: NodeSpec,
    /// Its first process as this PID namespace calls it; `None` when down.
    pid: Option<Pid>,
    /// How often it was booted, which gives its link a fresh name.
    boots: u32,
}

struct Inside<'a> {
    spec: &'a FabricSpec,
    ids: &'a IdMap,
    link: Link,
    netlink: Netlink,
    nodes: Vec<Node>,
}

/// The life of the process. Returns when the supervisor is gone or the fabric
/// could not be started.
pub(super) fn run(spec: &FabricSpec, ids: &IdMap, link: Link) {
    if let Err(error) = start(spec, ids, &link).and_then(|netlink| {
        let nodes = spec.nodes.iter().map(|node| Node {
            spec: node.clone(),
            pid: None,
            boots: 0,
        });
        let mut inside = Inside {
            spec,
            ids,
            nodes: nodes.collect(),
            netlink,
            link: link.try_clone()?,
        };
        inside.boot_all()?;
        inside.serve()
    }) {
        let _ = link.send(&Event::Failed(error.to_string()), None);
    }
}

fn start(spec: &FabricSpec, ids: &IdMap, link: &Link) -> Result<Netlink> {
    sys::set_dumpable(true).context("stay readable for the supervisor")?;
    link.send(&Event::WantsMap, None)
        .context("ask for a user map")?;
    match link.receive::<Order>().context("wait for a user map")? {
        Some((Order::Go, _)) => {}
        _ => return Err(Error::Child("the supervisor went away".to_owned())),
    }
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .context("keep mounts to itself")?;
    // While this process is still the user who has started it, it can open what
    // only that user may reach; root of the lab could not.
    let opened = open_all(spec)?;
    crate::enter::become_root().context("become root of the lab")?;
    sys::set_dumpable(true).context("stay readable for the supervisor")?;
    sys::die_with_parent().context("be tied to the supervisor")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>).map_err(|error| {
        Error::from(crate::error::Preflight::MaskedProc {
            reason: error.to_string(),
        })
    })?;
    stage(opened, ids)?;
    let netlink = Netlink::open().context("speak to the fabric's network")?;
    let what = "make the fabric's bridge";
    netlink.up("lo").context(what)?;
    netlink.add_bridge(BRIDGE).context(what)?;
    netlink
        .add_address(BRIDGE, spec.subnet.gateway(), spec.subnet.prefix)
        .context(what)?;
    netlink.up(BRIDGE).context(what)?;
    // There is nowhere to forward to: who asks for the world outside is told so
    // at once instead of waiting.
    let _ = fs::write("/proc/sys/net/ipv4/ip_forward", "1");
    Ok(netlink)
}

/// Something of the host and its name in the stage.
struct Opened {
    fd: OwnedFd,
    name: PathBuf,
    /// Programs must be executable for root of the lab.
    program: bool,
}

fn open_all(spec: &FabricSpec) -> Result<Vec<Opened>> {
    let mut opened = Vec::new();
    let mut open = |path: &Path, name: String, program: bool| -> Result<()> {
        opened.push(Opened {
            fd: node::open_path(path)?,
            name: name.into(),
            program,
        });
        Ok(())
    };
    open(&spec.program, "program".to_owned(), true)?;
    for node in &spec.nodes {
        let own = spec.session_dir.join("nodes").join(&node.name);
        open(&own, format!("nodes/{}", node.name), false)?;
        for (index, (_, path)) in node.binaries.iter().enumerate() {
            open(path, format!("binary-{}-{index}", node.name), true)?;
        }
        for (index, wanted) in node.binds.iter().enumerate() {
            open(&wanted.host, format!("bind-{}-{index}", node.name), false)?;
        }
    }
    Ok(opened)
}

/// Gathers what the nodes need where their builders can reach it.
fn stage(opened: Vec<Opened>, ids: &IdMap) -> Result<()> {
    mount(
        Some("tmpfs"),
        STAGE,
        Some("tmpfs"),
        MsFlags::MS_NOSUID,
        Some("mode=755"),
    )
    .context("mount the stage")?;
    for Opened { fd, name, program } in opened {
        let source = node::path_of(&fd);
        let target = Path::new(STAGE).join(&name);
        let found = fs::metadata(&source)
            .with_context(|| format!("look at the host's {}", name.display()))?;
        if found.is_dir() {
            fs::create_dir_all(&target).context("fill the stage")?;
            node::bind(&source, &target, true)?;
            continue;
        }
        // The mapped root is another user than the one who may read the file.
        let readable = found.permissions().mode() & 0o005 == 0o005;
        if program && ids.root().0 != nix::unistd::getuid().as_raw() && !readable {
            let name = name.display();
            return Err(Error::Spec(format!(
                "the {name} must be readable and executable for everyone (chmod a+rx)"
            )));
        }
        fs::File::create(&target).context("fill the stage")?;
        if node::bind(&source, &target, false).is_err() {
            // A program that was replaced on disk while it runs has no place in
            // this mount namespace; it can still be read.
            fs::copy(&source, &target).with_context(|| format!("copy the {}", name.display()))?;
        }
    }
    Ok(())
}

impl Inside<'_> {
    /// Boots all nodes at the same time.
    fn boot_all(&mut self) -> Result<()> {
        let mut booting = Vec::new();
        for index in 0..self.nodes.len() {
            booting.push((index, self.fork_node(index)?));
        }
        for (index, channel) in &mut booting {
            self.connect_node(*index, channel)?;
        }
        for (index, channel) in &mut booting {
            self.await_node(*index, channel)?;
        }
        self.link
            .send(&Event::Started, None)
            .context("report to the supervisor")
    }

    fn boot(&mut self, index: usize) -> Result<()> {
        let mut channel = self.fork_node(index)?;
        self.connect_node(index, &mut channel)?;
        self.await_node(index, &mut channel)
    }

    /// Boots a node; one that does not come up is down, not half there.
    fn boot_or_end(&mut self, index: usize) -> Result<()> {
        self.boot(index).inspect_err(|_| {
            let _ = self.end_node(index, Duration::ZERO);
        })
    }

    fn fork_node(&mut self, index: usize) -> Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair().context("make a channel")?;
        let namespaces = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
        let Some(pid) = sys::fork_into(namespaces).context("make a node's namespaces")? else {
            drop(ours);
            let plan = Plan {
                node: &self.nodes[index].spec,
                nodes: &self.spec.nodes,
                subnet: self.spec.subnet,
                stage: Path::new(STAGE),
                has_users: self.ids.has_users(),
                max_processes: self.spec.max_processes,
            };
            let channel = OwnedFd::from(theirs);
            let error = node::become_node(&plan, &channel);
            let text = format!("e{error}");
            let _ = fs::File::from(channel).write_all(text.as_bytes());
            std::process::exit(1);
        };
        self.nodes[index].pid = Some(Pid::from_raw(pid));
        self.nodes[index].boots += 1;
        Ok(ours)
    }

    /// Gives a node that waits for them its user map and its link.
    fn connect_node(&mut self, index: usize, channel: &mut UnixStream) -> Result<()> {
        self.expect(index, channel, b'u')?;
        let node = &self.nodes[index];
        let pid = node
            .pid
            .ok_or_else(|| Error::NodeDown(node.spec.name.clone()))?
            .as_raw();
        self.ids
            .identity()
            .write(pid)
            .context("write a node's user map")?;
        // A name of its own for each boot: the last boot's link goes away in the
        // background.
        let name = format!("node{index}.{}", node.boots);
        // A machine's card is the same after a reboot: the others know its address for a while.
        let [a, b, c, d] = node.spec.address.octets();
        self.netlink
            .add_veth(&name, BRIDGE, "eth0", pid, [0x02, 0x42, a, b, c, d])
            .with_context(|| format!("link the node {} to the bridge", node.spec.name))?;
        channel.write_all(b"g").context("release a node")
    }

    fn await_node(&mut self, index: usize, channel: &mut UnixStream) -> Result<()> {
        self.expect(index, channel, b'r')?;
        let node = &self.nodes[index];
        self.link
            .send(
                &Event::Up(node.spec.name.clone()),
                node.pid.map(Pid::as_raw),
            )
            .context("report to the supervisor")
    }

    /// Reads one byte of a node that is booting; what else it says is an error.
    fn expect(&self, index: usize, channel: &mut UnixStream, wanted: u8) -> Result<()> {
        channel
            .set_read_timeout(Some(BOOT_LIMIT))
            .context("wait for a node")?;
        let name = &self.nodes[index].spec.name;
        let mut byte = [0];
        channel.read_exact(&mut byte).map_err(|error| {
            Error::Child(format!("the node {name} ended while booting ({error})"))
        })?;
        if byte[0] == wanted {
            return Ok(());
        }
        let mut text = String::new();
        let _ = channel.read_to_string(&mut text);
        Err(Error::Child(format!(
            "the node {name} did not boot: {text}"
        )))
    }

    /// Carries out orders and reaps processes until the supervisor is gone.
    fn serve(&mut self) -> Result<()> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.thread_block().context("watch for ended processes")?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .context("watch for ended processes")?;
        self.reap()?;
        loop {
            let mut fds = [
                PollFd::new(self.link.as_fd(), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error).context("wait for events"),
            }
            let ready = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
            let (order, ended) = (ready(&fds[0]), ready(&fds[1]));
            if ended {
                while signals.read_signal().ok().flatten().is_some() {}
                self.reap()?;
            }
            if order {
                match self
                    .link
                    .receive::<Order>()
                    .context("hear the supervisor")?
                {
                    None => return Ok(()),
                    Some((order, _)) => {
                        let done = self.obey(&order).map_err(|error| error.to_string());
                        self.link.send(&Event::Done(done), None).context("answer")?;
                    }
                }
            }
        }
    }

    fn obey(&mut self, order: &Order) -> Result<()> {
        let find = |nodes: &[Node], name: &str| {
            nodes
                .iter()
                .position(|node| node.spec.name == *name)
                .ok_or_else(|| Error::NoSuchNode {
                    name: name.to_owned(),
                    known: nodes
                        .iter()
                        .map(|n| n.spec.name.as_str())
                        .collect::<Vec<_>>()
                        .join(", "),
                })
        };
        match order {
            Order::Go => Ok(()),
            Order::Kill(name) => {
                let index = find(&self.nodes, name)?;
                self.end_node(index, Duration::ZERO)
            }
            Order::Boot(name) => {
                let index = find(&self.nodes, name)?;
                self.end_node(index, STOP_LIMIT)?;
                self.boot_or_end(index)
            }
        }
    }

    /// Asks a node to shut down, kills it after `limit`, and waits for its end.
    fn end_node(&mut self, index: usize, limit: Duration) -> Result<()> {
        let Some(pid) = self.nodes[index].pid else {
            return Ok(());
        };
        let deadline = Instant::now() + limit;
        if !limit.is_zero() {
            let _ = kill(pid, Signal::SIGTERM);
            while Instant::now() < deadline {
                if waitpid(pid, Some(WaitPidFlag::WNOHANG))
                    .is_ok_and(|status| status != WaitStatus::StillAlive)
                {
                    return self.note_end(index);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = kill(pid, Signal::SIGKILL);
        let _ = waitpid(pid, None);
        self.note_end(index)
    }

    fn note_end(&mut self, index: usize) -> Result<()> {
        let node = &mut self.nodes[index];
        node.pid = None;
        // The link usually is gone with the node's network already.
        let _ = self.netlink.remove(&format!("node{index}.{}", node.boots));
        self.link
            .send(&Event::Down(node.spec.name.clone()), None)
            .context("report to the supervisor")
    }

    /// Collects ended processes: nodes that went down or ask to be booted, and
    /// what lost its parent.
    fn reap(&mut self) -> Result<()> {
        loop {
            let (pid, status) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, status)) => (pid, Some(status)),
                Ok(WaitStatus::Signaled(pid, ..)) => (pid, None),
                Ok(WaitStatus::StillAlive) | Err(_) => return Ok(()),
                Ok(_) => continue,
            };
            let Some(index) = self.nodes.iter().position(|node| node.pid == Some(pid)) else {
                continue;
            };
            self.note_end(index)?;
            if status == Some(EXIT_REBOOT) {
                // A node that does not boot stays down; its init's log tells why.
                let _ = self.boot_or_end(index);
            }
        }
    }
}
