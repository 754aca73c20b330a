//! `etcdctl alarm list` and `alarm disarm`.

use wire::etcdserverpb as pb;
use wire::etcdserverpb::alarm_request::AlarmAction;

use super::{Session, block_on, failed};
use crate::client::{Retry, RpcError};
use crate::exit::{Exit, Outcome};
use crate::flags::Invocation;
use crate::print::Alarms;

const PATH: &str = "/etcdserverpb.Maintenance/Alarm";

/// `alarm list`.
pub fn list(invocation: &mut Invocation) -> Outcome {
    if !invocation.args().is_empty() {
        return Err(Exit::bad_args("alarm list command accepts no arguments"));
    }
    let session = Session::open(invocation)?;
    block_on(async {
        let alarms = raised(&session).await.map_err(failed)?;
        session.show(&Alarms(alarms))
    })
}

/// `alarm disarm`: one request for each alarm that is raised.
pub fn disarm(invocation: &mut Invocation) -> Outcome {
    if !invocation.args().is_empty() {
        return Err(Exit::bad_args("alarm disarm command accepts no arguments"));
    }
    let session = Session::open(invocation)?;
    block_on(async {
        let mut done = pb::AlarmResponse::default();
        for alarm in raised(&session).await.map_err(failed)?.alarms {
            let request = pb::AlarmRequest {
                action: AlarmAction::Deactivate.into(),
                member_id: alarm.member_id,
                alarm: alarm.alarm,
            };
            let answer: pb::AlarmResponse = session
                .ask(PATH, request, Retry::Repeatable)
                .await
                .map_err(failed)?;
            done.alarms.extend(answer.alarms);
        }
        session.show(&Alarms(done))
    })
}

async fn raised(session: &Session) -> Result<pb::AlarmResponse, RpcError> {
    let request = pb::AlarmRequest {
        action: AlarmAction::Get.into(),
        ..Default::default()
    };
    session.ask(PATH, request, Retry::Repeatable).await
}
