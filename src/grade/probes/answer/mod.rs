//! Compares what a learner wrote down with what is true now.

mod compare;

use lab::probes::{AnswerProbe, Fact};
use wire::etcdserverpb::Member;

use super::{Result, Scene, flags, manifest, members, object::value_at, process, snapshot};
use crate::{live::Found, verdict::Outcome};
use compare::Truth;

const ETCD_URL_PORT: u16 = 2379;

pub async fn look(scene: &Scene<'_>, probe: &AnswerProbe) -> Result {
    let place = scene.node.place(&probe.path);
    let text = scene
        .node
        .text(&probe.path)
        .map_err(|outcome| match outcome {
            Ok(found) => Outcome::failed(&place, found, "a file with the answers"),
            Err(blind) => blind,
        })?;
    let answer = if probe.line.is_empty() {
        text
    } else {
        compare::line(&text, &probe.line).ok_or_else(|| {
            let found = format!("no line `{}: …`", probe.line);
            Outcome::failed(&place, found, "an answer")
        })?
    };
    let truth = truth(scene, probe).await?;
    match compare::objection(&truth, &answer) {
        None => Ok(Outcome::passed("the answer is right")),
        Some(found) => Err(Outcome::failed(place, found, truth.asked())),
    }
}

fn blind(scene: &Scene<'_>, reason: impl Into<String>) -> Outcome {
    let place = format!("https://{}:{ETCD_URL_PORT}", scene.address);
    Outcome::could_not_look(place, reason)
}

async fn truth(scene: &Scene<'_>, probe: &AnswerProbe) -> Result<Truth> {
    match probe.fact {
        Fact::Deployment | Fact::DataDir | Fact::CertFile | Fact::KeyFile | Fact::TrustedCaFile => {
            of_process(scene, probe.fact)
        }
        Fact::Keys
        | Fact::ModRevision
        | Fact::CreateRevision
        | Fact::KeyVersion
        | Fact::KeyValue => of_keys(scene, probe).await,
        Fact::Object => of_object(scene, probe).await,
        Fact::SnapshotStatus => {
            let (hash, revision) = snapshot::status(&scene.node, &probe.of)?;
            Ok(Truth::Status { hash, revision })
        }
        _ => of_cluster(scene, probe.fact).await,
    }
}

/// What the running process says by the flags that it was started with.
fn of_process(scene: &Scene<'_>, fact: Fact) -> Result<Truth> {
    let place = format!("the processes of {}", scene.node.name);
    let all = process::all(scene, &place)?;
    let Some(etcd) = process::newest(&all, "etcd") else {
        return Err(Outcome::could_not_look(place, "no etcd runs"));
    };
    let words = process::words(etcd);
    let flag = |name: &str| flags::value_of(&words, name).map(str::to_owned);
    let pod = manifest::etcd_data(&scene.node);
    let value = match fact {
        Fact::Deployment => {
            let is_pod = pod.is_ok_and(|data| data.data_dir.is_some());
            return Ok(Truth::Deployment { is_pod });
        }
        Fact::DataDir => {
            let inside = flag("--data-dir");
            // On the node it is where the manifest mounts it from.
            pod.ok()
                .filter(|data| data.data_dir == inside)
                .and_then(|data| data.host_path)
                .or(inside)
        }
        Fact::CertFile => flag("--cert-file"),
        Fact::KeyFile => flag("--key-file"),
        _ => flag("--trusted-ca-file"),
    };
    match value {
        Some(path) => Ok(Truth::Path(path)),
        None => Err(Outcome::could_not_look(place, "etcd runs without the flag")),
    }
}

async fn of_keys(scene: &Scene<'_>, probe: &AnswerProbe) -> Result<Truth> {
    if probe.fact == Fact::Keys {
        let keys = scene.etcd.below(scene.address, &probe.of, false).await;
        let keys = keys.map_err(|reason| blind(scene, reason))?;
        let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
        return Ok(Truth::Lines(
            keys.iter().map(|pair| text(&pair.key)).collect(),
        ));
    }
    let found = scene.etcd.get(scene.address, &probe.of).await;
    let Some(pair) = found.map_err(|reason| blind(scene, reason))? else {
        let found = format!("there is no key {}", probe.of);
        return Err(Outcome::failed(
            "etcd",
            found,
            "the key that is asked about",
        ));
    };
    Ok(match probe.fact {
        Fact::ModRevision => Truth::Number(pair.mod_revision),
        Fact::CreateRevision => Truth::Number(pair.create_revision),
        Fact::KeyVersion => Truth::Number(pair.version),
        _ => Truth::Text(String::from_utf8_lossy(&pair.value).trim().to_owned()),
    })
}

async fn of_object(scene: &Scene<'_>, probe: &AnswerProbe) -> Result<Truth> {
    let place = probe.of.clone();
    let (kind, name) = probe.of.split_once('/').unwrap_or((&probe.of, ""));
    let Some(resource) = kube::resources::by_name(kind) else {
        let reason = format!("the lab names no known kind: {kind}");
        return Err(Outcome::could_not_look(place, reason));
    };
    let found = scene.api.get(&resource.path(&probe.namespace, name)).await;
    let object = match found.map_err(|reason| Outcome::could_not_look(&place, reason))? {
        Found::Object(object) => object,
        Found::Missing => {
            return Err(Outcome::failed(place, "it does not exist", "it to exist"));
        }
    };
    match value_at(&object, &probe.field) {
        Ok(value) if !value.is_empty() => Ok(Truth::Text(value)),
        Ok(_) => Err(Outcome::could_not_look(
            place,
            format!("it has no {}", probe.field),
        )),
        Err(error) => Err(Outcome::could_not_look(place, error.to_string())),
    }
}

async fn of_cluster(scene: &Scene<'_>, fact: Fact) -> Result<Truth> {
    let identity = scene.identity(scene.address).await;
    let identity = identity.map_err(|reason| blind(scene, reason))?;
    let all = &identity.members;
    Ok(match fact {
        Fact::ClusterId => Truth::Ids(vec![identity.cluster_id]),
        Fact::MemberCount => Truth::Number(all.len() as i64),
        Fact::MemberIds => Truth::Ids(all.iter().map(|one| one.id).collect()),
        Fact::MemberNames => Truth::Words(all.iter().map(|one| one.name.clone()).collect()),
        Fact::Endpoints => Truth::Urls(
            all.iter()
                .flat_map(|one| one.client_ur_ls.iter().cloned())
                .collect(),
        ),
        Fact::PeerUrls => Truth::Urls(
            all.iter()
                .flat_map(|one| one.peer_ur_ls.iter().cloned())
                .collect(),
        ),
        Fact::Version => {
            let status = scene.etcd.status(scene.address).await;
            Truth::Version(status.map_err(|reason| blind(scene, reason))?.version)
        }
        Fact::Leader => {
            let status = scene.etcd.status(scene.address).await;
            let leader = status.map_err(|reason| blind(scene, reason))?.leader;
            let Some(member) = all.iter().find(|one| one.id == leader) else {
                return Err(blind(scene, "there is no leader just now"));
            };
            Truth::OneMember {
                id: leader,
                names: names_of(scene, member),
            }
        }
        // What is left needs every member asked.
        _ => {
            let (mut sizes, mut silent) = (Vec::new(), Vec::new());
            for member in all {
                let address = member
                    .client_ur_ls
                    .iter()
                    .find_map(|url| members::address(scene, url));
                let status = match address {
                    Some(address) => scene.etcd.status(address).await.ok(),
                    None => None,
                };
                match status {
                    Some(status) => sizes.push(status.db_size),
                    None => silent.push(member.name.clone()),
                }
            }
            if fact == Fact::SilentMembers {
                return match silent.is_empty() {
                    true => Err(blind(
                        scene,
                        "every member answers now, so nobody is silent",
                    )),
                    false => Ok(Truth::Words(silent)),
                };
            }
            Truth::Sizes(sizes)
        }
    })
}

/// What a member may be called: its name, its addresses, and its client URLs, on its own node
/// and by the nodes' names as well.
fn names_of(scene: &Scene<'_>, member: &Member) -> Vec<String> {
    let mut names = vec![member.name.clone()];
    for url in &member.client_ur_ls {
        names.extend([url.clone(), compare::host(url)]);
        let Some(address) = members::address(scene, url) else {
            continue;
        };
        let port = url.rsplit(':').next().unwrap_or_default();
        let mut hosts = vec![address.to_string()];
        let nodes = scene.addresses.iter();
        hosts.extend(
            nodes
                .filter(|(_, at)| **at == address)
                .map(|(name, _)| name.clone()),
        );
        if address == scene.address {
            hosts.extend(["127.0.0.1", "localhost"].map(str::to_owned));
        }
        names.extend(hosts.iter().map(|host| format!("https://{host}:{port}")));
    }
    names
}
