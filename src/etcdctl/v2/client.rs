//! A client of several endpoints, which asks them in turn until one answers
//! (`client/v2/client.go`, `ctlv2/command/util.go`).

use std::{
    fmt,
    future::Future,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    time::Duration,
};

use base64::Engine as _;
use serde::Deserialize;
use tokio::runtime::Runtime;

use super::{
    Context, End, code,
    http::{Answer, Request, Transport},
    password,
    url::Url,
};
use crate::{client, go::quote::quote};

const DEFAULT_ENDPOINTS: &str = "http://127.0.0.1:2379,http://127.0.0.1:4001";
/// `defaultDialTimeout`.
const DIAL_TIMEOUT: Duration = Duration::from_secs(30);
/// Redirects that are followed.
const REDIRECTS: usize = 10;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The v2 API has refused it.
    Keys {
        code: i64,
        message: String,
        cause: String,
        index: u64,
    },
    /// No endpoint has answered; why, for each.
    Cluster(Vec<Failure>),
    /// No connection.
    Connection(String),
    /// The command's limit has passed.
    Deadline,
    /// The members have not said where they are.
    NoEndpoints,
    /// An answer without a body.
    EmptyBody,
    /// Anything else.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys {
                code,
                message,
                cause,
                index,
            } => write!(f, "{code}: {message} ({cause}) [{index}]"),
            Self::Cluster(all) => {
                f.write_str("client: etcd cluster is unavailable or misconfigured")?;
                all.iter()
                    .enumerate()
                    .try_for_each(|(nth, one)| writeln!(f, "; error #{nth}: {one}"))
            }
            Self::Connection(text) | Self::Other(text) => f.write_str(text),
            Self::Deadline => f.write_str("context deadline exceeded"),
            Self::NoEndpoints => f.write_str("client: no endpoints available"),
            Self::EmptyBody => f.write_str("client: response body is empty"),
        }
    }
}

/// Each endpoint's failure on a line.
pub fn detail(all: &[Failure]) -> String {
    all.iter()
        .enumerate()
        .map(|(nth, one)| format!("error #{nth}: {one}\n"))
        .collect()
}

impl Failure {
    /// An answer that is not the API's JSON.
    pub fn invalid_json() -> Self {
        Self::Other(
            "client: response is invalid json. The endpoint is probably not valid etcd cluster endpoint"
                .to_owned(),
        )
    }

    fn is_connection(&self) -> bool {
        match self {
            Self::Cluster(all) => all.iter().all(Self::is_connection),
            Self::Connection(_) | Self::Deadline => true,
            _ => false,
        }
    }
}

/// A member as `/v2/members` shows it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Member {
    pub id: String,
    pub name: String,
    #[serde(rename = "peerURLs")]
    pub peer_urls: Vec<String>,
    #[serde(rename = "clientURLs")]
    pub client_urls: Vec<String>,
}

/// A client; it waits for answers by itself.
pub struct Client {
    runtime: Runtime,
    transport: Transport,
    endpoints: Vec<Url>,
    /// The endpoint that answered last.
    pinned: usize,
    /// Limit of a command's requests together.
    total: Option<Duration>,
    debug: bool,
}

impl Client {
    /// As the flags say, with the members' own URLs unless `--no-sync` is given
    /// (`mustNewClient`).
    pub fn new(context: &Context) -> Result<Self, End> {
        let mut client = Self::build(context)?;
        let debug = client.debug;
        if !context.global_is_set("no-sync") {
            if debug {
                tell!(
                    "start to sync cluster using endpoints({})",
                    client.shown(",")
                );
            }
            match client.sync() {
                Err(Failure::NoEndpoints) => {
                    tell!("etcd cluster has no published client endpoints.");
                    tell!(
                        "Try '--no-sync' if you want to access non-published client endpoints({}).",
                        client.shown(",")
                    );
                    return Err(End::error(code::SERVER_ERROR, &Failure::NoEndpoints));
                }
                Err(failure) if failure.is_connection() => {
                    return Err(End::error(code::BAD_CONNECTION, &failure));
                }
                // The command itself will tell.
                Err(_) | Ok(()) => {}
            }
            if debug {
                tell!("got endpoints({}) after sync", client.shown(","));
            }
        }
        if debug {
            tell!("Cluster-Endpoints: {}", client.shown(", "));
        }
        Ok(client)
    }

    /// As the flags say, and nothing asked of the members (`mustNewClientNoSync`).
    pub fn without_sync(context: &Context) -> Result<Self, End> {
        let client = Self::build(context)?;
        if client.debug {
            tell!("Cluster-Endpoints: {}", client.shown(", "));
        }
        Ok(client)
    }

    /// Says the endpoints once more if `--debug` is given, as some commands do.
    pub fn tell_endpoints(&self) {
        if self.debug {
            tell!("Cluster-Endpoints: {}", self.shown(", "));
        }
    }

    fn build(context: &Context) -> Result<Self, End> {
        let fail = |text: String| End::line(code::ERROR, text);
        let endpoints = endpoints(context).map_err(fail)?;
        let file = |flag: &str, variable: &str| context.global_or(flag, variable);
        let tls = client::tls_from_files(
            &file("cert-file", "ETCDCTL_CERT_FILE"),
            &file("key-file", "ETCDCTL_KEY_FILE"),
            &file("ca-file", "ETCDCTL_CA_FILE"),
        )
        .map_err(|exit| fail(exit.message.unwrap_or_default()))?;
        let total = context.global_duration("total-timeout");
        let transport = Transport {
            tls,
            dial_timeout: total.map_or(DIAL_TIMEOUT, |total| total.min(DIAL_TIMEOUT)),
            header_timeout: context.global_duration("timeout"),
            authorization: authorization(context)?,
            server_name: Discovery::of(context).server_name(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| fail(format!("the program can't begin to wait: {error}")))?;
        Ok(Self {
            runtime,
            transport,
            endpoints: shuffled(endpoints),
            pinned: 0,
            total,
            debug: context.global_is_set("debug"),
        })
    }

    fn shown(&self, between: &str) -> String {
        let shown: Vec<String> = self.endpoints.iter().map(ToString::to_string).collect();
        shown.join(between)
    }

    /// What a request needs, with the command's limit.
    fn parts(&mut self) -> (&Runtime, Exchange<'_>, Option<Duration>) {
        let exchange = Exchange {
            transport: &self.transport,
            endpoints: &mut self.endpoints,
            pinned: &mut self.pinned,
            debug: self.debug,
        };
        (&self.runtime, exchange, self.total)
    }

    fn sync(&mut self) -> Result<(), Failure> {
        let (runtime, mut exchange, total) = self.parts();
        runtime.block_on(within(total, exchange.sync()))
    }

    /// Asks within the command's limit. `once`: the next endpoint is not tried, because
    /// the first may have done it.
    pub fn ask(&mut self, request: &Request, once: bool) -> Result<Answer, Failure> {
        let (runtime, mut exchange, total) = self.parts();
        runtime.block_on(within(total, exchange.ask(request, once)))
    }

    /// Asks without a limit of the whole.
    pub fn ask_for_ever(&mut self, request: &Request) -> Result<Answer, Failure> {
        let (runtime, mut exchange, _) = self.parts();
        runtime.block_on(exchange.ask(request, false))
    }

    /// A request to a URL that is none of the endpoints'; only the path is added.
    pub fn get(&mut self, url: &str) -> Result<Answer, Failure> {
        let parsed = Url::parse(url).map_err(Failure::Other)?;
        let request = Request {
            method: "GET",
            waits: true,
            ..Request::default()
        };
        let transport = Transport {
            authorization: None,
            ..self.transport.clone()
        };
        self.runtime.block_on(transport.ask(&parsed, &request))
    }

    /// The members, with the command's limit or without.
    pub fn members(&mut self, limited: bool) -> Result<Vec<Member>, Failure> {
        let request = members_request();
        let answer = match limited {
            true => self.ask(&request, false)?,
            false => self.ask_for_ever(&request)?,
        };
        read_members(&answer)
    }
}

/// Waits as long as the limit says; one of zero has passed already, as Go has it.
async fn within<T>(
    total: Option<Duration>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match total {
        None => Err(Failure::Deadline),
        Some(total) => tokio::time::timeout(total, work)
            .await
            .unwrap_or(Err(Failure::Deadline)),
    }
}

fn members_request() -> Request {
    Request {
        method: "GET",
        path: "/v2/members".to_owned(),
        ..Request::default()
    }
}

fn read_members(answer: &Answer) -> Result<Vec<Member>, Failure> {
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        members: Option<Vec<Member>>,
    }
    assert_status(answer, &[200])?;
    let list: List = super::go_json::read(&answer.body)?;
    Ok(list.members.unwrap_or_default())
}

/// `assertStatusCode`.
pub fn assert_status(answer: &Answer, wanted: &[u16]) -> Result<(), Failure> {
    match wanted.contains(&answer.status) {
        true => Ok(()),
        false => Err(Failure::Other(format!(
            "unexpected status code {}",
            answer.status
        ))),
    }
}

/// Requests of one command.
struct Exchange<'a> {
    transport: &'a Transport,
    endpoints: &'a mut Vec<Url>,
    pinned: &'a mut usize,
    debug: bool,
}

impl Exchange<'_> {
    /// Takes the members' own URLs for endpoints.
    async fn sync(&mut self) -> Result<(), Failure> {
        let members = read_members(&self.ask(&members_request(), false).await?)?;
        let urls: Vec<String> = members
            .into_iter()
            .flat_map(|member| member.client_urls)
            .collect();
        if urls.is_empty() {
            return Err(Failure::NoEndpoints);
        }
        let parsed: Vec<Url> = urls
            .iter()
            .map(|url| Url::parse(url))
            .collect::<Result<_, _>>()
            .map_err(Failure::Other)?;
        let sorted = |urls: &[Url]| {
            let mut urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
            urls.sort();
            urls
        };
        if sorted(self.endpoints) != sorted(&parsed) {
            *self.endpoints = shuffled(parsed);
            *self.pinned = 0;
        }
        Ok(())
    }

    async fn ask(&mut self, request: &Request, once: bool) -> Result<Answer, Failure> {
        let count = self.endpoints.len();
        let mut failures = Vec::new();
        for nth in 0..count {
            let at = (*self.pinned + nth) % count;
            let endpoint = self.endpoints[at].clone();
            let asked = self.follow(&endpoint, request).await;
            let failure = match asked {
                Err(failure) => failure,
                Ok(answer) if answer.status / 100 == 5 => Failure::Other(match answer.status {
                    500 | 503 => format!("client: etcd member {endpoint} has no leader"),
                    status => format!(
                        "client: etcd member {endpoint} returns server error [{}]",
                        http::StatusCode::from_u16(status)
                            .ok()
                            .and_then(|status| status.canonical_reason())
                            .unwrap_or_default()
                    ),
                }),
                Ok(answer) => {
                    *self.pinned = at;
                    return Ok(answer);
                }
            };
            failures.push(failure);
            if once {
                *self.pinned = (at + 1) % count;
                // The first failure is what is told of a server's error.
                return Err(failures.swap_remove(0));
            }
        }
        match failures.is_empty() {
            true => Err(Failure::NoEndpoints),
            false => Err(Failure::Cluster(failures)),
        }
    }

    /// Asks one endpoint, and wherever it sends us.
    async fn follow(&self, endpoint: &Url, request: &Request) -> Result<Answer, Failure> {
        let path = super::url::canonical_path(&format!("{}{}", endpoint.path, request.path));
        let mut url = endpoint.with(&path, &request.query);
        for _ in 0..=REDIRECTS {
            self.show(&url, request);
            let answer = self.transport.ask(&url, request).await?;
            if answer.status / 100 != 3 {
                return Ok(answer);
            }
            if answer.location.is_empty() {
                return Err(Failure::Other("location header not set".to_owned()));
            }
            url = Url::parse(&answer.location).map_err(|_| {
                Failure::Other(format!(
                    "location header not valid URL: {}",
                    answer.location
                ))
            })?;
        }
        Err(Failure::Other("client: too many redirects".to_owned()))
    }

    /// The request as a command line, if `--debug` is given.
    fn show(&self, url: &Url, request: &Request) {
        if !self.debug {
            return;
        }
        let body = request
            .body
            .as_ref()
            .map(|body| format!(" -d {}", quote(body.as_bytes())));
        tell!(
            "cURL Command: curl -X {} {url}{}",
            request.method,
            body.unwrap_or_default()
        );
    }
}

/// Whose SRV records name the endpoints, and whether those without TLS are taken.
struct Discovery {
    domain: String,
    insecure: bool,
}

impl Discovery {
    fn of(context: &Context) -> Self {
        let variable = std::env::var("ETCDCTL_INSECURE_DISCOVERY").unwrap_or_default();
        Self {
            domain: context.global_or("discovery-srv", "ETCDCTL_DISCOVERY_SRV"),
            insecure: context.global_is_set("insecure-discovery") || !variable.is_empty(),
        }
    }

    fn endpoints(&self) -> Result<Vec<String>, String> {
        // API 2 has a variable for the service's name, and no flag.
        let suffix = std::env::var("ETCDCTL_DISCOVERY_SRV_NAME").unwrap_or_default();
        client::find_endpoints(&self.domain, &suffix, self.insecure)
            .map_err(|exit| exit.message.unwrap_or_default())
    }

    /// The name that servers must prove: records come from whoever answers for DNS.
    fn server_name(self) -> Option<String> {
        Some(self.domain).filter(|domain| !self.insecure && !domain.is_empty())
    }
}

/// The endpoints that DNS names, else those of the flags, else those of the
/// environment, else the usual ones.
fn endpoints(context: &Context) -> Result<Vec<Url>, String> {
    let found = Discovery::of(context).endpoints()?;
    if !found.is_empty() {
        return found.iter().map(|url| Url::parse(url)).collect();
    }
    let named = [
        ("endpoints", "ETCDCTL_ENDPOINTS"),
        ("endpoint", "ETCDCTL_ENDPOINT"),
        ("peers", "ETCDCTL_PEERS"),
    ]
    .iter()
    .map(|(flag, variable)| context.global_or(flag, variable))
    .find(|text| !text.is_empty());
    let named = named.unwrap_or_else(|| DEFAULT_ENDPOINTS.to_owned());
    named
        .split(',')
        .map(|endpoint| {
            let mut url = Url::parse(endpoint)?;
            if url.scheme.is_empty() {
                "http".clone_into(&mut url.scheme);
            }
            // Written and read again, a bare name has become a host.
            Url::parse(&url.to_string())
        })
        .collect()
}

fn authorization(context: &Context) -> Result<Option<String>, End> {
    let user = context.global_or("username", "ETCDCTL_USERNAME");
    if user.is_empty() {
        return Ok(None);
    }
    let (name, password) =
        password::of(&user, "Password: ").map_err(|error| End::line(code::ERROR, error))?;
    if name.is_empty() {
        return Ok(None);
    }
    let pair = format!("{name}:{password}");
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    Ok(Some(format!("Basic {encoded}")))
}

/// In any order, so that not every client asks the same member.
fn shuffled(mut urls: Vec<Url>) -> Vec<Url> {
    for at in (1..urls.len()).rev() {
        let random = RandomState::new().build_hasher().finish();
        urls.swap(at, (random % (at as u64 + 1)) as usize);
    }
    urls
}
