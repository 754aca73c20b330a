//! `shell`: one more shell on a node of a lab that runs.

use std::io::{self, IsTerminal};

use sandbox::{Exec, Fabric};

use crate::{
    args::Shell,
    error::{Error, status},
};

pub fn run(args: &Shell) -> Result<u8, Error> {
    let session = super::running(args.lab.as_deref())?;
    let Some(fabric) = Fabric::attach(&session.fabric_dir())? else {
        let message = format!("the nodes of `{}` are not up", session.name);
        return Err(Error::Usage(message));
    };
    let node = match &args.node {
        Some(node) => node.clone(),
        None => {
            let record = session.load()?;
            let lab = lab::load_with(&record.lab_dir, record.seed, &record.given)?;
            lab.home_node().to_owned()
        }
    };
    let nodes = fabric.nodes();
    if !nodes.contains(&node) {
        let message = format!("there is no node `{node}`; there are {}", nodes.join(", "));
        return Err(Error::Usage(message));
    }
    let mut shell = if io::stdin().is_terminal() {
        fabric.shell(&node)?
    } else {
        fabric.command(&node, &Exec::new(["bash", "-s"]))?
    };
    let ended = shell.status().map_err(|source| Error::Io {
        what: "open a shell on",
        path: node.into(),
        source,
    })?;
    // A signal that ended it has ended the node, or the whole lab.
    let code = ended.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.unwrap_or(status::FAILED))
}
