//! `etcdctl role …`.

use prost::Message as _;
use wire::authpb::{Permission, permission::Type};
use wire::etcdserverpb as pb;

use super::user::{done, with_list};
use super::{Session, block_on, failed, prefix_end};
use crate::client::Retry;
use crate::exit::{Exit, Outcome};
use crate::flags::{Invocation, Parsed};
use crate::json::Object;
use crate::print::{Sentence, fields, json};

/// The end of a range that has none.
const OPEN: &[u8] = &[0];

fn only_name(invocation: &Invocation, command: &str) -> Result<String, Exit> {
    match invocation.args() {
        [name] => Ok(String::from_utf8_lossy(name).into_owned()),
        _ => Err(Exit::bad_args(format!(
            "role {command} command requires role name as its argument"
        ))),
    }
}

/// `role add`.
pub fn add(invocation: &mut Invocation) -> Outcome {
    let name = only_name(invocation, "add")?;
    let session = Session::open(invocation)?;
    block_on(async {
        let request = pb::AuthRoleAddRequest { name: name.clone() };
        let response: pb::AuthRoleAddResponse = session
            .ask_patiently("/etcdserverpb.Auth/RoleAdd", request, Retry::Once)
            .await
            .map_err(failed)?;
        let bytes = response.encode_to_vec();
        session.show(&done(
            format!("Role {name} created"),
            response.header,
            bytes,
        ))
    })
}

/// `role delete`.
pub fn delete(invocation: &mut Invocation) -> Outcome {
    let role = only_name(invocation, "delete")?;
    let session = Session::open(invocation)?;
    block_on(async {
        let request = pb::AuthRoleDeleteRequest { role: role.clone() };
        let response: pb::AuthRoleDeleteResponse = session
            .ask_patiently("/etcdserverpb.Auth/RoleDelete", request, Retry::Once)
            .await
            .map_err(failed)?;
        let bytes = response.encode_to_vec();
        session.show(&done(
            format!("Role {role} deleted"),
            response.header,
            bytes,
        ))
    })
}

/// `role get`.
pub fn get(invocation: &mut Invocation) -> Outcome {
    let role = only_name(invocation, "get")?;
    let session = Session::open(invocation)?;
    block_on(show(&session, &role))
}

/// Asks for a role's permissions and prints them.
pub async fn show(session: &Session, role: &str) -> Outcome {
    let request = pb::AuthRoleGetRequest { role: role.into() };
    let response: pb::AuthRoleGetResponse = session
        .ask_patiently("/etcdserverpb.Auth/RoleGet", request, Retry::Repeatable)
        .await
        .map_err(failed)?;
    let encoded = response.encode_to_vec();
    let json = Object::default()
        .option("header", response.header.as_ref(), json::header)
        .list_omit("perm", &response.perm, |permission| {
            Object::default()
                .plain_omit("permType", permission.perm_type)
                .bytes_omit("key", &permission.key)
                .bytes_omit("range_end", &permission.range_end)
                .end()
        })
        .end();
    session.show(&Sentence {
        text: permissions(role, &response.perm),
        json,
        protobuf: Some(encoded),
        fields: Some(fields::role(&response)),
    })
}

fn permissions(role: &str, all: &[Permission]) -> String {
    let mut text = format!("Role {role}");
    for (title, wanted) in [("KV Read:", Type::Read), ("KV Write:", Type::Write)] {
        text.push('\n');
        text.push_str(title);
        for permission in all {
            let kind = permission.perm_type();
            if kind == wanted || kind == Type::Readwrite {
                text.push_str("\n\t");
                text.push_str(&keys(permission));
            }
        }
    }
    text
}

/// A key, or `[from, to)`.
fn keys(permission: &Permission) -> String {
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (key, end) = (&permission.key[..], &permission.range_end[..]);
    if end.is_empty() {
        return shown(key);
    }
    let mut text = match end {
        // The bracket that would close it is missing in the reference, too.
        OPEN => format!("[{}, <open ended>", shown(key)),
        end => format!("[{}, {})", shown(key), shown(end)),
    };
    if prefix_end(key) == end {
        text.push_str(&format!(" (prefix {})", shown(key)));
    }
    text
}

/// `role list`.
pub fn list(invocation: &mut Invocation) -> Outcome {
    if !invocation.args().is_empty() {
        return Err(Exit::bad_args("role list command requires no arguments"));
    }
    let session = Session::open(invocation)?;
    block_on(async {
        let response: pb::AuthRoleListResponse = session
            .ask_patiently(
                "/etcdserverpb.Auth/RoleList",
                pb::AuthRoleListRequest {},
                Retry::Repeatable,
            )
            .await
            .map_err(failed)?;
        let bytes = response.encode_to_vec();
        let json = with_list(response.header.as_ref(), "roles", &response.roles);
        session.show(&Sentence {
            text: response.roles.join("\n"),
            json,
            protobuf: Some(bytes),
            fields: Some(fields::roles(&response)),
        })
    })
}

/// `role grant-permission`.
pub fn grant(invocation: &mut Invocation) -> Outcome {
    let [role, kind, keys @ ..] = invocation.args() else {
        return Err(Exit::bad_args(GRANT_NEEDS));
    };
    if keys.is_empty() {
        return Err(Exit::bad_args(GRANT_NEEDS));
    }
    let role = String::from_utf8_lossy(role).into_owned();
    let kind = permission_type(&String::from_utf8_lossy(kind))?;
    let (key, range_end) = range(keys, &invocation.parsed)?;
    let session = Session::open(invocation)?;
    block_on(async {
        let request = pb::AuthRoleGrantPermissionRequest {
            name: role.clone(),
            perm: Some(Permission {
                perm_type: kind.into(),
                key: key.into(),
                range_end: range_end.into(),
            }),
        };
        let response: pb::AuthRoleGrantPermissionResponse = session
            .ask_patiently(
                "/etcdserverpb.Auth/RoleGrantPermission",
                request,
                Retry::Once,
            )
            .await
            .map_err(failed)?;
        let bytes = response.encode_to_vec();
        session.show(&done(
            format!("Role {role} updated"),
            response.header,
            bytes,
        ))
    })
}

const GRANT_NEEDS: &str =
    "role grant command requires role name, permission type, and key [endkey] as its argument";

fn permission_type(typed: &str) -> Result<Type, Exit> {
    match typed.to_uppercase().as_str() {
        "READ" => Ok(Type::Read),
        "WRITE" => Ok(Type::Write),
        "READWRITE" => Ok(Type::Readwrite),
        _ => Err(Exit::bad_args(format!("invalid permission type: {typed}"))),
    }
}

/// `role revoke-permission`.
pub fn revoke(invocation: &mut Invocation) -> Outcome {
    let args = invocation.args();
    if args.len() < 2 {
        return Err(Exit::bad_args(
            "role revoke-permission command requires role name and key [endkey] as its argument",
        ));
    }
    let role = String::from_utf8_lossy(&args[0]).into_owned();
    let typed = String::from_utf8_lossy(&args[1]).into_owned();
    let (key, range_end) = range(&args[1..], &invocation.parsed)?;
    let session = Session::open(invocation)?;
    block_on(async {
        let request = pb::AuthRoleRevokePermissionRequest {
            role: role.clone(),
            key: key.into(),
            range_end: range_end.clone().into(),
        };
        let response: pb::AuthRoleRevokePermissionResponse = session
            .ask_patiently(
                "/etcdserverpb.Auth/RoleRevokePermission",
                request,
                Retry::Once,
            )
            .await
            .map_err(failed)?;
        let what = match range_end.as_slice() {
            [] => format!("Permission of key {typed}"),
            OPEN => format!("Permission of range [{typed}, <open ended>"),
            end => format!(
                "Permission of range [{typed}, {})",
                String::from_utf8_lossy(end)
            ),
        };
        let bytes = response.encode_to_vec();
        let text = format!("{what} is revoked from role {role}");
        session.show(&done(text, response.header, bytes))
    })
}

/// The keys that arguments and flags name. Without a key a single permission is that
/// of the key of one zero byte, as in the reference.
fn range(keys: &[Vec<u8>], flags: &Parsed) -> Result<(Vec<u8>, Vec<u8>), Exit> {
    let (prefix, from_key) = (flags.boolean("prefix"), flags.boolean("from-key"));
    let key = &keys[0];
    let both = || Exit::bad_args("--from-key and --prefix flags are mutually exclusive");
    if key.is_empty() {
        if prefix && from_key {
            return Err(both());
        }
        let end = if prefix || from_key { OPEN } else { &[] };
        return Ok((vec![0], end.to_vec()));
    }
    let unexpected =
        |flag: &str| Exit::bad_args(format!("unexpected endkey argument with --{flag} flag"));
    let end = match keys.get(1) {
        None if prefix && from_key => return Err(both()),
        None if prefix => prefix_end(key),
        None if from_key => OPEN.to_vec(),
        None => Vec::new(),
        Some(_) if prefix => return Err(unexpected("prefix")),
        Some(_) if from_key => return Err(unexpected("from-key")),
        Some(end) => end.clone(),
    };
    Ok((key.clone(), end))
}

#[cfg(test)]
mod tests {
    use super::{Permission, Type, permissions};

    #[test]
    fn a_role_as_text() {
        let permission = |kind: Type, key: &str, end: &[u8]| Permission {
            perm_type: kind.into(),
            key: key.as_bytes().to_vec().into(),
            range_end: end.to_vec().into(),
        };
        let all = [
            permission(Type::Read, "a", b""),
            permission(Type::Write, "b", b"c"),
            permission(Type::Readwrite, "d", &[0]),
        ];
        assert_eq!(
            permissions("r", &all),
            "Role r\nKV Read:\n\ta\n\t[d, <open ended>\nKV Write:\n\t[b, c) (prefix b)\n\t[d, <open ended>"
        );
    }
}
