//! `--config-file`: a YAML file with the flags' names as keys
//! (`server/embed/config.go`, `configYAML`).

use serde_json::{Map, Value};

use super::{
    parse::Values,
    table::{self, Kind},
};

/// Keys that stand for several flags, by what they are called in the file.
const SECURITY: [(&str, &str); 2] = [
    ("client-transport-security", ""),
    ("peer-transport-security", "peer-"),
];

/// Flags that the file has no key for. What secures a connection stands in the sections
/// above, and options of sockets in one of their own.
const FLAGS_ONLY: &[&str] = &[
    "auto-tls",
    "cert-file",
    "client-cert-allowed-hostname",
    "client-cert-auth",
    "client-cert-file",
    "client-crl-file",
    "client-key-file",
    "config-file",
    "discovery-fallback",
    "experimental-peer-skip-client-san-verification",
    "experimental-snapshot-catchup-entries",
    "key-file",
    "peer-auto-tls",
    "peer-cert-allowed-cn",
    "peer-cert-allowed-hostname",
    "peer-cert-file",
    "peer-client-cert-auth",
    "peer-client-cert-file",
    "peer-client-key-file",
    "peer-crl-file",
    "peer-key-file",
    "peer-trusted-ca-file",
    "proxy",
    "proxy-dial-timeout",
    "proxy-failure-wait",
    "proxy-read-timeout",
    "proxy-refresh-interval",
    "proxy-write-timeout",
    "raft-read-timeout",
    "raft-write-timeout",
    "socket-reuse-address",
    "socket-reuse-port",
    "trusted-ca-file",
    "version",
];

/// Reads the text of a configuration file. The second part of the answer lists
/// keys that mean nothing; the reference passes over them in silence, the caller
/// should say them.
///
/// # Errors
/// Where the YAML breaks, or which key has a value of the wrong type, in the
/// reference's words.
pub fn parse(text: &str) -> Result<(Values, Vec<String>), String> {
    let document: Value = if text.trim().is_empty() {
        Value::Null
    } else {
        serde_saphyr::from_str(text)
            .map_err(|error| format!("error converting YAML to JSON: {error}"))?
    };
    let mut file = File::default();
    match document {
        Value::Null => {}
        Value::Object(map) => file.read(&map)?,
        other => return Err(mismatch(&other, "", "embed.configYAML")),
    }
    Ok((file.values, file.unknown))
}

#[derive(Default)]
struct File {
    values: Values,
    unknown: Vec<String>,
}

impl File {
    fn read(&mut self, map: &Map<String, Value>) -> Result<(), String> {
        for (key, value) in map {
            if value.is_null() {
                continue;
            }
            if let Some((_, prefix)) = SECURITY.iter().find(|(name, _)| name == key) {
                self.security(key, prefix, value)?;
            } else if key == "socket-options" {
                let Value::Object(options) = value else {
                    return Err(mismatch(value, key, "transport.SocketOpts"));
                };
                for (name, value) in options {
                    match name.as_str() {
                        "reuse-port" | "reuse-address" => {
                            self.flag(&format!("socket-{name}"), name, value)?
                        }
                        _ => self.unknown.push(format!("{key}.{name}")),
                    }
                }
            } else if FLAGS_ONLY.contains(&key.as_str()) {
                self.unknown.push(key.clone());
            } else {
                // The file's name for this one differs from the flag's.
                let name = match key.as_str() {
                    "experimental-snapshot-catch-up-entries" => {
                        "experimental-snapshot-catchup-entries"
                    }
                    other => other,
                };
                self.flag(name, key, value)?;
            }
        }
        Ok(())
    }

    fn security(&mut self, section: &str, prefix: &str, value: &Value) -> Result<(), String> {
        let Value::Object(map) = value else {
            return Err(mismatch(value, section, "embed.securityConfig"));
        };
        for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            if key == "allowed-cn" && prefix.is_empty() {
                refuse_client_names(value, &format!("{section}.{key}"))?;
                continue;
            }
            let name = match (key.as_str(), prefix) {
                ("client-cert-file" | "client-key-file", "peer-") => format!("peer-{key}"),
                ("allowed-cn", "peer-") => "peer-cert-allowed-cn".to_owned(),
                ("allowed-hostname", "peer-") => "peer-cert-allowed-hostname".to_owned(),
                ("allowed-hostname", _) => "client-cert-allowed-hostname".to_owned(),
                (
                    "cert-file" | "key-file" | "client-cert-file" | "client-key-file"
                    | "client-cert-auth" | "trusted-ca-file" | "auto-tls",
                    _,
                ) => format!("{prefix}{key}"),
                _ => {
                    self.unknown.push(format!("{section}.{key}"));
                    continue;
                }
            };
            self.flag(&name, &format!("{section}.{key}"), value)?;
        }
        Ok(())
    }

    fn flag(&mut self, name: &str, key: &str, value: &Value) -> Result<(), String> {
        let Some(flag) = table::find(name).filter(|flag| flag.kind != Kind::Ignored) else {
            self.unknown.push(key.to_owned());
            return Ok(());
        };
        let text = match (flag.kind, value) {
            (Kind::Bool, Value::Bool(yes)) => yes.to_string(),
            (Kind::Uint | Kind::Uint32 | Kind::Int, Value::Number(number)) => number.to_string(),
            // Go's JSON has durations in nanoseconds.
            (Kind::Duration, Value::Number(number)) => format!("{number}ns"),
            (Kind::Words, Value::Array(words)) => {
                let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
                words
                    .ok_or_else(|| mismatch(value, key, "[]string"))?
                    .join(",")
            }
            // Of the lists only this one is a string in the file.
            (Kind::Words, Value::String(text)) if name == "host-whitelist" => text.clone(),
            (Kind::Text | Kind::Urls | Kind::OneOf(_), Value::String(text)) => text.clone(),
            _ => return Err(mismatch(value, key, go_type(flag.kind))),
        };
        self.values
            .set(flag, &text)
            .map_err(|error| match flag.kind {
                Kind::Uint | Kind::Uint32 | Kind::Int => mismatch(value, key, go_type(flag.kind)),
                // The reference writes this to standard error and exits.
                _ => format!("unexpected error setting up {name}: {error}"),
            })
    }
}

/// The names that clients may have, which only the file can tell and no flag.
fn refuse_client_names(value: &Value, key: &str) -> Result<(), String> {
    match value {
        Value::Array(names) if names.iter().all(Value::is_string) => match names.is_empty() {
            true => Ok(()),
            false => Err(format!(
                "{key} is not supported by this server: it limits the names of peers alone (peer-transport-security.allowed-cn)"
            )),
        },
        _ => Err(mismatch(value, key, "[]string")),
    }
}

fn go_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Uint => "uint64",
        Kind::Uint32 => "uint32",
        Kind::Int => "int64",
        Kind::Duration => "time.Duration",
        Kind::Words => "[]string",
        _ => "string",
    }
}

fn mismatch(value: &Value, key: &str, go_type: &str) -> String {
    let found = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(number) if go_type.contains("int") => format!("number {number}"),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
    };
    let place = if key.is_empty() {
        "value".to_owned()
    } else {
        format!("struct field configYAML.{key}")
    };
    format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go {place} of type {go_type}"
    )
}
