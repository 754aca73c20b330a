//! Finds labs by name or folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use lab::Order;

use crate::error::Error;

/// The folders that may hold labs, nearest first: `./labs`, `$KUBEDRILL_LABS`, and
/// `labs` beside or above the program.
fn shelves() -> Vec<PathBuf> {
    let mut shelves = vec![PathBuf::from("labs")];
    shelves.extend(env::var_os("KUBEDRILL_LABS").map(PathBuf::from));
    if let Ok(program) = env::current_exe() {
        shelves.extend(
            program
                .ancestors()
                .skip(1)
                .take(4)
                .map(|dir| dir.join("labs")),
        );
    }
    shelves.retain(|shelf| shelf.is_dir());
    shelves
}

/// The order in which the labs of each shelf are best done, the nearest shelf's first.
///
/// # Errors
/// A file that says so has mistakes.
pub fn order() -> Result<Order, Error> {
    let mut all = Order::default();
    for shelf in shelves() {
        all.groups.extend(Order::load(&shelf)?.groups);
    }
    Ok(all)
}

/// Every lab of a folder, by name.
pub fn labs_in(shelf: &Path) -> Vec<PathBuf> {
    let mut labs: Vec<PathBuf> = fs::read_dir(shelf)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|dir| dir.join("lab.toml").is_file())
        .collect();
    labs.sort();
    labs
}

/// All labs that can be named, the nearest of each name only.
pub fn all() -> Vec<PathBuf> {
    nearest_of_each(labs_in)
}

/// What `on` finds on the shelves, the nearest first; what has the name of something
/// nearer is left out.
fn nearest_of_each(on: impl Fn(&Path) -> Vec<PathBuf>) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in shelves().iter().flat_map(|shelf| on(shelf)) {
        if !found
            .iter()
            .any(|other| other.file_name() == path.file_name())
        {
            found.push(path);
        }
    }
    found
}

/// The folder of the lab `wanted`, a name or a path.
///
/// # Errors
/// There is no such lab.
pub fn lab(wanted: &str) -> Result<PathBuf, Error> {
    let path = Path::new(wanted);
    let dir = if path.file_name().is_some_and(|name| name == "lab.toml") {
        path.parent().unwrap_or(Path::new("."))
    } else {
        path
    };
    if dir.join("lab.toml").is_file() {
        return fs::canonicalize(dir).map_err(|source| Error::Io {
            what: "open",
            path: dir.to_owned(),
            source,
        });
    }
    let labs = all();
    if let Some(lab) = labs
        .iter()
        .find(|lab| lab.file_name() == Some(wanted.as_ref()))
    {
        return fs::canonicalize(lab).map_err(|source| Error::Io {
            what: "open",
            path: lab.clone(),
            source,
        });
    }
    let names: Vec<&str> = labs
        .iter()
        .filter_map(|lab| lab.file_name()?.to_str())
        .collect();
    if pack_by_name(wanted).is_some() {
        return Err(Error::Usage(format!(
            "`{wanted}` is an exam, not a lab: `kubedrill exam {wanted}`"
        )));
    }
    if wanted.contains('/') {
        return Err(Error::Usage(match dir.is_dir() {
            true => format!("the folder {wanted} has no lab.toml"),
            false => format!("there is no folder {wanted}"),
        }));
    }
    let mut message = format!("there is no lab `{wanted}`");
    match lab::diagnostic::nearest(wanted, &names) {
        Some(near) => message += &format!("; did you mean `{near}`?"),
        None if names.is_empty() => message += ", and no folder `labs` is near",
        None => message += "; `kubedrill list` shows the labs",
    }
    Err(Error::Usage(message))
}

fn pack_by_name(wanted: &str) -> Option<PathBuf> {
    let mut packs = all_packs().into_iter();
    packs.find(|file| file.file_stem() == Some(wanted.as_ref()))
}

/// The exam packs of a folder of labs, by name.
pub fn packs_in(shelf: &Path) -> Vec<PathBuf> {
    let mut packs: Vec<PathBuf> = fs::read_dir(shelf.join(PACKS))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|file| is_pack(file))
        .collect();
    packs.sort();
    packs
}

/// The folder of exam packs beside the labs' folders.
const PACKS: &str = "packs";

fn is_pack(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "toml")
        && file.file_name().is_some_and(|name| name != "lab.toml")
        && file.is_file()
}

/// All exam packs that can be named, the nearest of each name only.
pub fn all_packs() -> Vec<PathBuf> {
    nearest_of_each(packs_in)
}

/// The file of the exam pack `wanted`, a name or a path.
///
/// # Errors
/// There is no such pack.
pub fn pack(wanted: &str) -> Result<PathBuf, Error> {
    let path = PathBuf::from(wanted);
    let found = if is_pack(&path) {
        Some(path)
    } else {
        pack_by_name(wanted)
    };
    if let Some(file) = found {
        return fs::canonicalize(&file).map_err(|source| Error::Io {
            what: "open",
            path: file,
            source,
        });
    }
    if lab(wanted).is_ok() {
        return Err(Error::Usage(format!(
            "`{wanted}` is a lab, not an exam: `kubedrill start {wanted}`"
        )));
    }
    let packs = all_packs();
    let names: Vec<&str> = packs
        .iter()
        .filter_map(|file| file.file_stem()?.to_str())
        .collect();
    let mut message = format!("there is no exam `{wanted}`");
    match lab::diagnostic::nearest(wanted, &names) {
        Some(near) => message += &format!("; did you mean `{near}`?"),
        None if names.is_empty() => message += ", and no folder `labs/packs` is near",
        None => message += &format!("; there are {}", names.join(", ")),
    }
    Err(Error::Usage(message))
}

/// The exam packs that `wanted` names: a pack's file, a folder of packs, or a pack's name
/// that is not a lab's. Empty means none.
pub fn packs(wanted: &str) -> Vec<PathBuf> {
    let path = Path::new(wanted);
    if path.is_dir() {
        let inside = path.file_name().is_some_and(|name| name == PACKS);
        return match path.parent().filter(|_| inside) {
            Some(shelf) => packs_in(shelf),
            None => Vec::new(),
        };
    }
    if is_pack(path) {
        return vec![path.to_owned()];
    }
    let is_lab = lab(wanted).is_ok();
    pack(wanted).ok().filter(|_| !is_lab).into_iter().collect()
}

/// The labs that `wanted` names: a lab, or every lab of a folder.
///
/// # Errors
/// It names none.
pub fn labs(wanted: &str) -> Result<Vec<PathBuf>, Error> {
    let path = Path::new(wanted);
    if path.is_dir() && !path.join("lab.toml").is_file() {
        let labs = labs_in(path);
        if labs.is_empty() {
            return Err(Error::Usage(format!(
                "{wanted} holds no folder with a lab.toml"
            )));
        }
        return Ok(labs);
    }
    Ok(vec![lab(wanted)?])
}
