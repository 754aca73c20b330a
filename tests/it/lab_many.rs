//! Many labs, one after another and side by side, leave nothing on the host. The numbers
//! are small here; `KUBEDRILL_STARTS` and `KUBEDRILL_SIDE_BY_SIDE` set larger ones.

use std::path::PathBuf;
use std::{env, fs, thread};

use crate::support::{Home, Host, LAB, run};

fn number(variable: &str, default: usize) -> usize {
    env::var(variable).map_or(default, |value| value.parse().expect("a number"))
}

/// Starts the lab, writes to its API and removes it.
fn start_and_discard(home: &Home, name: &str) {
    let script = format!(
        "kubectl create configmap {name} --from-literal=is={name}\n\
         echo \"here is $(kubectl get configmap {name} --output=jsonpath={{.data.is}})\"\n\
         kubectl get nodes --no-headers | grep -c ' Ready '\n"
    );
    let tmp = home.path().join("tmp");
    fs::create_dir_all(&tmp).expect("a folder");
    let mut start = home.kubedrill(["start", LAB, "--discard"]);
    let ended = run(start.env("TMPDIR", &tmp), &script).expect(1);
    let expected = format!("here is {name}\n2\n");
    assert!(ended.stdout.contains(&expected), "{ended:?}");
}

/// Everything below a home, its temporary files too, but for the folders themselves.
fn files(home: &Home) -> Vec<PathBuf> {
    ["sessions", "tmp"]
        .into_iter()
        .flat_map(|dir| fs::read_dir(home.path().join(dir)).into_iter().flatten())
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

#[track_caller]
fn expect_nothing_left(home: &Home) {
    home.await_quiet();
    assert_eq!(files(home), Vec::<PathBuf>::new());
    assert_eq!(home.state(), "");
}

#[test]
fn one_after_another() {
    let home = Home::new();
    let before = Host::now();
    for number in 0..number("KUBEDRILL_STARTS", 3) {
        start_and_discard(&home, &format!("map-{number}"));
        expect_nothing_left(&home);
        assert_eq!(before, Host::now(), "after start {number}");
    }
}

#[test]
fn side_by_side() {
    let homes: Vec<Home> = (0..number("KUBEDRILL_SIDE_BY_SIDE", 3))
        .map(|_| Home::new())
        .collect();
    let before = Host::now();
    thread::scope(|scope| {
        for (number, home) in homes.iter().enumerate() {
            scope.spawn(move || start_and_discard(home, &format!("map-{number}")));
        }
    });
    for home in &homes {
        expect_nothing_left(home);
    }
    assert_eq!(before, Host::now());
}
