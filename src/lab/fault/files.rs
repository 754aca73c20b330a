//! What a fault makes of a node's files. Pure.

use kube::certificate::{self, Validity};

use super::{FaultError, FaultKind, damage, relay};

const DAY: i64 = 86_400;

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// It is another, with these bytes.
    Whole(Vec<u8>),
    /// It stays the file that it is, with its owner and length, and has these bytes at the
    /// offset.
    Patch { offset: u64, bytes: Vec<u8> },
}

/// What the fault makes of the files that it reads: the new contents of those that it
/// writes. `now` is in seconds since 1970.
///
/// # Errors
/// The files are not what the lab's author thought.
pub fn apply(kind: &FaultKind, read: &[Vec<u8>], now: i64) -> Result<Vec<Contents>, FaultError> {
    let bytes = |at: usize| read.get(at).map_or(&[][..], Vec::as_slice);
    match kind {
        FaultKind::Flag {
            manifest,
            flag,
            value,
        } => {
            let text = utf8(bytes(0), manifest)?;
            set_flag(text, flag, value.as_deref())
                .map(|text| whole([text]))
                .ok_or_else(|| FaultError::NoFlag {
                    file: manifest.clone(),
                    flag: flag.clone(),
                })
        }
        FaultKind::Text {
            file,
            find,
            becomes,
        } => {
            let text = utf8(bytes(0), file)?;
            match text.contains(find.as_str()) {
                true => Ok(whole([text.replace(find.as_str(), becomes)])),
                false => Err(no_text(file, find)),
            }
        }
        FaultKind::Truncated { percent, .. } => {
            let all = bytes(0);
            Ok(whole([&all[..all.len() * *percent as usize / 100]]))
        }
        FaultKind::Flipped { file, at } => flipped(bytes(0), at.as_bytes())
            .map(|all| whole([all]))
            .ok_or_else(|| no_text(file, at)),
        FaultKind::Expired { certificate } => {
            let valid = Validity {
                from: now - 366 * DAY,
                until: now - DAY,
            };
            let (ca, key) = (utf8(bytes(1), certificate)?, utf8(bytes(2), certificate)?);
            reissue(certificate, bytes(0), ca, key, valid)
        }
        FaultKind::Foreign { certificate } => {
            let valid = Validity {
                from: now - DAY,
                until: now + 365 * DAY,
            };
            let other = certificate::impostor(utf8(bytes(1), certificate)?, valid)
                .map_err(wrong_certificate(certificate))?;
            reissue(certificate, bytes(0), &other.cert, &other.key, valid)
        }
        FaultKind::Damaged { file } => damage::of(file, bytes(0)).map(|patch| vec![patch]),
        FaultKind::Line {
            port,
            file,
            hold_ms,
            ..
        } => {
            let text = utf8(bytes(0), file)?;
            let (behind, listen) =
                relay::behind(text, *port).ok_or_else(|| FaultError::NoPort {
                    file: file.clone(),
                    port: *port,
                })?;
            let conf = relay::line(&listen, *port, *hold_ms);
            Ok(whole([conf, relay::unit("peer-link"), behind]))
        }
        FaultKind::Taken { address, by } => {
            Ok(whole([relay::leading_nowhere(address), relay::unit(by)]))
        }
        FaultKind::Killed { .. } | FaultKind::Lost { .. } | FaultKind::Exhausted { .. } => {
            Ok(Vec::new())
        }
    }
}

fn whole<T: Into<Vec<u8>>, const N: usize>(files: [T; N]) -> Vec<Contents> {
    files
        .into_iter()
        .map(|file| Contents::Whole(file.into()))
        .collect()
}

fn reissue(
    file: &str,
    old: &[u8],
    authority: &str,
    key: &str,
    valid: Validity,
) -> Result<Vec<Contents>, FaultError> {
    let pair = certificate::reissue(utf8(old, file)?, authority, key, valid)
        .map_err(wrong_certificate(file))?;
    Ok(whole([pair.cert, pair.key]))
}

fn utf8<'a>(bytes: &'a [u8], file: &str) -> Result<&'a str, FaultError> {
    std::str::from_utf8(bytes).map_err(|_| FaultError::NoUtf8(file.to_owned()))
}

/// The bytes with another one where `wanted` begins, in its last place: a letter's other case,
/// or a digit's neighbour, so that it stays readable, and wrong. `None` if it is not there.
fn flipped(bytes: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let length = std::num::NonZero::new(wanted.len())?;
    let mut windows = bytes.windows(length.get());
    let place = windows.rposition(|window| window == wanted)?;
    let mut all = bytes.to_vec();
    all[place] ^= if all[place].is_ascii_digit() { 1 } else { 0x20 };
    Some(all)
}

fn no_text(file: &str, text: &str) -> FaultError {
    FaultError::NoText {
        file: file.to_owned(),
        text: text.to_owned(),
    }
}

fn wrong_certificate(file: &str) -> impl Fn(certificate::CertificateError) -> FaultError {
    move |source| FaultError::Certificate {
        file: file.to_owned(),
        source,
    }
}

/// Changes one word of a manifest's command and nothing else. A flag that is not there
/// yet is added after the command's first word. `None` if there is nothing to change.
fn set_flag(text: &str, flag: &str, value: Option<&str>) -> Option<String> {
    let is_it = |line: &str| {
        let word = line.trim_start().strip_prefix("- ").unwrap_or_default();
        word == flag
            || word
                .strip_prefix(flag)
                .is_some_and(|rest| rest.starts_with('='))
    };
    let is_command = |line: &str| line.trim_start() == "- command:";
    let there = text.lines().any(is_it);
    let mut changed = String::new();
    let mut done = false;
    let mut in_command = false;
    for line in text.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        if is_it(line) {
            done = true;
            if let Some(value) = value {
                changed += &format!("{indent}- {flag}={value}\n");
            }
            continue;
        }
        changed += line;
        changed.push('\n');
        if in_command && !there && !done {
            if let Some(value) = value {
                changed += &format!("{indent}- {flag}={value}\n");
                done = true;
            }
            in_command = false;
        }
        in_command |= is_command(line);
    }
    done.then_some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "spec:\n  containers:\n  - command:\n    - etcd\n    - --name=a\n    \
                            - --name-x=b\n    image: e\n";

    #[test]
    fn one_flag_changes_and_nothing_else() {
        for (flag, value, expected) in [
            (
                "--name",
                Some("z"),
                Some(MANIFEST.replace("--name=a", "--name=z")),
            ),
            (
                "--name",
                None,
                Some(MANIFEST.replace("    - --name=a\n", "")),
            ),
            (
                "--new",
                Some("1"),
                Some(MANIFEST.replace("- etcd\n", "- etcd\n    - --new=1\n")),
            ),
            ("--new", None, None),
        ] {
            assert_eq!(set_flag(MANIFEST, flag, value), expected, "{flag}");
        }
    }

    #[test]
    fn files_are_broken_as_told() {
        let file = || "/x".to_owned();
        let half = FaultKind::Truncated {
            file: file(),
            percent: 50,
        };
        let found = apply(&half, &[b"abcd".to_vec()], 0).unwrap();
        assert_eq!(found, whole([b"ab"]));
        let flipped = FaultKind::Flipped {
            file: file(),
            at: "42".into(),
        };
        let found = apply(&flipped, &[b"a 42 b 42 c".to_vec()], 0).unwrap();
        assert_eq!(found, whole([b"a 42 b 52 c"]));
        let missing = apply(&flipped, &[b"nothing".to_vec()], 0).unwrap_err();
        assert_eq!(missing.to_string(), "/x does not hold \"42\"");
    }
}
