//! `ls`.

use super::{End, server_error};
use crate::v2::{Context, client::Client, keys, response::Node, say};

/// Lists a directory.
pub fn run(context: &Context) -> Result<(), End> {
    let mut client = Client::new(context)?;
    let key = context.args.first().map_or("/", String::as_str);
    let (sorted, recursive) = (context.is_set("sort"), context.is_set("recursive"));
    let quorum = context.is_set("quorum");
    let response = keys::get(&mut client, key, recursive, sorted, quorum).map_err(server_error)?;
    if context.output() != "simple" {
        response.show(&context.output());
        return Ok(());
    }
    if !response.node.dir {
        say!("{}", response.node.key);
    }
    for node in response.node.nodes.iter().flatten() {
        show(node, context.is_set("p"));
    }
    Ok(())
}

fn show(node: &Node, slash: bool) {
    let slash_here = if node.dir && slash { "/" } else { "" };
    say!("{}{slash_here}", node.key);
    for node in node.nodes.iter().flatten() {
        show(node, slash);
    }
}
