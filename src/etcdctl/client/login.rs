//! Logging in: a name and a password are traded for a token, which every call
//! carries until the server takes it no more.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tonic::Request;
use tonic::metadata::AsciiMetadataValue;
use wire::etcdserverpb as pb;

use super::balancer::Balancer;
use super::call::{self, CallOptions};
use super::error::RpcError;
use crate::exit::Exit;
use crate::flags::Parsed;
use crate::password;

/// `TokenFieldNameGRPC` of `api/v3rpc/rpctypes`.
const METADATA: &str = "token";

const PATH: &str = "/etcdserverpb.Auth/Authenticate";

const NOT_ENABLED: &str = "etcdserver: authentication is not enabled";

/// A user with a password, and the token that the server gave for them.
#[derive(Debug)]
pub struct Login {
    name: String,
    password: String,
    /// Empty before the first login, and while authentication is not enabled.
    token: Mutex<String>,
}

impl Login {
    /// A user who has not logged in; `None` without a name or without a password,
    /// because the server gives no token for these.
    pub fn new(name: String, password: String) -> Option<Arc<Self>> {
        (!name.is_empty() && !password.is_empty()).then(|| {
            Arc::new(Self {
                name,
                password,
                token: Mutex::default(),
            })
        })
    }

    fn set(&self, token: String) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// Puts the token, if there is one, into a request's metadata.
    pub fn authorize<T>(&self, request: &mut Request<T>) {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        // A token that can't be in a header can't be the server's.
        if !token.is_empty()
            && let Ok(value) = AsciiMetadataValue::try_from(token.as_str())
        {
            request.metadata_mut().insert(METADATA, value);
        }
    }
}

/// The user of `--user` and `--password`; asks for the password on the terminal when
/// the command line has none.
pub fn from_flags(flags: &Parsed) -> Result<Option<Arc<Login>>, Exit> {
    read(flags.text("user"), flags.text("password"), "Password: ")
}

/// The same for a user named elsewhere.
pub fn read(user: &str, password: &str, prompt: &str) -> Result<Option<Arc<Login>>, Exit> {
    if user.is_empty() {
        return Ok(None);
    }
    let (name, password) = match user.split_once(':') {
        _ if !password.is_empty() => (user, password.to_owned()),
        Some((name, password)) => (name, password.to_owned()),
        None => (
            user,
            password::ask(prompt).map_err(|error| Exit::error(error.to_string()))?,
        ),
    };
    Ok(Login::new(name.to_owned(), password))
}

/// Asks for a token if there is a user. Boxed because a call that is refused logs in
/// again, and logging in is a call.
pub fn log_in<'a>(
    balancer: &'a Balancer,
    options: &'a CallOptions,
) -> Pin<Box<dyn Future<Output = Result<(), RpcError>> + Send + 'a>> {
    Box::pin(async move {
        let Some(login) = balancer.login() else {
            return Ok(());
        };
        let request = pb::AuthenticateRequest {
            name: login.name.clone(),
            password: login.password.clone(),
        };
        let answer: Result<pb::AuthenticateResponse, _> =
            call::unary(balancer, PATH, request, options).await;
        match answer {
            Ok(answer) => login.set(answer.token),
            Err(error) if error.message == NOT_ENABLED => login.set(String::new()),
            Err(error) => return Err(error),
        }
        Ok(())
    })
}

/// Gets a new token in the place of one that the server does not take.
pub async fn log_in_again(balancer: &Balancer, options: &CallOptions) -> Result<(), RpcError> {
    if let Some(login) = balancer.login() {
        login.set(String::new());
    }
    log_in(balancer, options).await
}

/// Whether another token may help. A client without a user repeats the call as it
/// is when users or roles have changed meanwhile.
pub fn may_help(error: &RpcError, has_user: bool) -> bool {
    match error.message.as_str() {
        "etcdserver: user name is empty" => has_user,
        "etcdserver: invalid auth token" | "etcdserver: revision of auth store is old" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Login, read};
    use tonic::Request;

    #[test]
    fn users() {
        let login = |user: &str, password: &str| {
            read(user, password, "")
                .unwrap()
                .map(|login| (login.name.clone(), login.password.clone()))
        };
        let some = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        assert_eq!(login("", "x"), None);
        assert_eq!(login("root:pw", ""), some("root", "pw"));
        assert_eq!(login("root:a:b", ""), some("root", "a:b"));
        assert_eq!(login("root:pw", "x"), some("root:pw", "x"));
        assert_eq!(login("root:", ""), None);
    }

    #[test]
    fn a_token_is_sent_once_there_is_one() {
        let login = Login::new("root".into(), "pw".into()).unwrap();
        let mut request = Request::new(());
        login.authorize(&mut request);
        assert!(request.metadata().get("token").is_none());
        login.set("abc.1".into());
        login.authorize(&mut request);
        assert_eq!(request.metadata().get("token").unwrap(), "abc.1");
    }
}
