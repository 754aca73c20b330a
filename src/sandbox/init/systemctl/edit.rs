//! `systemctl edit`: a drop-in, or the whole unit file, in the learner's editor.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::unit::Unit;
use super::Options;
use crate::error::{Context as _, Error, Result};

const OWN: &str = "/etc/systemd/system";
/// Between these lines stands what is kept, as in systemd.
const BEGIN: &str =
    "### Anything between here and the comment below will become the contents of the drop-in file";
const END: &str = "### Edits below this comment will be discarded";
/// Tried in this order when the environment names none (systemctl(1), SYSTEMD_EDITOR).
const EDITORS: [&str; 5] = ["editor", "nano", "vim", "vi", "ed"];

/// Whether anything was changed is told; the caller reloads.
pub(super) fn run(units: &[String], options: &Options) -> Result<u8> {
    let [name] = units else {
        return Err(Error::Unit("Too few or too many arguments.".to_owned()));
    };
    let unit =
        Unit::load(name)?.ok_or_else(|| Error::Unit(format!("No files found for {name}.")))?;
    let target = match options.full {
        true => Path::new(OWN).join(name),
        false => {
            let drop_in = options.drop_in.as_deref().unwrap_or("override.conf");
            let suffix = if drop_in.ends_with(".conf") {
                ""
            } else {
                ".conf"
            };
            Path::new(OWN).join(format!("{name}.d/{drop_in}{suffix}"))
        }
    };
    let before = fs::read_to_string(if options.full { &unit.path } else { &target });
    let before = before.unwrap_or_default();
    let wanted = match options.stdin {
        true => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .context("read standard input")?;
            text
        }
        false => ask(&target, &before, &unit, options.full)?,
    };
    if wanted.trim().is_empty() {
        eprintln!(
            "Editing \"{}\" canceled: temporary file is empty.",
            target.display()
        );
        return Ok(0);
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).context("make the drop-in's directory")?;
    }
    fs::write(&target, wanted).with_context(|| format!("write {}", target.display()))?;
    if !options.quiet {
        eprintln!("Successfully installed edited file '{}'.", target.display());
    }
    Ok(0)
}

/// What the learner's editor leaves.
fn ask(target: &Path, before: &str, unit: &Unit, full: bool) -> Result<String> {
    let draft = if full {
        before.to_owned()
    } else {
        let mut shown = String::new();
        for path in std::iter::once(&unit.path).chain(&unit.drop_ins) {
            shown += &format!("\n### {}\n", path.display());
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines()
                .for_each(|line| shown += &format!("# {line}\n"));
        }
        format!(
            "### Editing {}\n{BEGIN}\n\n{before}\n\n{END}\n{shown}",
            target.display()
        )
    };
    let path = PathBuf::from(format!("/tmp/.systemctl-edit-{}", std::process::id()));
    fs::write(&path, draft).context("write a draft")?;
    let edited = edit(&path).and_then(|()| fs::read_to_string(&path).context("read the draft"));
    let _ = fs::remove_file(&path);
    let edited = edited?;
    Ok(if full { edited } else { kept(&edited) })
}

fn edit(path: &Path) -> Result<()> {
    let named = ["SYSTEMD_EDITOR", "EDITOR", "VISUAL"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let mut candidates: Vec<String> = named.into_iter().collect();
    if candidates.is_empty() {
        candidates.extend(EDITORS.map(str::to_owned));
    }
    for candidate in candidates {
        let mut words = candidate.split_whitespace();
        let Some(program) = words.next() else {
            continue;
        };
        match Command::new(program).args(words).arg(path).status() {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => return Err(Error::Unit(format!("{program} ended with {status}."))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("run {program}")),
        }
    }
    Err(Error::Unit(
        "Cannot edit units interactively: no editor available. Set $SYSTEMD_EDITOR, $EDITOR or \
         $VISUAL, or use --stdin."
            .to_owned(),
    ))
}

/// What stands between the comments; everything if they are gone.
fn kept(text: &str) -> String {
    let after = text.split_once(BEGIN).map_or(text, |(_, after)| after);
    let inner = after.split_once(END).map_or(after, |(inner, _)| inner);
    match inner.trim() {
        "" => String::new(),
        inner => format!("{inner}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, kept};

    #[test]
    fn only_what_stands_between_the_comments_is_kept() {
        let text = format!("### Editing x\n{BEGIN}\n\n[Service]\nUser=etcd\n\n{END}\n# old\n");
        assert_eq!(kept(&text), "[Service]\nUser=etcd\n");
        assert_eq!(kept(&format!("{BEGIN}\n\n\n{END}\n# old")), "");
        assert_eq!(kept("[Service]\n"), "[Service]\n");
    }
}
