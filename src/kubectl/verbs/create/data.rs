//! `create configmap`, `create secret …`.

use super::{begin, finish, one_name};
use crate::cx::Cx;
use crate::error::{Error, Outcome, fail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::path::Path;

/// Key and content, in the order of the flags.
type Entries = Vec<(String, Vec<u8>)>;

fn read(path: &str) -> Outcome<Vec<u8>> {
    std::fs::read(path).map_err(|e| {
        let operation = if e.kind() == std::io::ErrorKind::NotFound {
            "open"
        } else {
            "read"
        };
        Error::Message(
            format!(
                "error reading {path}: {operation} {path}: {}",
                gowords::errno(&e)
            )
            .replace(": open ", ": ")
            .replace(&format!("{path}: {path}: "), &format!("{path}: ")),
        )
    })
}

fn gather(cx: &Cx) -> Outcome<Entries> {
    let (files, literals, env) = (
        cx.flags.list("from-file"),
        list_or_empty(cx, "from-literal"),
        list_or_empty(cx, "from-env-file"),
    );
    if !env.is_empty() && (!files.is_empty() || !literals.is_empty()) {
        return fail("from-env-file cannot be combined with from-file or from-literal");
    }
    let mut entries = Entries::new();
    for source in files {
        from_file(source, &mut entries)?;
    }
    for literal in literals {
        let Some((key, value)) = literal.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return fail(format!(
                "invalid literal source {literal}, expected key=value"
            ));
        };
        entries.push((key.to_owned(), unquoted(value).as_bytes().to_vec()));
    }
    for file in env {
        let text = String::from_utf8_lossy(&read(file)?).into_owned();
        for line in text.lines() {
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = line.split_once('=').map_or(line, |(key, _)| key);
            if !key_good(key) || key.starts_with(|c: char| c.is_ascii_digit()) {
                return fail(format!(
                    "{} is not a valid key name: a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')",
                    kube::gofmt::quote(key)
                ));
            }
            match line.split_once('=') {
                Some((key, value)) => entries.push((key.to_owned(), value.as_bytes().to_vec())),
                None => {
                    let value = std::env::var(line).unwrap_or_default();
                    entries.push((line.to_owned(), value.into_bytes()));
                }
            }
        }
    }
    Ok(entries)
}

fn list_or_empty<'a>(cx: &'a Cx, flag: &str) -> Vec<&'a str> {
    if cx.flags.has(flag) {
        cx.flags.list(flag)
    } else {
        Vec::new()
    }
}

/// `"value"` and `'value'` lose their quotes.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value
            .strip_prefix(quote)
            .and_then(|v| v.strip_suffix(quote))
        {
            return inner;
        }
    }
    value
}

fn from_file(source: &str, entries: &mut Entries) -> Outcome {
    let (key, path) = match source.split_once('=') {
        Some(("", path)) => return fail(format!("key name for file path {path} missing")),
        Some((key, "")) => return fail(format!("file path for key name {key} missing")),
        Some((key, path)) if !path.contains('=') => (Some(key), path),
        Some(_) => return fail("key names or file paths cannot contain '='"),
        None => (None, source),
    };
    let meta = std::fs::metadata(path)
        .map_err(|e| Error::Message(format!("error reading {path}: {}", gowords::errno(&e))))?;
    if !meta.is_dir() {
        let name = Path::new(path)
            .file_name()
            .map(|n| n.to_string_lossy().into_owned());
        let key = key.map(str::to_owned).or(name).unwrap_or_default();
        entries.push((key, read(path)?));
        return Ok(());
    }
    if key.is_some() {
        return fail("cannot give a key name for a directory path");
    }
    let mut inside: Vec<_> = std::fs::read_dir(path)?.filter_map(Result::ok).collect();
    inside.sort_by_key(std::fs::DirEntry::file_name);
    for entry in inside {
        if entry.metadata().is_ok_and(|m| m.is_file()) {
            let file = entry.path().to_string_lossy().into_owned();
            entries.push((
                entry.file_name().to_string_lossy().into_owned(),
                read(&file)?,
            ));
        }
    }
    Ok(())
}

fn key_good(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 253
        && key != "."
        && !key.starts_with("..")
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

const KEY_RULE: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

pub(super) async fn configmap(cx: &Cx) -> Outcome {
    let name = one_name(cx)?;
    let (mut data, mut binary) = (Map::new(), Map::new());
    for (key, content) in gather(cx)? {
        if !key_good(&key) {
            return fail(format!(
                "{} is not a valid key name for a ConfigMap: {KEY_RULE}",
                kube::gofmt::quote(&key)
            ));
        }
        if data.contains_key(&key) || binary.contains_key(&key) {
            return fail(format!(
                "cannot add key \"{key}\", another key by that name already exists in Data for ConfigMap \"{name}\""
            ));
        }
        match String::from_utf8(content) {
            Ok(text) => data.insert(key, Value::from(text)),
            Err(bytes) => binary.insert(key, Value::from(STANDARD.encode(bytes.as_bytes()))),
        };
    }
    let mut object = begin("v1", "ConfigMap", name);
    if !data.is_empty() {
        object["data"] = Value::Object(data);
    }
    if !binary.is_empty() {
        object["binaryData"] = Value::Object(binary);
    }
    refuse_hash(cx)?;
    finish(cx, object, "failed to create configmap:").await
}

fn refuse_hash(cx: &Cx) -> Outcome {
    if cx.bool("append-hash") {
        return fail("--append-hash is not supported by this kubectl");
    }
    Ok(())
}

fn encode(entries: Entries) -> Outcome<Map<String, Value>> {
    let mut data = Map::new();
    for (key, content) in entries {
        if !key_good(&key) {
            return fail(format!(
                "{} is not valid key name for a Secret {KEY_RULE}",
                kube::gofmt::quote(&key)
            ));
        }
        if data
            .insert(key.clone(), Value::from(STANDARD.encode(content)))
            .is_some()
        {
            return fail(format!(
                "cannot add key {key}, another key by that name already exists"
            ));
        }
    }
    Ok(data)
}

pub(super) async fn generic(cx: &Cx) -> Outcome {
    let mut object = begin("v1", "Secret", one_name(cx)?);
    let data = encode(gather(cx)?)?;
    if !data.is_empty() {
        object["data"] = Value::Object(data);
    }
    if !cx.text("type").is_empty() {
        object["type"] = Value::from(cx.text("type"));
    }
    refuse_hash(cx)?;
    finish(cx, object, "failed to create secret").await
}

pub(super) async fn tls(cx: &Cx) -> Outcome {
    let name = one_name(cx)?;
    if cx.text("key").is_empty() || cx.text("cert").is_empty() {
        return fail("key and cert must be specified");
    }
    let file = |path: &str| {
        std::fs::read(path).map_err(|e| {
            Error::Message(format!(
                "Cannot read file {path}, open {path}: {}",
                gowords::errno(&e)
            ))
        })
    };
    let (certificate, key) = (file(cx.text("cert"))?, file(cx.text("key"))?);
    check_pair(&certificate, &key)?;
    let mut object = begin("v1", "Secret", name);
    object["data"] = Value::Object(encode(vec![
        ("tls.crt".to_owned(), certificate),
        ("tls.key".to_owned(), key),
    ])?);
    object["type"] = Value::from("kubernetes.io/tls");
    refuse_hash(cx)?;
    finish(cx, object, "failed to create secret").await
}

/// The pair must parse; that key and certificate belong together is checked as
/// far as rustls can tell.
fn check_pair(certificate: &[u8], key: &[u8]) -> Outcome {
    use rustls_pki_types::pem::PemObject as _;
    let no_pem =
        |what: &str| Error::Message(format!("tls: failed to find any PEM data in {what} input"));
    let chain: Result<Vec<_>, _> =
        rustls_pki_types::CertificateDer::pem_slice_iter(certificate).collect();
    let chain = chain
        .ok()
        .filter(|c| !c.is_empty())
        .ok_or_else(|| no_pem("certificate"))?;
    let key = rustls_pki_types::PrivateKeyDer::from_pem_slice(key).map_err(|_| no_pem("key"))?;
    let provider = rustls::crypto::ring::default_provider();
    match rustls::sign::CertifiedKey::from_der(chain, key, &provider) {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            fail("tls: private key does not match public key")
        }
        _ => Ok(()),
    }
}

pub(super) async fn registry(cx: &Cx) -> Outcome {
    let name = one_name(cx)?;
    let mut object = begin("v1", "Secret", name);
    object["type"] = Value::from("kubernetes.io/dockerconfigjson");
    if cx.flags.given("from-file") {
        let mut entries = Entries::new();
        for source in cx.flags.list("from-file") {
            from_file(source, &mut entries)?;
        }
        object["data"] = Value::Object(encode(entries)?);
        return finish(cx, object, "failed to create secret").await;
    }
    let (user, password, server) = (
        cx.text("docker-username"),
        cx.text("docker-password"),
        cx.text("docker-server"),
    );
    if user.is_empty() || password.is_empty() || server.is_empty() {
        return fail(
            "either --from-file or the combination of --docker-username, --docker-password and --docker-server is required",
        );
    }
    // The order of the fields is that of Google's struct, not the alphabet's.
    let quote = |text: &str| kube::gofmt::json_compact(&Value::from(text));
    let email = match cx.text("docker-email") {
        "" => String::new(),
        email => format!("\"email\":{},", quote(email)),
    };
    let content = format!(
        "{{\"auths\":{{{}:{{\"username\":{},\"password\":{},{email}\"auth\":{}}}}}}}",
        quote(server),
        quote(user),
        quote(password),
        quote(&STANDARD.encode(format!("{user}:{password}")))
    );
    object["data"] = Value::Object(encode(vec![(
        ".dockerconfigjson".to_owned(),
        content.into_bytes(),
    )])?);
    refuse_hash(cx)?;
    finish(cx, object, "failed to create secret").await
}
