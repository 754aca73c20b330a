//! What a member tells of itself and its peers at `/v2/stats` (`api/v2stats`, 3.5.16).

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;

use super::Server;

/// Appends that rates are taken from.
const SAMPLES: usize = 200;

/// Appends of late, for their rate.
#[derive(Default)]
struct Rate(VecDeque<(Instant, usize)>);

impl Rate {
    fn add(&mut self, bytes: usize) {
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back((Instant::now(), bytes));
    }

    /// Appends and bytes a second; nothing after a second of silence.
    fn per_second(&mut self) -> (f64, f64) {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else {
            return (0.0, 0.0);
        };
        if last.0.elapsed() > Duration::from_secs(1) {
            self.0.clear();
            return (0.0, 0.0);
        }
        let seconds = (last.0 - first.0).as_secs_f64();
        if seconds == 0.0 {
            return (0.0, 0.0);
        }
        let bytes: usize = self.0.iter().map(|(_, bytes)| bytes).sum();
        (self.0.len() as f64 / seconds, bytes as f64 / seconds)
    }
}

struct Known {
    leads: bool,
    leader: String,
    leader_since: (Timestamp, Instant),
    received: (u64, Rate),
    sent: (u64, Rate),
}

/// Counts of one member.
pub(crate) struct Stats {
    id: String,
    started: Timestamp,
    known: Mutex<Known>,
}

impl Stats {
    pub(crate) fn new(id: u64) -> Self {
        let now = Timestamp::now();
        Self {
            id: format!("{id:x}"),
            started: now,
            known: Mutex::new(Known {
                leads: false,
                leader: String::new(),
                leader_since: (now, Instant::now()),
                received: Default::default(),
                sent: Default::default(),
            }),
        }
    }

    /// The member has come to lead.
    pub(crate) fn leads(&self) {
        self.known.lock().lead(&self.id);
    }

    /// A leader has sent an append.
    pub(crate) fn received_append(&self, leader: u64, bytes: usize) {
        let mut known = self.known.lock();
        let leader = format!("{leader:x}");
        known.leads = false;
        if known.leader != leader {
            known.leader = leader;
            known.leader_since = (Timestamp::now(), Instant::now());
        }
        known.received.0 += 1;
        known.received.1.add(bytes);
    }

    /// An append was sent, as the leader.
    pub(crate) fn sent_append(&self, bytes: usize) {
        let mut known = self.known.lock();
        known.lead(&self.id);
        known.sent.0 += 1;
        known.sent.1.add(bytes);
    }
}

impl Known {
    fn lead(&mut self, id: &str) {
        if !self.leads {
            self.leads = true;
            self.leader = id.to_owned();
            self.leader_since = (Timestamp::now(), Instant::now());
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LeaderInfo<'a> {
    leader: &'a str,
    uptime: String,
    start_time: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Own<'a> {
    name: &'a str,
    id: &'a str,
    state: &'a str,
    start_time: Timestamp,
    leader_info: LeaderInfo<'a>,
    recv_append_request_cnt: u64,
    #[serde(skip_serializing_if = "is_zero")]
    recv_pkg_rate: f64,
    #[serde(skip_serializing_if = "is_zero")]
    recv_bandwidth_rate: f64,
    send_append_request_cnt: u64,
    #[serde(skip_serializing_if = "is_zero")]
    send_pkg_rate: f64,
    #[serde(skip_serializing_if = "is_zero")]
    send_bandwidth_rate: f64,
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

/// How long appends to a follower took, in milliseconds, and how many there were.
#[derive(Clone, Debug, Default)]
pub struct FollowerStats {
    current: f64,
    average: f64,
    average_square: f64,
    minimum: Option<f64>,
    maximum: f64,
    fail: u64,
    success: u64,
}

impl FollowerStats {
    /// An append was sent.
    pub fn succeeded(&mut self, took: Duration) {
        let before = self.success as f64;
        let current = took.as_secs_f64() * 1000.0;
        let total = before * self.average + current;
        let total_square = before * self.average_square + current * current;
        self.success += 1;
        let count = self.success as f64;
        self.current = current;
        self.average = total / count;
        self.average_square = total_square / count;
        self.maximum = self.maximum.max(current);
        self.minimum = Some(self.minimum.map_or(current, |least| least.min(current)));
    }

    /// An append could not be sent.
    pub fn failed(&mut self) {
        self.fail += 1;
    }

    fn shown(&self) -> Follower {
        let variance = self.average_square - self.average * self.average;
        Follower {
            latency: Latency {
                current: self.current,
                average: self.average,
                standard_deviation: variance.max(0.0).sqrt(),
                // Nothing was sent yet: the reference begins with the largest number.
                minimum: self.minimum.unwrap_or(9_223_372_036_854_775_808.0),
                maximum: self.maximum,
            },
            counts: Counts {
                fail: self.fail,
                success: self.success,
            },
        }
    }
}

#[derive(Serialize)]
struct Follower {
    latency: Latency,
    counts: Counts,
}

/// Milliseconds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Latency {
    current: f64,
    average: f64,
    standard_deviation: f64,
    minimum: f64,
    maximum: f64,
}

#[derive(Serialize)]
struct Counts {
    fail: u64,
    success: u64,
}

impl Server {
    /// This member, as `/v2/stats/self` shows it.
    pub(crate) fn v2_self_stats(&self) -> String {
        let stats = &self.0.v2_stats;
        let mut known = stats.known.lock();
        let (recv_pkg_rate, recv_bandwidth_rate) = known.received.1.per_second();
        let (send_pkg_rate, send_bandwidth_rate) = known.sent.1.per_second();
        mvcc::v2::as_go(&Own {
            name: &self.0.config.name,
            id: &stats.id,
            state: match known.leads {
                true => "StateLeader",
                false => "StateFollower",
            },
            start_time: stats.started,
            leader_info: LeaderInfo {
                leader: &known.leader,
                uptime: uptime(known.leader_since.1.elapsed()),
                start_time: known.leader_since.0,
            },
            recv_append_request_cnt: known.received.0,
            recv_pkg_rate,
            recv_bandwidth_rate,
            send_append_request_cnt: known.sent.0,
            send_pkg_rate,
            send_bandwidth_rate,
        })
    }

    /// The followers, as `/v2/stats/leader` shows them; `None` if this member does not lead.
    pub(crate) fn v2_leader_stats(&self) -> Option<String> {
        #[derive(Serialize)]
        struct Led<'a> {
            leader: &'a str,
            followers: BTreeMap<String, Follower>,
        }
        self.is_leader().then(|| {
            mvcc::v2::as_go(&Led {
                leader: &self.0.v2_stats.id,
                followers: self
                    .transport()
                    .follower_stats()
                    .into_iter()
                    .map(|(id, stats)| (format!("{id:x}"), stats.shown()))
                    .collect(),
            })
        })
    }
}

/// A duration as Go prints it: `1h2m3.5s`, `1.5ms`.
fn uptime(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let decimal = |number: f64, unit: &str| format!("{number}{unit}");
    match nanos {
        0..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => decimal(nanos as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => decimal(nanos as f64 / 1e6, "ms"),
        _ => {
            let seconds = duration.as_secs();
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let fraction = format!("{:09}", duration.subsec_nanos());
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            let rest = format!("{}{point}{fraction}s", seconds % 60);
            match (hours, minutes) {
                (0, 0) => rest,
                (0, minutes) => format!("{minutes}m{rest}"),
                (hours, minutes) => format!("{hours}h{minutes}m{rest}"),
            }
        }
    }
}
