//! `auth enable`, `auth disable` (`client/v2/auth_user.go`).

use super::{End, member::message, plain};
use crate::v2::{
    Context,
    client::{Client, Failure},
    code,
    http::{Answer, Request},
    say,
};

/// `auth enable`.
pub fn enable(context: &Context) -> Result<(), End> {
    switch(context, "PUT", "Authentication Enabled")
}

/// `auth disable`.
pub fn disable(context: &Context) -> Result<(), End> {
    switch(context, "DELETE", "Authentication Disabled")
}

fn switch(context: &Context, method: &'static str, done: &str) -> Result<(), End> {
    if !context.args.is_empty() {
        return Err(End::line(code::ERROR, "No arguments accepted"));
    }
    let mut client = client(context)?;
    let request = Request {
        method,
        path: "/v2/auth/enable".to_owned(),
        ..Request::default()
    };
    ask(&mut client, &request, &[200, 201]).map_err(plain)?;
    say!("{done}");
    Ok(())
}

/// A client; `--debug` tells its endpoints twice.
pub(super) fn client(context: &Context) -> Result<Client, End> {
    let client = Client::new(context)?;
    client.tell_endpoints();
    Ok(client)
}

/// Asks, and fails with what the server says if it answers with another status.
pub(super) fn ask(
    client: &mut Client,
    request: &Request,
    wanted: &[u16],
) -> Result<Answer, Failure> {
    let answer = client.ask(request, false)?;
    match wanted.contains(&answer.status) {
        true => Ok(answer),
        false => Err(message(&answer)),
    }
}

/// A request about users or roles: `what` is `users/NAME` or the like.
pub(super) fn request(method: &'static str, what: &str, body: Option<String>) -> Request {
    Request {
        method,
        path: mvcc::v2::path::clean(&format!("/v2/auth/{what}")),
        content_type: body.as_ref().map(|_| "application/json"),
        body,
        ..Request::default()
    }
}
