//! Commands in containers, over a WebSocket with a channel number before each piece
//! (Kubernetes 1.32 `k8s.io/apimachinery/pkg/util/remotecommand`).

use std::process::Stdio;

use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode, header};
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use sandbox::{
    Exec,
    container::{Container, Window},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{ChildStdin, Command},
    sync::mpsc,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};

use super::{Body, Target, full, query};
use crate::image::{self, Image};

/// What we speak, best first.
const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const RESIZE: u8 = 4;
/// Followed by the channel that ends (v5 only).
const CLOSE: u8 = 255;

/// What is to be run.
struct Wish {
    exec: Exec,
    stdin: bool,
    id: String,
}

pub fn answer(mut request: Request<Incoming>, target: &Target) -> Response<Body> {
    let value = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    if !value("upgrade").eq_ignore_ascii_case("websocket") {
        let text = format!(
            "unable to upgrade: this kubelet speaks WebSocket, not {:?}; kubectl 1.31 and newer \
             do, older ones can't exec here",
            value("upgrade")
        );
        return full(StatusCode::BAD_REQUEST, text);
    }
    let offered: Vec<&str> = value("sec-websocket-protocol")
        .split(',')
        .map(str::trim)
        .collect();
    let Some(protocol) = PROTOCOLS.into_iter().find(|one| offered.contains(one)) else {
        return full(
            StatusCode::BAD_REQUEST,
            format!("none of the protocols is known: {offered:?}"),
        );
    };
    let accept = derive_accept_key(value("sec-websocket-key").as_bytes());
    let query = query(&request);
    let flag = |name: &str| {
        query
            .iter()
            .any(|(key, value)| key == name && matches!(value.as_str(), "true" | "1"))
    };
    let argv = query
        .iter()
        .filter(|(name, _)| name == "command")
        .map(|(_, value)| value.clone());
    let mut exec = Exec::new(argv);
    exec.tty = flag("tty");
    let wish = Wish {
        exec,
        stdin: flag("input") || flag("stdin"),
        id: target.container.id.clone(),
    };
    let refusal = refusal(target);
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let io = TokioIo::new(upgraded);
            let socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
            run(socket, wish, refusal).await;
        }
    });
    let mut response = full(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = response.headers_mut();
    headers.insert(
        header::CONNECTION,
        header::HeaderValue::from_static("Upgrade"),
    );
    headers.insert(
        header::UPGRADE,
        header::HeaderValue::from_static("websocket"),
    );
    headers.insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        header::HeaderValue::from_static(protocol),
    );
    if let Ok(accept) = accept.parse() {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// Why nothing can be run in the container; `None` if it can.
fn refusal(target: &Target) -> Option<String> {
    if !target.container.is_running() {
        return Some(format!(
            "container not found (\"{}\")",
            target.container.name
        ));
    }
    (image::classify(&target.container.image) != Image::Real).then(|| {
        format!(
            "the container \"{}\" is simulated: kubedrill has no image of {} to run commands in",
            target.container.name, target.container.image
        )
    })
}

/// The last word on a command.
fn status(result: Result<i32, String>) -> Value {
    match result {
        Ok(0) => json!({ "metadata": {}, "status": "Success" }),
        Ok(code) => json!({
            "details": { "causes": [{ "message": code.to_string(), "reason": "ExitCode" }] },
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "metadata": {},
            "reason": "NonZeroExitCode",
            "status": "Failure",
        }),
        Err(message) => json!({
            "code": 500,
            "message": message,
            "metadata": {},
            "reason": "InternalError",
            "status": "Failure",
        }),
    }
}

async fn run(socket: WebSocketStream<TokioIo<Upgraded>>, wish: Wish, refusal: Option<String>) {
    let (mut sink, mut stream) = socket.split();
    let (pieces, mut outgoing) = mpsc::channel::<Vec<u8>>(16);
    let sending = async {
        while let Some(piece) = outgoing.recv().await {
            if sink.send(Message::Binary(piece.into())).await.is_err() {
                return None;
            }
        }
        Some(sink)
    };
    let finishing = async move {
        let result = match refusal {
            Some(reason) => Err(reason),
            None => execute(&wish, &mut stream, &pieces).await,
        };
        let mut last = vec![STATUS];
        last.extend(status(result).to_string().bytes());
        // Dropping the sender afterwards ends the sending.
        let _ = pieces.send(last).await;
    };
    if let (Some(mut sink), ()) = tokio::join!(sending, finishing) {
        // Clients take any other end for a broken connection.
        let normal = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        let _ = sink.send(Message::Close(Some(normal))).await;
        let _ = sink.flush().await;
    }
}

async fn execute(
    wish: &Wish,
    stream: &mut (impl StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin),
    pieces: &mpsc::Sender<Vec<u8>>,
) -> Result<i32, String> {
    let container = Container::open(&wish.id).map_err(|error| error.to_string())?;
    let (command, window) = if wish.exec.tty {
        let (command, window) = container
            .exec_with_window(&wish.exec)
            .map_err(|error| error.to_string())?;
        (command, Some(window))
    } else {
        (
            container
                .exec(&wish.exec)
                .map_err(|error| error.to_string())?,
            None,
        )
    };
    let mut child = Command::from(command)
        .stdin(if wish.stdin {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut stdin = child.stdin.take();
    let out = copy(STDOUT, child.stdout.take(), pieces.clone());
    let err = copy(STDERR, child.stderr.take(), pieces.clone());
    let input = async {
        while let Some(Ok(message)) = stream.next().await {
            if let Message::Binary(piece) = message {
                incoming(&piece, &mut stdin, window.as_ref()).await;
            }
        }
        // The other side is gone, and with it whoever wanted the command.
    };
    let finished = async {
        tokio::join!(out, err);
        child.wait().await
    };
    tokio::select! {
        status = finished => {
            let status = status.map_err(|error| error.to_string())?;
            Ok(status.code().unwrap_or(137))
        }
        () = input => Err("the connection was closed".into()),
    }
}

async fn incoming(piece: &[u8], stdin: &mut Option<ChildStdin>, window: Option<&Window>) {
    match piece.split_first() {
        Some((&STDIN, data)) => {
            if let Some(pipe) = stdin
                && (pipe.write_all(data).await.is_err() || pipe.flush().await.is_err())
            {
                *stdin = None;
            }
        }
        Some((&CLOSE, [STDIN])) => *stdin = None,
        Some((&RESIZE, size)) => {
            let size: Value = serde_json::from_slice(size).unwrap_or_default();
            let side = |name: &str| {
                size[name]
                    .as_u64()
                    .and_then(|side| u16::try_from(side).ok())
            };
            if let (Some(window), Some(width), Some(height)) =
                (window, side("Width"), side("Height"))
            {
                window.resize(width, height);
            }
        }
        _ => {}
    }
}

async fn copy(channel: u8, from: Option<impl AsyncRead + Unpin>, pieces: mpsc::Sender<Vec<u8>>) {
    let Some(mut from) = from else { return };
    let mut buffer = [0; 16 << 10];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                let mut piece = Vec::with_capacity(count + 1);
                piece.push(channel);
                piece.extend_from_slice(&buffer[..count]);
                if pieces.send(piece).await.is_err() {
                    return;
                }
            }
        }
    }
}
