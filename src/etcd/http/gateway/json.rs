//! Protobuf's JSON for the messages of the v3 API: 64-bit numbers as strings,
//! bytes in base64, names as in the `.proto` text, nothing that is zero.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use bytes::{Buf, Bytes};
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use prost_types::field_descriptor_proto::Type;
use serde_json::Value;

use super::schema::{Field, Schema, Shape};

/// Messages within messages: a txn may hold txns.
const MAX_DEPTH: u32 = 100;
/// Takes base64 with and without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Turns JSON into the bytes of a message. Unknown names are passed over, as the
/// reference does.
///
/// # Errors
/// What does not fit, in the words of Go's protobuf but for the place.
pub(super) fn to_bytes(schema: &Schema, type_name: &str, json: &Value) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    encode(schema, type_name, json, &mut out, MAX_DEPTH)?;
    Ok(out)
}

fn encode(
    schema: &Schema,
    type_name: &str,
    json: &Value,
    out: &mut Vec<u8>,
    depth: u32,
) -> Result<(), String> {
    let shape = schema
        .message(type_name)
        .ok_or_else(|| format!("proto: unknown message {type_name}"))?;
    let Value::Object(map) = json else {
        return Err(format!("proto: unexpected token {json}"));
    };
    if depth == 0 {
        return Err("proto: exceeded maximum recursion depth".into());
    }
    for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        let Some(field) = shape.by_name(name) else {
            continue;
        };
        match (field.repeated, value) {
            (true, Value::Array(items)) => {
                for item in items {
                    encode_field(schema, field, item, out, depth)?;
                }
            }
            (true, other) => return Err(format!("proto: unexpected token {other}")),
            (false, value) => encode_field(schema, field, value, out, depth)?,
        }
    }
    Ok(())
}

fn encode_field(
    schema: &Schema,
    field: &Field,
    value: &Value,
    out: &mut Vec<u8>,
    depth: u32,
) -> Result<(), String> {
    let invalid = |kind: &str| {
        format!(
            "proto: invalid value for {kind} field {}: {value}",
            field.name
        )
    };
    let mut varint = |number: u64| {
        encode_key(field.number, WireType::Varint, out);
        encode_varint(number, out);
    };
    match field.kind {
        Type::Bool => varint(u64::from(value.as_bool().ok_or_else(|| invalid("bool"))?)),
        Type::Int64 => varint(
            signed(value)
                .ok_or_else(|| invalid("int64"))?
                .cast_unsigned(),
        ),
        Type::Int32 => {
            let number = signed(value)
                .and_then(|number| i32::try_from(number).ok())
                .ok_or_else(|| invalid("int32"))?;
            varint(i64::from(number).cast_unsigned());
        }
        Type::Uint64 => varint(unsigned(value).ok_or_else(|| invalid("uint64"))?),
        Type::Uint32 => {
            let number = unsigned(value).filter(|number| u32::try_from(*number).is_ok());
            varint(number.ok_or_else(|| invalid("uint32"))?);
        }
        Type::Enum => {
            let number = match value {
                Value::String(name) => schema.enum_number(&field.type_name, name),
                other => signed(other).and_then(|number| i32::try_from(number).ok()),
            };
            varint(i64::from(number.ok_or_else(|| invalid("enum"))?).cast_unsigned());
        }
        Type::String => {
            let text = value.as_str().ok_or_else(|| invalid("string"))?;
            length_delimited(field.number, text.as_bytes(), out);
        }
        Type::Bytes => {
            let text = value.as_str().ok_or_else(|| invalid("bytes"))?;
            // Both alphabets are allowed.
            let text = text.replace('-', "+").replace('_', "/");
            let bytes = LENIENT.decode(text).map_err(|_| invalid("bytes"))?;
            length_delimited(field.number, &bytes, out);
        }
        Type::Message => {
            let mut inner = Vec::new();
            encode(schema, &field.type_name, value, &mut inner, depth - 1)?;
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

fn length_delimited(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn signed(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn unsigned(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
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
        });
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
        let error = |text: Value| {
            to_bytes(Schema::get(), ".etcdserverpb.RangeRequest", &text).expect_err("bad JSON")
        };
        assert_eq!(
            error(json!({ "key": 5 })),
            "proto: invalid value for bytes field key: 5"
        );
        assert_eq!(
            error(json!({ "limit": "x" })),
            "proto: invalid value for int64 field limit: \"x\""
        );
        assert_eq!(
            error(json!({ "sort_order": "UP" })),
            "proto: invalid value for enum field sort_order: \"UP\""
        );
        assert_eq!(error(json!([1])), "proto: unexpected token [1]");
    }
}
