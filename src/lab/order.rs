//! The order in which labs are best done, in groups: a file `order.toml` beside the labs'
//! folders. `kubedrill list` shows the labs so, and a lab that is solved names the next.

use std::{fs, io, path::Path};

use crate::parse::{LoadError, read_file};

/// The file's name.
pub const FILE: &str = "order.toml";

/// The groups, easier ones first; empty where there is no file.
#[derive(Debug, Clone, Default)]
pub struct Order {
    pub groups: Vec<Group>,
}

/// Labs that are about the same, easier ones first.
#[derive(Debug, Clone)]
pub struct Group {
    pub about: String,
    /// Names of folders.
    pub labs: Vec<String>,
}

impl Order {
    /// The labs of `shelf` in their order.
    ///
    /// # Errors
    /// Every mistake in the file at once, or that it can't be read.
    pub fn load(shelf: &Path) -> Result<Self, LoadError> {
        let path = shelf.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(LoadError::Missing { path, source }),
        };
        read_file(&path.display().to_string(), &text, |reader, mut top| {
            let mut order = Self::default();
            for mut fields in top.tables(reader, "group") {
                let about = fields.required_text(reader, "about");
                let labs = fields.texts(reader, "labs").unwrap_or_default();
                fields.finish(reader);
                order.groups.push(Group { about, labs });
            }
            top.finish(reader);
            order
        })
    }

    /// The lab that comes after `lab`, whatever group it is in.
    pub fn after(&self, lab: &str) -> Option<&str> {
        let mut all = self.groups.iter().flat_map(|group| &group.labs);
        all.find(|one| *one == lab)?;
        all.next().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(text: &str) -> Result<Order, LoadError> {
        let shelf = tempfile::tempdir().expect("a directory");
        fs::write(shelf.path().join(FILE), text).expect("written");
        Order::load(shelf.path())
    }

    #[test]
    fn the_next_lab_may_be_in_the_next_group() {
        let text = "[[group]]\nabout = \"a\"\nlabs = [\"one\", \"two\"]\n\
                    [[group]]\nabout = \"b\"\nlabs = [\"three\"]\n";
        let order = order(text).expect("no mistakes");
        for (lab, next) in [
            ("one", Some("two")),
            ("two", Some("three")),
            ("three", None),
            ("other", None),
        ] {
            assert_eq!(order.after(lab), next, "{lab}");
        }
    }

    #[test]
    fn mistakes_are_told_and_no_file_is_none() {
        assert!(order("[[group]]\nlabs = [\"one\"]\n").is_err());
        assert!(order("[[groups]]\n").is_err());
        let shelf = tempfile::tempdir().expect("a directory");
        let none = Order::load(shelf.path()).expect("no file is no mistake");
        assert!(none.groups.is_empty());
    }
}
