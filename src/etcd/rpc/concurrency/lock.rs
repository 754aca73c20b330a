//! `v3lockpb.Lock` (`server/etcdserver/api/v3lock`).

use bytes::Bytes;
use tonic::{Request, Response, Status};
use wire::{
    etcdserverpb::{DeleteRangeRequest, TxnRequest, kv_server::Kv},
    v3lockpb::{LockRequest, LockResponse, UnlockRequest, UnlockResponse, lock_server::Lock},
};

use super::{
    Caller, Context, answer, created_at, delete_op, first_kv, get, oldest, own_key, prefix, put_op,
    range_op, revision,
};

#[tonic::async_trait]
impl Lock for Context {
    async fn lock(&self, request: Request<LockRequest>) -> Result<Response<LockResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        let (caller, request) = Caller::new(self, request);
        let lease = caller.lease(request.lease).await?;
        let prefix = prefix(&request.name);
        let key = own_key(&prefix, lease);
        let acquire = TxnRequest {
            compare: vec![created_at(&key, 0)],
            success: vec![
                put_op(&key, &Bytes::new(), lease),
                range_op(oldest(&prefix)),
            ],
            failure: vec![range_op(get(&key)), range_op(oldest(&prefix))],
        };
        let tried = caller.txn(acquire).await?;
        let own = if tried.succeeded {
            revision(tried.header.as_ref())
        } else {
            first_kv(&tried.responses, 0).map_or(0, |kv| kv.create_revision)
        };
        let owner = first_kv(&tried.responses, 1);
        if owner.is_none_or(|owner| owner.create_revision == own) {
            let header = tried.header;
            return Ok(Response::new(LockResponse { header, key }));
        }
        let waiting = caller.cleanup(TxnRequest {
            success: vec![delete_op(&key)],
            ..TxnRequest::default()
        });
        let waited = async {
            caller.wait_deletes(&prefix, own - 1).await?;
            caller.range(get(&key)).await
        };
        match waited.await {
            Ok(found) => {
                waiting.forget();
                if found.kvs.is_empty() {
                    return Err(Status::unknown("mutex: session is expired"));
                }
                let header = found.header;
                Ok(Response::new(LockResponse { header, key }))
            }
            Err(error) => {
                waiting.now().await;
                Err(error)
            }
        }
    }

    async fn unlock(
        &self,
        request: Request<UnlockRequest>,
    ) -> Result<Response<UnlockResponse>, Status> {
        self.admit_unary(request.metadata(), false)?;
        let (caller, request) = Caller::new(self, request);
        let delete = DeleteRangeRequest {
            key: request.key,
            ..DeleteRangeRequest::default()
        };
        let deleted = answer(Kv::delete_range(self, caller.request(delete)).await)?;
        let header = deleted.header;
        Ok(Response::new(UnlockResponse { header }))
    }
}
