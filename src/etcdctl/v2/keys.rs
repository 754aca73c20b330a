//! Requests to `/v2/keys` (`client/v2/keys.go`).

use super::{
    client::{Client, Failure},
    http::Request,
    response::{self, Response},
    url::form,
};

const FORM: &str = "application/x-www-form-urlencoded";

fn path(key: &str) -> String {
    match key.starts_with('/') || key.is_empty() {
        true => format!("/v2/keys{key}"),
        false => format!("/v2/keys/{key}"),
    }
}

/// What a write demands of what is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Before {
    #[default]
    Anything,
    /// Something must be there.
    Something,
    /// Nothing may be there.
    Nothing,
}

/// A write of a key or directory.
#[derive(Debug, Clone, Default)]
pub struct Set {
    /// The value; ignored for a directory.
    pub value: String,
    pub dir: bool,
    pub before: Before,
    /// Empty for any.
    pub prev_value: String,
    /// 0 for any.
    pub prev_index: u64,
    /// Seconds; 0 or less for ever.
    pub ttl: i64,
}

/// `ttl` as the reference sends it: whole seconds, and what overflows Go's duration is
/// lost.
fn ttl_field(seconds: i64) -> Option<(&'static str, String)> {
    let nanos = seconds.wrapping_mul(1_000_000_000);
    (nanos > 0).then(|| ("ttl", (nanos / 1_000_000_000).to_string()))
}

pub fn set(client: &mut Client, key: &str, set: &Set) -> Result<Response, Failure> {
    let (mut query, mut body) = (Vec::new(), Vec::new());
    if set.dir {
        query.push(("dir", "true".to_owned()));
    } else {
        if !set.prev_value.is_empty() {
            query.push(("prevValue", set.prev_value.clone()));
        }
        body.push(("value", set.value.clone()));
    }
    if set.prev_index != 0 {
        query.push(("prevIndex", set.prev_index.to_string()));
    }
    match set.before {
        Before::Anything => {}
        Before::Something => query.push(("prevExist", "true".to_owned())),
        Before::Nothing => query.push(("prevExist", "false".to_owned())),
    }
    body.extend(ttl_field(set.ttl));
    let request = Request {
        method: "PUT",
        path: path(key),
        query: form(&query),
        content_type: Some(FORM),
        body: Some(form(&body)),
        waits: false,
    };
    let once = set.before == Before::Nothing;
    response::read(&client.ask(&request, once)?)
}

pub fn create_in_order(
    client: &mut Client,
    dir: &str,
    value: &str,
    ttl: i64,
) -> Result<Response, Failure> {
    let mut body = vec![("value", value.to_owned())];
    body.extend(ttl_field(ttl));
    let request = Request {
        method: "POST",
        path: path(dir),
        content_type: Some(FORM),
        body: Some(form(&body)),
        ..Request::default()
    };
    response::read(&client.ask(&request, false)?)
}

pub fn get(
    client: &mut Client,
    key: &str,
    recursive: bool,
    sorted: bool,
    quorum: bool,
) -> Result<Response, Failure> {
    let query = [
        ("recursive", recursive.to_string()),
        ("sorted", sorted.to_string()),
        ("quorum", quorum.to_string()),
    ];
    let request = Request {
        method: "GET",
        path: path(key),
        query: form(&query),
        ..Request::default()
    };
    response::read(&client.ask(&request, false)?)
}

/// What a removal demands.
#[derive(Debug, Clone, Default)]
pub struct Delete {
    pub dir: bool,
    pub recursive: bool,
    /// Empty for any.
    pub prev_value: String,
    /// 0 for any.
    pub prev_index: u64,
}

pub fn delete(client: &mut Client, key: &str, delete: &Delete) -> Result<Response, Failure> {
    let mut query = Vec::new();
    if !delete.prev_value.is_empty() {
        query.push(("prevValue", delete.prev_value.clone()));
    }
    if delete.prev_index != 0 {
        query.push(("prevIndex", delete.prev_index.to_string()));
    }
    if delete.dir {
        query.push(("dir", "true".to_owned()));
    }
    if delete.recursive {
        query.push(("recursive", "true".to_owned()));
    }
    let request = Request {
        method: "DELETE",
        path: path(key),
        query: form(&query),
        content_type: Some(FORM),
        ..Request::default()
    };
    response::read(&client.ask(&request, true)?)
}

/// A watch that is asked again for each event.
pub struct Watch {
    path: String,
    recursive: bool,
    /// 0 for whatever comes next.
    index: u64,
}

impl Watch {
    /// `after` 0 begins with whatever comes next.
    pub fn new(key: &str, after: u64, recursive: bool) -> Self {
        Self {
            path: path(key),
            recursive,
            index: match after {
                0 => 0,
                after => after.wrapping_add(1),
            },
        }
    }

    /// Waits for the next event.
    pub fn next(&mut self, client: &mut Client) -> Result<Response, Failure> {
        loop {
            let query = [
                ("wait", "true".to_owned()),
                ("waitIndex", self.index.to_string()),
                ("recursive", self.recursive.to_string()),
            ];
            let request = Request {
                method: "GET",
                path: self.path.clone(),
                query: form(&query),
                waits: true,
                ..Request::default()
            };
            match response::read(&client.ask_for_ever(&request)?) {
                Err(Failure::EmptyBody) => {}
                Err(failure) => return Err(failure),
                Ok(response) => {
                    self.index = response.node.modified_index + 1;
                    return Ok(response);
                }
            }
        }
    }
}
