//! `kubectl exec`, over WebSocket as kubectl 1.32 does it.
//!
//! Reference: `kubectl/pkg/cmd/exec/exec.go`,
//! `client-go/tools/remotecommand` (protocol `v5.channel.k8s.io`) of Kubernetes
//! 1.32.

use super::pods;
use crate::cx::{Cx, put_bytes};
use crate::error::{Error, Outcome, fail};
use crate::flags::usage;
use crate::terminal::RawTerminal;
use crate::websocket::{self, Frame};
use kube::object::{annotation, list, name, text};
use kube::request::Target;
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Write as _};
use tokio::io::AsyncReadExt as _;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const RESIZE: u8 = 4;
/// Version 5's addition: the channel named in the second byte is at its end.
const CLOSE: u8 = 255;

/// Runs `kubectl exec`.
///
/// # Errors
/// The command line's, the server's, the command's exit status.
pub async fn run(cx: &Cx) -> Outcome {
    let from_file = cx.flags.given("filename");
    let (target, command) = match (cx.flags.dash, cx.args()) {
        (Some(0), command) if from_file => (None, command),
        (Some(1), [target, command @ ..]) => (Some(target), command),
        (None, [_, _, ..]) => {
            return usage(
                "exec",
                "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead",
            );
        }
        (_, [target]) => (Some(target), &[][..]),
        (_, [target, command @ ..]) => (Some(target), command),
        (_, []) => (None, &[][..]),
    };
    if target.is_none() && !from_file {
        return fail("pod, type/name or --filename must be specified");
    }
    if command.is_empty() {
        return fail("you must specify at least one command for the container");
    }
    let pod = match target {
        Some(target) => pods::of(cx, target, false).await?.remove(0),
        None => pod_of_file(cx).await?,
    };
    let phase = text(&pod, "status.phase");
    if matches!(phase, "Succeeded" | "Failed") {
        return fail(format!(
            "cannot exec into a container in a completed pod; current phase is {phase}"
        ));
    }
    let container = container(cx, &pod)?;
    let mut tty = cx.bool("tty");
    let stdin = cx.bool("stdin");
    if tty && !(stdin && std::io::stdin().is_terminal()) {
        eprintln!("Unable to use a TTY - input is not a terminal or the right kind of file");
        tty = tty && stdin && std::io::stdin().is_terminal();
    }
    let mut target = Target::new(format!(
        "/api/v1/namespaces/{}/pods/{}/exec",
        kube::object::namespace(&pod),
        name(&pod)
    ));
    for word in command {
        target = target.with("command", word);
    }
    target = target.with("container", &container);
    for (flag, on) in [
        ("stdin", stdin),
        ("stdout", true),
        ("stderr", !tty),
        ("tty", tty),
    ] {
        if on {
            target = target.with(flag, "true");
        }
    }
    stream(cx, &target.finish(), stdin, tty).await
}

async fn pod_of_file(cx: &Cx) -> Outcome<Value> {
    let items = crate::source::from_files(cx).await?;
    let [item] = &items[..] else {
        return fail("cannot exec into multiple objects at a time");
    };
    let word = format!("{}/{}", item.res.plural, item.name);
    Ok(pods::of(cx, &word, false).await?.remove(0))
}

/// The container to enter: the named one, the annotated one, the first.
pub fn container(cx: &Cx, pod: &Value) -> Outcome<String> {
    let known = |wanted: &str| {
        pods::containers(pod)
            .iter()
            .any(|c| text(c, "name") == wanted)
    };
    let named = cx.text("container");
    if !named.is_empty() {
        if !known(named) {
            return fail(format!("container {named} not found in pod {}", name(pod)));
        }
        return Ok(named.to_owned());
    }
    let wished = annotation(pod, "kubectl.kubernetes.io/default-container");
    if !wished.is_empty() && known(wished) {
        return Ok(wished.to_owned());
    }
    let containers = list(pod, "spec.containers");
    let Some(first) = containers.first() else {
        return fail(format!(
            "pod {}/{} does not have any containers",
            kube::object::namespace(pod),
            name(pod)
        ));
    };
    let first = text(first, "name").to_owned();
    if containers.len() > 1 && !cx.bool("quiet") {
        eprintln!(
            "Defaulted container {} out of: {}",
            kube::gofmt::quote(&first),
            pods::container_names(pod)
        );
    }
    Ok(first)
}

/// Connects and carries the streams until the command has ended.
///
/// # Errors
/// The server's, the command's exit status.
pub async fn stream(cx: &Cx, path: &str, stdin: bool, tty: bool) -> Outcome {
    let (reader, mut writer) = websocket::connect(
        cx.client()?,
        path,
        &["v5.channel.k8s.io", "v4.channel.k8s.io"],
    )
    .await?;
    let version5 = reader.protocol == "v5.channel.k8s.io";
    let mut frames = pump(reader);
    let raw = if tty { RawTerminal::enter() } else { None };
    let mut input = stdin.then(tokio::io::stdin);
    let mut resized =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change())?;
    if let Some(raw) = &raw {
        writer.binary(RESIZE, size(raw).as_bytes()).await?;
    }
    let mut buffer = vec![0; 16 * 1024];
    let mut status = None;
    loop {
        tokio::select! {
            frame = frames.recv() => match frame.transpose()? {
                None | Some(Frame::Close) => break,
                Some(Frame::Ping(payload)) => writer.pong(&payload).await?,
                Some(Frame::Binary(data)) => {
                    let Some((&channel, data)) = data.split_first() else { continue };
                    match channel {
                        STDOUT => put_bytes(data)?,
                        STDERR => {
                            let mut err = std::io::stderr().lock();
                            err.write_all(data)?;
                            err.flush()?;
                        }
                        STATUS => status = Some(serde_json::from_slice::<Value>(data).unwrap_or_else(|_| {
                            json!({"status": "Failure", "message": String::from_utf8_lossy(data)})
                        })),
                        _ => {}
                    }
                }
            },
            read = read(&mut input, &mut buffer) => match read? {
                0 => {
                    input = None;
                    if version5 {
                        writer.binary(CLOSE, &[STDIN]).await?;
                    }
                }
                n => writer.binary(STDIN, &buffer[..n]).await?,
            },
            _ = resized.recv(), if raw.is_some() => {
                if let Some(raw) = &raw {
                    writer.binary(RESIZE, size(raw).as_bytes()).await?;
                }
            }
        }
    }
    drop(raw);
    match status {
        Some(status) => ended(&status),
        None => Ok(()),
    }
}

/// Reads frames in a task of its own: half a frame must not be lost when
/// something else happens first.
fn pump(mut reader: websocket::Reader) -> tokio::sync::mpsc::Receiver<Outcome<Frame>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        while let Some(frame) = reader.next().await.transpose() {
            let last = frame.is_err();
            if sender.send(frame).await.is_err() || last {
                break;
            }
        }
    });
    receiver
}

async fn read(input: &mut Option<tokio::io::Stdin>, buffer: &mut [u8]) -> std::io::Result<usize> {
    match input {
        Some(input) => input.read(buffer).await,
        None => std::future::pending().await,
    }
}

fn size(terminal: &RawTerminal) -> String {
    let (width, height) = terminal.size();
    format!("{{\"Width\":{width},\"Height\":{height}}}")
}

/// The command's end as an outcome.
fn ended(status: &Value) -> Outcome {
    if text(status, "status") == "Success" {
        return Ok(());
    }
    let code = list(status, "details.causes")
        .iter()
        .find(|c| text(c, "reason") == "ExitCode")
        .and_then(|c| text(c, "message").parse::<i32>().ok());
    match code {
        // An exit status has eight bits.
        Some(code) => Err(Error::Command((code & 0xff) as u8)),
        None => fail(match text(status, "message") {
            "" => "error stream protocol error: unknown error",
            message => message,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::ended;
    use serde_json::json;

    #[test]
    fn exit_statuses() {
        assert!(ended(&json!({"status": "Success"})).is_ok());
        let failed = ended(&json!({"status": "Failure", "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}));
        assert_eq!(
            failed.unwrap_err().report(),
            ("command terminated with exit code 3".to_owned(), 3)
        );
    }
}
