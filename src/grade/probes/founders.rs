//! Tells from the members that a data directory knows who founded it, with which token.
//!
//! The ID of a founder is a hash of its peer URLs and the token; that of a member added
//! later has the time in it, too (etcd 3.5 `server/etcdserver/api/membership/member.go`).

use std::collections::BTreeMap;

use lab::model::DataDirProbe;
use mvcc::{Member, member_id};

/// What was found, and what was expected.
type Mismatch = (String, String);

/// The members must be those of the probe, founded with its token, and no others.
pub fn are(members: &BTreeMap<u64, Member>, probe: &DataDirProbe) -> Result<(), Mismatch> {
    let mut wanted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, url) in probe.founders() {
        wanted.entry(name).or_default().push(url.to_owned());
    }
    for (name, urls) in &mut wanted {
        urls.sort_unstable();
        let named = members.values().find(|member| member.name == *name);
        let Some(member) = named else {
            let known: Vec<&str> = members.values().map(|one| one.name.as_str()).collect();
            return Err((
                format!("its members are {}", known.join(", ")),
                format!("a member called {name}"),
            ));
        };
        let mut peer_urls = member.peer_urls.clone();
        peer_urls.sort_unstable();
        if peer_urls != *urls {
            return Err((
                format!("its member {name} is at {}", peer_urls.join(", ")),
                format!("{name} at {}", urls.join(", ")),
            ));
        }
        if member.id != member_id(urls, &probe.token, None) {
            return Err((
                format!("its member {name} ({:x}) is of another token", member.id),
                format!("members founded with the token {}", probe.token),
            ));
        }
    }
    let stranger = members
        .values()
        .find(|member| !wanted.contains_key(member.name.as_str()));
    match stranger {
        None => Ok(()),
        Some(stranger) => Err((
            format!("it has a member {} ({:x}), too", stranger.name, stranger.id),
            format!("{} members", wanted.len()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "https://192.168.10.1:2380";
    const B: &str = "https://192.168.10.2:2380";

    fn member(name: &str, urls: &[&str], token: &str) -> Member {
        let peer_urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        Member {
            id: member_id(&peer_urls, token, None),
            peer_urls,
            name: name.to_owned(),
            ..Member::default()
        }
    }

    fn verdict(members: &[Member], initial_cluster: &str) -> Result<(), Mismatch> {
        let probe = DataDirProbe {
            path: "/var/lib/etcd".into(),
            in_use: false,
            restored: false,
            owner: String::new(),
            initial_cluster: initial_cluster.into(),
            token: "t".into(),
            holds: vec![],
            lacks: vec![],
        };
        let members = members.iter().map(|one| (one.id, one.clone())).collect();
        are(&members, &probe)
    }

    #[test]
    fn founders_are_told_by_name_url_and_token() {
        let both = format!("a={A},b={B}");
        let (a, b) = (member("a", &[A], "t"), member("b", &[B], "t"));
        for (members, wanted, found) in [
            (vec![a.clone(), b.clone()], both.as_str(), ""),
            (vec![a.clone()], &both, "its members are a"),
            (
                vec![a.clone(), b.clone()],
                &format!("a={A}"),
                "it has a member b",
            ),
            (
                vec![a.clone(), member("b", &[A], "u")],
                &both,
                "its member b is at https://192.168.10.1:2380",
            ),
            (
                vec![a.clone(), member("b", &[B], "u")],
                &both,
                "its member b (",
            ),
            (vec![member("a", &[B, A], "t")], &format!("a={A},a={B}"), ""),
            (vec![], &both, "its members are "),
        ] {
            let seen = verdict(&members, wanted);
            match seen {
                Ok(()) => assert_eq!(found, "", "{members:?}"),
                Err((seen, _)) => {
                    assert!(!found.is_empty() && seen.starts_with(found), "{seen}");
                }
            }
        }
    }
}
