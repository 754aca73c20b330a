//! `play`: an accepted solution, step by step before one's eyes, then the grade.

use std::{
    io::{self, Read, Write},
    process::{ChildStdin, ChildStdout, Stdio},
    time::Duration,
};

use lab::session::{Session, random_seed};
use sandbox::Exec;

use crate::{
    args::Play,
    error::Error,
    find, interrupt,
    looking::Looking,
    page::Page,
    paint::Paint,
    render,
    script::{Step, steps},
    serve::grade_status,
    stage::{self, Stage},
};

/// Ends the output of a step; no command prints it.
const MARK: u8 = 0x1e;

pub fn run(args: &Play) -> Result<u8, Error> {
    let dir = find::lab(&args.lab)?;
    let seed = match args.seed {
        Some(seed) => seed,
        None => random_seed().map_err(|error| Error::Failed(error.to_string()))?,
    };
    let lab = lab::load(&dir, seed)?;
    let Some(solution) = args
        .solution
        .checked_sub(1)
        .and_then(|at| lab.solutions.get(at))
    else {
        let message = format!("the lab has the solutions 1 to {}", lab.solutions.len());
        return Err(Error::Usage(message));
    };
    let (title, steps) = (solution.title.clone(), steps(&solution.text));
    let lab = lab::load_with(&dir, seed, &solution.given)?;
    let session = Session::at(&stage::home()?, &format!("play-{}", lab.id));
    // What was only to be watched is not gone on with.
    interrupt::arm(&session, || None)?;
    let stage = Stage::prepare(lab, session.clone(), stage::engine(&args.engine))?;
    let page = Page::for_stdout();
    let paint = page.paint;
    println!("{}", render::tasks(&stage.lab, page));
    println!(
        "{}\n",
        paint.bold(&format!("Solution {}: {title}", args.solution))
    );
    perform(&stage, &steps, args.fast || !paint.on, paint).map_err(|source| Error::Io {
        what: "play on",
        path: stage.lab.home_node().into(),
        source,
    })?;
    let report = {
        let line = Looking::on_stderr();
        stage.check(&|what| line.at(what))?
    };
    print!("{}", render::report(&report, Some(&stage.lab), page));
    stage.fabric.stop()?;
    drop(stage);
    super::stop::remove(&session)?;
    Ok(grade_status(&report))
}

fn perform(stage: &Stage, steps: &[Step], fast: bool, paint: Paint) -> io::Result<()> {
    let home = stage.lab.home_node();
    let exec = Exec {
        env: stage.environment(),
        ..Exec::new(["bash", "-s"])
    };
    let mut shell = stage
        .fabric
        .command(home, &exec)
        .map_err(io::Error::other)?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (Some(mut input), Some(mut output)) = (shell.stdin.take(), shell.stdout.take()) else {
        return Err(io::Error::other("the shell has no pipes"));
    };
    input.write_all(b"exec 2>&1\n")?;
    let mut screen = io::stdout();
    for step in steps {
        for words in &step.words {
            writeln!(screen, "{}", paint.dim(&format!("# {words}")))?;
        }
        for command in &step.commands {
            type_out(&mut screen, &format!("root@{home}:~# "), command, fast)?;
            run_step(&mut input, &mut output, command, &mut screen)?;
        }
        writeln!(screen)?;
    }
    drop(input);
    shell.wait()?;
    Ok(())
}

fn type_out(screen: &mut impl Write, prompt: &str, command: &str, fast: bool) -> io::Result<()> {
    write!(screen, "{prompt}")?;
    if fast {
        return writeln!(screen, "{command}");
    }
    for letter in command.chars() {
        write!(screen, "{letter}")?;
        screen.flush()?;
        std::thread::sleep(Duration::from_millis(12));
    }
    std::thread::sleep(Duration::from_millis(250));
    writeln!(screen)
}

/// Runs one command in the shell and copies what it prints until the mark.
fn run_step(
    input: &mut ChildStdin,
    output: &mut ChildStdout,
    command: &str,
    screen: &mut impl Write,
) -> io::Result<()> {
    // The command must not eat the shell's own input.
    writeln!(input, "{{ {command}\n}} </dev/null; printf '\\036'")?;
    let mut buffer = [0; 4096];
    loop {
        let count = output.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = &buffer[..count];
        if let Some(end) = text.iter().position(|byte| *byte == MARK) {
            screen.write_all(&text[..end])?;
            return screen.flush();
        }
        screen.write_all(text)?;
        screen.flush()?;
    }
}
