//! `get`.

use super::{End, client_and_key, server_error};
use crate::v2::{Context, code, keys};

/// Shows the value of a key.
pub fn run(context: &Context) -> Result<(), End> {
    let (mut client, key) = client_and_key(context)?;
    let (sorted, quorum) = (context.is_set("sort"), context.is_set("quorum"));
    let response = keys::get(&mut client, key, false, sorted, quorum).map_err(server_error)?;
    if response.node.dir {
        let text = format!("{}: is a directory", response.node.key);
        return Err(End::line(code::ERROR, text));
    }
    response.show(&context.output());
    Ok(())
}
