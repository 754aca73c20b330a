//! The command line.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use clap::{
    Args as Group, CommandFactory, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::limits::Limits;

/// Hands-on practice for the CKA and for anyone who must run etcd: a real cluster in
/// about a second, a root shell on it, and a grade for what you made of it.
#[derive(Debug, Parser)]
#[command(
    name = "kubedrill",
    version,
    after_help = "Exit status: 0 done or solved, 1 not solved, 2 wrong usage or a mistake in a \
                  lab file, 3 the grader could not look, 4 this host can't run labs, 5 kubedrill \
                  itself failed."
)]
pub struct Args {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start a lab and open a root shell on its first node
    Start(Start),
    /// Sit an exam: the labs of a pack under one clock, graded at the end
    Exam(Exam),
    /// Open one more root shell on a node of a running lab
    Shell(Shell),
    /// Show the tasks of a running lab
    Task(Which),
    /// Grade a running lab as it is now
    Check(Check),
    /// Take the next hint for a task
    Hint(Hint),
    /// Begin a running lab again, with the same values
    Reset(Which),
    /// End a lab and remove everything of it
    Stop(Which),
    /// Show the labs and which of them run
    List(List),
    /// Watch an accepted solution run step by step, then its grade
    Play(Play),
    /// Grade submissions: each is run in a lab of its own, within limits
    Grade(Grade),
    /// Prove labs: untouched, every solution, every wrong turn
    Verify(Verify),
    /// Look for what an author would want to know of labs before anybody runs them
    Lint(Lint),
    /// Print the JSON schema of a file that authors write, or of a grade
    Schema(Schema),
    /// Make a folder with a small lab that verifies, to begin from
    New(New),
    /// Say whether this host can run labs, and what to do if not
    Doctor,
    /// Measure start, check and verify on this machine
    Bench(Bench),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For machines
    Json,
}

/// What the error of the command line itself leaves unsaid.
pub fn advice(error: &clap::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
                return None;
            };
            let command = Args::command();
            let verbs: Vec<&str> = command
                .get_subcommands()
                .map(clap::Command::get_name)
                .collect();
            let meant = lab::diagnostic::nearest(word, &verbs)?;
            Some(format!("Did you mean `kubedrill {meant}`?"))
        }
        ErrorKind::MissingRequiredArgument => {
            let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else {
                return None;
            };
            let of = |name: &str| missing.iter().any(|one| one.contains(name));
            if of("<LAB") {
                Some("`kubedrill list` shows the labs.".into())
            } else if of("<PACK>") {
                Some("`kubedrill list` shows the exams.".into())
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Whether `word` is a verb of the command line.
pub fn is_verb(word: &str) -> bool {
    Args::command().find_subcommand(word).is_some()
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".into()),
    }
}

/// A program that nodes can run, by its absolute path.
fn program(text: &str) -> Result<PathBuf, String> {
    let path = fs::canonicalize(text).map_err(|error| error.to_string())?;
    let metadata = fs::metadata(&path).map_err(|error| error.to_string())?;
    if metadata.is_dir() {
        return Err("it is a directory; give the path of the program in it".into());
    }
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Err("it is no program: nobody may execute it".into());
    }
    Ok(path)
}

/// Google's binaries in the place of ours.
#[derive(Debug, Clone, Default, Group)]
pub struct Engine {
    /// Use this etcd in the place of kubedrill's
    #[arg(long, value_name = "PATH", value_parser = program)]
    pub etcd: Option<PathBuf>,
    /// Use this etcdctl in the place of kubedrill's
    #[arg(long, value_name = "PATH", value_parser = program)]
    pub etcdctl: Option<PathBuf>,
    /// Use this etcdutl in the place of kubedrill's
    #[arg(long, value_name = "PATH", value_parser = program)]
    pub etcdutl: Option<PathBuf>,
    /// Use this kubectl in the place of kubedrill's
    #[arg(long, value_name = "PATH", value_parser = program)]
    pub kubectl: Option<PathBuf>,
}

#[derive(Debug, Group)]
pub struct Start {
    /// A lab's name or its folder
    pub lab: String,
    /// Draw the lab's values from this number; random if absent
    #[arg(long)]
    pub seed: Option<u64>,
    /// Give a variable of the lab this value instead of drawing it; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub given: Vec<(String, String)>,
    /// Go on with the interrupted run of this lab
    #[arg(long, conflicts_with = "again")]
    pub resume: bool,
    /// Throw an earlier run of this lab away
    #[arg(long)]
    pub again: bool,
    /// How the grade is printed when standard input is no terminal
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    /// When standard input is no terminal: end and remove the lab after the grade, and an
    /// earlier run before it
    #[arg(long)]
    pub discard: bool,
    #[command(flatten)]
    pub limits: Limits,
    #[command(flatten)]
    pub engine: Engine,
}

#[derive(Debug, Group)]
pub struct Exam {
    /// A pack's name or its file
    pub pack: String,
    /// Draw the labs' values from this number; random if absent
    #[arg(long)]
    pub seed: Option<u64>,
    /// Give a variable of a lab this value instead of drawing it; may be repeated
    #[arg(long = "set", value_name = "LAB.NAME=VALUE", value_parser = name_and_value)]
    pub given: Vec<(String, String)>,
    /// Go on with the exam that was begun; its clock went on
    #[arg(long, conflicts_with = "again")]
    pub resume: bool,
    /// Throw an exam that was begun away
    #[arg(long)]
    pub again: bool,
    /// Show the report of the last one that came to its end
    #[arg(long, conflicts_with_all = ["resume", "again"])]
    pub report: bool,
    /// How the grade is printed
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    #[command(flatten)]
    pub engine: Engine,
}

#[derive(Debug, Group)]
pub struct Which {
    /// The lab; may be left out while only one runs
    pub lab: Option<String>,
}

#[derive(Debug, Group)]
pub struct Shell {
    /// The node; the lab's first if absent
    pub node: Option<String>,
    /// The lab; may be left out while only one runs
    #[arg(long)]
    pub lab: Option<String>,
}

#[derive(Debug, Group)]
pub struct Check {
    /// The lab; may be left out while only one runs
    pub lab: Option<String>,
    /// How the grade is printed
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Group)]
pub struct Hint {
    /// The task's id; without it, the tasks that have hints left
    pub task: Option<String>,
    /// The lab; may be left out while only one runs
    #[arg(long)]
    pub lab: Option<String>,
}

#[derive(Debug, Group)]
pub struct List {
    /// How the list is printed
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Group)]
pub struct Play {
    /// A lab's name or its folder
    pub lab: String,
    /// Which solution, counted from 1
    #[arg(long, default_value_t = 1)]
    pub solution: usize,
    /// Do not pretend to type
    #[arg(long)]
    pub fast: bool,
    /// Draw the lab's values from this number; random if absent
    #[arg(long)]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub engine: Engine,
}

/// How many runs of labs share the processors: with eight on each of two, all labs' proofs kept
/// both busy; more than 32 have not been tried.
fn verify_jobs() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (8 * processors).min(32)
}

#[derive(Debug, Group)]
pub struct Verify {
    /// Names or folders of labs, or a folder of labs; or exam packs by name, file or folder
    #[arg(required = true)]
    pub labs: Vec<String>,
    /// Leave out each command of each solution in turn, too: what is left must lose points
    #[arg(long)]
    pub incomplete: bool,
    /// Run only what has this text in its name, as the result shows it: a script's, or
    /// `without:` for all that --incomplete adds
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Run everything so often, each time with the next seed; all verdicts must be equal
    #[arg(long, default_value_t = 1)]
    pub repeat: u32,
    /// Draw the labs' values from this number; random if absent
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many runs go side by side; eight a processor unless said otherwise, 32 at most,
    /// because most of a run is waiting
    #[arg(long, default_value_t = verify_jobs(), hide_default_value = true)]
    pub jobs: usize,
    /// How the result is printed
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    #[command(flatten)]
    pub engine: Engine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GradeFormat {
    /// For people
    Text,
    /// A list of submissions with their reports
    Json,
    /// A test suite a submission, a test case a task
    Junit,
    /// Annotations of workflow runs, on the submissions' files
    Github,
}

#[derive(Debug, Group)]
pub struct Grade {
    /// A lab's name or its folder
    pub lab: String,
    /// A bash script that does what the lab asks for; can be given more than once
    #[arg(long = "submission", value_name = "FILE", required = true)]
    pub submissions: Vec<PathBuf>,
    /// Draw the lab's values from this number; random, and one for all, if absent
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many submissions run side by side
    #[arg(long, default_value_t = 1)]
    pub jobs: usize,
    /// Only every n-th submission from the i-th on, for spreading them over machines
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Keep each submission's result in this folder, and take those that are there as done
    #[arg(long, value_name = "DIR")]
    pub results: Option<PathBuf>,
    /// How the grades are printed
    #[arg(long, value_enum, default_value = "text")]
    pub format: GradeFormat,
    /// Seconds that a submission may run; 0 for no limit
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub time_limit: u64,
    /// MiB that it may print; 0 for no limit
    #[arg(long, value_name = "MIB", default_value_t = 16)]
    pub output_limit: u64,
    /// MiB of memory for the whole lab; 0 for no limit
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    pub memory_limit: u64,
    /// MiB for the nodes' files; 0 for no limit
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    pub disk_limit: u64,
    #[command(flatten)]
    pub engine: Engine,
}

/// Part `index` of `count`, both from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    pub index: usize,
    pub count: usize,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| {
            Some(Self {
                index: index.parse().ok()?,
                count: count.parse().ok()?,
            })
        });
        parts
            .filter(|shard| (1..=shard.count).contains(&shard.index))
            .ok_or_else(|| "expected I/N with I from 1 to N, such as 2/4".to_owned())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LintFormat {
    /// For people
    Text,
    /// A list of findings
    Json,
    /// Annotations of workflow runs
    Github,
    /// SARIF 2.1.0, which code hosts and editors show
    Sarif,
}

#[derive(Debug, Group)]
pub struct Lint {
    /// Names or folders of labs, or a folder of labs and its exam packs; or exam packs
    #[arg(required = true)]
    pub labs: Vec<String>,
    /// How the findings are printed
    #[arg(long, value_enum, default_value = "text")]
    pub format: LintFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Described {
    /// `lab.toml`
    Lab,
    /// An exam pack's file
    Pack,
    /// The grade of a lab, as `check` and `start` print it with `--format json`
    Report,
    /// The grade of an exam, as `exam` prints it
    Exam,
    /// The grades of submissions, as `grade` prints them
    Grade,
    /// The reference of lab.toml and of packs, as a page of the book
    Reference,
}

#[derive(Debug, Group)]
pub struct Schema {
    /// What is described
    #[arg(value_enum)]
    pub what: Described,
}

#[derive(Debug, Group)]
pub struct New {
    /// The folder to make, whose last part names the lab: lower-case letters, digits and
    /// hyphens
    pub dir: PathBuf,
}

#[derive(Debug, Group)]
pub struct Bench {
    /// The lab that is measured
    #[arg(default_value = "etcd-backup-restore")]
    pub lab: String,
    /// How often each is measured
    #[arg(long, default_value_t = 5)]
    pub runs: usize,
}
