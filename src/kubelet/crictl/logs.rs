//! `crictl logs`: from the file that the runtime writes.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    process::ExitCode,
    thread::sleep,
    time::Duration,
};

use super::{
    Fatal,
    args::{Args, Flag},
    view::{Entry, State, View},
};

pub const FLAGS: &[Flag] = &[
    Flag::switch("follow", 'f'),
    Flag::switch("previous", 'p'),
    Flag::switch("timestamps", 't'),
    Flag::value("tail", ' '),
    Flag::value("since", ' '),
    Flag::value("limit-bytes", ' '),
];

/// How often a file that is followed is looked at.
const LOOK: Duration = Duration::from_millis(100);

pub fn run(view: &View, words: Vec<String>) -> Result<ExitCode, Fatal> {
    let args = Args::parse(words, FLAGS, false)?;
    let id = args.rest.first().ok_or("ID cannot be empty")?;
    for refused in ["since", "limit-bytes"] {
        if args.value(refused).is_some() {
            return Err(format!(
                "crictl logs --{refused} is not part of kubedrill; use --tail"
            ));
        }
    }
    let mut entry = view.container(id)?;
    if args.has("previous") {
        entry = view
            .containers
            .iter()
            .find(|other| {
                other.name == entry.name
                    && other.pod.sandbox.id == entry.pod.sandbox.id
                    && other.attempt + 1 == entry.attempt
            })
            .ok_or_else(|| format!("previous terminated container {id:?} not found"))?;
    }
    let tail = match args.value("tail") {
        None | Some("-1") => None,
        Some(text) => Some(
            text.parse()
                .map_err(|_| format!("invalid value {text:?} for flag -tail: parse error"))?,
        ),
    };
    // Somebody who stops reading ends it, and that is no error.
    let _ = show(entry, tail, args.has("timestamps"), args.has("follow"));
    Ok(ExitCode::SUCCESS)
}

/// Writes a line of the log to the stream that it came from.
fn write(line: &str, timestamps: bool) -> std::io::Result<()> {
    let mut parts = line.trim_end_matches('\n').splitn(4, ' ');
    let (Some(time), Some(stream), Some(tag), Some(text)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Ok(());
    };
    let end = if tag == "P" { "" } else { "\n" };
    let text = match timestamps {
        true => format!("{time} {text}{end}"),
        false => format!("{text}{end}"),
    };
    match stream {
        "stderr" => std::io::stderr().write_all(text.as_bytes()),
        _ => std::io::stdout().write_all(text.as_bytes()),
    }
}

fn show(entry: &Entry, tail: Option<usize>, timestamps: bool, follow: bool) -> std::io::Result<()> {
    let mut reader = BufReader::new(File::open(entry.log())?);
    let mut lines = Vec::new();
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        lines.push(std::mem::take(&mut line));
    }
    let skip = tail.map_or(0, |tail| lines.len().saturating_sub(tail));
    for line in &lines[skip..] {
        write(line, timestamps)?;
    }
    if !follow {
        return Ok(());
    }
    loop {
        // Looked at first, so that what it said last is still read.
        let runs = View::read()
            .container(&entry.id)
            .is_ok_and(|now| now.state == State::Running);
        while reader.read_line(&mut line)? > 0 {
            if !line.ends_with('\n') {
                break;
            }
            write(&line, timestamps)?;
            line.clear();
        }
        if !runs {
            return Ok(());
        }
        std::io::stdout().flush()?;
        sleep(LOOK);
    }
}
