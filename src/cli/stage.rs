//! Brings a lab up: nodes, cluster, setup, facts. And takes it down again.

use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    path::Path,
    process::Stdio,
    sync::mpsc::{self, RecvTimeoutError},
    time::{Duration, Instant},
};

use grade::{Facts, Report, exam::Scene};
use lab::{
    Lab,
    model::Setup,
    provision,
    session::{Engine, Grade, Lock, Record, Session},
};
use sandbox::{Exec, Fabric, FabricSpec};
use time::OffsetDateTime;

use crate::{args, breaking, error::Error};

/// A lab that is up. Dropping it ends the nodes and leaves the files.
pub struct Stage {
    pub lab: Lab,
    pub session: Session,
    pub fabric: Fabric,
    /// How long it took until every node was Ready.
    pub ready_after: Duration,
    facts: Facts,
    scene: Scene,
    _lock: Lock,
}

/// The sessions' home of this user.
pub fn home() -> Result<std::path::PathBuf, Error> {
    Ok(lab::session::home(nix::unistd::Uid::effective().is_root())?)
}

/// The binaries that take the place of ours.
pub fn engine(args: &args::Engine) -> Engine {
    let named = [
        ("etcd", &args.etcd),
        ("etcdctl", &args.etcdctl),
        ("etcdutl", &args.etcdutl),
        ("kubectl", &args.kubectl),
    ];
    let given = named
        .into_iter()
        .filter_map(|(name, path)| Some((name.to_owned(), path.clone()?)));
    Engine {
        binaries: given.collect(),
    }
}

impl Stage {
    /// Brings a lab up from nothing; an earlier run of the session is thrown away.
    ///
    /// # Errors
    /// The host can't run labs, or a step of the preparation failed. Nothing runs then.
    pub fn prepare(lab: Lab, session: Session, engine: Engine) -> Result<Self, Error> {
        sandbox::preflight()?;
        if lab.cluster.users && !sandbox::maps_users() {
            return Err(Error::NoUsers(lab.id));
        }
        let lock = session.lock()?;
        clear(&session)?;
        let left = session.clone();
        let prepared = Self::build(lab, session, engine, lock);
        if prepared.is_err() {
            // Nothing half-made stays; what went wrong is told by the error.
            let _ = remove(&left);
        }
        prepared
    }

    fn build(lab: Lab, session: Session, engine: Engine, lock: Lock) -> Result<Self, Error> {
        let begun = Instant::now();
        let mut record = Record {
            lab_dir: lab.dir.clone(),
            lab: lab.id.clone(),
            title: lab.title.clone(),
            seed: lab.seed,
            given: lab.given.clone(),
            started_at: jiff_now(),
            engine,
            ready: false,
            tasks: lab.tasks.iter().map(|task| task.id.clone()).collect(),
            hints: BTreeMap::new(),
            grade: None,
        };
        session.create(&record)?;
        let spec = provision::nodes(&lab, &session, &record.engine, OffsetDateTime::now_utc())?;
        save(&session.grader_dir().join("fabric.json"), &spec)?;
        let scene = scene(&spec, &lab);
        let fabric = Fabric::start(&spec)?;
        await_cluster(&fabric, &scene, &lab)?;
        let ready_after = begun.elapsed();
        for (number, setup) in lab.setup.iter().enumerate() {
            set_up(&fabric, &lab, setup, number + 1)?;
        }
        let facts = grade::record_facts(&fabric, &session, &scene)?;
        save(&session.grader_dir().join("facts.json"), &facts)?;
        let now = OffsetDateTime::now_utc().unix_timestamp();
        breaking::bring_about(&fabric, &lab.faults, now)?;
        record.ready = true;
        session.save(&record)?;
        Ok(Self {
            lab,
            session,
            fabric,
            ready_after,
            facts,
            scene,
            _lock: lock,
        })
    }

    /// Boots the nodes of an interrupted run again, on the files that it left.
    ///
    /// # Errors
    /// There is no such run, it never came to its start, or it can't be booted.
    pub fn resume(session: Session) -> Result<Self, Error> {
        sandbox::preflight()?;
        let begun = Instant::now();
        let record = session.load()?;
        let lock = session.lock()?;
        let mut lab = lab::load_with(&record.lab_dir, record.seed, &record.given)?;
        lab.tasks
            .retain(|task| record.tasks.is_empty() || record.tasks.contains(&task.id));
        let spec: FabricSpec = load(&session.grader_dir().join("fabric.json"))?;
        let facts: Facts = load(&session.grader_dir().join("facts.json"))?;
        let scene = scene(&spec, &lab);
        // A supervisor that was killed may have left a fabric that is about to end.
        if let Some(leftover) = Fabric::attach(&session.fabric_dir())? {
            leftover.stop()?;
        }
        let fabric = Fabric::start(&spec)?;
        if let Some(node) = &scene.control_plane {
            await_answer(&fabric, node)?;
        }
        let ready_after = begun.elapsed();
        Ok(Self {
            lab,
            session,
            fabric,
            ready_after,
            facts,
            scene,
            _lock: lock,
        })
    }

    /// Grades the lab as it is now; `looking` is told the name of each check when it is looked
    /// at.
    ///
    /// # Errors
    /// The grader could not look at all.
    pub fn check(&self, looking: &dyn Fn(&str)) -> Result<Report, Error> {
        let record = self.session.load()?;
        let costs = self
            .lab
            .tasks
            .iter()
            .map(|task| {
                let taken = record.hints.get(&task.id).copied().unwrap_or(0);
                (
                    task.id.clone(),
                    task.hints.iter().take(taken).map(|hint| hint.cost).sum(),
                )
            })
            .collect();
        Ok(grade::grade(
            &self.fabric,
            &self.session,
            &self.scene,
            &self.facts,
            &self.lab,
            &costs,
            looking,
        )?)
    }

    /// Keeps what the lab came to, for `list`.
    ///
    /// # Errors
    /// The session's record can't be read or written.
    pub fn remember(&self, report: &Report) -> Result<(), Error> {
        let mut record = self.session.load()?;
        record.grade = Some(Grade {
            points: report.points,
            earned_hundredths: report.earned_hundredths,
            solved: report.solved(),
        });
        Ok(self.session.save(&record)?)
    }

    /// The lab's values, for a script's environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        environment(&self.lab)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = self.fabric.stop() {
            eprintln!("kubedrill: {error}");
        }
    }
}

/// Removes everything of a session. Its nodes must not run.
///
/// # Errors
/// A file can't be removed.
pub fn clear(session: &Session) -> Result<(), Error> {
    if let Some(leftover) = Fabric::attach(&session.fabric_dir())? {
        leftover.stop()?;
    }
    if session.fabric_dir().exists() {
        sandbox::remove_session(&session.fabric_dir())?;
    }
    let dir = session.dir();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        // The lock is held by whoever clears, and goes with the folder at the end.
        if entry.file_name() == "lock" {
            continue;
        }
        let path = entry.path();
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(|source| Error::Io {
            what: "remove",
            path,
            source,
        })?;
    }
    Ok(())
}

/// Like [`clear`], and the session's folder goes too.
///
/// # Errors
/// A file can't be removed.
pub fn remove(session: &Session) -> Result<(), Error> {
    clear(session)?;
    fs::remove_dir_all(session.dir()).map_err(|source| Error::Io {
        what: "remove",
        path: session.dir().to_owned(),
        source,
    })
}

fn environment(lab: &Lab) -> Vec<(String, String)> {
    lab.vars
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn scene(spec: &FabricSpec, lab: &Lab) -> Scene {
    let addresses: BTreeMap<String, Ipv4Addr> = spec
        .nodes
        .iter()
        .map(|node| (node.name.clone(), node.address))
        .collect();
    Scene {
        addresses,
        control_plane: lab.cluster.control_plane_names().into_iter().next(),
        members: lab.cluster.member_names(),
    }
}

/// Waits until what the lab begins with is up: external members, API servers, nodes.
fn await_cluster(fabric: &Fabric, scene: &Scene, lab: &Lab) -> Result<(), Error> {
    if let Some(first) = scene.members.first().filter(|_| lab.cluster.etcd > 0) {
        let members = Exec::bash(provision::AWAIT_ETCD);
        finish(fabric, first, "starting etcd", &members)?;
    }
    let Some(control_plane) = &scene.control_plane else {
        return Ok(());
    };
    let addresses = |names: &[String]| -> Vec<Ipv4Addr> {
        let known = names.iter().filter_map(|name| scene.addresses.get(name));
        known.copied().collect()
    };
    let cluster = lab.cluster;
    let control_planes = addresses(&cluster.control_plane_names());
    let external = match cluster.etcd {
        0 => vec![],
        _ => addresses(&scene.members),
    };
    let apis: Vec<String> = control_planes.iter().map(Ipv4Addr::to_string).collect();
    let nodes = cluster.control_planes + cluster.workers;
    let uploads = provision::uploads(&control_planes, &external);
    let bootstrap = Exec {
        env: vec![
            ("NODES".into(), nodes.to_string()),
            ("APIS".into(), apis.join(" ")),
            ("UPLOADS".into(), uploads),
        ],
        ..Exec::bash(provision::BOOTSTRAP)
    };
    finish(fabric, control_plane, "starting the cluster", &bootstrap)
}

/// Waits until a cluster that was booted again answers. The learner may have left it in
/// the middle of a repair, so that it does not is no error.
fn await_answer(fabric: &Fabric, node: &str) -> Result<(), Error> {
    const WAIT: &str = "export KUBECONFIG=/etc/kubernetes/super-admin.conf
        cd /etc/kubernetes/manifests 2>/dev/null || exit 0
        ls etcd.yaml kube-apiserver.yaml >/dev/null 2>&1 || exit 0
        deadline=$((SECONDS + 15))
        until kubectl --request-timeout=2s get --raw=/readyz >/dev/null 2>&1; do
          [ $SECONDS -lt $deadline ] || exit 1
          sleep 0.05
        done";
    // A healthy cluster answers within a second; whoever waits longer wants to know why.
    let (done, waiting) = mpsc::channel::<()>();
    let announcer = std::thread::spawn(move || {
        if waiting.recv_timeout(Duration::from_secs(2)) == Err(RecvTimeoutError::Timeout) {
            eprintln!("The API server does not answer yet; waiting for it, 15 s at most.");
        }
    });
    let answered = fabric
        .command(node, &Exec::bash(WAIT))?
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success());
    drop(done);
    // It can only have printed a line.
    let _ = announcer.join();
    if !answered {
        eprintln!(
            "The API server still does not answer. If that is not how you left it, look at \
             `crictl ps -a` and `crictl logs`."
        );
    }
    Ok(())
}

fn set_up(fabric: &Fabric, lab: &Lab, setup: &Setup, number: usize) -> Result<(), Error> {
    let step = format!("step {number} of the lab's setup");
    let exec = Exec {
        env: environment(lab),
        ..Exec::bash(&setup.run)
    };
    finish(fabric, &setup.node, &step, &exec)?;
    if let Some(until) = &setup.until {
        let wait = Exec::new([
            "kubectl",
            "wait",
            "--timeout=60s",
            &format!("--namespace={}", until.namespace),
            &format!("--for=condition={}", until.condition),
            &until.object,
        ]);
        let step = format!("waiting for {} after {step}", until.object);
        finish(fabric, &setup.node, &step, &wait)?;
    }
    Ok(())
}

/// Runs a command of the preparation to its end.
fn finish(fabric: &Fabric, node: &str, step: &str, exec: &Exec) -> Result<(), Error> {
    let output = fabric
        .command(node, exec)?
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Io {
            what: "run a command in",
            path: node.into(),
            source,
        })?;
    if output.status.success() {
        return Ok(());
    }
    let mut words = String::from_utf8_lossy(&output.stdout).into_owned();
    words += &String::from_utf8_lossy(&output.stderr);
    Err(Error::Setup {
        step: step.to_owned(),
        node: node.to_owned(),
        status: output.status.to_string(),
        output: words.trim().to_owned(),
    })
}

fn jiff_now() -> String {
    jiff::Timestamp::now().to_string()
}

fn save<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let text = serde_json::to_vec(value).map_err(|error| Error::Failed(error.to_string()))?;
    fs::write(path, text).map_err(|source| Error::Io {
        what: "write",
        path: path.into(),
        source,
    })
}

fn load<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = fs::read(path).map_err(|source| Error::Io {
        what: "read",
        path: path.into(),
        source,
    })?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::Failed(format!("{} is damaged: {error}", path.display())))
}
