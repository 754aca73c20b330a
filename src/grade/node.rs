//! A node's files, read from outside the node.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::fd::AsRawFd,
    path::Path,
};

use sandbox::Fabric;

use crate::verdict::Outcome;

/// One node, seen from outside.
pub struct Node<'a> {
    pub fabric: &'a Fabric,
    pub name: &'a str,
}

/// What opening a socket is answered with.
const ENXIO: i32 = 6;

/// What stands at a path.
pub enum Entry {
    Missing,
    /// A regular file.
    File(File, Metadata),
    /// Something else: `a directory`, `a FIFO`…
    Other(&'static str),
}

impl Node<'_> {
    /// The words for a path of this node.
    pub fn place(&self, path: &str) -> String {
        format!("{}:{path}", self.name)
    }

    /// What stands at `path`. A link that leads out of the node is missing.
    ///
    /// # Errors
    /// The grader can't see it, which is no finding.
    pub fn entry(&self, path: &str) -> Result<Entry, Outcome> {
        let file = match self.fabric.open_in_node(self.name, Path::new(path)) {
            Ok(file) => file,
            Err(error) if is_missing(&error) => {
                return Ok(Entry::Missing);
            }
            Err(error) if error.raw_os_error() == Some(ENXIO) => {
                return Ok(Entry::Other("a socket"));
            }
            Err(error) => return Err(self.blind(path, error.to_string())),
        };
        let metadata = file
            .metadata()
            .map_err(|error| self.blind(path, error.to_string()))?;
        Ok(match kind(&metadata) {
            None => Entry::File(file, metadata),
            Some(other) => Entry::Other(other),
        })
    }

    /// The names in the directory at `path`, in order; none if there is no directory.
    ///
    /// # Errors
    /// The grader can't see it, which is no finding.
    pub fn list(&self, path: &str) -> Result<Vec<String>, Outcome> {
        let dir = match self.fabric.open_in_node(self.name, Path::new(path)) {
            Ok(dir) => dir,
            Err(error) if is_missing(&error) => return Ok(Vec::new()),
            Err(error) => return Err(self.blind(path, error.to_string())),
        };
        let entries = match fs::read_dir(format!("/proc/self/fd/{}", dir.as_raw_fd())) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => return Ok(Vec::new()),
            Err(error) => return Err(self.blind(path, error.to_string())),
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// The user of the node to whom what stands at `path` belongs; `None` if nothing does.
    ///
    /// # Errors
    /// The grader can't see it, which is no finding.
    pub fn owner(&self, path: &str) -> Result<Option<u32>, Outcome> {
        use std::os::unix::fs::MetadataExt;
        let metadata = match self.fabric.open_in_node(self.name, Path::new(path)) {
            Ok(file) => file.metadata(),
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => Err(error),
        };
        let metadata = metadata.map_err(|error| self.blind(path, error.to_string()))?;
        match self.fabric.user_in_node(metadata.uid()) {
            Ok(Some(uid)) => Ok(Some(uid)),
            Ok(None) => Err(self.blind(path, "it belongs to no user of the lab".into())),
            Err(error) => Err(self.blind(path, error.to_string())),
        }
    }

    /// Whether a symbolic link stands at `path`.
    pub fn is_link(&self, path: &str) -> bool {
        let path = Path::new(path);
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return false;
        };
        let Ok(parent) = self.fabric.open_in_node(self.name, parent) else {
            return false;
        };
        let handle = format!("/proc/self/fd/{}", parent.as_raw_fd());
        fs::symlink_metadata(Path::new(&handle).join(name))
            .is_ok_and(|metadata| metadata.is_symlink())
    }

    /// The text of a file of at most a mebibyte.
    ///
    /// # Errors
    /// `Err(Ok(words))`: it is not there, or no such text, in words for "found".
    /// `Err(Err(outcome))`: the grader can't see it.
    pub fn text(&self, path: &str) -> Result<String, Result<String, Outcome>> {
        const LIMIT_BYTES: u64 = 1 << 20;
        match self.entry(path).map_err(Err)? {
            Entry::Missing => Err(Ok("no such file".into())),
            Entry::Other(what) => Err(Ok(format!("{what}, not a file"))),
            Entry::File(_, metadata) if metadata.len() > LIMIT_BYTES => {
                Err(Ok(format!("a file of {} bytes", metadata.len())))
            }
            Entry::File(file, _) => {
                let mut text = Vec::new();
                file.take(LIMIT_BYTES)
                    .read_to_end(&mut text)
                    .map_err(|error| Err(self.blind(path, error.to_string())))?;
                String::from_utf8(text).map_err(|_| Ok("a file that is no text".into()))
            }
        }
    }

    pub fn blind(&self, path: &str, reason: String) -> Outcome {
        Outcome::could_not_look(self.place(path), reason)
    }
}

fn is_missing(error: &io::Error) -> bool {
    // ELOOP and EXDEV: a link that leads nowhere inside of the node.
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    ) || matches!(error.raw_os_error(), Some(40 | 18))
}

/// `None` for a regular file, else words for what it is.
fn kind(metadata: &Metadata) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_fifo() {
        Some("a FIFO")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}
