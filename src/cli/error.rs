//! What went wrong, in words for people and as an exit status for machines.

use std::{io, path::PathBuf};

use lab::LoadError;

use crate::{paint::Paint, render};

/// The exit statuses.
pub mod status {
    pub const DONE: u8 = 0;
    pub const NOT_SOLVED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const COULD_NOT_LOOK: u8 = 3;
    pub const HOST: u8 = 4;
    pub const FAILED: u8 = 5;
}

/// Why a verb came to no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Session(#[from] lab::session::Error),
    #[error(transparent)]
    Provision(#[from] lab::provision::Error),
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    #[error(transparent)]
    Grade(#[from] grade::GradeError),
    /// A step of the preparation ended badly; with what it printed.
    #[error("{step} failed on {node}, with {status}\n{output}")]
    Setup {
        step: String,
        node: String,
        status: String,
        output: String,
    },
    /// The lab needs more users than this host can map.
    #[error(
        "the lab {0} needs users besides root, and only one user can be mapped here: install \
         newuidmap (package uidmap) and give yourself a range in /etc/subuid"
    )]
    NoUsers(String),
    #[error("could not {what} {}: {source}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{0}")]
    Failed(String),
}

impl From<sandbox::Preflight> for Error {
    fn from(error: sandbox::Preflight) -> Self {
        Self::Sandbox(error.into())
    }
}

impl Error {
    pub fn status(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Load(_) => status::USAGE,
            Self::Session(lab::session::Error::Missing(_) | lab::session::Error::Busy(_)) => {
                status::USAGE
            }
            Self::Sandbox(sandbox::Error::Preflight(_)) | Self::NoUsers(_) => status::HOST,
            Self::Grade(_) => status::COULD_NOT_LOOK,
            _ => status::FAILED,
        }
    }

    /// Prints it to standard error; mistakes in a lab file with the places they are at.
    pub fn show(&self) {
        if let Self::Load(LoadError::Mistakes(mistakes)) = self {
            for mistake in mistakes {
                eprintln!("{}\n", render::mistake(mistake, Paint::for_stderr()));
            }
        }
        eprintln!("kubedrill: {self}");
    }
}
