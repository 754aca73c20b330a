//! Alarms (`api/v3alarm/alarms.go`), and what they forbid (`etcdserver/apply.go`,
//! `etcdserver/corrupt.go`).

use std::collections::BTreeSet;

use prost::Message;
use wire::etcdserverpb as pb;

use crate::{Error, Result};

/// What requests are let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All.
    #[default]
    Open,
    /// None that makes the database grow.
    Capped,
    /// None that touches keys or leases.
    Corrupt,
}

/// The alarms that are raised.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    /// Kind and member.
    raised: BTreeSet<(i32, u64)>,
    pub mode: Mode,
}

/// A change of the bucket `alarm`: the key, and whether it is added.
pub(crate) type Change = Option<(Vec<u8>, bool)>;

impl Alarms {
    /// Takes a stored alarm over.
    pub(crate) fn restore(&mut self, record: &[u8]) -> Result<()> {
        let alarm = pb::AlarmMember::decode(record).map_err(|e| {
            Error::Damaged(format!(
                "bucket `alarm` is damaged: expected an alarm, found something else: {e}"
            ))
        })?;
        self.raised.insert((alarm.alarm, alarm.member_id));
        // CORRUPT forbids more, so it wins.
        let has = |kind| !self.of(kind).is_empty();
        self.mode = match (has(pb::AlarmType::Corrupt), has(pb::AlarmType::Nospace)) {
            (true, _) => Mode::Corrupt,
            (_, true) => Mode::Capped,
            _ => Mode::Open,
        };
        Ok(())
    }

    /// Alarms of a kind (`None`: of all), by kind and member.
    pub(crate) fn of(&self, kind: pb::AlarmType) -> Vec<pb::AlarmMember> {
        self.raised
            .iter()
            .filter(|(k, _)| kind == pb::AlarmType::None || *k == kind as i32)
            .map(|(alarm, member_id)| pb::AlarmMember {
                member_id: *member_id,
                alarm: *alarm,
            })
            .collect()
    }

    /// Carries a request out.
    pub(crate) fn apply(&mut self, request: &pb::AlarmRequest) -> (pb::AlarmResponse, Change) {
        use pb::alarm_request::AlarmAction;
        let kind = request.alarm();
        let alarm = pb::AlarmMember {
            member_id: request.member_id,
            alarm: kind as i32,
        };
        let entry = (kind as i32, request.member_id);
        let mut response = pb::AlarmResponse::default();
        let before = self.of(kind).len();
        let change = match request.action() {
            AlarmAction::Get => {
                response.alarms = self.of(kind);
                None
            }
            AlarmAction::Activate if kind == pb::AlarmType::None => None,
            AlarmAction::Activate => {
                let added = self.raised.insert(entry);
                if before == 0 {
                    self.mode = match kind {
                        pb::AlarmType::Corrupt => Mode::Corrupt,
                        _ => Mode::Capped,
                    };
                }
                response.alarms.push(alarm);
                added.then(|| (alarm.encode_to_vec(), true))
            }
            AlarmAction::Deactivate => match self.raised.remove(&entry) {
                false => None,
                true => {
                    if self.of(kind).is_empty() {
                        // etcd 3.5 lifts all limits here, whatever other alarms say.
                        self.mode = Mode::Open;
                    }
                    response.alarms.push(alarm);
                    Some((alarm.encode_to_vec(), false))
                }
            },
        };
        (response, change)
    }
}
