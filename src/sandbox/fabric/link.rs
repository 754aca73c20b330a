//! What the two processes of a fabric say to each other: the supervisor on the
//! host and the fabric's first process inside.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use crate::error::{Context as _, Result};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    UnixCredentials, recvmsg, sendmsg, setsockopt, socketpair, sockopt,
};
use serde::{Deserialize, Serialize};

/// From the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// The user map is written.
    Go,
    /// Boot a node; one that runs is shut down before.
    Boot(String),
    /// Kill a node.
    Kill(String),
}

/// From inside.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Event {
    /// The first process waits for its user map.
    WantsMap,
    /// A node's init is up; the message carries its PID.
    Up(String),
    /// A node has ended.
    Down(String),
    /// Every node is up.
    Started,
    /// An order was carried out, or what went wrong.
    Done(Result<(), String>),
    /// The fabric could not be started.
    Failed(String),
}

/// One end of the connection. Messages keep their boundaries.
pub(super) struct Link(OwnedFd);

impl Link {
    /// Two connected ends; the first one sees who has sent a message.
    pub(super) fn pair() -> io::Result<(Link, Link)> {
        let (one, two) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        setsockopt(&one, sockopt::PassCred, &true)?;
        Ok((Link(one), Link(two)))
    }

    /// The same end once more.
    pub(super) fn try_clone(&self) -> Result<Link> {
        Ok(Link(self.0.try_clone().context("keep the connection")?))
    }

    /// Sends a message. With a PID, which must be one of the sender's PID
    /// namespace, the receiver learns how its own PID namespace calls it.
    pub(super) fn send(&self, message: &impl Serialize, pid: Option<i32>) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let data = [IoSlice::new(&bytes)];
        let credentials = pid.map(|pid| {
            UnixCredentials::from(libc::ucred {
                pid,
                uid: 0,
                gid: 0,
            })
        });
        let control: Vec<_> = credentials
            .iter()
            .map(ControlMessage::ScmCredentials)
            .collect();
        sendmsg::<()>(
            self.0.as_raw_fd(),
            &data,
            &control,
            MsgFlags::MSG_NOSIGNAL,
            None,
        )?;
        Ok(())
    }

    /// Receives a message and the PID that came with it; `None` when the other
    /// end is closed.
    pub(super) fn receive<T: for<'a> Deserialize<'a>>(&self) -> io::Result<Option<(T, i32)>> {
        let mut bytes = vec![0; 65536];
        let mut space = nix::cmsg_space!(UnixCredentials);
        let mut data = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let (length, pid) = {
            let message = recvmsg::<()>(self.0.as_raw_fd(), &mut data, Some(&mut space), flags)?;
            let pid = message.cmsgs()?.find_map(|control| match control {
                ControlMessageOwned::ScmCredentials(who) => Some(who.pid()),
                _ => None,
            });
            (message.bytes, pid.unwrap_or(0))
        };
        if length == 0 {
            return Ok(None);
        }
        Ok(Some((serde_json::from_slice(&bytes[..length])?, pid)))
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}
