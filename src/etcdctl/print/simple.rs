//! For people.

use wire::etcdserverpb as pb;
use wire::etcdserverpb::response_op::Response as Op;
use wire::mvccpb::{Event, KeyValue, event::EventType};

use super::Style;

fn line(out: &mut Vec<u8>, text: impl AsRef<[u8]>) {
    out.extend_from_slice(text.as_ref());
    out.push(b'\n');
}

/// Lines of comma-separated cells.
pub fn rows(rows: &[Vec<String>], out: &mut Vec<u8>) {
    for row in rows {
        line(out, row.join(", "));
    }
}

fn key_value(kv: &KeyValue, style: Style, out: &mut Vec<u8>) {
    let shown = |bytes: &[u8]| -> Vec<u8> {
        if style.hex {
            bytes
                .iter()
                .flat_map(|b| format!("\\x{b:02x}").into_bytes())
                .collect()
        } else {
            bytes.to_vec()
        }
    };
    if !style.value_only {
        line(out, shown(&kv.key));
    }
    line(out, shown(&kv.value));
}

/// `get`.
pub fn get(response: &pb::RangeResponse, style: Style, out: &mut Vec<u8>) {
    for kv in &response.kvs {
        key_value(kv, style, out);
    }
}

/// `put`.
pub fn put(response: &pb::PutResponse, style: Style, out: &mut Vec<u8>) {
    line(out, "OK");
    if let Some(kv) = &response.prev_kv {
        key_value(kv, style, out);
    }
}

/// `del`.
pub fn del(response: &pb::DeleteRangeResponse, style: Style, out: &mut Vec<u8>) {
    line(out, response.deleted.to_string());
    for kv in &response.prev_kvs {
        key_value(kv, style, out);
    }
}

/// `txn`.
pub fn txn(response: &pb::TxnResponse, style: Style, out: &mut Vec<u8>) {
    line(
        out,
        if response.succeeded {
            "SUCCESS"
        } else {
            "FAILURE"
        },
    );
    for op in &response.responses {
        line(out, "");
        match &op.response {
            Some(Op::ResponseRange(response)) => get(response, style, out),
            Some(Op::ResponsePut(response)) => put(response, style, out),
            Some(Op::ResponseDeleteRange(response)) => del(response, style, out),
            Some(Op::ResponseTxn(response)) => txn(response, style, out),
            None => line(out, "unexpected response "),
        }
    }
}

/// `PUT` or `DELETE`.
pub fn event_type(event: &Event) -> &'static str {
    match event.r#type() {
        EventType::Put => "PUT",
        EventType::Delete => "DELETE",
    }
}

/// `watch`.
pub fn watch(response: &pb::WatchResponse, style: Style, out: &mut Vec<u8>) {
    for event in &response.events {
        line(out, event_type(event));
        if let Some(previous) = &event.prev_kv {
            key_value(previous, style, out);
        }
        key_value(&event.kv.clone().unwrap_or_default(), style, out);
    }
}

/// `lease grant`.
pub fn grant(response: &pb::LeaseGrantResponse, _: Style, out: &mut Vec<u8>) {
    line(
        out,
        format!(
            "lease {:016x} granted with TTL({}s)",
            response.id, response.ttl
        ),
    );
}

/// `lease keep-alive`.
pub fn keep_alive(response: &pb::LeaseKeepAliveResponse, _: Style, out: &mut Vec<u8>) {
    line(
        out,
        format!(
            "lease {:016x} keepalived with TTL({})",
            response.id, response.ttl
        ),
    );
}

/// `lease timetolive`.
pub fn time_to_live(response: &pb::LeaseTimeToLiveResponse, keys: bool, out: &mut Vec<u8>) {
    if response.granted_ttl == 0 && response.ttl == -1 {
        line(out, format!("lease {:016x} already expired", response.id));
        return;
    }
    let text = format!(
        "lease {:016x} granted with TTL({}s), remaining({}s)",
        response.id, response.granted_ttl, response.ttl
    );
    out.extend_from_slice(text.as_bytes());
    if keys {
        out.extend_from_slice(b", attached keys([");
        out.extend_from_slice(&response.keys.join(&b' '));
        out.extend_from_slice(b"])");
    }
    line(out, "");
}

/// `lease list`.
pub fn leases(response: &pb::LeaseLeasesResponse, _: Style, out: &mut Vec<u8>) {
    line(out, format!("found {} leases", response.leases.len()));
    for lease in &response.leases {
        line(out, format!("{:016x}", lease.id));
    }
}

/// An alarm, as Go prints the message.
pub fn alarm(alarm: &pb::AlarmMember) -> String {
    let mut text = String::new();
    if alarm.member_id != 0 {
        text.push_str(&format!("memberID:{} ", alarm.member_id));
    }
    match alarm.alarm() {
        pb::AlarmType::None => {}
        pb::AlarmType::Nospace => text.push_str("alarm:NOSPACE "),
        pb::AlarmType::Corrupt => text.push_str("alarm:CORRUPT "),
    }
    text.push('\n');
    text
}
