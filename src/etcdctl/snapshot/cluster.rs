//! The new cluster that a restored member belongs to: from `--name`,
//! `--initial-cluster`, `--initial-cluster-token` and
//! `--initial-advertise-peer-urls`, with the checks of `config.VerifyBootstrap`.

use std::collections::{BTreeMap, HashSet};
use std::net::ToSocketAddrs as _;
use std::time::{Duration, Instant};

use mvcc::Member;

use super::error::SnapshotError;
use crate::go::quote::quote;
use crate::log::{Field, Level, console};
use crate::urls;

/// How long a name of `--initial-advertise-peer-urls` may stay unknown.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(30);
const RESOLVE_PAUSE: Duration = Duration::from_secs(1);

/// A cluster that has not run yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCluster {
    /// Its ID.
    pub id: u64,
    /// Its members, by ID.
    pub members: Vec<Member>,
    /// The ID of the member that is restored.
    pub local: u64,
}

/// Members' URLs by name.
type UrlsByName = BTreeMap<String, Vec<String>>;

impl NewCluster {
    /// Reads and checks the flags.
    pub fn from_flags(
        name: &str,
        cluster: &str,
        token: &str,
        advertised: &[String],
    ) -> Result<Self, SnapshotError> {
        let advertised = urls::check(advertised)?;
        let by_name = parse(cluster)?;
        let own = by_name
            .get(name)
            .ok_or_else(|| SnapshotError::Name(name.into()))?;
        check_advertised(name, own, &advertised)?;
        let mut seen = HashSet::new();
        if by_name.values().flatten().any(|url| !seen.insert(url)) {
            return Err(SnapshotError::DuplicateUrl(show(&by_name)));
        }
        let mut members: Vec<Member> = Vec::new();
        for (name, peer_urls) in by_name {
            let id = mvcc::member_id(&peer_urls, token, None);
            if members.iter().any(|member| member.id == id) {
                return Err(SnapshotError::Cluster(format!(
                    "member exists with identical ID {id:x}"
                )));
            }
            members.push(Member {
                id,
                peer_urls,
                name,
                ..Member::default()
            });
        }
        members.sort_by_key(|member| member.id);
        let local = members
            .iter()
            .find(|member| member.name == name)
            .map_or(0, |member| member.id);
        Ok(Self {
            id: mvcc::cluster_id(members.iter().map(|member| member.id)),
            members,
            local,
        })
    }
}

/// Reads `a=http://1.2.3.4:2380,a=…,b=…`.
fn parse(text: &str) -> Result<UrlsByName, SnapshotError> {
    let mut typed = UrlsByName::new();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let (name, url) = pair.split_once('=').unwrap_or((pair, ""));
        typed.entry(name.into()).or_default().push(url.into());
    }
    typed
        .into_iter()
        .map(|(name, list)| Ok((name, urls::check(&list)?)))
        .collect()
}

fn show(urls: &UrlsByName) -> String {
    let mut pairs: Vec<String> = urls
        .iter()
        .flat_map(|(name, list)| list.iter().map(move |url| format!("{name}={url}")))
        .collect();
    pairs.sort();
    pairs.join(",")
}

/// The member's URLs in the two flags must be the same, if need be after names
/// have been looked up.
fn check_advertised(
    name: &str,
    own: &[String],
    advertised: &[String],
) -> Result<(), SnapshotError> {
    let why = match same_urls(advertised, own) {
        Ok(()) => return Ok(()),
        Err(why) => why,
    };
    let lacking = |of: &[String], from: &[String]| -> Vec<String> {
        of.iter()
            .filter(|url| !from.contains(url))
            .map(|url| format!("{name}={url}"))
            .collect()
    };
    let missing = lacking(own, advertised);
    if !missing.is_empty() {
        return Err(SnapshotError::Advertised(format!(
            "--initial-cluster has {} but missing from --initial-advertise-peer-urls={} ({why})",
            missing.join(","),
            advertised.join(",")
        )));
    }
    let map = show(&UrlsByName::from([(name.to_owned(), advertised.to_vec())]));
    let missing: Vec<String> = advertised
        .iter()
        .filter(|url| !own.contains(url))
        .cloned()
        .collect();
    Err(SnapshotError::Advertised(match missing.is_empty() {
        false => format!(
            "--initial-advertise-peer-urls has {} but missing from --initial-cluster={map}",
            missing.join(",")
        ),
        true => format!(
            "failed to resolve {} to match --initial-cluster={map} ({why})",
            advertised.join(",")
        ),
    }))
}

fn same_urls(a: &[String], b: &[String]) -> Result<(), String> {
    let list = |urls: &[String]| {
        let quoted: Vec<String> = urls.iter().map(|url| quote(url.as_bytes())).collect();
        format!("[{}]", quoted.join(" "))
    };
    if a.len() != b.len() {
        return Err(format!("len({}) != len({})", list(a), list(b)));
    }
    if a == b {
        return Ok(());
    }
    let deadline = Instant::now() + RESOLVE_TIMEOUT;
    let resolve = |urls: &[String]| -> Result<Vec<String>, String> {
        let mut resolved = urls
            .iter()
            .map(|url| resolve(url, deadline))
            .collect::<Result<Vec<_>, _>>()?;
        resolved.sort();
        Ok(resolved)
    };
    let (a, b) = (resolve(a)?, resolve(b)?);
    match a.iter().zip(&b).find(|(a, b)| a != b) {
        None => Ok(()),
        Some((a, b)) => Err(format!(
            "resolved urls: {} != {}",
            quote(a.as_bytes()),
            quote(b.as_bytes())
        )),
    }
}

/// Puts the address in the place of the name. `localhost` stays as it is.
fn resolve(url: &str, deadline: Instant) -> Result<String, String> {
    let Some((scheme @ ("http" | "https"), address)) = url.split_once("://") else {
        return Ok(url.into());
    };
    if address.starts_with("localhost:") {
        return Ok(url.into());
    }
    loop {
        let error = match address.to_socket_addrs().map(|mut found| found.next()) {
            Ok(Some(found)) => {
                let fields = [
                    Field::text("url", url),
                    Field::text("host", address),
                    Field::text("resolved-addr", &found.to_string()),
                ];
                console(
                    Level::Info,
                    "netutil/netutil.go:112",
                    "resolved URL Host",
                    &fields,
                );
                return Ok(format!("{scheme}://{found}"));
            }
            _ => format!(
                "lookup {}: no such host",
                address.rsplit_once(':').map_or(address, |(host, _)| host)
            ),
        };
        let fields = [
            Field::text("url", url),
            Field::text("host", address),
            Field::text("retry-interval", "1s"),
            Field::text("error", &error),
        ];
        console(
            Level::Warn,
            "netutil/netutil.go:121",
            "failed to resolve URL Host",
            &fields,
        );
        if Instant::now() + RESOLVE_PAUSE > deadline {
            return Err(format!(
                "failed to resolve {} ({error})",
                quote(url.as_bytes())
            ));
        }
        std::thread::sleep(RESOLVE_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::NewCluster;

    fn cluster(name: &str, cluster: &str, urls: &str) -> Result<NewCluster, String> {
        let urls: Vec<String> = urls.split(',').map(str::to_owned).collect();
        NewCluster::from_flags(name, cluster, "etcd-cluster", &urls)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn ids_are_the_reference_ones() {
        let new = cluster(
            "default",
            "default=http://localhost:2380",
            "http://localhost:2380",
        )
        .unwrap();
        assert_eq!(
            (new.id, new.local),
            (0xcdf8_1819_4e3a_8c32, 0x8e9e_05c5_2164_694d)
        );
    }

    #[test]
    fn members_are_sorted_by_id() {
        let all = "a=http://10.0.0.1:2380,b=http://10.0.0.2:2380,c=http://10.0.0.3:2380";
        let new = cluster("b", all, "http://10.0.0.2:2380").unwrap();
        assert!(new.members.is_sorted_by_key(|member| member.id));
        assert_eq!(
            new.members.iter().find(|m| m.id == new.local).unwrap().name,
            "b"
        );
    }

    #[test]
    fn mistakes_in_the_reference_words() {
        let said = |name: &str, all: &str, urls: &str| cluster(name, all, urls).unwrap_err();
        assert_eq!(
            said(
                "m1",
                "default=http://localhost:2380",
                "http://localhost:2380"
            ),
            "couldn't find local name \"m1\" in the initial cluster configuration"
        );
        assert_eq!(
            said(
                "default",
                "default=http://127.0.0.1:1",
                "http://localhost:2380"
            ),
            "--initial-cluster has default=http://127.0.0.1:1 but missing from --initial-advertise-peer-urls=http://localhost:2380 (resolved urls: \"http://localhost:2380\" != \"http://127.0.0.1:1\")"
        );
        assert_eq!(
            said("default", "foo", "http://localhost:2380"),
            "URL scheme must be http, https, unix, or unixs: "
        );
        assert_eq!(
            said(
                "a",
                "a=http://10.0.0.1:1,b=http://10.0.0.1:1",
                "http://10.0.0.1:1"
            ),
            "initial cluster a=http://10.0.0.1:1,b=http://10.0.0.1:1 has duplicate url"
        );
    }
}
