//! `snapshot save`: the member's database, streamed into a file.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tokio::time::Instant;
use wire::etcdserverpb as pb;

use super::error::SnapshotError;
use super::has_hash;
use crate::client::{self, Client, Config, Retry, RpcError};
use crate::go::{os, size};
use crate::log::{Field, Json, Level};

/// `file exists`, the same on every Linux.
const EEXIST: i32 = 17;

const PATH: &str = "/etcdserverpb.Maintenance/Snapshot";

/// Fetches a snapshot from the one endpoint of `config`. The file appears only
/// when it is whole and on the disk.
pub async fn save(
    config: Config,
    file: &Path,
    deadline: Option<Instant>,
) -> Result<(), SnapshotError> {
    if config.endpoints.len() != 1 {
        return Err(SnapshotError::Endpoints(config.endpoints));
    }
    let endpoint = config.endpoints[0].clone();
    let client = Client::logged_in(config)
        .await
        .map_err(|exit| SnapshotError::Call(exit.to_string()))?;
    let part = Part::create(file)?;
    let log = Json::new("");
    let part_shown = part.path.display().to_string();
    log.write(
        Level::Info,
        "snapshot/v3_snapshot.go:65",
        "created temporary db file",
        &[Field::text("path", &part_shown)],
    );

    let started = std::time::Instant::now();
    let length = fetch(&client, &part, &endpoint, deadline).await?;
    if !has_hash(length) {
        return Err(SnapshotError::NoHash(length));
    }
    part.file
        .sync_all()
        .map_err(|error| SnapshotError::file("sync", &part.path, error))?;
    log.write(
        Level::Info,
        "snapshot/v3_snapshot.go:88",
        "fetched snapshot",
        &[
            Field::text("endpoint", &endpoint),
            Field::text("size", &size::bytes(length)),
            Field::text("took", &size::ago(started.elapsed())),
        ],
    );
    // Go refuses to rename over a directory before the system does.
    let renamed = match file.is_dir() {
        true => Err(std::io::Error::from_raw_os_error(EEXIST)),
        false => fs::rename(&part.path, file),
    };
    renamed.map_err(|source| SnapshotError::Rename {
        from: part.path.clone(),
        to: file.to_owned(),
        source,
    })?;
    log.write(
        Level::Info,
        "snapshot/v3_snapshot.go:97",
        "saved",
        &[Field::text("path", &file.display().to_string())],
    );
    Ok(())
}

/// Streams the snapshot into the file; gives its length.
async fn fetch(
    client: &Client,
    part: &Part,
    endpoint: &str,
    deadline: Option<Instant>,
) -> Result<u64, SnapshotError> {
    let own = Json::new(client.config().logger);
    let options = client.options(Retry::Once, deadline);
    let stream = client::server_stream(client.any(), PATH, pb::SnapshotRequest {}, &options)
        .await
        .map_err(|error| {
            own.write(
                Level::Error,
                "v3/retry_interceptor.go:130",
                "streamer failed to create ClientStream",
                &[Field::text("error", &error.wrapped())],
            );
            SnapshotError::Call(error.to_string())
        })?;
    own.write(
        Level::Info,
        "v3/maintenance.go:212",
        "opened snapshot stream; downloading",
        &[],
    );
    Json::new("").write(
        Level::Info,
        "snapshot/v3_snapshot.go:73",
        "fetching snapshot",
        &[Field::text("endpoint", endpoint)],
    );
    let closed = |error: RpcError| {
        own.write(
            Level::Warn,
            "v3/maintenance.go:222",
            "failed to receive from snapshot stream; closing",
            &[Field::text("error", &error.wrapped())],
        );
        SnapshotError::Call(error.to_string())
    };
    let mut stream = stream.map_err(closed)?;
    let mut length = 0;
    loop {
        let next: Option<pb::SnapshotResponse> =
            client::next(&mut stream, deadline).await.map_err(closed)?;
        let Some(response) = next else { break };
        (&part.file)
            .write_all(&response.blob)
            .map_err(|error| SnapshotError::Call(os::path_error("write", &part.path, &error)))?;
        length += response.blob.len() as u64;
    }
    own.write(
        Level::Info,
        "v3/maintenance.go:220",
        "completed snapshot read; closing",
        &[],
    );
    Ok(length)
}

/// The file while it isn't whole; removed unless it was renamed.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn create(file: &Path) -> Result<Self, SnapshotError> {
        let mut path = file.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| SnapshotError::Part {
                path: path.clone(),
                source,
            })?;
        Ok(Self { path, file })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Renamed, it is gone already.
        let _ = fs::remove_file(&self.path);
    }
}
