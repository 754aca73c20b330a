//! A cluster that is about to begin, or that a member joins: what `--initial-cluster`
//! says, and what running members say.

use std::{collections::BTreeSet, net::ToSocketAddrs, time::Duration};

use mvcc::Member;
use serde::Serialize;

use super::super::{Config, EtcdError, Identity, PeerClient, VERSION};
use super::start_error;

/// `--initial-cluster` as members.
pub(super) struct Initial {
    pub(super) own: Member,
    pub(super) members: Vec<Member>,
}

impl Initial {
    /// Checks what can be checked without a network (`VerifyBootstrap`,
    /// `VerifyJoinExisting`).
    pub(super) fn of(config: &Config) -> Result<Self, EtcdError> {
        let shown = || {
            let pairs: Vec<_> = config
                .initial_cluster
                .iter()
                .map(|(name, url)| format!("{name}={url}"))
                .collect();
            pairs.join(",")
        };
        let names: BTreeSet<_> = config
            .initial_cluster
            .iter()
            .map(|(name, _)| name)
            .collect();
        let members: Vec<_> = names
            .into_iter()
            .map(|name| {
                let mut urls: Vec<_> = config
                    .initial_cluster
                    .iter()
                    .filter(|(of, _)| of == name)
                    .map(|(_, url)| url.clone())
                    .collect();
                urls.sort();
                Member {
                    id: mvcc::member_id(&urls, &config.token, None),
                    peer_urls: urls,
                    name: name.clone(),
                    ..Member::default()
                }
            })
            .collect();
        let Some(own) = members
            .iter()
            .find(|member| member.name == config.name)
            .cloned()
        else {
            return Err(start_error(format!(
                "couldn't find local name \"{}\" in the initial cluster configuration",
                config.name
            )));
        };
        let urls: Vec<_> = members
            .iter()
            .flat_map(|member| &member.peer_urls)
            .collect();
        if urls.iter().collect::<BTreeSet<_>>().len() < urls.len() {
            return Err(start_error(format!(
                "initial cluster {} has duplicate url",
                shown()
            )));
        }
        if !same_urls(&own.peer_urls, &config.peer_urls) {
            return Err(mismatch(&own, config));
        }
        let id_of = |member: &Member| member.id;
        if members.iter().map(id_of).collect::<BTreeSet<_>>().len() < members.len() {
            return Err(start_error("member exists with identical ID"));
        }
        Ok(Self { own, members })
    }

    pub(super) fn identity(&self, cluster_id: u64) -> Identity {
        Identity {
            cluster_id,
            member_id: self.own.id,
        }
    }

    fn other_urls(&self) -> Vec<String> {
        let others = self
            .members
            .iter()
            .filter(|member| member.name != self.own.name);
        let mut urls: Vec<_> = others.flat_map(|member| member.peer_urls.clone()).collect();
        urls.sort();
        urls
    }

    /// Refuses to be born twice: a cluster that runs knows its members.
    pub(super) async fn check_not_bootstrapped(
        &self,
        config: &Config,
        peers: &dyn PeerClient,
    ) -> Result<(), EtcdError> {
        // All at once, and not for long: members that start together listen before they
        // can answer. A round trip is at most a tenth of the election timeout.
        let timeout = Duration::from_millis(config.election_ms / 2);
        let asked = self
            .other_urls()
            .into_iter()
            .map(|url| peers.members(url, timeout));
        for answer in futures_util::future::join_all(asked)
            .await
            .into_iter()
            .flatten()
        {
            let known = parse_members(&answer.members_json).unwrap_or_default();
            let published =
                |member: &Member| member.id == self.own.id && !member.client_urls.is_empty();
            if known.iter().any(published) {
                return Err(start_error(format!(
                    "member {:x} has already been bootstrapped",
                    self.own.id
                )));
            }
        }
        Ok(())
    }

    /// Learns the ids from a cluster that runs; its members are matched by peer URLs.
    pub(super) async fn join(
        mut self,
        _config: &Config,
        peers: &dyn PeerClient,
    ) -> Result<(Identity, Vec<Member>, Vec<Member>), EtcdError> {
        let mut found = None;
        for url in self.other_urls() {
            match peers.members(url.clone(), Duration::from_secs(10)).await {
                Ok(answer) => match parse_members(&answer.members_json) {
                    Ok(members) if members.is_empty() => {
                        return Err(start_error(
                            "cannot fetch cluster info from peer urls: failed to get raft cluster member(s) from the given URLs",
                        ));
                    }
                    Ok(members) => {
                        found = Some((answer.cluster_id, members));
                        break;
                    }
                    Err(error) => {
                        crate::warn!("etcdserver/cluster_util.go:94", "failed to unmarshal cluster response",
                        "address" => format!("{url}/members"), "error" => error)
                    }
                },
                Err(error) => {
                    crate::warn!("etcdserver/cluster_util.go:79", "failed to get cluster response",
                    "address" => format!("{url}/members"), "error" => error.to_string())
                }
            }
        }
        let Some((cluster_id, existing)) = found else {
            return Err(start_error(
                "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs",
            ));
        };
        let invalid = |why: String| start_error(format!("error validating peerURLs: {why}"));
        if existing.len() != self.members.len() {
            return Err(invalid("member count is unequal".into()));
        }
        for member in &existing {
            let local = self
                .members
                .iter_mut()
                .find(|local| same_urls(&local.peer_urls, &member.peer_urls))
                .ok_or_else(|| {
                    invalid(format!(
                        "PeerURLs: no match found for existing member ({:x}, [{}])",
                        member.id,
                        member.peer_urls.join(" ")
                    ))
                })?;
            local.id = member.id;
            if local.name == self.own.name {
                self.own.id = member.id;
            }
        }
        check_compatible(&existing, self.own.id, peers).await?;
        Ok((self.identity(cluster_id), self.members, existing))
    }
}

/// A member may join if the cluster's version is not above its own, as far as anyone
/// tells (`isCompatibleWithCluster`).
async fn check_compatible(
    existing: &[Member],
    own: u64,
    peers: &dyn PeerClient,
) -> Result<(), EtcdError> {
    let number = |version: &str| {
        let mut parts = version.split('.').map(str::parse::<u64>);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    };
    let highest = number(VERSION);
    let mut told = false;
    for member in existing.iter().filter(|member| member.id != own) {
        for url in &member.peer_urls {
            let Ok(versions) = peers.version(url.clone(), Duration::from_secs(5)).await else {
                continue;
            };
            if let Some(version) = number(&versions.cluster) {
                if version < (3, 0) || Some(version) > highest {
                    return Err(start_error("incompatible with current running cluster"));
                }
                told = true;
            }
            break;
        }
    }
    if told {
        Ok(())
    } else {
        Err(start_error("incompatible with current running cluster"))
    }
}

pub(super) fn cluster_id(members: &[Member]) -> u64 {
    mvcc::cluster_id(members.iter().map(|member| member.id))
}

/// True if both lists name the same places, by text or, failing that, by address.
fn same_urls(left: &[String], right: &[String]) -> bool {
    difference(left, right).is_none()
}

/// Why two lists do not name the same places, in the words of `netutil.urlsEqual`.
fn difference(left: &[String], right: &[String]) -> Option<String> {
    if left.len() != right.len() {
        let quoted = |urls: &[String]| {
            let urls: Vec<_> = urls.iter().map(|url| format!("{url:?}")).collect();
            urls.join(" ")
        };
        return Some(format!(
            "len([{}]) != len([{}])",
            quoted(left),
            quoted(right)
        ));
    }
    let sorted = |urls: &[String]| {
        let trimmed = urls.iter().map(|url| url.trim_end_matches('/').to_owned());
        let mut urls: Vec<String> = trimmed.collect();
        urls.sort();
        urls
    };
    let (left, right) = (sorted(left), sorted(right));
    if left == right {
        return None;
    }
    let resolved = |urls: &[String]| -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        for url in urls {
            let resolved = resolve(url);
            found.push(resolved.map_err(|error| format!("failed to resolve {url:?} ({error})"))?);
        }
        found.sort();
        Ok(found)
    };
    match (resolved(&left), resolved(&right)) {
        (Ok(left), Ok(right)) => {
            let mut pairs = left.iter().zip(&right);
            let (left, right) = pairs.find(|(left, right)| left != right)?;
            Some(format!("resolved urls: {left:?} != {right:?}"))
        }
        (Err(error), _) | (_, Err(error)) => Some(error),
    }
}

/// A URL with an address for its host; sockets have none, and `localhost` stays.
fn resolve(url: &str) -> Result<String, String> {
    let (scheme, place) = url.split_once("://").ok_or("it has no scheme")?;
    if scheme.starts_with("unix") || place.starts_with("localhost:") {
        return Ok(url.to_owned());
    }
    let mut addresses = place.to_socket_addrs().map_err(|error| error.to_string())?;
    let address = addresses.next().ok_or("no address")?;
    Ok(format!("{scheme}://{address}"))
}

/// The words of `advertiseMatchesCluster`.
fn mismatch(own: &Member, config: &Config) -> EtcdError {
    let missing = |from: &[String], other: &[String], before: &str| -> String {
        let gone = from.iter().filter(|url| !other.contains(url));
        let named: Vec<_> = gone.map(|url| format!("{before}{url}")).collect();
        named.join(",")
    };
    let name = format!("{}=", config.name);
    let why = difference(&config.peer_urls, &own.peer_urls).unwrap_or_default();
    let initial = missing(&own.peer_urls, &config.peer_urls, &name);
    if !initial.is_empty() {
        return start_error(format!(
            "--initial-cluster has {initial} but missing from --initial-advertise-peer-urls={} ({why})",
            config.peer_urls.join(","),
        ));
    }
    let all = missing(&config.peer_urls, &[], &name);
    let advertised = missing(&config.peer_urls, &own.peer_urls, "");
    start_error(format!(
        "--initial-advertise-peer-urls has {advertised} but missing from --initial-cluster={all}"
    ))
}

/// Reads a list of members as `/members` answers it.
pub(crate) fn parse_members(json: &[u8]) -> Result<Vec<Member>, String> {
    let list: Vec<serde_json::Value> =
        serde_json::from_slice(json).map_err(|error| error.to_string())?;
    list.iter()
        .map(|value| mvcc::member_from_json(value.to_string().as_bytes()))
        .collect()
}

/// What a member publishes about itself, in the order of Go's fields.
pub(crate) fn attributes_json(name: &str, client_urls: &[String]) -> String {
    #[derive(Serialize)]
    struct Attributes<'a> {
        #[serde(skip_serializing_if = "str::is_empty")]
        name: &'a str,
        #[serde(rename = "clientURLs", skip_serializing_if = "<[String]>::is_empty")]
        client_urls: &'a [String],
    }
    // A struct of strings always encodes.
    serde_json::to_string(&Attributes { name, client_urls }).unwrap_or_default()
}
