//! `etcdctl member …`.

use prost::Message as _;
use wire::etcdserverpb as pb;

use super::{Session, block_on, failed};
use crate::client::Retry;
use crate::exit::{Exit, Outcome};
use crate::flags::Invocation;
use crate::go::{number, quote::quote};
use crate::print::{self, Format, Sentence, json};
use crate::urls;

/// `member list`.
pub fn list(invocation: &mut Invocation) -> Outcome {
    let session = Session::open(invocation)?;
    block_on(async {
        let request = pb::MemberListRequest { linearizable: true };
        let response: pb::MemberListResponse = session
            .ask(
                "/etcdserverpb.Cluster/MemberList",
                request,
                Retry::Repeatable,
            )
            .await
            .map_err(failed)?;
        session.show(&response)
    })
}

/// `member add`.
pub fn add(invocation: &mut Invocation) -> Outcome {
    let name = match invocation.args() {
        [] => return Err(Exit::bad_args("member name not provided")),
        [name] => String::from_utf8_lossy(name).into_owned(),
        many => {
            let mut text = String::from("too many arguments");
            for argument in many.iter().map(|a| String::from_utf8_lossy(a)) {
                if argument.to_lowercase().starts_with("http") {
                    text.push_str(&format!(", did you mean --peer-urls={argument}"));
                }
            }
            return Err(Exit::bad_args(text));
        }
    };
    let (typed, peer_ur_ls) = peer_urls(invocation)?;
    let is_learner = invocation.flag("learner");
    let session = Session::open(invocation)?;
    urls::check(&peer_ur_ls).map_err(|error| Exit::error(error.to_string()))?;
    block_on(async {
        let request = pb::MemberAddRequest {
            peer_ur_ls,
            is_learner,
        };
        let response: pb::MemberAddResponse = session
            .ask("/etcdserverpb.Cluster/MemberAdd", request, Retry::Once)
            .await
            .map_err(failed)?;
        let header = response.header.unwrap_or_default();
        let added = response.member.clone().unwrap_or_default();
        session.show(&Sentence {
            text: format!(
                "Member {:16x} added to cluster {:16x}",
                added.id, header.cluster_id
            ),
            json: json::members(
                response.header.as_ref(),
                response.member.as_ref(),
                &response.members,
            ),
            protobuf: Some(response.encode_to_vec()),
            fields: None,
        })?;
        if session.printer.format != Format::Simple {
            return Ok(());
        }
        print::stdout(settings(&name, &typed, added.id, &response.members).as_bytes())
    })
}

/// The environment that the new member is to be started with.
fn settings(name: &str, urls: &str, id: u64, members: &[pb::Member]) -> String {
    let cluster: Vec<String> = members
        .iter()
        .flat_map(|member| {
            let name = if member.id == id { name } else { &member.name };
            member
                .peer_ur_ls
                .iter()
                .map(move |url| format!("{name}={url}"))
        })
        .collect();
    format!(
        "\nETCD_NAME={}\nETCD_INITIAL_CLUSTER={}\nETCD_INITIAL_ADVERTISE_PEER_URLS={}\nETCD_INITIAL_CLUSTER_STATE=\"existing\"\n",
        quote(name.as_bytes()),
        quote(cluster.join(",").as_bytes()),
        quote(urls.as_bytes()),
    )
}

/// `member remove`.
pub fn remove(invocation: &mut Invocation) -> Outcome {
    let id = member_id(invocation)?;
    let session = Session::open(invocation)?;
    block_on(async {
        let response: pb::MemberRemoveResponse = session
            .ask(
                "/etcdserverpb.Cluster/MemberRemove",
                pb::MemberRemoveRequest { id },
                Retry::Once,
            )
            .await
            .map_err(failed)?;
        let header = response.header.unwrap_or_default();
        session.show(&Sentence {
            text: format!(
                "Member {id:16x} removed from cluster {:16x}",
                header.cluster_id
            ),
            json: json::members(response.header.as_ref(), None, &response.members),
            protobuf: Some(response.encode_to_vec()),
            fields: None,
        })
    })
}

/// `member update`.
pub fn update(invocation: &mut Invocation) -> Outcome {
    let id = member_id(invocation)?;
    let (_, peer_ur_ls) = peer_urls(invocation)?;
    let session = Session::open(invocation)?;
    urls::check(&peer_ur_ls).map_err(|error| Exit::error(error.to_string()))?;
    block_on(async {
        let request = pb::MemberUpdateRequest { id, peer_ur_ls };
        let response: pb::MemberUpdateResponse = session
            .ask("/etcdserverpb.Cluster/MemberUpdate", request, Retry::Once)
            .await
            .map_err(failed)?;
        let header = response.header.unwrap_or_default();
        session.show(&Sentence {
            text: format!(
                "Member {id:16x} updated in cluster {:16x}",
                header.cluster_id
            ),
            json: json::members(response.header.as_ref(), None, &response.members),
            protobuf: Some(response.encode_to_vec()),
            fields: None,
        })
    })
}

/// `member promote`.
pub fn promote(invocation: &mut Invocation) -> Outcome {
    let id = member_id(invocation)?;
    let session = Session::open(invocation)?;
    block_on(async {
        let response: pb::MemberPromoteResponse = session
            .ask(
                "/etcdserverpb.Cluster/MemberPromote",
                pb::MemberPromoteRequest { id },
                Retry::Once,
            )
            .await
            .map_err(failed)?;
        let header = response.header.unwrap_or_default();
        // The reference crashes here in every format but the simple one; ours prints.
        session.show(&Sentence {
            text: format!(
                "Member {id:16x} promoted in cluster {:16x}",
                header.cluster_id
            ),
            json: json::members(response.header.as_ref(), None, &response.members),
            protobuf: Some(response.encode_to_vec()),
            fields: None,
        })
    })
}

fn member_id(invocation: &Invocation) -> Result<u64, Exit> {
    let [id] = invocation.args() else {
        return Err(Exit::bad_args("member ID is not provided"));
    };
    number::parse_u64(id, 16).map_err(|error| {
        Exit::bad_args(format!("bad member ID arg ({error}), expecting ID in Hex"))
    })
}

fn peer_urls(invocation: &Invocation) -> Result<(String, Vec<String>), Exit> {
    let typed = invocation.text("peer-urls");
    if typed.is_empty() {
        return Err(Exit::bad_args("member peer urls not provided"));
    }
    Ok((
        typed.to_owned(),
        typed.split(',').map(str::to_owned).collect(),
    ))
}
