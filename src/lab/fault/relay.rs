//! Relays that a fault puts before or in the place of something that listens: the texts of
//! their files. Pure.

use std::net::SocketAddr;

use crate::read::{Fields, Reader};

/// Starts a relay on its address.
pub(super) const SCRIPT: &str = include_str!("relay.sh");

/// Where unit files are.
const UNITS: &str = "/etc/systemd/system/";

/// What is written for a relay of this name, in the order of the configuration and the unit.
pub(super) fn written(name: &str) -> [(String, u32); 2] {
    [
        (format!("/etc/{name}.conf"), 0o644),
        (format!("{UNITS}{name}.service"), 0o644),
    ]
}

/// The unit that the file is of; `None` if it is of none.
pub(super) fn unit_of(file: &str) -> Option<&str> {
    file.strip_prefix(UNITS)
}

/// The permission bits of a unit file or a manifest.
pub(super) fn mode(file: &str) -> u32 {
    match unit_of(file) {
        Some(_) => 0o644,
        None => 0o600,
    }
}

pub(super) fn unit(name: &str) -> String {
    format!(
        "[Unit]\nDescription=A line to this machine ({name})\nBefore=etcd.service\n\
         StartLimitIntervalSec=0\n\n[Service]\nType=notify\n\
         ExecStart=/usr/local/bin/peer-link /etc/{name}.conf\nRestart=always\n\n\
         [Install]\nWantedBy=multi-user.target\n"
    )
}

/// The configuration of a line before `port`. It is not cut yet: see `relay.sh`.
pub(super) fn line(listen: &str, port: u16, hold_ms: u32) -> String {
    format!(
        "# The line of this site.\nlisten={listen}\nto=127.0.0.1:{port}\n\
         # How long the line holds back what this site sends.\nhold_ms={hold_ms}\n\
         # Whether the line is cut: nothing gets through, in or out.\ncut=no\n"
    )
}

/// The configuration of a relay that was left over: port 9 discards, if anybody has it.
pub(super) fn leading_nowhere(address: &str) -> String {
    format!("listen={address}\nto=127.0.0.1:9\n")
}

/// The text with each URL that a flag listens on at `port` of another address than
/// 127.0.0.1 moved there, and the address. `None` if there is none.
pub(super) fn behind(text: &str, port: u16) -> Option<(String, String)> {
    let wanted = format!(":{port}");
    let mut listen = None;
    let mut moved = String::new();
    for line in text.split_inclusive('\n') {
        let words = line.split_inclusive([' ', '\n']).map(|word| {
            let (body, end) = word.split_at(word.trim_end().len());
            let Some((flag, urls)) = body
                .split_once('=')
                .filter(|(flag, _)| flag.contains("--listen-"))
            else {
                return word.to_owned();
            };
            let mut kept: Vec<String> = Vec::new();
            for url in urls.split(',') {
                let (scheme, address) = url.split_once("://").unwrap_or(("", url));
                let away = address.ends_with(&wanted) && !address.starts_with("127.");
                if away {
                    listen = Some(address.to_owned());
                }
                let url = match away {
                    true => format!("{scheme}://127.0.0.1{wanted}"),
                    false => url.to_owned(),
                };
                if !kept.contains(&url) {
                    kept.push(url);
                }
            }
            format!("{flag}={}{end}", kept.join(","))
        });
        moved.extend(words);
    }
    listen.map(|listen| (moved, listen))
}

/// The key `taken`: an address with a port.
pub(super) fn address(reader: &mut Reader, fields: &mut Fields<'_>) -> String {
    let said = fields.required_text(reader, "taken");
    if !said.is_empty() && said.parse::<SocketAddr>().is_err() {
        let message = format!("`taken` is `{said}`");
        let label = "expected an IP address and a port, as 127.0.0.1:2379";
        let place = fields.span_of("taken");
        reader
            .diagnostics
            .add("lab::address", place, message, label);
    }
    said
}

/// The key `by`: the name of a unit, without its ending.
pub(super) fn unit_name(reader: &mut Reader, fields: &mut Fields<'_>) -> String {
    let said = fields.required_text(reader, "by");
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !said.bytes().all(is_plain) {
        let message = format!("`by` is `{said}`");
        let label = "expected letters, digits, `-` and `_`: a unit's name without its ending";
        let place = fields.span_of("by");
        reader.diagnostics.add("lab::name", place, message, label);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_moves_behind_the_relay() {
        let unit = "ExecStart=/usr/local/bin/etcd --name=a --listen-peer-urls=https://10.0.0.1:2380 \
                    --initial-advertise-peer-urls=https://10.0.0.1:2380\nRestart=always\n";
        let (moved, listen) = behind(unit, 2380).unwrap();
        assert_eq!(listen, "10.0.0.1:2380");
        let expected = unit.replacen("https://10.0.0.1", "https://127.0.0.1", 1);
        assert_eq!(moved, expected);

        let manifest = "    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379\n";
        let (moved, listen) = behind(manifest, 2379).unwrap();
        assert_eq!(listen, "10.0.0.1:2379");
        assert_eq!(moved, "    - --listen-client-urls=https://127.0.0.1:2379\n");

        assert_eq!(behind(&moved, 2379), None);
        assert_eq!(behind(manifest, 79), None);
    }
}
