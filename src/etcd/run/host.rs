//! The machine's own address, for members that listen everywhere and do not say where
//! they are found (`pkg/netutil`).

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
};

const NO_ROUTE: &str = "could not find default route";

/// Addresses that nobody has (RFC 5737, RFC 3849): what leads to them is the default route.
const ELSEWHERE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ELSEWHERE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// The address that the default route sends from, of IPv4 if there is one.
///
/// # Errors
/// The reference's words where there is no default route.
pub(super) fn default_host() -> Result<String, String> {
    let table = |path| fs::read_to_string(path).unwrap_or_default();
    let elsewhere: Vec<IpAddr> = [
        has_default_v4(&table("/proc/net/route")).then_some(ELSEWHERE_V4.into()),
        has_default_v6(&table("/proc/net/ipv6_route")).then_some(ELSEWHERE_V6.into()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let found = elsewhere.iter().find_map(|address| source(*address));
    found.map(|host| host.to_string()).ok_or_else(|| {
        if elsewhere.is_empty() {
            NO_ROUTE.to_owned()
        } else {
            "could not find default host".to_owned()
        }
    })
}

/// Where a packet to `address` would come from. None is sent.
fn source(address: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // A datagram socket only looks the route up; the port is any but 0.
    socket.connect((address, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Whether the kernel's table of IPv4 routes leads everywhere.
fn has_default_v4(table: &str) -> bool {
    table.lines().skip(1).any(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        columns.get(1) == Some(&"00000000") && columns.get(7) == Some(&"00000000")
    })
}

/// The same for IPv6, where routes of `lo` refuse.
fn has_default_v6(table: &str) -> bool {
    table.lines().any(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let everywhere = columns
            .first()
            .is_some_and(|to| to.bytes().all(|byte| byte == b'0'));
        everywhere && columns.get(1) == Some(&"00") && columns.last() != Some(&"lo")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_routes_are_found_in_the_kernels_tables() {
        let head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n";
        let net = "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n";
        let default = "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\n";
        assert!(!has_default_v4(""));
        assert!(!has_default_v4(&format!("{head}{net}")));
        assert!(has_default_v4(&format!("{head}{default}{net}")));

        let zeros = "0".repeat(32);
        let route = |prefix: &str, link: &str| {
            format!("{zeros} {prefix} {zeros} 00 {zeros} 00000400 1 0 00200200 {link}\n")
        };
        assert!(!has_default_v6(""));
        assert!(!has_default_v6(&route("00", "lo")));
        assert!(!has_default_v6(&route("40", "eth0")));
        assert!(has_default_v6(&(route("00", "lo") + &route("00", "eth0"))));
    }
}
