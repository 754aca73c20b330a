//! `etcdctl user …`.

use prost::Message as _;
use wire::authpb;
use wire::etcdserverpb as pb;

use super::{Session, block_on, failed, role};
use crate::client::Retry;
use crate::exit::{Exit, Outcome};
use crate::flags::{Invocation, Parsed};
use crate::json::{Object, list, string};
use crate::password;
use crate::print::{self, Sentence, fields, json};

/// `user add`.
pub fn add(invocation: &mut Invocation) -> Outcome {
    let [typed] = invocation.args() else {
        return Err(Exit::bad_args(
            "user add command requires user name as its argument",
        ));
    };
    let typed = String::from_utf8_lossy(typed).into_owned();
    let no_password = invocation.flag("no-password");
    let (name, password) = match no_password {
        true => (typed, String::new()),
        false => name_and_password(typed, &invocation.parsed)?,
    };
    let session = Session::open(invocation)?;
    block_on(async {
        let request = pb::AuthUserAddRequest {
            name: name.clone(),
            password,
            options: Some(authpb::UserAddOptions { no_password }),
            ..Default::default()
        };
        let response: pb::AuthUserAddResponse = session
            .ask_patiently("/etcdserverpb.Auth/UserAdd", request, Retry::Once)
            .await
            .map_err(failed)?;
        let bytes = response.encode_to_vec();
        session.show(&done(
            format!("User {name} created"),
            response.header,
            bytes,
        ))
    })
}

/// The user's name and password: `name:password`, or the password from a flag, from
/// standard input or from whoever sits at the terminal.
fn name_and_password(typed: String, flags: &Parsed) -> Result<(String, String), Exit> {
    let flag = flags.text("new-user-password");
    if !flag.is_empty() {
        return Ok((typed, flag.to_owned()));
    }
    if let Some((name, password)) = typed.split_once(':') {
        if name.is_empty() {
            return Err(Exit::bad_args("empty user name is not allowed"));
        }
        return Ok((name.to_owned(), password.to_owned()));
    }
    let password = new_password(&typed, flags)?;
    Ok((typed, password))
}

fn new_password(name: &str, flags: &Parsed) -> Result<String, Exit> {
    let failed = |error: std::io::Error| Exit::bad_args(format!("failed to ask password: {error}"));
    if !flags.boolean("interactive") {
        return password::read_word().map_err(failed);
    }
    let first = password::ask(&format!("Password of {name}: ")).map_err(failed)?;
    if first.is_empty() {
        return Err(Exit::bad_args("empty password"));
    }
    let again = format!("Type password of {name} again for confirmation: ");
    if password::ask(&again).map_err(failed)? != first {
        return Err(Exit::bad_args("given passwords are different"));
    }
    Ok(first)
}

/// `user delete`.
pub fn delete(invocation: &mut Invocation) -> Outcome {
    let name = only_name(invocation, "delete")?;
    let session = Session::open(invocation)?;
    block_on(async {
        let request = pb::AuthUserDeleteRequest { name: name.clone() };
        let response: pb::AuthUserDeleteResponse = session
            .ask_patiently("/etcdserverpb.Auth/UserDelete", request, Retry::Once)
            .await
            .map_err(failed)?;
        let bytes = response.encode_to_vec();
        session.show(&done(
            format!("User {name} deleted"),
            response.header,
            bytes,
        ))
    })
}

fn only_name(invocation: &Invocation, command: &str) -> Result<String, Exit> {
    match invocation.args() {
        [name] => Ok(String::from_utf8_lossy(name).into_owned()),
        _ => Err(Exit::bad_args(format!(
            "user {command} command requires user name as its argument"
        ))),
    }
}

/// `user get`.
pub fn get(invocation: &mut Invocation) -> Outcome {
    let name = only_name(invocation, "get")?;
    let detail = invocation.flag("detail");
    let session = Session::open(invocation)?;
    block_on(async {
        let request = pb::AuthUserGetRequest { name: name.clone() };
        let response: pb::AuthUserGetResponse = session
            .ask_patiently("/etcdserverpb.Auth/UserGet", request, Retry::Repeatable)
            .await
            .map_err(failed)?;
        if detail {
            return show_roles(&session, &name, &response.roles).await;
        }
        let mut text = format!("User: {name}\nRoles:");
        for role in &response.roles {
            text.push_str(&format!(" {role}"));
        }
        let bytes = response.encode_to_vec();
        let json = with_list(response.header.as_ref(), "roles", &response.roles);
        session.show(&Sentence {
            text,
            json,
            protobuf: Some(bytes),
            fields: None,
        })
    })
}

async fn show_roles(session: &Session, name: &str, roles: &[String]) -> Outcome {
    print::stdout(format!("User: {name}\n").as_bytes())?;
    for name in roles {
        print::stdout(b"\n")?;
        role::show(session, name).await?;
    }
    Ok(())
}

/// `user list`.
pub fn list_all(invocation: &mut Invocation) -> Outcome {
    if !invocation.args().is_empty() {
        return Err(Exit::bad_args("user list command requires no arguments"));
    }
    let session = Session::open(invocation)?;
    block_on(async {
        let response: pb::AuthUserListResponse = session
            .ask_patiently(
                "/etcdserverpb.Auth/UserList",
                pb::AuthUserListRequest {},
                Retry::Repeatable,
            )
            .await
            .map_err(failed)?;
        let bytes = response.encode_to_vec();
        let json = with_list(response.header.as_ref(), "users", &response.users);
        session.show(&Sentence {
            text: response.users.join("\n"),
            json,
            protobuf: Some(bytes),
            fields: None,
        })
    })
}

/// `user passwd`.
pub fn passwd(invocation: &mut Invocation) -> Outcome {
    let name = only_name(invocation, "passwd")?;
    let password = new_password(&name, &invocation.parsed)?;
    let session = Session::open(invocation)?;
    block_on(async {
        let request = pb::AuthUserChangePasswordRequest {
            name,
            password,
            ..Default::default()
        };
        let response: pb::AuthUserChangePasswordResponse = session
            .ask_patiently(
                "/etcdserverpb.Auth/UserChangePassword",
                request,
                Retry::Once,
            )
            .await
            .map_err(failed)?;
        let bytes = response.encode_to_vec();
        session.show(&done("Password updated".into(), response.header, bytes))
    })
}

/// A user and a role from two arguments.
fn user_and_role(invocation: &Invocation, needs: &str) -> Result<(String, String), Exit> {
    match invocation.args() {
        [user, role] => Ok((
            String::from_utf8_lossy(user).into_owned(),
            String::from_utf8_lossy(role).into_owned(),
        )),
        _ => Err(Exit::bad_args(needs)),
    }
}

/// `user grant-role`.
pub fn grant_role(invocation: &mut Invocation) -> Outcome {
    let needs = "user grant command requires user name and role name as its argument";
    let (user, role) = user_and_role(invocation, needs)?;
    let session = Session::open(invocation)?;
    block_on(async {
        let request = pb::AuthUserGrantRoleRequest {
            user: user.clone(),
            role: role.clone(),
        };
        let response: pb::AuthUserGrantRoleResponse = session
            .ask_patiently("/etcdserverpb.Auth/UserGrantRole", request, Retry::Once)
            .await
            .map_err(failed)?;
        let bytes = response.encode_to_vec();
        let text = format!("Role {role} is granted to user {user}");
        session.show(&done(text, response.header, bytes))
    })
}

/// `user revoke-role`.
pub fn revoke_role(invocation: &mut Invocation) -> Outcome {
    let needs = "user revoke-role requires user name and role name as its argument";
    let (user, role) = user_and_role(invocation, needs)?;
    let session = Session::open(invocation)?;
    block_on(async {
        let request = pb::AuthUserRevokeRoleRequest {
            name: user.clone(),
            role: role.clone(),
        };
        let response: pb::AuthUserRevokeRoleResponse = session
            .ask_patiently("/etcdserverpb.Auth/UserRevokeRole", request, Retry::Once)
            .await
            .map_err(failed)?;
        let bytes = response.encode_to_vec();
        let text = format!("Role {role} is revoked from user {user}");
        session.show(&done(text, response.header, bytes))
    })
}

/// An answer that says nothing but that it is done.
pub fn done(text: String, header: Option<pb::ResponseHeader>, bytes: Vec<u8>) -> Sentence {
    Sentence {
        text,
        json: json::only_header(header.as_ref()),
        protobuf: Some(bytes),
        fields: Some(fields::only_header(header.as_ref())),
    }
}

/// A header and names, which are left out when there are none.
pub fn with_list(header: Option<&pb::ResponseHeader>, name: &str, names: &[String]) -> String {
    let object = Object::default().option("header", header, json::header);
    match names {
        [] => object.end(),
        names => object.raw(name, &list(names, |n| string(n))).end(),
    }
}
