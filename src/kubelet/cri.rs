//! What the kubelet does for `crictl`: one question a line, as JSON, on containerd's
//! socket; `{}` says that it was heard.

use std::{os::unix::fs::PermissionsExt, path::Path, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::mpsc,
};

use crate::{crictl::SOCKET, kubelet::Question};

/// Serves for ever.
pub async fn run(questions: mpsc::UnboundedSender<Question>) {
    let listener = loop {
        match listen(Path::new(SOCKET)) {
            Ok(listener) => break listener,
            Err(error) => {
                crate::log::error(
                    "Failed to listen for crictl",
                    &[("err", &error.to_string())],
                );
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
        }
    };
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, questions.clone()));
        }
    }
}

fn listen(path: &Path) -> std::io::Result<UnixListener> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    // An earlier kubelet's.
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

async fn answer(stream: UnixStream, questions: mpsc::UnboundedSender<Question>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream
        .read_line(&mut line)
        .await
        .is_ok_and(|count| count > 0)
    {
        if let Some(question) = parse(&line) {
            let _ = questions.send(question);
        }
        line.clear();
        if stream.write_all(b"{}\n").await.is_err() {
            return;
        }
    }
}

fn parse(line: &str) -> Option<Question> {
    let value: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    match value["do"].as_str()? {
        "stop-container" => Some(Question::StopContainer {
            uid: text("uid"),
            name: text("name"),
            grace: value["grace"].as_u64().unwrap_or(0),
        }),
        "stop-pod" => Some(Question::StopPod { uid: text("uid") }),
        "forget" => Some(Question::Forget {
            uid: text("uid"),
            id: text("id"),
        }),
        _ => None,
    }
}
