//! `etcdctl txn`: compares and requests from standard input, a line each, an
//! empty line after each of the three groups.

use std::io::BufRead;

use wire::etcdserverpb as pb;
use wire::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use wire::etcdserverpb::request_op::Request;

use super::{Session, block_on, del, failed, get, put};
use crate::client::Retry;
use crate::exit::{Exit, Outcome, code};
use crate::flags::{self, Invocation};
use crate::go::{number, quote};
use crate::print;

/// The command.
pub fn run(invocation: &mut Invocation) -> Outcome {
    if !invocation.args().is_empty() {
        return Err(Exit::bad_args("txn command does not accept argument"));
    }
    let interactive = invocation.flag("interactive");
    let session = Session::open(invocation)?;
    let prompt = |text: &str| {
        if interactive {
            print::stdout(text.as_bytes())
        } else {
            Ok(())
        }
    };
    let mut input = std::io::stdin().lock();
    prompt("compares:\n")?;
    let compare = group(&mut input, parse_compare)?;
    prompt("success requests (get, put, del):\n")?;
    let success = group(&mut input, parse_request)?;
    prompt("failure requests (get, put, del):\n")?;
    let failure = group(&mut input, parse_request)?;
    block_on(async {
        let request = pb::TxnRequest {
            compare,
            success,
            failure,
        };
        let response: pb::TxnResponse = session
            .ask_patiently("/etcdserverpb.KV/Txn", request, Retry::Once)
            .await
            .map_err(failed)?;
        session.show(&response)
    })
}

fn invalid(text: impl Into<String>) -> Exit {
    Exit::new(code::INVALID_INPUT, text)
}

/// Reads lines up to an empty one.
fn group<T>(
    input: &mut impl BufRead,
    parse: impl Fn(&[u8]) -> Result<T, Exit>,
) -> Result<Vec<T>, Exit> {
    let mut items = Vec::new();
    loop {
        let mut line = Vec::new();
        input
            .read_until(b'\n', &mut line)
            .map_err(|error| invalid(error.to_string()))?;
        if line.last() != Some(&b'\n') {
            return Err(invalid("EOF"));
        }
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(items);
        }
        items.push(parse(line)?);
    }
}

/// What could be read of `"key") = "value"`.
#[derive(Default)]
struct Parts {
    key: Vec<u8>,
    operator: Vec<u8>,
    value: Vec<u8>,
}

impl Parts {
    /// Reads as far as the text makes sense; true when it does to the end.
    fn read(&mut self, text: &[u8]) -> bool {
        let Ok((key, rest)) = quote::unquote(text.trim_ascii_start()) else {
            return false;
        };
        self.key = key;
        let Some(rest) = rest.strip_prefix(b")") else {
            return false;
        };
        let rest = rest.trim_ascii_start();
        let end = rest
            .iter()
            .position(u8::is_ascii_whitespace)
            .unwrap_or(rest.len());
        self.operator = rest[..end].to_vec();
        let Ok((value, _)) = quote::unquote(rest[end..].trim_ascii_start()) else {
            return false;
        };
        self.value = value;
        !self.operator.is_empty()
    }
}

fn parse_compare(line: &[u8]) -> Result<pb::Compare, Exit> {
    let shown = String::from_utf8_lossy(line);
    let malformed = || invalid(format!("malformed comparison: {shown}"));
    let at = line.iter().position(|&b| b == b'(').ok_or_else(malformed)?;
    let target = String::from_utf8_lossy(&line[..at]);
    let mut parts = Parts::default();
    if !parts.read(&line[at + 1..]) {
        return Err(invalid(format!(
            "malformed comparison: {shown}; got {target}({}) {} {}",
            quote::quote(&parts.key),
            String::from_utf8_lossy(&parts.operator),
            quote::quote(&parts.value)
        )));
    }
    let number = || {
        number::parse_i64(&parts.value, 10)
            .map_err(|_| invalid(format!("invalid txn compare request: {shown}")))
    };
    let (target, union) = match target.as_ref() {
        "ver" | "version" => (CompareTarget::Version, TargetUnion::Version(number()?)),
        "c" | "create" => (
            CompareTarget::Create,
            TargetUnion::CreateRevision(number()?),
        ),
        "m" | "mod" => (CompareTarget::Mod, TargetUnion::ModRevision(number()?)),
        "val" | "value" => (
            CompareTarget::Value,
            TargetUnion::Value(parts.value.clone().into()),
        ),
        // The reference crashes on any lease; a number is the only sense it can have.
        "lease" => (CompareTarget::Lease, TargetUnion::Lease(number()?)),
        other => {
            return Err(invalid(format!(
                "malformed comparison: {shown} (unknown target {other})"
            )));
        }
    };
    let result = match parts.operator.as_slice() {
        b"=" => CompareResult::Equal,
        b"!=" => CompareResult::NotEqual,
        b">" => CompareResult::Greater,
        b"<" => CompareResult::Less,
        // The reference crashes here with "Unknown result op".
        _ => {
            return Err(invalid(format!(
                "malformed comparison: {shown} (unknown operator; use =, !=, < or >)"
            )));
        }
    };
    Ok(pb::Compare {
        result: result.into(),
        target: target.into(),
        key: parts.key.into(),
        target_union: Some(union),
        ..Default::default()
    })
}

fn parse_request(line: &[u8]) -> Result<pb::RequestOp, Exit> {
    let shown = String::from_utf8_lossy(line);
    let words = split_words(line)?;
    if words.len() < 2 {
        // The reference says "compare" here, too.
        return Err(invalid(format!("invalid txn compare request: {shown}")));
    }
    let unknown = || invalid(format!("invalid txn request: {shown}"));
    let (name, parsed) =
        flags::parse_line(&crate::tables::ETCDCTL, &words).map_err(|_| unknown())?;
    let request = match name {
        "get" => Request::RequestRange(get::request(&parsed)?),
        "put" => Request::RequestPut(put::request(&parsed)?),
        "del" => Request::RequestDeleteRange(del::request(&parsed)?),
        _ => return Err(unknown()),
    };
    Ok(pb::RequestOp {
        request: Some(request),
    })
}

/// Splits a line into words: double quotes with escapes, single quotes as they
/// stand, anything else up to a space.
pub fn split_words(line: &[u8]) -> Result<Vec<Vec<u8>>, Exit> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii();
    while let Some(&first) = rest.first() {
        let (word, tail) = match first {
            b'"' => quote::unquote(rest).map_err(|error| invalid(error.to_string()))?,
            b'\'' => match rest[1..].iter().position(|&b| b == b'\'') {
                Some(end) => (rest[1..=end].to_vec(), &rest[end + 2..]),
                None => (Vec::new(), &rest[1..]),
            },
            _ => {
                let end = rest
                    .iter()
                    .position(u8::is_ascii_whitespace)
                    .unwrap_or(rest.len());
                (rest[..end].to_vec(), &rest[end..])
            }
        };
        words.push(word);
        rest = tail.trim_ascii_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::{parse_compare, parse_request, split_words};
    use wire::etcdserverpb as pb;

    #[test]
    fn words() {
        let words = split_words(br#"put "a b" 'c d' e\f  g"#).unwrap();
        assert_eq!(words, [&b"put"[..], b"a b", b"c d", b"e\\f", b"g"]);
    }

    #[test]
    fn compares() {
        let compare = parse_compare(br#"value("b") = "1""#).unwrap();
        assert_eq!(
            (compare.target(), compare.result()),
            (
                pb::compare::CompareTarget::Value,
                pb::compare::CompareResult::Equal
            )
        );
        assert_eq!(&compare.key[..], b"b");
        let said = |line: &str| parse_compare(line.as_bytes()).unwrap_err().message.unwrap();
        assert_eq!(said("foo"), "malformed comparison: foo");
        assert_eq!(
            said(r#"value("b" = "1""#),
            r#"malformed comparison: value("b" = "1"; got value("b")  """#
        );
        assert_eq!(
            said(r#"x("b") = "1""#),
            r#"malformed comparison: x("b") = "1" (unknown target x)"#
        );
        assert_eq!(
            said(r#"ver("b") = "abc""#),
            r#"invalid txn compare request: ver("b") = "abc""#
        );
    }

    #[test]
    fn requests() {
        let op = parse_request(b"put a b --prev-kv")
            .unwrap()
            .request
            .unwrap();
        let pb::request_op::Request::RequestPut(put) = op else {
            panic!("not a put: {op:?}")
        };
        assert!(put.prev_kv);
        let said = |line: &str| parse_request(line.as_bytes()).unwrap_err().message.unwrap();
        assert_eq!(said("foo bar"), "invalid txn request: foo bar");
        assert_eq!(said("get"), "invalid txn compare request: get");
    }
}
