//! `shell`: one more shell on a node of a lab that runs, by itself or in an exam.

use std::io::{self, IsTerminal};

use lab::session::Session;
use sandbox::{Exec, Fabric};

use crate::{
    args::Shell,
    error::{Error, status},
    sitting, stage,
};

/// The lab that runs in an exam, if it is the one that is wanted.
fn lab_of_an_exam(wanted: Option<&str>) -> Result<Option<Session>, Error> {
    for room in Session::all(&sitting::home(&stage::home()?))? {
        let labs = Session::all(room.dir())?;
        let mut fitting = labs
            .into_iter()
            .filter(|lab| wanted.is_none_or(|wanted| wanted == lab.name));
        if let Some(lab) = fitting.find(Session::is_running) {
            return Ok(Some(lab));
        }
    }
    Ok(None)
}

pub fn run(args: &Shell) -> Result<u8, Error> {
    let wanted = args.lab.as_deref();
    let session = match super::running(wanted) {
        Ok(session) => session,
        Err(error) => lab_of_an_exam(wanted)?.ok_or(error)?,
    };
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
