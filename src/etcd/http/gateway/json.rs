//! Protobuf's JSON for the messages of the v3 API: 64-bit numbers as strings,
//! bytes in base64, names as in the `.proto` text, nothing that is zero.

use std::collections::BTreeSet;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use bytes::{Buf, Bytes};
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use prost_types::field_descriptor_proto::Type;
use serde_json::Value;

use super::{
    schema::{Field, Schema, Shape},
    text::{self, Kind, Node},
};

/// Messages within messages: a txn may hold txns.
const MAX_DEPTH: u32 = 100;
/// Takes base64 with and without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Turns JSON into the bytes of a message. Unknown names, and names of enums that are
/// not known, are passed over, as the reference does.
///
/// # Errors
/// What is no JSON or does not fit, in the words of Go's libraries.
pub(super) fn to_bytes(schema: &Schema, type_name: &str, text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let writer = Writer { schema, text };
    writer.message(type_name, &text::read(text)?, &mut out, MAX_DEPTH)?;
    Ok(out)
}

struct Writer<'a> {
    schema: &'a Schema,
    text: &'a str,
}

impl Writer<'_> {
    /// "proto: (line 1:8): …", as `protobuf-go/internal/encoding/json` has it.
    fn error(&self, node: &Node<'_>, words: &str) -> String {
        let (line, column) = text::place(self.text, node.start);
        format!("proto: (line {line}:{column}): {words}")
    }

    fn unexpected(&self, node: &Node<'_>) -> String {
        let (line, column) = text::place(self.text, node.start);
        let token = node.token();
        format!("proto: syntax error (line {line}:{column}): unexpected token {token}")
    }

    fn message(
        &self,
        type_name: &str,
        node: &Node<'_>,
        out: &mut Vec<u8>,
        depth: u32,
    ) -> Result<(), String> {
        let shape = self
            .schema
            .message(type_name)
            .ok_or_else(|| format!("proto: unknown message {type_name}"))?;
        let Kind::Object(fields) = &node.kind else {
            return Err(self.unexpected(node));
        };
        if depth == 0 {
            return Err("proto: exceeded maximum recursion depth".into());
        }
        let (mut seen, mut chosen) = (BTreeSet::new(), BTreeSet::new());
        for (name, value) in fields {
            let Kind::String(_, meaning) = &name.kind else {
                continue;
            };
            let Some(field) = shape.by_name(meaning) else {
                continue;
            };
            if !seen.insert(field.number) {
                let words = format!("duplicate field {}", name.token());
                return Err(self.error(name, &words));
            }
            match (field.repeated, &value.kind) {
                (_, Kind::Null) => {}
                (true, Kind::List(items)) => {
                    for item in items {
                        self.field(field, item, out, depth)?;
                    }
                }
                (true, _) => return Err(self.unexpected(value)),
                (false, _) => {
                    if let Some(choice) = &field.choice
                        && !chosen.insert(choice)
                    {
                        let token = name.token();
                        let words = format!("error parsing {token}, oneof {choice} is already set");
                        return Err(self.error(name, &words));
                    }
                    self.field(field, value, out, depth)?;
                }
            }
        }
        Ok(())
    }

    fn field(
        &self,
        field: &Field,
        value: &Node<'_>,
        out: &mut Vec<u8>,
        depth: u32,
    ) -> Result<(), String> {
        let invalid = |kind: &str| {
            let (name, token) = (&field.json_name, value.token());
            let words = format!("invalid value for {kind} field {name}: {token}");
            self.error(value, &words)
        };
        let mut varint = |number: u64| {
            encode_key(field.number, WireType::Varint, out);
            encode_varint(number, out);
        };
        match field.kind {
            Type::Bool => match value.kind {
                Kind::Bool(yes) => varint(u64::from(yes)),
                _ => return Err(invalid("bool")),
            },
            Type::Int64 => varint(
                integer(value)
                    .and_then(|number| i64::try_from(number).ok())
                    .ok_or_else(|| invalid("int64"))?
                    .cast_unsigned(),
            ),
            Type::Int32 => {
                let number = integer(value).and_then(|number| i32::try_from(number).ok());
                let number = number.ok_or_else(|| invalid("int32"))?;
                varint(i64::from(number).cast_unsigned());
            }
            Type::Uint64 => {
                let number = integer(value).and_then(|number| u64::try_from(number).ok());
                varint(number.ok_or_else(|| invalid("uint64"))?);
            }
            Type::Uint32 => {
                let number = integer(value).and_then(|number| u32::try_from(number).ok());
                varint(u64::from(number.ok_or_else(|| invalid("uint32"))?));
            }
            Type::Enum => {
                let number = match &value.kind {
                    // A name that is not known stands for nothing.
                    Kind::String(_, name) => {
                        Some(self.schema.enum_number(&field.type_name, name).unwrap_or(0))
                    }
                    Kind::Number(_) => integer(value).and_then(|number| i32::try_from(number).ok()),
                    _ => None,
                };
                let number = number.ok_or_else(|| invalid("enum"))?;
                varint(i64::from(number).cast_unsigned());
            }
            Type::String => match &value.kind {
                Kind::String(_, text) => length_delimited(field.number, text.as_bytes(), out),
                _ => return Err(invalid("string")),
            },
            Type::Bytes => {
                let Kind::String(_, text) = &value.kind else {
                    return Err(invalid("bytes"));
                };
                // Both alphabets are allowed.
                let text = text.replace('-', "+").replace('_', "/");
                let bytes = LENIENT.decode(text).map_err(|_| invalid("bytes"))?;
                length_delimited(field.number, &bytes, out);
            }
            Type::Message => {
                let mut inner = Vec::new();
                self.message(&field.type_name, value, &mut inner, depth - 1)?;
                length_delimited(field.number, &inner, out);
            }
            other => {
                return Err(format!(
                    "proto: a field of type {other:?} is not part of this API"
                ));
            }
        }
        Ok(())
    }
}

/// A whole number: digits, perhaps with an exponent, perhaps within quotes.
fn integer(value: &Node<'_>) -> Option<i128> {
    let text = match &value.kind {
        Kind::Number(raw) => raw,
        Kind::String(_, text) => match text::read(text).ok()?.kind {
            // Nothing may stand around it.
            Kind::Number(raw) if raw == text => text.as_str(),
            _ => return None,
        },
        _ => return None,
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let shift: i64 = exponent.parse::<i64>().ok()? - i64::try_from(fraction.len()).ok()?;
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    match u32::try_from(shift) {
        Ok(shift) => digits.checked_mul(10_i128.checked_pow(shift)?),
        Err(_) => {
            let shift = u32::try_from(-shift).ok()?;
            let divisor = 10_i128.checked_pow(shift)?;
            (digits % divisor == 0).then_some(digits / divisor)
        }
    }
}

fn length_delimited(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// JSON that keeps its fields in the order of the `.proto` text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    /// Anything without parts.
    Plain(Value),
    /// A repeated field.
    List(Vec<Json>),
    /// A message.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Writes it; `comma` stands between parts.
    pub(super) fn text(&self, comma: &str) -> String {
        match self {
            Self::Plain(value) => value.to_string(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.text(comma)).collect();
                format!("[{}]", items.join(comma))
            }
            Self::Object(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| {
                        format!("{}:{}", Value::from(name.as_str()), value.text(comma))
                    })
                    .collect();
                format!("{{{}}}", fields.join(comma))
            }
        }
    }
}

/// Turns the bytes of a message into JSON.
///
/// # Errors
/// Where the bytes break; those of this server never do.
pub(super) fn from_bytes(
    schema: &Schema,
    type_name: &str,
    mut bytes: Bytes,
) -> Result<Json, String> {
    decode(schema, type_name, &mut bytes, MAX_DEPTH)
}

fn decode(schema: &Schema, type_name: &str, bytes: &mut Bytes, depth: u32) -> Result<Json, String> {
    let empty = Shape::default();
    let shape = schema.message(type_name).unwrap_or(&empty);
    if depth == 0 {
        return Err("proto: exceeded maximum recursion depth".into());
    }
    // One place for each field of the text.
    let mut found: Vec<Option<Json>> = shape.fields.iter().map(|_| None).collect();
    while bytes.has_remaining() {
        let (number, wire_type) = decode_key(bytes).map_err(|error| error.to_string())?;
        let place = shape.fields.iter().position(|field| field.number == number);
        let field = place.map(|place| (&shape.fields[place], &mut found[place]));
        match wire_type {
            WireType::Varint => {
                let number = decode_varint(bytes).map_err(|error| error.to_string())?;
                if let Some((field, slot)) = field {
                    add(
                        slot,
                        field,
                        Json::Plain(varint_value(schema, field, number)),
                    );
                }
            }
            WireType::LengthDelimited => {
                let length = decode_varint(bytes).map_err(|error| error.to_string())?;
                let length = usize::try_from(length)
                    .ok()
                    .filter(|length| *length <= bytes.len());
                let mut inner = bytes.split_to(length.ok_or("proto: unexpected EOF")?);
                if let Some((field, slot)) = field {
                    let value = delimited_value(schema, field, &mut inner, depth)?;
                    add(slot, field, value);
                }
            }
            other => {
                return Err(format!(
                    "proto: wire type {other:?} is not part of this API"
                ));
            }
        }
    }
    let named = shape
        .fields
        .iter()
        .zip(found)
        .filter_map(|(field, value)| Some((field.name.clone(), value?)));
    Ok(Json::Object(named.collect()))
}

fn add(slot: &mut Option<Json>, field: &Field, value: Json) {
    match slot {
        Some(Json::List(items)) if field.repeated => items.push(value),
        _ if field.repeated => *slot = Some(Json::List(vec![value])),
        _ => *slot = Some(value),
    }
}

fn varint_value(schema: &Schema, field: &Field, number: u64) -> Value {
    match field.kind {
        Type::Bool => Value::Bool(number != 0),
        Type::Int64 => Value::String(number.cast_signed().to_string()),
        Type::Uint64 => Value::String(number.to_string()),
        Type::Uint32 => Value::from(number),
        Type::Enum => {
            // Enums are 32 bits wide; what is wider was not written by anyone.
            let number = i32::try_from(number.cast_signed()).unwrap_or_default();
            schema
                .enum_name(&field.type_name, number)
                .map_or(Value::from(number), Value::from)
        }
        _ => Value::from(number.cast_signed()),
    }
}

fn delimited_value(
    schema: &Schema,
    field: &Field,
    inner: &mut Bytes,
    depth: u32,
) -> Result<Json, String> {
    Ok(match field.kind {
        Type::Message => decode(schema, &field.type_name, inner, depth - 1)?,
        Type::Bytes => Json::Plain(Value::String(STANDARD.encode(&*inner))),
        _ => Json::Plain(Value::String(String::from_utf8_lossy(inner).into_owned())),
    })
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use serde_json::json;
    use wire::etcdserverpb::{Compare, RangeRequest, RequestOp, TxnRequest, compare, request_op};

    use super::*;

    #[test]
    fn a_txn_travels_both_ways() {
        let text = json!({
            "compare": [{ "result": "EQUAL", "target": "VALUE", "key": "YQ==", "value": "Yg==" }],
            "success": [{ "requestRange": { "key": "YQ", "revision": -1, "limit": "9007199254740993" } }],
            "unknown": 1,
            "failure": null,
        })
        .to_string();
        let schema = Schema::get();
        let bytes = to_bytes(schema, ".etcdserverpb.TxnRequest", &text).expect("good JSON");
        let range = RangeRequest {
            key: "a".into(),
            revision: -1,
            limit: 9_007_199_254_740_993,
            ..RangeRequest::default()
        };
        let wanted = TxnRequest {
            compare: vec![Compare {
                target: compare::CompareTarget::Value as i32,
                key: "a".into(),
                target_union: Some(compare::TargetUnion::Value("b".into())),
                ..Compare::default()
            }],
            success: vec![RequestOp {
                request: Some(request_op::Request::RequestRange(range)),
            }],
            failure: vec![],
        };
        assert_eq!(TxnRequest::decode(&bytes[..]).expect("a message"), wanted);
        let back = from_bytes(
            schema,
            ".etcdserverpb.TxnRequest",
            wanted.encode_to_vec().into(),
        )
        .expect("a message");
        assert_eq!(
            back.text(","),
            "{\"compare\":[{\"target\":\"VALUE\",\"key\":\"YQ==\",\"value\":\"Yg==\"}],\"success\":[{\"request_range\":{\"key\":\"YQ==\",\"limit\":\"9007199254740993\",\"revision\":\"-1\"}}]}"
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let read = |text: &str| to_bytes(Schema::get(), ".etcdserverpb.RangeRequest", text);
        for (text, wanted) in [
            (
                "{\"key\":5}",
                "(line 1:8): invalid value for bytes field key: 5",
            ),
            (
                "{\n \"limit\": \"x\"}",
                "(line 2:11): invalid value for int64 field limit: \"x\"",
            ),
            (
                "{\"limit\":1.5}",
                "(line 1:10): invalid value for int64 field limit: 1.5",
            ),
            (
                "{\"sort_order\":true}",
                "(line 1:15): invalid value for enum field sortOrder: true",
            ),
            (
                "{\"key\":\"\",\"key\":\"\"}",
                "(line 1:11): duplicate field \"key\"",
            ),
            ("[1]", "syntax error (line 1:1): unexpected token ["),
        ] {
            assert_eq!(read(text), Err(format!("proto: {wanted}")), "{text}");
        }
        for whole in ["100", "1e2", "\"1e2\"", "100.0", "1000e-1"] {
            assert_eq!(
                read(&format!("{{\"limit\":{whole}}}")),
                read("{\"limit\":\"100\"}")
            );
        }
        assert_eq!(read("{\"sort_order\":\"UP\"}"), read("{\"sort_order\":0}"));
    }
}
