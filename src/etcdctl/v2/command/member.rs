//! `member list`, `add`, `remove`, `update` (`client/v2/members.go`).

use serde::{Deserialize, Serialize};

use super::{End, plain};
use crate::{
    urls,
    v2::{
        Context,
        client::{Client, Failure, Member, assert_status},
        code, go_json,
        http::{Answer, Request},
        say,
    },
};

const JSON: &str = "application/json";

fn line(text: impl std::fmt::Display) -> End {
    End::line(code::ERROR, text)
}

/// `member list`.
pub fn list(context: &Context) -> Result<(), End> {
    if !context.args.is_empty() {
        return Err(line("No arguments accepted"));
    }
    let mut client = Client::new(context)?;
    let members = client.members(true).map_err(plain)?;
    let leader =
        leader(&mut client).map_err(|failure| line(format!("Failed to get leader:  {failure}")))?;
    for member in members {
        let (id, peers) = (&member.id, member.peer_urls.join(","));
        if member.name.is_empty() {
            say!("{id}[unstarted]: peerURLs={peers}");
        } else {
            say!(
                "{id}: name={} peerURLs={peers} clientURLs={} isLeader={}",
                member.name,
                member.client_urls.join(","),
                *id == leader.id
            );
        }
    }
    Ok(())
}

fn leader(client: &mut Client) -> Result<Member, Failure> {
    let request = Request {
        method: "GET",
        path: "/v2/members/leader".to_owned(),
        ..Request::default()
    };
    let answer = client.ask(&request, false)?;
    assert_status(&answer, &[200])?;
    go_json::read(&answer.body)
}

/// A request with peer URLs in its body.
fn with_urls(method: &'static str, path: String, urls: &[String]) -> Result<Request, Failure> {
    #[derive(Serialize)]
    struct Body {
        #[serde(rename = "peerURLs")]
        peer_urls: Vec<String>,
    }
    let peer_urls = urls::check(urls).map_err(|error| Failure::Other(error.to_string()))?;
    Ok(Request {
        method,
        path,
        content_type: Some(JSON),
        body: Some(mvcc::v2::as_go(&Body { peer_urls })),
        ..Request::default()
    })
}

/// What a server says in the place of what it was asked for.
pub(super) fn message(answer: &Answer) -> Failure {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Said {
        message: String,
    }
    match go_json::read::<Said>(&answer.body) {
        Ok(said) => Failure::Other(said.message),
        Err(failure) => failure,
    }
}

/// `member add`.
pub fn add(context: &Context) -> Result<(), End> {
    let [name, url] = context.args.as_slice() else {
        return Err(line("Provide a name and a single member peerURL"));
    };
    let mut client = Client::new(context)?;
    let added = add_member(&mut client, url).map_err(plain)?;
    say!("Added member named {name} with ID {} to cluster", added.id);
    let members = client.members(true).map_err(plain)?;
    let cluster: Vec<String> = members
        .iter()
        .flat_map(|member| {
            let shown = match member.id == added.id {
                true => name,
                false => &member.name,
            };
            member
                .peer_urls
                .iter()
                .map(move |url| format!("{shown}={url}"))
        })
        .collect();
    let quote = |text: &str| crate::go::quote::quote(text.as_bytes());
    say!(
        "\nETCD_NAME={}\nETCD_INITIAL_CLUSTER={}\nETCD_INITIAL_CLUSTER_STATE=\"existing\"",
        quote(name),
        quote(&cluster.join(","))
    );
    Ok(())
}

fn add_member(client: &mut Client, url: &str) -> Result<Member, Failure> {
    let request = with_urls("POST", "/v2/members".to_owned(), &[url.to_owned()])?;
    let answer = client.ask(&request, false)?;
    assert_status(&answer, &[201, 409])?;
    match answer.status {
        201 => go_json::read(&answer.body),
        _ => Err(message(&answer)),
    }
}

/// `member remove`.
pub fn remove(context: &Context) -> Result<(), End> {
    let [id] = context.args.as_slice() else {
        return Err(line("Provide a single member ID"));
    };
    let mut client = Client::new(context)?;
    let members = client.members(true).map_err(|failure| {
        line(format!(
            "Error while verifying ID against known members: {failure}"
        ))
    })?;
    for member in members.iter().filter(|member| member.name == *id) {
        tell!(
            "Found a member named {}; if this is correct, please use its ID, eg:\n\tetcdctl member remove {}",
            member.name,
            member.id
        );
        tell!(
            "For more details, read the documentation at https://github.com/etcd-io/etcd/blob/main/Documentation/runtime-configuration.md#remove-a-member\n"
        );
    }
    if !members.iter().any(|member| member.id == *id) {
        return Err(line(format!(
            "Couldn't find a member in the cluster with an ID of {id}."
        )));
    }
    let request = Request {
        method: "DELETE",
        path: format!("/v2/members/{id}"),
        ..Request::default()
    };
    let removed = client
        .ask(&request, false)
        .and_then(|answer| assert_status(&answer, &[204, 410]));
    removed.map_err(|failure| End {
        code: code::ERROR,
        text: format!("Received an error trying to remove member {id}: {failure}"),
    })?;
    say!("Removed member {id} from cluster");
    Ok(())
}

/// `member update`.
pub fn update(context: &Context) -> Result<(), End> {
    let [id, urls] = context.args.as_slice() else {
        return Err(line(
            "Provide an ID and a list of comma separated peerURL (0xabcd http://example.com,http://example1.com)",
        ));
    };
    let mut client = Client::new(context)?;
    let urls: Vec<String> = urls.split(',').map(str::to_owned).collect();
    update_member(&mut client, id, &urls).map_err(plain)?;
    say!("Updated member with ID {id} in cluster");
    Ok(())
}

fn update_member(client: &mut Client, id: &str, urls: &[String]) -> Result<(), Failure> {
    let request = with_urls("PUT", format!("/v2/members/{id}"), urls)?;
    let answer = client.ask(&request, false)?;
    assert_status(&answer, &[204, 404, 409])?;
    match answer.status {
        204 => Ok(()),
        _ => Err(message(&answer)),
    }
}
