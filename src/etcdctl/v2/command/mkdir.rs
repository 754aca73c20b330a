//! `mkdir`, `setdir`, `updatedir`: a directory that must not, may, must be there.

use super::{End, client_and_key, server_error};
use crate::v2::{
    Context,
    keys::{self, Before, Set},
};

/// `mkdir`.
pub fn make(context: &Context) -> Result<(), End> {
    write(context, Before::Nothing)
}

/// `setdir`.
pub fn set(context: &Context) -> Result<(), End> {
    write(context, Before::Anything)
}

/// `updatedir`.
pub fn update(context: &Context) -> Result<(), End> {
    write(context, Before::Something)
}

fn write(context: &Context, before: Before) -> Result<(), End> {
    let (mut client, key) = client_and_key(context)?;
    let set = Set {
        dir: true,
        before,
        ttl: context.int("ttl"),
        ..Set::default()
    };
    let response = keys::set(&mut client, key, &set).map_err(server_error)?;
    if context.output() != "simple" {
        response.show(&context.output());
    }
    Ok(())
}
