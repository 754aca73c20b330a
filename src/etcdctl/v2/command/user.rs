//! `user add`, `get`, `list`, `remove`, `grant`, `revoke`, `passwd`
//! (`client/v2/auth_user.go`).

use serde::{Deserialize, Serialize};

use super::{
    End,
    auth::{ask, client, request},
    plain,
};
use crate::v2::{
    Context,
    client::{Client, Failure},
    code, go_json, password, say,
};

/// A change of a user.
#[derive(Default, Serialize)]
struct Change<'a> {
    user: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    password: &'a str,
    roles: Option<Vec<String>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    grant: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    revoke: &'a [String],
}

fn line(text: impl std::fmt::Display) -> End {
    End::line(code::ERROR, text)
}

fn client_and_name(context: &Context) -> Result<(Client, &str), End> {
    let [name] = context.args.as_slice() else {
        return Err(line("Please provide a username"));
    };
    Ok((client(context)?, name))
}

fn put(client: &mut Client, change: &Change<'_>, wanted: &[u16]) -> Result<(), Failure> {
    let what = format!("users/{}", change.user);
    let body = mvcc::v2::as_go(change);
    ask(client, &request("PUT", &what, Some(body)), wanted).map(drop)
}

/// `user add`.
pub fn add(context: &Context) -> Result<(), End> {
    let (mut client, word) = client_and_name(context)?;
    let (name, password) = password::of(word, "New password: ")
        .map_err(|error| line(format!("Error reading password: {error}")))?;
    let change = Change {
        user: &name,
        password: &password,
        ..Change::default()
    };
    put(&mut client, &change, &[200, 201]).map_err(plain)?;
    say!("User {name} created");
    Ok(())
}

/// `user get`.
pub fn get(context: &Context) -> Result<(), End> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Role {
        Name(String),
        Whole { role: String },
    }
    #[derive(Deserialize)]
    struct User {
        user: String,
        #[serde(default)]
        roles: Option<Vec<Role>>,
    }
    let (mut client, name) = client_and_name(context)?;
    let what = format!("users/{name}");
    let answer = ask(&mut client, &request("GET", &what, None), &[200]).map_err(plain)?;
    let user: User = go_json::read(&answer.body).map_err(plain)?;
    let (mut blanks, mut roles) = (Vec::new(), Vec::new());
    for role in user.roles.unwrap_or_default() {
        roles.push(match role {
            Role::Name(role) => role,
            Role::Whole { role } => {
                // The reference first tries to read names, and keeps an empty one for
                // every role that comes whole.
                blanks.push(String::new());
                role
            }
        });
    }
    let roles = [blanks, roles].concat();
    say!("User: {}\nRoles: {}", user.user, roles.join(" "));
    Ok(())
}

/// `user list`.
pub fn list(context: &Context) -> Result<(), End> {
    #[derive(Deserialize)]
    struct User {
        user: String,
    }
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        users: Option<Vec<User>>,
    }
    if !context.args.is_empty() {
        return Err(line("No arguments accepted"));
    }
    let mut client = client(context)?;
    let answer = ask(&mut client, &request("GET", "users", None), &[200]).map_err(plain)?;
    let list: List = go_json::read(&answer.body).map_err(plain)?;
    for user in list.users.unwrap_or_default() {
        say!("{}", user.user);
    }
    Ok(())
}

/// `user remove`.
pub fn remove(context: &Context) -> Result<(), End> {
    let (mut client, name) = client_and_name(context)?;
    let what = format!("users/{name}");
    ask(&mut client, &request("DELETE", &what, None), &[200, 201]).map_err(plain)?;
    say!("User {name} removed");
    Ok(())
}

/// `user grant`.
pub fn grant(context: &Context) -> Result<(), End> {
    change_roles(context, |name, roles| Change {
        user: name,
        grant: roles,
        ..Change::default()
    })
}

/// `user revoke`.
pub fn revoke(context: &Context) -> Result<(), End> {
    change_roles(context, |name, roles| Change {
        user: name,
        revoke: roles,
        ..Change::default()
    })
}

fn change_roles(
    context: &Context,
    change: impl for<'a> Fn(&'a str, &'a [String]) -> Change<'a>,
) -> Result<(), End> {
    let roles = context.list("roles");
    if roles.is_empty() {
        return Err(line("No roles specified; please use `--roles`"));
    }
    let (mut client, name) = client_and_name(context)?;
    put(&mut client, &change(name, &roles), &[200]).map_err(plain)?;
    say!("User {name} updated");
    Ok(())
}

/// `user passwd`.
pub fn passwd(context: &Context) -> Result<(), End> {
    let (mut client, name) = client_and_name(context)?;
    let password = password::ask("New password: ")
        .map_err(|error| line(format!("Error reading password: {error}")))?;
    let change = Change {
        user: name,
        password: &password,
        ..Change::default()
    };
    put(&mut client, &change, &[200]).map_err(plain)?;
    say!("Password updated");
    Ok(())
}
