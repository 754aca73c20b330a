//! `role add`, `get`, `list`, `remove`, `grant`, `revoke` (`client/v2/auth_role.go`).

use serde::{Deserialize, Serialize};

use super::{
    End,
    auth::{ask, client, request},
    plain,
};
use crate::v2::{
    Context,
    client::{Client, Failure, assert_status},
    code, go_json, say,
    url::canonical_path,
};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Paths {
    read: Option<Vec<String>>,
    write: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Permissions {
    kv: Paths,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Role {
    role: String,
    permissions: Permissions,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<Permissions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoke: Option<Permissions>,
}

fn line(text: impl std::fmt::Display) -> End {
    End::line(code::ERROR, text)
}

fn client_and_name(context: &Context) -> Result<(Client, &str), End> {
    let [name] = context.args.as_slice() else {
        return Err(line("Please provide a role name"));
    };
    Ok((client(context)?, name))
}

fn fetch(client: &mut Client, name: &str) -> Result<Role, Failure> {
    let answer = ask(
        client,
        &request("GET", &format!("roles/{name}"), None),
        &[200],
    )?;
    go_json::read(&answer.body)
}

/// `role add`.
pub fn add(context: &Context) -> Result<(), End> {
    let (mut client, name) = client_and_name(context)?;
    if fetch(&mut client, name).is_ok() {
        return Err(line(format!("Role {name} already exists")));
    }
    let role = Role {
        role: name.to_owned(),
        ..Role::default()
    };
    let body = mvcc::v2::as_go(&role);
    let request = request("PUT", &format!("roles/{name}"), Some(body));
    ask(&mut client, &request, &[200, 201]).map_err(plain)?;
    say!("Role {name} created");
    Ok(())
}

/// `role get`.
pub fn get(context: &Context) -> Result<(), End> {
    let (mut client, name) = client_and_name(context)?;
    let role = fetch(&mut client, name).map_err(plain)?;
    say!("Role: {}\nKV Read:", role.role);
    for path in role.permissions.kv.read.iter().flatten() {
        say!("\t{path}");
    }
    say!("KV Write:");
    for path in role.permissions.kv.write.iter().flatten() {
        say!("\t{path}");
    }
    Ok(())
}

/// `role list`.
pub fn list(context: &Context) -> Result<(), End> {
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        roles: Option<Vec<Role>>,
    }
    if !context.args.is_empty() {
        return Err(line("No arguments accepted"));
    }
    let mut client = client(context)?;
    let answer = client
        .ask(&request("GET", "roles", None), false)
        .map_err(plain)?;
    assert_status(&answer, &[200]).map_err(plain)?;
    let list: List = go_json::read(&answer.body).map_err(plain)?;
    for role in list.roles.unwrap_or_default() {
        say!("{}", role.role);
    }
    Ok(())
}

/// `role remove`.
pub fn remove(context: &Context) -> Result<(), End> {
    let (mut client, name) = client_and_name(context)?;
    let request = request("DELETE", &format!("roles/{name}"), None);
    ask(&mut client, &request, &[200, 201]).map_err(plain)?;
    say!("Role {name} removed");
    Ok(())
}

/// `role grant`.
pub fn grant(context: &Context) -> Result<(), End> {
    change(context, true)
}

/// `role revoke`.
pub fn revoke(context: &Context) -> Result<(), End> {
    change(context, false)
}

fn change(context: &Context, grant: bool) -> Result<(), End> {
    let path = context.text("path");
    if path.is_empty() {
        return Err(line("No path specified; please use `--path`"));
    }
    let canonical = canonical_path(&path);
    if canonical != path {
        return Err(line(format!(
            "Not canonical path; please use `--path={canonical}`"
        )));
    }
    let kinds = ["read", "write", "readwrite"].map(|kind| context.is_set(kind));
    if kinds.iter().filter(|kind| **kind).count() != 1 {
        return Err(line(
            "Please specify exactly one of --read, --write or --readwrite",
        ));
    }
    let [read, write, both] = kinds;
    let paths = |wanted: bool| wanted.then(|| vec![path.clone()]);
    let permissions = Some(Permissions {
        kv: Paths {
            read: paths(read || both),
            write: paths(write || both),
        },
    });
    let (mut client, name) = client_and_name(context)?;
    let before = fetch(&mut client, name).map_err(plain)?;
    let mut role = Role {
        role: name.to_owned(),
        ..Role::default()
    };
    match grant {
        true => role.grant = permissions,
        false => role.revoke = permissions,
    }
    let body = mvcc::v2::as_go(&role);
    let request = request("PUT", &format!("roles/{name}"), Some(body));
    let answer = ask(&mut client, &request, &[200]).map_err(plain)?;
    let after: Role = go_json::read(&answer.body).map_err(plain)?;
    let unchanged = match (after == before, grant) {
        (false, _) => "",
        (true, true) => "Role unchanged; already granted",
        (true, false) => "Role unchanged; already revoked",
    };
    say!("{unchanged}Role {name} updated");
    Ok(())
}
