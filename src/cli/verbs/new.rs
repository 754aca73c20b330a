//! `new`: a folder with a small lab that verifies, to begin from.

use std::{fs, path::Path};

use crate::{
    args::New,
    error::{Error, status},
};

const LAB: &str = r#"[lab]
id = "@ID@"
title = "Keep a value in a ConfigMap"
minutes = 5
competencies = ["workloads/configmaps-secrets"]
intro = """
What the learner must know before the first task. One paragraph is enough.
"""
review = """
What is worth knowing afterwards: why it worked, not how.
"""

[cluster]
control_planes = 1
workers = 0

# Drawn anew for every run, so that no answer from elsewhere fits. Texts use a variable
# as a template, scripts find it in their environment.
[vars]
owner = { pick = ["ada", "grace", "barbara"] }

# What the learner finds; leave it out if an untouched cluster will do.
[[setup]]
run = "kubectl create namespace team"

[[task]]
id = "config"
points = 2
text = """
Create a ConfigMap `owner` in the namespace `team`, in which the key `name` is
`{{ owner }}`.
"""
hints = [
  { cost = 0, text = "`kubectl create configmap --help` shows how values are given." },
  { cost = 20, text = "A namespace is named with --namespace, or -n." },
  { cost = 50, text = "kubectl create configmap owner -n team --from-literal=name={{ owner }}" },
]

# All checks of a task must pass. The reference of the probes is in the book.
[[task.check]]
object = "configmap/owner"
namespace = "team"
field = ".data.name"
value = "{{ owner }}"

[[solution]]
script = "solutions/create.sh"
title = "with kubectl create"

[[wrong]]
script = "wrong/other-namespace.sh"
loses = ["config"]
says = "does not exist"

[[wrong]]
script = "wrong/other-value.sh"
loses = ["config"]
says = ".data.name is someone"
"#;

const SOLUTION: &str = "# What a learner would type.
kubectl create configmap owner -n team --from-literal=name=$owner
";

const OTHER_VALUE: &str = "# Gives another name.
kubectl create configmap owner -n team --from-literal=name=someone
";

const OTHER_NAMESPACE: &str = "# Forgets the namespace.
kubectl create configmap owner --from-literal=name=$owner
";

pub fn run(args: &New) -> Result<u8, Error> {
    let dir = &args.dir;
    let id = dir
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|name| is_id(name))
        .ok_or_else(|| {
            Error::Usage(format!(
                "{} names no lab: its last part must be lower-case letters, digits and hyphens",
                dir.display()
            ))
        })?;
    if dir.exists() {
        return Err(Error::Usage(format!("{} exists already", dir.display())));
    }
    write(&dir.join("lab.toml"), &LAB.replace("@ID@", id))?;
    write(&dir.join("solutions/create.sh"), SOLUTION)?;
    write(&dir.join("wrong/other-namespace.sh"), OTHER_NAMESPACE)?;
    write(&dir.join("wrong/other-value.sh"), OTHER_VALUE)?;
    let shown = dir.display();
    eprintln!(
        "{shown}/lab.toml is a lab that verifies; make it yours.\n\n  \
         kubedrill start {shown}    as a learner meets it\n  \
         kubedrill lint {shown}     what is missing\n  \
         kubedrill verify {shown}   whether it grades what it says"
    );
    Ok(status::DONE)
}

fn is_id(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && name
            .chars()
            .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let io = |source| Error::Io {
        what: "write",
        path: path.to_owned(),
        source,
    };
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(io)?;
    }
    fs::write(path, text).map_err(io)
}
