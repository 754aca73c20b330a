//! The raft crate's lines in etcd's words, so that what an operator looks for
//! ("became leader at term 3") is there.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use slog::{Drain, KV, Key, OwnedKVList, Record, Serializer};

use super::{Level, enabled, write};

const CALLER: &str = "etcdserver/zap_raft.go:77";

/// The term of the newest line that named one. A process runs one member.
static TERM: AtomicU64 = AtomicU64::new(0);

/// A logger for the raft crate of the member with this ID.
pub fn raft_logger(id: u64) -> slog::Logger {
    slog::Logger::root(RaftDrain { id }, slog::o!())
}

/// Says that another member leads now; 0 stands for nobody.
pub fn leader_changed(id: u64, before: u64, now: u64) {
    let term = TERM.load(Ordering::Relaxed);
    let message = match (before, now) {
        (0, now) => format!("raft.node: {id:x} elected leader {now:x} at term {term}"),
        (before, 0) => format!("raft.node: {id:x} lost leader {before:x} at term {term}"),
        (before, now) => {
            format!("raft.node: {id:x} changed leader from {before:x} to {now:x} at term {term}")
        }
    };
    write(Level::Info, Some("raft"), CALLER, &message, &[]);
}

struct RaftDrain {
    id: u64,
}

impl Drain for RaftDrain {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &Record<'_>, _: &OwnedKVList) -> Result<(), slog::Never> {
        let message = record.msg().to_string();
        remember_term(&message);
        let level = match record.level() {
            slog::Level::Critical | slog::Level::Error => Level::Error,
            slog::Level::Warning => Level::Warn,
            slog::Level::Info => Level::Info,
            slog::Level::Debug | slog::Level::Trace => Level::Debug,
        };
        if !enabled(level) {
            return Ok(());
        }
        let mut pairs = Pairs::default();
        // A value that does not print is left out.
        let _ = record.kv().serialize(record, &mut pairs);
        for line in reword(self.id, &message, &pairs) {
            write(level, Some("raft"), CALLER, &line, &[]);
        }
        Ok(())
    }
}

fn remember_term(message: &str) {
    let after = message
        .starts_with("became ")
        .then(|| message.rsplit_once("at term "))
        .flatten();
    if let Some(term) = after.and_then(|(_, term)| term.parse().ok()) {
        TERM.store(term, Ordering::Relaxed);
    }
}

/// What goes with a line of the raft crate.
#[derive(Default)]
struct Pairs(Vec<(String, String)>);

impl Serializer for Pairs {
    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        self.0.push((key.to_string(), value.to_string()));
        Ok(())
    }
}

impl Pairs {
    fn get(&self, key: &str) -> &str {
        self.0
            .iter()
            .find(|(known, _)| known == key)
            .map_or("", |(_, value)| value)
    }

    /// An ID, which the raft crate prints in decimal.
    fn id(&self, key: &str) -> String {
        self.get(key)
            .parse::<u64>()
            .map_or_else(|_| self.get(key).to_owned(), |id| format!("{id:x}"))
    }
}

/// `MsgRequestPreVoteResponse` is `MsgPreVoteResp` in etcd.
fn message_type(name: &str) -> String {
    name.replace("MsgRequest", "Msg")
        .replace("Response", "Resp")
}

fn reword(id: u64, message: &str, pairs: &Pairs) -> Vec<String> {
    let term = pairs.get("term");
    let line = match message {
        "newRaft" => format!(
            "newRaft {id:x} [peers: [{}], term: {term}, commit: {}, applied: {}, lastindex: {}, lastterm: {}]",
            set(pairs.get("peers"), "voters: ")
                .map(hex_ids)
                .unwrap_or_default(),
            pairs.get("commit"),
            pairs.get("applied"),
            pairs.get("last index"),
            pairs.get("last term"),
        ),
        "starting a new election" => format!("{id:x} is starting a new election at term {term}"),
        "switched to configuration" => format!(
            "{id:x} switched to configuration {}",
            configuration(pairs.get("config"))
        ),
        "received votes response" => {
            let kind = message_type(pairs.get("type"));
            return vec![
                format!(
                    "{id:x} received {kind} from {} at term {term}",
                    pairs.id("from")
                ),
                format!(
                    "{id:x} has received {} {kind} votes and {} vote rejections",
                    pairs.get("approvals"),
                    pairs.get("rejections")
                ),
            ];
        }
        "broadcasting vote request" => {
            let kind = message_type(pairs.get("type"));
            let to = pairs
                .get("to")
                .trim_matches(['[', ']'])
                .split(", ")
                .filter_map(|peer| peer.parse::<u64>().ok());
            return to
                .filter(|peer| *peer != id)
                .map(|peer| {
                    format!(
                        "{id:x} [logterm: {}, index: {}] sent {kind} request to {peer:x} at term {term}",
                        pairs.get("log_term"),
                        pairs.get("log_index"),
                    )
                })
                .collect();
        }
        made if made.starts_with("RawNode created") => return Vec::new(),
        higher if higher.starts_with("received a message with higher term from ") => format!(
            "{id:x} [term: {term}] received a {} message with higher term from {} [term: {}]",
            message_type(pairs.get("msg type")),
            long_ids(higher.rsplit(' ').next().unwrap_or_default()),
            pairs.get("message_term"),
        ),
        other => format!("{id:x} {}", long_ids(other)),
    };
    vec![line]
}

/// The part of a debug print between braces that follows a name.
fn set<'a>(debug: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = debug.split_once(&format!("{name}{{"))?;
    rest.split_once('}').map(|(inside, _)| inside)
}

fn hex_ids(list: &str) -> String {
    let ids = list
        .split(", ")
        .filter_map(|id| id.trim().parse::<u64>().ok());
    ids.map(|id| format!("{id:x}"))
        .collect::<Vec<_>>()
        .join(",")
}

/// `voters=(1 2) learners=(3)` from a debug print of raft's configuration.
fn configuration(debug: &str) -> String {
    let list = |inside: &str| {
        let mut ids: Vec<u64> = inside
            .split(", ")
            .filter_map(|id| id.trim().parse().ok())
            .collect();
        ids.sort_unstable();
        ids.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
    };
    let voters = set(debug, "voters: ").map(list).unwrap_or_default();
    let learners = set(debug, "learners: ").map(list).unwrap_or_default();
    let learners = if learners.is_empty() {
        learners
    } else {
        format!(" learners=({learners})")
    };
    format!("voters=({voters}){learners}")
}

/// Members' IDs in hexadecimal: no other number of raft is that big.
fn long_ids(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, digits) = rest.split_at(start);
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        let (number, after) = digits.split_at(end);
        out.push_str(before);
        match number.parse::<u64>() {
            Ok(id) if id > u64::from(u32::MAX) => out.push_str(&format!("{id:x}")),
            _ => out.push_str(number),
        }
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Pairs {
        Pairs(
            list.iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn lines_are_etcds() {
        let id = 0x593c_1f3c_537b_e895_u64;
        let one =
            |message: &str, list: &[(&str, &str)]| reword(id, message, &pairs(list)).join("|");
        assert_eq!(
            one("became leader at term 2", &[]),
            "593c1f3c537be895 became leader at term 2"
        );
        assert_eq!(
            one("starting a new election", &[("term", "1")]),
            "593c1f3c537be895 is starting a new election at term 1"
        );
        assert_eq!(
            one(
                "switched to configuration",
                &[(
                    "config",
                    "Configuration { voters: Configuration { incoming: Configuration { voters: {7, 5} }, outgoing: Configuration { voters: {} } }, learners: {9}, learners_next: {}, auto_leave: false }"
                )]
            ),
            "593c1f3c537be895 switched to configuration voters=(5 7) learners=(9)"
        );
        assert_eq!(
            one(
                "received votes response",
                &[
                    ("from", "255"),
                    ("type", "MsgRequestVoteResponse"),
                    ("term", "3"),
                    ("approvals", "2"),
                    ("rejections", "0")
                ]
            ),
            "593c1f3c537be895 received MsgVoteResp from ff at term 3|593c1f3c537be895 has received 2 MsgVoteResp votes and 0 vote rejections"
        );
        assert_eq!(
            one(
                "received a message with higher term from 6430048711937353877",
                &[
                    ("term", "1"),
                    ("message_term", "2"),
                    ("msg type", "MsgHeartbeat")
                ]
            ),
            "593c1f3c537be895 [term: 1] received a MsgHeartbeat message with higher term from 593c1f3c537be895 [term: 2]"
        );
        assert_eq!(
            long_ids("[term 2] starts to transfer leadership to 6430048711937353877"),
            "[term 2] starts to transfer leadership to 593c1f3c537be895"
        );
    }
}
