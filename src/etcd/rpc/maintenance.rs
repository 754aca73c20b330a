//! `etcdserverpb.Maintenance`.

use std::{io, time::Instant};

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use wire::etcdserverpb::{
    AlarmRequest, AlarmResponse, DefragmentRequest, DefragmentResponse, DowngradeRequest,
    DowngradeResponse, HashKvRequest, HashKvResponse, HashRequest, HashResponse, MoveLeaderRequest,
    MoveLeaderResponse, SnapshotRequest, SnapshotResponse, StatusRequest, StatusResponse,
    maintenance_server::Maintenance,
};

use super::{Context, caller, status};
use crate::{measures::measures, server::EtcdError};

/// Bytes in one piece of a snapshot, as the reference cuts it.
const SNAPSHOT_PIECE: usize = 32 * 1024;
/// Pieces that may wait for a slow client.
const BUFFER: usize = 8;

type Pieces = mpsc::Sender<Result<SnapshotResponse, Status>>;

#[tonic::async_trait]
impl Maintenance for Context {
    type SnapshotStream = ReceiverStream<Result<SnapshotResponse, Status>>;

    async fn alarm(
        &self,
        request: Request<AlarmRequest>,
    ) -> Result<Response<AlarmResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.server
            .alarm(&caller(&request), request.into_inner())
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }

    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusResponse>, Status> {
        self.admit_unary(request.metadata(), true)?;
        Ok(Response::new(self.server.status()))
    }

    async fn defragment(
        &self,
        request: Request<DefragmentRequest>,
    ) -> Result<Response<DefragmentResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.admit_admin(&request).await?;
        crate::info!("v3rpc/maintenance.go:90", "starting defragment");
        let stop = self.server.config().stop_grpc_service_on_defrag;
        let _defragmenting = self.serving.defragmenting(stop);
        if let Err(error) = self.server.defragment().await {
            crate::warn!("v3rpc/maintenance.go:95", "failed to defragment", "error" => error.to_string());
            return Err(status(&error));
        }
        crate::info!("v3rpc/maintenance.go:98", "finished defragment");
        Ok(Response::new(DefragmentResponse::default()))
    }

    async fn hash(&self, request: Request<HashRequest>) -> Result<Response<HashResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.admit_admin(&request).await?;
        self.server
            .hash()
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }

    async fn hash_kv(
        &self,
        request: Request<HashKvRequest>,
    ) -> Result<Response<HashKvResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.admit_admin(&request).await?;
        self.server
            .hash_kv(request.into_inner().revision)
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }

    async fn snapshot(
        &self,
        request: Request<SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        // A learner has a whole database too.
        self.admit_stream(request.metadata(), true)?;
        self.admit_admin(&request).await?;
        let snapshot = self
            .server
            .snapshot()
            .await
            .map_err(|error| status(&error))?;
        let (pieces, stream) = mpsc::channel(BUFFER);
        tokio::task::spawn_blocking(move || send_snapshot(&snapshot, pieces));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn move_leader(
        &self,
        request: Request<MoveLeaderRequest>,
    ) -> Result<Response<MoveLeaderResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.server
            .move_leader(request.into_inner().target_id)
            .await
            .map_err(|error| status(&error))?;
        Ok(Response::new(MoveLeaderResponse::default()))
    }

    async fn downgrade(
        &self,
        request: Request<DowngradeRequest>,
    ) -> Result<Response<DowngradeResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        self.server
            .downgrade(request.get_ref())
            .await
            .map(Response::new)
            .map_err(|error| status(&error))
    }
}

impl Context {
    /// Refuses all but those with the role root, in the words that 3.5.16 has inside:
    /// it does not translate them here.
    async fn admit_admin<T>(&self, request: &Request<T>) -> Result<(), Status> {
        use mvcc::Error as State;
        let refused = match self.server.permit_admin(&caller(request)).await {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        Err(match refused {
            EtcdError::State(State::UserEmpty) => Status::unknown("auth: user name is empty"),
            EtcdError::State(State::UserNotFound) => Status::unknown("auth: user not found"),
            EtcdError::State(State::PermissionDenied) => Status::unknown("auth: permission denied"),
            EtcdError::State(State::InvalidAuthToken) => {
                Status::unknown("auth: invalid auth token")
            }
            other => status(&other),
        })
    }
}

/// Streams the database and its SHA-256 in bounded memory. Blocks on a slow client.
fn send_snapshot(snapshot: &bolt::ReadTx, pieces: Pieces) {
    let (total, started) = (snapshot.size_bytes(), Instant::now());
    crate::info!(
        "v3rpc/maintenance.go:131", "sending database snapshot to client",
        "total-bytes" => total, "size" => crate::size::bytes(total),
    );
    let mut out = PieceWriter {
        pieces,
        buffer: BytesMut::new(),
        left: total,
        hash: Sha256::new(),
    };
    let written = snapshot
        .write_to(&mut out)
        .map_err(|error| error.to_string());
    if let Err(error) = written.and_then(|_| out.hand_over().map_err(|error| error.to_string())) {
        crate::warn!("v3rpc/maintenance.go:150", "failed to send database snapshot to client", "error" => error);
        // Without this the client would take what it has for the whole; it may have gone.
        let _ = out.pieces.blocking_send(Err(Status::unknown(error)));
        return;
    }
    let sum = Bytes::copy_from_slice(&out.hash.finalize());
    crate::info!(
        "v3rpc/maintenance.go:174", "sending database sha256 checksum to client",
        "total-bytes" => total, "checksum-size" => sum.len(),
    );
    let last = SnapshotResponse {
        blob: sum,
        ..SnapshotResponse::default()
    };
    if out.pieces.blocking_send(Ok(last)).is_ok() {
        measures().backend_snapshot.observe(started.elapsed());
        crate::info!(
            "v3rpc/maintenance.go:183", "successfully sent database snapshot to client",
            "total-bytes" => total, "size" => crate::size::bytes(total),
            "took" => gowords::duration(started.elapsed()),
        );
    }
}

/// Cuts what is written into pieces of 32 KiB.
struct PieceWriter {
    pieces: Pieces,
    buffer: BytesMut,
    left: u64,
    hash: Sha256,
}

impl PieceWriter {
    fn hand_over(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let blob = self.buffer.split().freeze();
        self.hash.update(&blob);
        self.left = self.left.saturating_sub(blob.len() as u64);
        let piece = SnapshotResponse {
            remaining_bytes: self.left,
            blob,
            ..SnapshotResponse::default()
        };
        self.pieces
            .blocking_send(Ok(piece))
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone"))
    }
}

impl io::Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(SNAPSHOT_PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == SNAPSHOT_PIECE {
            self.hand_over()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn pieces_are_full_and_count_down() {
        let (pieces, mut queue) = mpsc::channel(16);
        let total = 2 * SNAPSHOT_PIECE + 5;
        let mut out = PieceWriter {
            pieces,
            buffer: BytesMut::new(),
            left: total as u64,
            hash: Sha256::new(),
        };
        for chunk in vec![1_u8; total].chunks(1000) {
            out.write_all(chunk).expect("room in the queue");
        }
        out.hand_over().expect("room in the queue");
        let mut seen = Vec::new();
        while let Ok(Ok(piece)) = queue.try_recv() {
            seen.push((piece.blob.len(), piece.remaining_bytes as usize));
        }
        assert_eq!(
            seen,
            [
                (SNAPSHOT_PIECE, SNAPSHOT_PIECE + 5),
                (SNAPSHOT_PIECE, 5),
                (5, 0)
            ]
        );
    }
}
