//! Endpoints out of DNS: the SRV records that `--discovery-srv` names, asked for as
//! Go's own resolver asks.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::block_on;
use crate::exit::Exit;
use crate::flags::Parsed;
use crate::go::quote::quote;

/// The service whose records name the endpoints for clients (`client/pkg/srv`).
const SERVICE: &str = "etcd-client";

const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Time for an answer, and how often a name server is asked (`resolv.conf(5)`).
const WAIT: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 2;

/// Bytes that an answer by UDP may have; longer ones are asked for by TCP.
const UDP_BYTES: usize = 1232;

/// The endpoints that the flags find; none without `--discovery-srv`.
pub fn endpoints(flags: &Parsed) -> Result<Vec<String>, Exit> {
    find_endpoints(
        flags.text("discovery-srv"),
        flags.text("discovery-srv-name"),
        flags.boolean("insecure-discovery"),
    )
}

/// The endpoints that the records of a domain name; none without a domain.
pub fn find_endpoints(domain: &str, suffix: &str, insecure: bool) -> Result<Vec<String>, Exit> {
    if domain.is_empty() {
        return Ok(Vec::new());
    }
    let resolver = Resolver::from_file();
    // On a thread of its own: commands ask for endpoints before and after their own
    // runtime has begun, and none runs within another.
    let look_up = || block_on(async { find(&resolver, domain, suffix).await.map_err(Exit::error) });
    let found = std::thread::scope(|threads| threads.spawn(look_up).join())
        .map_err(|_| Exit::error("the look-up of the endpoints failed"))??;
    Ok(secure_only(found, insecure))
}

/// A host and a port out of an SRV record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    priority: u16,
    weight: u16,
    /// With the final dot, which endpoints keep in the reference, too.
    host: String,
    port: u16,
}

/// The records of the two services: with TLS first, then without.
async fn find(resolver: &Resolver, domain: &str, suffix: &str) -> Result<Vec<String>, String> {
    let mut endpoints = Vec::new();
    let mut failures = Vec::new();
    for scheme in ["https", "http"] {
        let name = format!("_{}._tcp.{domain}", service(scheme, suffix));
        match resolver.services(&name).await {
            Ok(mut records) => {
                records.sort_by_key(|record| (record.priority, std::cmp::Reverse(record.weight)));
                endpoints.extend(
                    records
                        .iter()
                        .map(|record| format!("{scheme}://{}:{}", record.host, record.port)),
                );
            }
            Err(why) => failures.push(format!("lookup {name}{why}")),
        }
    }
    match failures.as_slice() {
        [tls, plain] => Err(format!("dns lookup errors: {tls} and {plain}")),
        _ => Ok(endpoints),
    }
}

/// `etcd-client-ssl-SUFFIX`.
fn service(scheme: &str, suffix: &str) -> String {
    let mut name = SERVICE.to_owned();
    if scheme == "https" {
        name.push_str("-ssl");
    }
    if !suffix.is_empty() {
        name.push_str(&format!("-{suffix}"));
    }
    name
}

/// Leaves out endpoints without TLS, saying so, unless they are accepted.
fn secure_only(found: Vec<String>, insecure: bool) -> Vec<String> {
    found
        .into_iter()
        .filter(|endpoint| {
            let ignored = !insecure && endpoint.starts_with("http://");
            if ignored {
                tell!(
                    "ignoring discovered insecure endpoint {}",
                    quote(endpoint.as_bytes())
                );
            }
            !ignored
        })
        .collect()
}

/// The name servers that are asked, one after the other.
struct Resolver {
    servers: Vec<SocketAddr>,
    wait: Duration,
}

impl Resolver {
    /// Those of `/etc/resolv.conf`; without any, one on this machine, as Go has it.
    fn from_file() -> Self {
        let text = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
        let mut servers: Vec<SocketAddr> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("nameserver"))
            .filter_map(|address| address.trim().parse::<IpAddr>().ok())
            .map(|ip| SocketAddr::from((ip, 53)))
            .collect();
        if servers.is_empty() {
            servers.push(SocketAddr::from(([127, 0, 0, 1], 53)));
        }
        Self {
            servers,
            wait: WAIT,
        }
    }

    /// The SRV records of a name. The error follows `lookup NAME` in Go's text.
    async fn services(&self, name: &str) -> Result<Vec<Record>, String> {
        let mut last = ": no such host".to_owned();
        for _ in 0..ATTEMPTS {
            for server in &self.servers {
                match timeout(self.wait, ask(*server, name)).await {
                    Ok(Ok(records)) if records.is_empty() => {
                        return Err(format!(" on {server}: no such host"));
                    }
                    Ok(Ok(records)) => return Ok(records),
                    Ok(Err(why)) => last = format!(" on {server}: {why}"),
                    Err(_) => last = format!(" on {server}: i/o timeout"),
                }
            }
        }
        Err(last)
    }
}

/// Asks one name server; no records when it says that there are none.
async fn ask(server: SocketAddr, name: &str) -> Result<Vec<Record>, String> {
    let id = getrandom::u32().map_err(|error| error.to_string())? as u16;
    let mut query = Packet::new_query(id);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    query.questions.push(Question::new(
        Name::new(name).map_err(|_| "no such host".to_owned())?,
        QTYPE::TYPE(TYPE::SRV),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    let bytes = query.build_bytes_vec().map_err(|error| error.to_string())?;
    let answer = by_udp(server, id, &bytes).await?;
    match read(&answer)? {
        Answer::Records(records) => Ok(records),
        Answer::TooLong => match read(&by_tcp(server, &bytes).await?)? {
            Answer::Records(records) => Ok(records),
            Answer::TooLong => Err("server misbehaving".into()),
        },
    }
}

/// What an answer came to.
enum Answer {
    Records(Vec<Record>),
    /// It did not fit and has to be asked for by TCP.
    TooLong,
}

fn read(bytes: &[u8]) -> Result<Answer, String> {
    let packet = Packet::parse(bytes).map_err(|_| "cannot unmarshal DNS message".to_owned())?;
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Ok(Answer::TooLong);
    }
    match packet.rcode() {
        RCODE::NoError | RCODE::NameError => {}
        _ => return Err("server misbehaving".into()),
    }
    let records = packet
        .answers
        .iter()
        .filter_map(|record| match &record.rdata {
            RData::SRV(srv) => Some(Record {
                priority: srv.priority,
                weight: srv.weight,
                host: format!("{}.", srv.target.to_string().trim_end_matches('.')),
                port: srv.port,
            }),
            _ => None,
        });
    Ok(Answer::Records(records.collect()))
}

async fn by_udp(server: SocketAddr, id: u16, query: &[u8]) -> Result<Vec<u8>, String> {
    let failed = |operation: &str, error: &std::io::Error| {
        format!(
            "{operation} udp {server}: {operation}: {}",
            gowords::errno(error)
        )
    };
    let any: IpAddr = match server {
        SocketAddr::V4(_) => [0, 0, 0, 0].into(),
        SocketAddr::V6(_) => [0u16; 8].into(),
    };
    let socket = UdpSocket::bind((any, 0))
        .await
        .map_err(|error| failed("dial", &error))?;
    socket
        .connect(server)
        .await
        .map_err(|error| failed("dial", &error))?;
    socket
        .send(query)
        .await
        .map_err(|error| failed("write", &error))?;
    let mut bytes = vec![0; UDP_BYTES];
    loop {
        let length = socket
            .recv(&mut bytes)
            .await
            .map_err(|error| failed("read", &error))?;
        // An answer to another question is somebody's mistake or attack.
        if bytes[..length].starts_with(&id.to_be_bytes()) {
            bytes.truncate(length);
            return Ok(bytes);
        }
    }
}

async fn by_tcp(server: SocketAddr, query: &[u8]) -> Result<Vec<u8>, String> {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        let mut framed = (query.len() as u16).to_be_bytes().to_vec();
        framed.extend_from_slice(query);
        stream.write_all(&framed).await?;
        let length = stream.read_u16().await?;
        let mut bytes = vec![0; usize::from(length)];
        stream.read_exact(&mut bytes).await?;
        Ok(bytes)
    };
    exchange
        .await
        .map_err(|error: std::io::Error| format!("dial tcp {server}: {}", gowords::errno(&error)))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use simple_dns::rdata::{RData, SRV};
    use simple_dns::{CLASS, Name, Packet, RCODE, ResourceRecord};
    use tokio::net::UdpSocket;

    use super::{Resolver, find, service};

    /// A name server that knows the records of one service.
    async fn server(known: &'static str, records: &'static [(u16, u16, &str, u16)]) -> Resolver {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut bytes = [0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut bytes).await.unwrap();
                let query = Packet::parse(&bytes[..length]).unwrap();
                let mut answer = Packet::new_reply(query.id());
                let name = query.questions[0].qname.to_string();
                if name == known {
                    for &(priority, weight, target, port) in records {
                        answer.answers.push(ResourceRecord::new(
                            Name::new(known).unwrap(),
                            CLASS::IN,
                            60,
                            RData::SRV(SRV {
                                priority,
                                weight,
                                port,
                                target: Name::new(target).unwrap(),
                            }),
                        ));
                    }
                } else {
                    *answer.rcode_mut() = RCODE::NameError;
                }
                let bytes = answer.build_bytes_vec().unwrap();
                socket.send_to(&bytes, from).await.unwrap();
            }
        });
        Resolver {
            servers: vec![address],
            wait: Duration::from_secs(5),
        }
    }

    #[tokio::test]
    async fn records_become_endpoints_in_their_order() {
        let resolver = server(
            "_etcd-client._tcp.lab.example",
            &[
                (20, 1, "c.lab.example", 2379),
                (10, 1, "b.lab.example", 2379),
                (10, 5, "a.lab.example", 2381),
            ],
        )
        .await;
        assert_eq!(
            find(&resolver, "lab.example", "").await.unwrap(),
            [
                "http://a.lab.example.:2381",
                "http://b.lab.example.:2379",
                "http://c.lab.example.:2379"
            ]
        );
    }

    #[tokio::test]
    async fn names_that_nobody_has_are_told() {
        let resolver = server("_x._tcp.lab.example", &[]).await;
        let on = resolver.servers[0];
        assert_eq!(
            find(&resolver, "lab.example", "b").await.unwrap_err(),
            format!(
                "dns lookup errors: lookup _etcd-client-ssl-b._tcp.lab.example on {on}: no such host and lookup _etcd-client-b._tcp.lab.example on {on}: no such host"
            )
        );
    }

    #[tokio::test]
    async fn a_silent_server_is_given_up() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let resolver = Resolver {
            servers: vec![socket.local_addr().unwrap()],
            wait: Duration::from_millis(20),
        };
        let said = find(&resolver, "x", "").await.unwrap_err();
        assert!(said.contains("i/o timeout"), "{said}");
    }

    #[test]
    fn services() {
        assert_eq!(service("https", ""), "etcd-client-ssl");
        assert_eq!(service("http", "blue"), "etcd-client-blue");
    }
}
