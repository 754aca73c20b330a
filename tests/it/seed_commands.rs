//! Every command of five learners' notes on etcd, typed on a node where it belongs: what it
//! prints, how it ends, and what is true afterwards. The tables are in `rows`.

mod rows;

use crate::support::{Home, run};
use rows::{Row, STAYS};

/// The words of the session that types the rows. A row's commands change the directory and
/// the variables of the rows after it, as in one terminal. One that stays runs beside them
/// once it has printed what is expected of it. Who looks at something that takes its time
/// looks again.
const WORDS: &str = r#"
exec 2>&1
cd /root
# Whether the first file holds all the texts after it.
holds() {
  local file=$1 text
  shift
  for text; do grep -qF -e "$text" "$file" || return 1; done
}
row() {
  local number=$1 kind=$2 typed=$3 attempt status
  shift 3
  printf '\n@@ row\n'
  case $kind in
  stays)
    eval "$typed" >/tmp/row-$number 2>&1 </dev/null &
    for attempt in $(seq 400); do
      holds /tmp/row-$number "$@" && break
      kill -0 $! || break
      sleep 0.05
    done
    status=-1
    kill -0 $! || { wait $!; status=$?; }
    cat /tmp/row-$number
    ;;
  looks)
    for attempt in $(seq 200); do
      eval "$typed" >/tmp/row-$number 2>&1 </dev/null
      status=$?
      holds /tmp/row-$number "$@" && break
      sleep 0.05
    done
    cat /tmp/row-$number
    ;;
  *)
    eval "$typed" </dev/null
    status=$?
    ;;
  esac
  printf '\n@@ ended %s\n' "$status"
}
until_ok() {
  local attempt
  for attempt in $(seq 400); do eval "$1" >/dev/null 2>&1 && return 0; sleep 0.05; done
  echo "never: $1"
  return 1
}
"#;

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn script(rows: &[Row]) -> String {
    let mut script = WORDS.to_owned();
    for (number, (_, typed, status, prints)) in rows.iter().enumerate() {
        let kind = match *status {
            STAYS => "stays",
            _ if typed.starts_with("kubectl get") => "looks",
            _ => "acts",
        };
        let texts: Vec<_> = prints.iter().map(|text| quoted(text)).collect();
        script += &format!(
            "row {number} {kind} {} {}\n",
            quoted(typed),
            texts.join(" ")
        );
    }
    script
}

/// What is wrong with a row, given what was printed from its beginning on.
fn judge((note, typed, status, prints): &Row, printed: &str) -> Option<String> {
    let (words, rest) = printed.split_once("\n@@ ended ").unwrap_or((printed, ""));
    let ended = rest.lines().next().unwrap_or("never");
    let lacking: Vec<_> = prints
        .iter()
        .filter(|text| !words.contains(**text))
        .collect();
    (ended != status.to_string() || !lacking.is_empty()).then(|| {
        format!(
            "note {note}: {typed}\nended with {ended}, expected {status}; lacks {lacking:?} in\n{words}\n"
        )
    })
}

/// Types the rows on the first node of a cluster, which is described as in a lab's file.
fn hold(cluster: &str, rows: &[Row]) {
    if cluster.contains("users = true") && !sandbox::maps_users() {
        eprintln!("left out: this host maps no users into a lab");
        return;
    }
    let home = Home::new();
    let dir = home.bare_lab(cluster);
    let mut start = home.kubedrill(["start", "--discard"]);
    let ended = run(start.arg(&dir), &script(rows));
    let printed: Vec<_> = ended.stdout.split("\n@@ row\n").skip(1).collect();
    assert_eq!(printed.len(), rows.len(), "{ended:?}");
    let wrong: Vec<_> = rows
        .iter()
        .zip(printed)
        .filter_map(|(row, printed)| judge(row, printed))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn on_one_control_plane_and_a_worker() {
    hold("control_planes = 1\nworkers = 1", rows::ONE_CONTROL_PLANE);
}

#[test]
fn on_three_control_planes() {
    hold(
        "control_planes = 3\nworkers = 0",
        rows::THREE_CONTROL_PLANES,
    );
}

#[test]
fn on_a_bare_machine() {
    let cluster = "control_planes = 0\nspare = 1\nspare_kind = \"bare\"\nusers = true";
    hold(cluster, rows::BARE_MACHINE);
}

#[test]
fn on_a_control_plane_with_external_etcd() {
    let cluster = "control_planes = 1\nworkers = 0\netcd = 1\nusers = true";
    hold(cluster, rows::EXTERNAL_ETCD);
}
