//! The commands, one file each.

pub mod alarm;
pub mod auth;
pub mod check;
pub mod compaction;
pub mod completion;
pub mod defrag;
pub mod del;
pub mod elect;
pub mod endpoint;
pub mod get;
pub mod lease;
pub mod lock;
pub mod make_mirror;
pub mod member;
pub mod move_leader;
pub mod put;
pub mod role;
pub mod snapshot;
pub mod txn;
pub mod user;
pub mod utl;
pub mod version;
pub mod watch;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

pub use crate::client::block_on;
use crate::client::{self, CallOptions, Client, Config, Retry, RpcError, login};
use crate::exit::{Exit, Outcome, code};
use crate::flags::{self, Invocation};
use crate::go::number;
use crate::print::{Format, Printer, Show, Style};
use crate::tables;

/// `etcdctl help`.
pub fn help(invocation: &mut Invocation) -> Outcome {
    flags::help_command(&tables::ETCDCTL, invocation)
}

/// `etcdutl help`.
pub fn help_utl(invocation: &mut Invocation) -> Outcome {
    flags::help_command(&tables::ETCDUTL, invocation)
}

/// What an online command works with.
pub struct Session {
    /// The client.
    pub client: Client,
    /// The format asked for.
    pub printer: Printer,
    deadline: Instant,
}

impl Session {
    /// Reads the environment and the flags, and makes a client. The time limit
    /// of the command begins now.
    pub fn open(invocation: &mut Invocation) -> Result<Self, Exit> {
        Self::open_knowing(invocation, &[])
    }

    /// The same for a command that has environment variables of its own.
    pub fn open_knowing(invocation: &mut Invocation, variables: &[&str]) -> Result<Self, Exit> {
        let (config, printer) = configure(invocation, variables)?;
        let deadline = client::deadline(invocation);
        Ok(Self {
            client: Client::open(config)?,
            printer,
            deadline,
        })
    }

    /// Asks any of the endpoints, within the command's time limit.
    pub async fn ask<Q, R>(
        &self,
        path: &'static str,
        request: Q,
        retry: Retry,
    ) -> Result<R, RpcError>
    where
        Q: prost::Message + Clone + 'static,
        R: prost::Message + Default + 'static,
    {
        self.ask_with(
            path,
            request,
            self.client.options(retry, Some(self.deadline)),
        )
        .await
    }

    /// Asks any of the endpoints and waits for ever.
    pub async fn ask_patiently<Q, R>(
        &self,
        path: &'static str,
        request: Q,
        retry: Retry,
    ) -> Result<R, RpcError>
    where
        Q: prost::Message + Clone + 'static,
        R: prost::Message + Default + 'static,
    {
        self.ask_with(path, request, self.client.options(retry, None))
            .await
    }

    async fn ask_with<Q, R>(
        &self,
        path: &'static str,
        request: Q,
        options: CallOptions,
    ) -> Result<R, RpcError>
    where
        Q: prost::Message + Clone + 'static,
        R: prost::Message + Default + 'static,
    {
        client::unary(self.client.any(), path, request, &options).await
    }

    /// Prints an answer in the format asked for.
    pub fn show(&self, response: &(impl Show + ?Sized)) -> Outcome {
        self.printer.show(response)
    }
}

/// The client's configuration and the printer, from environment and flags.
pub fn configure(
    invocation: &mut Invocation,
    variables: &[&str],
) -> Result<(Config, Printer), Exit> {
    invocation.apply_environment("ETCDCTL", variables)?;
    if invocation.flag("debug") {
        for flag in invocation.inherited() {
            let value = invocation.parsed.shown(flag.name).unwrap_or_default();
            tell!("{}={value}", flags::variable("ETCDCTL", flag.name));
        }
    }
    let endpoints = client::endpoints(invocation)?;
    client::check_flags(invocation)?;
    let login = login::from_flags(&invocation.parsed)?;
    let printer = printer(invocation)?;
    Ok((client::config(invocation, endpoints, login)?, printer))
}

/// The printer that `--write-out` and `--hex` ask for.
pub fn printer(invocation: &Invocation) -> Result<Printer, Exit> {
    let format = Format::parse(invocation.text("write-out"))?;
    Ok(Printer {
        format,
        style: Style {
            hex: invocation.flag("hex"),
            value_only: false,
        },
    })
}

/// Ctrl-C and its kin, for commands that have something to give back first.
pub struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupt {
    /// Listens from now on.
    pub fn listen() -> Result<Self, Exit> {
        let listen = |kind| {
            signal(kind).map_err(|error| Exit::error(format!("cannot listen to signals: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// A failed call as the end of a command.
pub fn failed(error: RpcError) -> Exit {
    Exit::error(error.to_string())
}

/// Reads a lease's ID from an argument.
pub fn lease_id(argument: &[u8]) -> Result<i64, Exit> {
    number::parse_i64(argument, 16)
        .map_err(|error| Exit::bad_args(format!("bad lease ID arg ({error}), expecting ID in Hex")))
}

/// The end of the range of all keys that begin with `prefix`.
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if *last < 0xff {
            *last += 1;
            return end;
        }
        end.pop();
    }
    // Nothing but 0xff: to the end of all keys.
    vec![0]
}

/// Key and end of range of `--prefix`; an empty key means all keys.
pub fn prefix_range(key: &[u8]) -> (Vec<u8>, Vec<u8>) {
    if key.is_empty() {
        (vec![0], vec![0])
    } else {
        (key.to_vec(), prefix_end(key))
    }
}

/// Key and end of range of `--from-key`.
pub fn from_key_range(key: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (
        if key.is_empty() {
            vec![0]
        } else {
            key.to_vec()
        },
        vec![0],
    )
}

/// Two flags that exclude each other.
pub fn exclusive(a: &str, b: &str) -> Exit {
    Exit::new(
        code::BAD_ARGS,
        format!("`--{a}` and `--{b}` cannot be set at the same time, choose one"),
    )
}

#[cfg(test)]
mod tests {
    use super::{from_key_range, prefix_end, prefix_range};

    #[test]
    fn ranges() {
        assert_eq!(prefix_end(b"ab"), b"ac");
        assert_eq!(prefix_end(b"a\xff\xff"), b"b");
        assert_eq!(prefix_end(b"\xff"), [0]);
        assert_eq!(prefix_range(b""), (vec![0], vec![0]));
        assert_eq!(from_key_range(b"x"), (b"x".to_vec(), vec![0]));
    }
}
