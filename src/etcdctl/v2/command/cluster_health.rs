//! `cluster-health`.

use std::time::Duration;

use serde::Deserialize;

use super::{End, end_at_interrupt, server_error};
use crate::v2::{
    Context,
    client::{Client, Failure, Member},
    code, go_json, say,
};

/// Asks every member how it is.
pub fn run(context: &Context) -> Result<(), End> {
    let forever = context.is_set("forever");
    if forever {
        end_at_interrupt();
    }
    let mut client = Client::without_sync(context)?;
    let members = client.members(false).map_err(|failure| {
        say!("cluster may be unhealthy: failed to list members");
        server_error(failure)
    })?;
    loop {
        let healthy = members
            .iter()
            .filter(|member| is_healthy(&mut client, member))
            .count();
        say!(
            "{}",
            match healthy {
                n if n == members.len() => "cluster is healthy",
                0 => "cluster is unavailable",
                _ => "cluster is degraded",
            }
        );
        if !forever {
            return match healthy == members.len() {
                true => Ok(()),
                false => Err(End::silent(code::NOT_HEALTHY)),
            };
        }
        say!("\nnext check after 10 second...\n");
        std::thread::sleep(Duration::from_secs(10));
    }
}

/// Asks the first of a member's URLs that answers.
fn is_healthy(client: &mut Client, member: &Member) -> bool {
    let id = &member.id;
    if member.client_urls.is_empty() {
        say!("member {id} is unreachable: no available published client urls");
        return false;
    }
    for url in &member.client_urls {
        match ask(client, url) {
            Err(why) => say!("failed to check the health of member {id} on {url}: {why}"),
            Ok(true) => {
                say!("member {id} is healthy: got healthy result from {url}");
                return true;
            }
            Ok(false) => {
                say!("member {id} is unhealthy: got unhealthy result from {url}");
                return false;
            }
        }
    }
    let urls = member.client_urls.join(" ");
    say!("member {id} is unreachable: [{urls}] are all unreachable");
    false
}

fn ask(client: &mut Client, url: &str) -> Result<bool, Failure> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Word(String),
        Bool(bool),
    }
    #[derive(Deserialize)]
    struct Health {
        #[serde(alias = "Health")]
        health: Option<Said>,
    }
    let url = format!("{url}/health");
    let answer = client
        .get(&url)
        .map_err(|failure| Failure::Other(format!("Get {url:?}: {failure}")))?;
    let health: Health = go_json::read(&answer.body)?;
    Ok(match health.health {
        Some(Said::Word(word)) => word == "true",
        Some(Said::Bool(healthy)) => healthy,
        None => false,
    })
}
