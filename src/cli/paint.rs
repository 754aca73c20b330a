//! Colour, where it is wanted; the words mean the same without it.

use std::{env, io::IsTerminal};

/// Whether and how to colour.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    pub on: bool,
}

impl Paint {
    /// Colours if standard output is a terminal and NO_COLOR is unset or empty.
    pub fn for_stdout() -> Self {
        Self::on_terminal(std::io::stdout().is_terminal())
    }

    /// The same of standard error.
    pub fn for_stderr() -> Self {
        Self::on_terminal(std::io::stderr().is_terminal())
    }

    fn on_terminal(is_terminal: bool) -> Self {
        Self {
            on: is_terminal && !Self::is_unwanted(),
        }
    }

    /// What a terminal elsewhere wants, unless colours are unwanted here: a node's shell does
    /// not see the environment in which its lab was started.
    pub fn elsewhere(wanted: bool) -> Self {
        Self {
            on: wanted && !Self::is_unwanted(),
        }
    }

    fn is_unwanted() -> bool {
        env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    pub fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    pub fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }
}
