//! Verbs that are about unit files: enable, disable, mask, cat…

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::super::enabling_links;
use super::super::manager::all_files;
use super::super::unit::{Unit, find};
use super::Options;
use super::show::fits;
use crate::error::{Context as _, Error, Result};

const OWN: &str = "/etc/systemd/system";

/// systemd's word for how a unit file is installed; `None`: there is none.
pub(super) fn enablement(name: &str) -> Option<&'static str> {
    let own = Path::new(OWN).join(name);
    if fs::read_link(&own).is_ok_and(|target| target == Path::new("/dev/null")) {
        return Some("masked");
    }
    let unit = Unit::load(name).ok()??;
    let links = enabling_links(&unit);
    if links.is_empty() {
        return Some("static");
    }
    let enabled = links
        .iter()
        .any(|(link, _)| fs::symlink_metadata(link).is_ok());
    Some(if enabled || is_wanted(name) {
        "enabled"
    } else {
        "disabled"
    })
}

fn is_wanted(name: &str) -> bool {
    wanting_links(name).next().is_some()
}

/// Links to a unit below `*.wants` and `*.requires`, whoever has made them.
fn wanting_links(name: &str) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(OWN)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wants" || extension == "requires")
        })
        .map(move |path| path.join(name))
        .filter(|link| fs::symlink_metadata(link).is_ok())
}

pub(super) fn change(verb: &str, units: &[String], options: &Options) -> Result<u8> {
    let mut code = 0;
    for name in units {
        let outcome = match verb {
            "enable" => enable(name, options),
            "reenable" => disable(name, options).and_then(|()| enable(name, options)),
            "disable" => disable(name, options),
            "mask" => mask(name, options),
            _ => unmask(name, options),
        };
        if let Err(error) = outcome {
            eprintln!("{error}");
            code = 1;
        }
    }
    Ok(code)
}

fn load(name: &str, verb: &str) -> Result<Unit> {
    if enablement(name) == Some("masked") {
        return Err(Error::Unit(format!(
            "Failed to {verb} unit: Unit file {name} is masked."
        )));
    }
    Unit::load(name)?.ok_or_else(|| {
        Error::Unit(format!(
            "Failed to {verb} unit: Unit file {name} does not exist."
        ))
    })
}

fn enable(name: &str, options: &Options) -> Result<()> {
    let unit = load(name, "enable")?;
    let links = enabling_links(&unit);
    if links.is_empty() {
        eprintln!(
            "The unit files have no installation config (WantedBy=, RequiredBy=, UpheldBy=,\n\
             Also=, or Alias= settings in the [Install] section, and DefaultInstance= for\n\
             template units). This means they are not meant to be enabled or disabled using systemctl."
        );
        return Ok(());
    }
    for (link, target) in links {
        if fs::read_link(&link).ok().as_ref() == Some(&target) {
            continue;
        }
        let what = || format!("enable {name}");
        if let Some(parent) = link.parent() {
            fs::create_dir_all(parent).with_context(what)?;
        }
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(what);
            }
            _ => {}
        }
        symlink(&target, &link).with_context(what)?;
        tell(
            options,
            &format!("Created symlink {} → {}.", link.display(), target.display()),
        );
    }
    Ok(())
}

fn disable(name: &str, options: &Options) -> Result<()> {
    let unit = load(name, "disable")?;
    let mut links: Vec<PathBuf> = enabling_links(&unit)
        .into_iter()
        .map(|(link, _)| link)
        .collect();
    links.extend(wanting_links(name));
    links.dedup();
    for link in links {
        match fs::remove_file(&link) {
            Ok(()) => tell(options, &format!("Removed \"{}\".", link.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("disable {name}")),
        }
    }
    Ok(())
}

fn mask(name: &str, options: &Options) -> Result<()> {
    let link = Path::new(OWN).join(name);
    if fs::symlink_metadata(&link).is_ok_and(|found| !found.is_symlink()) {
        let shown = link.display();
        return Err(Error::Unit(format!(
            "Failed to mask unit: File {shown} already exists."
        )));
    }
    let _ = fs::remove_file(&link);
    symlink("/dev/null", &link).with_context(|| format!("mask {name}"))?;
    tell(
        options,
        &format!("Created symlink {} → /dev/null.", link.display()),
    );
    Ok(())
}

fn unmask(name: &str, options: &Options) -> Result<()> {
    let link = Path::new(OWN).join(name);
    if fs::read_link(&link).is_ok_and(|target| target == Path::new("/dev/null")) {
        fs::remove_file(&link).with_context(|| format!("unmask {name}"))?;
        tell(options, &format!("Removed \"{}\".", link.display()));
    }
    Ok(())
}

/// What `systemctl` says about changed links goes to standard error.
fn tell(options: &Options, text: &str) {
    if !options.quiet {
        eprintln!("{text}");
    }
}

pub(super) fn is_enabled(units: &[String], options: &Options) -> Result<u8> {
    let mut code = 1;
    for name in units {
        match enablement(name) {
            None => {
                if !options.quiet {
                    println!("not-found");
                }
                code = 4;
            }
            Some(state) => {
                if !options.quiet {
                    println!("{state}");
                }
                if matches!(state, "enabled" | "static") {
                    code = 0;
                }
            }
        }
    }
    Ok(code)
}

pub(super) fn cat(units: &[String]) -> Result<u8> {
    let mut code = 0;
    let mut first = true;
    for name in units {
        let Some(unit) = Unit::load(name)? else {
            eprintln!("No files found for {name}.");
            code = 1;
            continue;
        };
        for path in std::iter::once(&unit.path).chain(&unit.drop_ins) {
            let text =
                fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
            if !first {
                println!();
            }
            first = false;
            print!("# {}\n{text}", path.display());
            if !text.ends_with('\n') {
                println!();
            }
        }
    }
    Ok(code)
}

pub(super) fn list(patterns: &[String], options: &Options) -> Result<u8> {
    let mut rows = Vec::new();
    for name in all_files() {
        // Templates have no state of their own.
        if name.contains("@.") || find(&name).is_none() {
            continue;
        }
        let state = enablement(&name).unwrap_or("disabled");
        let wanted = fits(patterns, &name) && options.is_of_type(&name);
        if wanted && (options.states.is_empty() || options.states.iter().any(|s| s == state)) {
            rows.push((name, state));
        }
    }
    let width = rows
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or(9)
        .max(9);
    if !options.no_legend {
        println!("{:<width$} {:<8} PRESET", "UNIT FILE", "STATE");
    }
    for (name, state) in &rows {
        let preset = if *state == "static" { "-" } else { "enabled" };
        println!("{name:<width$} {state:<8} {preset}");
    }
    if !options.no_legend {
        println!("\n{} unit files listed.", rows.len());
    }
    Ok(0)
}
