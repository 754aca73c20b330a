//! `etcdctl auth …`.

use prost::Message as _;
use wire::etcdserverpb as pb;

use super::{Session, block_on, failed};
use crate::client::{Retry, RpcError};
use crate::exit::{Exit, Outcome};
use crate::flags::Invocation;
use crate::json::Object;
use crate::print::{self, Sentence, json};

/// What the server says while nobody can be root.
const NO_ROOT_ROLE: &str = "etcdserver: root user does not have root role";

fn no_arguments(invocation: &Invocation, name: &str) -> Outcome {
    if invocation.args().is_empty() {
        return Ok(());
    }
    Err(Exit::bad_args(format!(
        "auth {name} command does not accept any arguments"
    )))
}

/// `auth enable`: gives the user root the role root, too, when it lacks it.
pub fn enable(invocation: &mut Invocation) -> Outcome {
    no_arguments(invocation, "enable")?;
    let session = Session::open(invocation)?;
    block_on(async {
        while let Err(error) = try_enable(&session).await {
            if error.message != NO_ROOT_ROLE {
                return Err(failed(error));
            }
            make_root(&session).await.map_err(failed)?;
        }
        print::stdout(b"Authentication Enabled\n")
    })
}

async fn try_enable(session: &Session) -> Result<pb::AuthEnableResponse, RpcError> {
    let path = "/etcdserverpb.Auth/AuthEnable";
    session
        .ask(path, pb::AuthEnableRequest {}, Retry::Once)
        .await
}

async fn make_root(session: &Session) -> Result<(), RpcError> {
    let root = || "root".to_owned();
    let _: pb::AuthRoleAddResponse = session
        .ask(
            "/etcdserverpb.Auth/RoleAdd",
            pb::AuthRoleAddRequest { name: root() },
            Retry::Once,
        )
        .await?;
    let request = pb::AuthUserGrantRoleRequest {
        user: root(),
        role: root(),
    };
    let _: pb::AuthUserGrantRoleResponse = session
        .ask("/etcdserverpb.Auth/UserGrantRole", request, Retry::Once)
        .await?;
    Ok(())
}

/// `auth disable`.
pub fn disable(invocation: &mut Invocation) -> Outcome {
    no_arguments(invocation, "disable")?;
    let session = Session::open(invocation)?;
    block_on(async {
        let path = "/etcdserverpb.Auth/AuthDisable";
        let _: pb::AuthDisableResponse = session
            .ask(path, pb::AuthDisableRequest {}, Retry::Once)
            .await
            .map_err(failed)?;
        print::stdout(b"Authentication Disabled\n")
    })
}

/// `auth status`.
pub fn status(invocation: &mut Invocation) -> Outcome {
    no_arguments(invocation, "status")?;
    let session = Session::open(invocation)?;
    block_on(async {
        let path = "/etcdserverpb.Auth/AuthStatus";
        let response: pb::AuthStatusResponse = session
            .ask(path, pb::AuthStatusRequest {}, Retry::Once)
            .await
            .map_err(failed)?;
        session.show(&Sentence {
            text: format!(
                "Authentication Status: {}\nAuthRevision: {}",
                response.enabled, response.auth_revision
            ),
            json: Object::default()
                .option("header", response.header.as_ref(), json::header)
                .plain_omit("enabled", response.enabled)
                .plain_omit("authRevision", response.auth_revision)
                .end(),
            protobuf: Some(response.encode_to_vec()),
            fields: None,
        })
    })
}
