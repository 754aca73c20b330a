//! Units and the journal, as people type at them: what `systemctl` says of reloads, lists
//! and failures, and what `journalctl` finds and follows.

use sandbox::Fabric;

use crate::node_tools::{bash, fabric, holds};

/// Writes unit files and has init read them.
fn units(fabric: &Fabric, files: &[(&str, &str)]) {
    let mut script = String::new();
    for (name, text) in files {
        script += &format!("cat > /etc/systemd/system/{name} <<'END'\n{text}\nEND\n");
    }
    let printed = bash(fabric, &(script + "systemctl daemon-reload"));
    assert_eq!(printed, "", "a silent reload");
}

/// Services that reload: well, badly, too slowly, and not at all.
const RELOADING: [(&str, &str); 4] = [
    (
        "good.service",
        "[Unit]\nDescription=Reloads well\n[Service]\nExecStart=/bin/sleep 1000\n\
         ExecReload=/bin/bash -c 'echo $MAINPID > /run/reloaded'\nExecReload=/bin/kill -0 $MAINPID",
    ),
    (
        "bad.service",
        "[Unit]\nDescription=Reloads badly\n[Service]\nExecStart=/bin/sleep 1000\n\
         ExecReload=/bin/bash -c 'echo no such setting >&2; exit 7'",
    ),
    (
        "slow.service",
        "[Service]\nExecStart=/bin/sleep 1000\nExecReload=/bin/sleep 1000\nTimeoutStartSec=200ms",
    ),
    ("none.service", "[Service]\nExecStart=/bin/sleep 1000"),
];

#[test]
fn a_reload_is_run_refused_or_told_as_failed() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    units(&fabric, &RELOADING);
    holds(
        &fabric,
        &[
            (
                "systemctl reload good; echo $?",
                "good.service is not active, cannot reload.\n1\n",
            ),
            (
                "systemctl reload none; echo $?",
                "Failed to reload none.service: Job type reload is not applicable for unit \
                 none.service.\n1\n",
            ),
            (
                "systemctl reload absent; echo $?",
                "Failed to reload absent.service: Unit absent.service not found.\n5\n",
            ),
            ("systemctl start good bad slow none; echo $?", "0\n"),
            ("systemctl reload good; echo $?", "0\n"),
            (
                "[ $(cat /run/reloaded) = $(systemctl show -p MainPID --value good) ] && echo same",
                "same",
            ),
            (
                "journalctl -u good -o cat | tail -2",
                "Reloading good.service - Reloads well...\nReloaded good.service - Reloads well.\n",
            ),
            (
                "systemctl reload bad; echo $?; systemctl is-active bad",
                "Job for bad.service failed because the control process exited with error code.\n\
                 See \"systemctl status bad.service\" and \"journalctl -xeu bad.service\" for \
                 details.\n1\nactive\n",
            ),
            (
                "journalctl -u bad -o cat | tail -4",
                "Reloading bad.service - Reloads badly...\nno such setting\n\
                 bad.service: Control process exited, code=exited, status=7/NOTRUNNING\n\
                 Reload failed for bad.service - Reloads badly.\n",
            ),
            (
                "systemctl reload slow; echo $?; systemctl is-active slow",
                "Job for slow.service failed because a timeout was exceeded.\n",
            ),
            ("systemctl is-active slow; pgrep -c sleep", "active\n4\n"),
            // It restarts what can't reload.
            (
                "p() { systemctl show -p MainPID --value none; }; a=$(p); \
                 systemctl reload-or-restart none; echo $?; [ $a != $(p) ] && echo another",
                "0\nanother\n",
            ),
            (
                "systemctl reload-or-restart good; echo $?; systemctl show -p NRestarts good",
                "0\nNRestarts=0\n",
            ),
        ],
    );
}

/// Services that do one thing and end, with and without what they need.
const ONESHOTS: [(&str, &str); 7] = [
    (
        "steps.service",
        "[Service]\nType=oneshot\nExecStart=/bin/bash -c 'echo one >> /run/steps'\n\
         ExecStart=-/bin/false\nExecStart=/bin/bash -c 'sleep 0.2; echo two >> /run/steps'",
    ),
    (
        "stays.service",
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n\
         ExecStop=/bin/touch /run/stopped",
    ),
    (
        "fails.service",
        "[Unit]\nDescription=Fails\n[Service]\nType=oneshot\nExecStart=/bin/bash -c 'exit 3'\n\
         ExecStart=/bin/touch /run/never",
    ),
    (
        "told.service",
        "[Service]\nType=oneshot\nEnvironment=A=unit B=unit\nEnvironmentFile=/etc/default/told\n\
         EnvironmentFile=-/etc/default/absent\n\
         ExecStart=/bin/bash -c 'echo \"$A|$B|$C|$D\" > /run/told'",
    ),
    (
        "untold.service",
        "[Unit]\nDescription=Lacks its file\n[Service]\nEnvironmentFile=/etc/default/absent\n\
         ExecStart=/bin/sleep 1000",
    ),
    (
        "flaps.service",
        "[Unit]\nStartLimitIntervalSec=60\nStartLimitBurst=3\n[Service]\nRestart=on-failure\n\
         RestartSec=20ms\nExecStart=/bin/bash -c 'echo run >> /run/flaps; exit 4'",
    ),
    (
        "calm.service",
        "[Service]\nRestart=on-failure\nRestartSec=20ms\nExecStart=/bin/bash -c 'echo run >> /run/calm'",
    ),
];

#[test]
fn oneshots_environment_files_and_restarts() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    units(&fabric, &ONESHOTS);
    bash(
        &fabric,
        "printf '# A remark.\\nB=file\\nC=\"two words\"\\nD=it'\"'\"'s\\n' > /etc/default/told",
    );
    holds(
        &fabric,
        &[
            // `start` waits for all commands; one with a dash may fail.
            (
                "systemctl start steps; echo $?; cat /run/steps; systemctl is-active steps",
                "0\none\ntwo\ninactive\n",
            ),
            (
                "systemctl status steps | sed -n 3p",
                "     Active: inactive (dead) since ",
            ),
            (
                "systemctl start stays; systemctl status stays | sed -n 3p",
                "     Active: active (exited) since ",
            ),
            (
                "systemctl stop stays; ls /run/stopped; systemctl is-active stays",
                "/run/stopped\ninactive\n",
            ),
            (
                "systemctl start fails; echo $?; ls /run/never",
                "Job for fails.service failed because the control process exited with error \
                 code.\nSee \"systemctl status fails.service\" and \"journalctl -xeu \
                 fails.service\" for details.\n1\n",
            ),
            ("ls /run/never", "No such file or directory"),
            (
                "systemctl status fails; echo $?",
                "× fails.service - Fails\n     Loaded: loaded \
                 (/etc/systemd/system/fails.service; static)\n     Active: failed (Result: \
                 exit-code) since ",
            ),
            (
                "systemctl status fails; echo $?",
                "(code=exited, status=3/NOTIMPLEMENTED)",
            ),
            ("systemctl status fails > /dev/null; echo $?", "3\n"),
            (
                "journalctl -u fails -o cat",
                "Starting fails.service - Fails...\n\
                 fails.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED\n\
                 fails.service: Failed with result 'exit-code'.\n\
                 Failed to start fails.service - Fails.\n",
            ),
            (
                "systemctl start told; cat /run/told",
                "unit|file|two words|it's\n",
            ),
            (
                "systemctl start untold; echo $?; systemctl is-failed untold",
                "Job for untold.service failed because of unavailable resources or another \
                 system error.\n",
            ),
            (
                "journalctl -u untold -o cat",
                "untold.service: Failed to load environment files: No such file or directory\n\
                 untold.service: Failed with result 'resources'.\n\
                 Failed to start untold.service - Lacks its file.\n",
            ),
            // Three times, then no more.
            (
                "systemctl start flaps; for a in $(seq 200); do \
                 [ $(systemctl is-failed flaps) = failed ] && break; sleep 0.05; done; cat /run/flaps",
                "run\nrun\nrun\n",
            ),
            ("wc -l < /run/flaps", "3\n"),
            (
                "journalctl -u flaps -o cat | tail -2",
                "flaps.service: Start request repeated too quickly.\n\
                 flaps.service: Failed with result 'start-limit-hit'.\n",
            ),
            (
                "systemctl start flaps; echo $?",
                "To force a start use \"systemctl reset-failed flaps.service\"\n\
                 followed by \"systemctl start flaps.service\" again.\n1\n",
            ),
            (
                "systemctl reset-failed flaps; systemctl is-active flaps",
                "inactive",
            ),
            // It ended well: that is no failure.
            (
                "systemctl start calm; for a in $(seq 200); do systemctl -q is-active calm || break; sleep 0.02; done; \
                 cat /run/calm; systemctl is-active calm",
                "run\ninactive\n",
            ),
        ],
    );
}

#[test]
fn lists_show_what_is_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    units(
        &fabric,
        &[
            (
                "runs-a.service",
                "[Unit]\nDescription=Runs\n[Service]\nExecStart=/bin/sleep 1000",
            ),
            (
                "runs-b.service",
                "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target",
            ),
            (
                "fails.service",
                "[Unit]\nDescription=Fails\n[Service]\nType=oneshot\nExecStart=/bin/false",
            ),
            (
                "done.service",
                "[Unit]\nDescription=Done\n[Service]\nType=oneshot\nExecStart=/bin/true",
            ),
            ("often.timer", "[Timer]\nOnActiveSec=1h\nUnit=done.service"),
            ("other.service", "[Service]\nExecStart=/bin/sleep 1000"),
        ],
    );
    let footer = "\nLOAD   = Reflects whether the unit definition was properly loaded.\n\
                  ACTIVE = The high-level unit activation state, i.e. generalization of SUB.\n\
                  SUB    = The low-level unit activation state, values depend on unit type.\n";
    let all = format!(
        "  UNIT           LOAD   ACTIVE SUB     DESCRIPTION\n\
         ● fails.service  loaded failed failed  Fails\n  \
           often.timer    loaded active waiting often.timer\n  \
           runs-a.service loaded active running Runs\n  \
           runs-b.service loaded active running runs-b.service\n\
         {footer}4 loaded units listed. Pass --all to see loaded but inactive units, too.\n\
         To show all installed unit files use 'systemctl list-unit-files'.\n"
    );
    holds(
        &fabric,
        &[
            (
                "systemctl start runs-a runs-b done often.timer fails; echo $?",
                "1\n",
            ),
            ("systemctl list-units", &all),
            ("systemctl", &all),
            (
                "systemctl list-units --all",
                "  done.service   loaded inactive dead    Done\n",
            ),
            (
                "systemctl list-units -a | tail -2",
                "5 loaded units listed.\nTo show all installed unit files use",
            ),
            (
                "systemctl list-units --type=timer --no-legend",
                "  often.timer loaded active waiting often.timer\n",
            ),
            (
                "systemctl list-units --state=failed | tail -1",
                "1 loaded units listed.\n",
            ),
            ("systemctl --failed --no-legend", "● fails.service loaded"),
            (
                "systemctl list-units --state=running -t service --no-legend | wc -l",
                "2\n",
            ),
            ("systemctl list-units 'runs-*' --no-legend | wc -l", "2\n"),
            (
                "systemctl list-units 'runs-[!a].*' --no-legend | wc -l",
                "1\n",
            ),
            ("systemctl list-units 'nothing*'", "0 loaded units listed."),
            (
                "systemctl list-unit-files 'runs-?.service'",
                "2 unit files listed.",
            ),
            (
                "systemctl list-unit-files runs-b.service --no-legend",
                "runs-b.service disabled enabled\n",
            ),
            (
                "systemctl list-unit-files --type=timer --no-legend 'often*' 'runs-*'",
                "often.timer static   -\n",
            ),
            (
                "echo \"[$(systemctl is-enabled -q nothing)]\"; systemctl is-enabled nothing; echo $?",
                "[]\nnot-found\n4\n",
            ),
            ("systemctl show -P SubState runs-a", "running\n"),
            (
                "systemctl list-units -al 'done*' --no-legend -tservice | wc -l",
                "1\n",
            ),
            ("systemctl is-system-running; echo $?", "degraded\n1\n"),
            (
                "systemctl is-active runs-a other 'runs-*'; echo $?",
                "active\ninactive\nactive\n0\n",
            ),
            (
                "systemctl stop 'runs-*'; systemctl is-active runs-a runs-b; echo $?",
                "inactive\ninactive\n3\n",
            ),
            (
                "systemctl reset-failed; systemctl is-system-running",
                "running\n",
            ),
            (
                "systemctl list-dependencies; echo $?",
                "systemctl list-dependencies is not supported by this node's init.\n1\n",
            ),
            (
                "systemctl frobnicate; echo $?",
                "Unknown command verb frobnicate.\n1\n",
            ),
            (
                "systemctl --frobnicate; echo $?",
                "systemctl: unrecognized option '--frobnicate'\n1\n",
            ),
            (
                "systemctl edit absent; echo $?",
                "No files found for absent.service.\n1\n",
            ),
            (
                "mkdir -p /usr/local/lib/systemd/system; cd /etc/systemd/system; \
                 mv other.service /usr/local/lib/systemd/system/; systemctl mask other; \
                 systemctl start other; echo $?",
                "Created symlink /etc/systemd/system/other.service → /dev/null.\n\
                 Failed to start other.service: Unit other.service is masked.\n1\n",
            ),
        ],
    );
}

/// A service that says something when it starts and whenever it is told to.
const SPEAKER: &str = "[Service]\nSyslogIdentifier=speaker\n\
    ExecStart=/bin/bash -c 'echo begun; trap \"echo again\" USR1; while :; do sleep 0.02; done'";

#[test]
fn the_journal_is_searched_and_followed() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    let words = |text: &str| {
        format!("[Service]\nType=oneshot\nExecStart=/bin/bash -c 'printf \"{text}\\n\"'")
    };
    units(
        &fabric,
        &[
            ("speaker.service", SPEAKER),
            ("one.service", &words("first\\nsecond\\nthird")),
            ("two.service", &words("<3>Something went wrong")),
        ],
    );
    holds(
        &fabric,
        &[
            (
                "systemctl start one; journalctl -u one -o cat",
                "Starting one.service - one.service...\nfirst\nsecond\nthird\nFinished \
                 one.service - one.service.\n",
            ),
            // What came before this moment, and what comes after it.
            (
                "sleep 1.1; date '+%Y-%m-%d %H:%M:%S' > /run/then; systemctl start two; \
                 journalctl -o cat --since \"$(cat /run/then)\"",
                "Starting two.service - two.service...\nSomething went wrong\nFinished",
            ),
            (
                "journalctl -o cat --since \"$(cat /run/then)\" | grep -c first",
                "0\n",
            ),
            (
                "journalctl -o cat --until \"$(cat /run/then)\" | grep -c first",
                "1\n",
            ),
            (
                "journalctl -S \"$(cut -d' ' -f2 /run/then)\" -o cat | head -1",
                "Starting two",
            ),
            (
                "journalctl --since '10 min ago' -o cat | grep -c first",
                "1\n",
            ),
            ("journalctl --since -1h -o cat | grep -c first", "1\n"),
            (
                "journalctl --since '2 weeks ago' -o cat | grep -c first",
                "1\n",
            ),
            (
                "journalctl --since today --until now -o cat | grep -c first",
                "1\n",
            ),
            ("journalctl --since '2099-01-01'", "-- No entries --\n"),
            ("journalctl -q --since '2099-01-01' | wc -c", "0\n"),
            (
                "journalctl --since whenever; echo $?",
                "Failed to parse timestamp: whenever\n1\n",
            ),
            ("journalctl -u one -n 2 -o cat", "third\nFinished"),
            ("journalctl -u one -n2 -o cat | wc -l", "2\n"),
            (
                "journalctl -eu one -o cat | tail -1",
                "Finished one.service",
            ),
            (
                "journalctl -u one -r -o cat | head -1",
                "Finished one.service",
            ),
            ("journalctl -u one -u two -o cat | wc -l", "8\n"),
            ("journalctl -u 'o*' -u two -o cat | wc -l", "8\n"),
            ("journalctl -u absent", "-- No entries --\n"),
            ("journalctl -p err -o cat", "Something went wrong\n"),
            ("journalctl -g 'WENT' -o cat", "-- No entries --"),
            ("journalctl -g 'something' -o cat", "Something went wrong\n"),
            (
                "journalctl -g 'a|b'; echo $?",
                "searched for plain text only",
            ),
            (
                "journalctl -u one -o short-iso -n 1",
                "+0000 etcd1 systemd[1]: Finished",
            ),
            (
                "journalctl -u two -p 3 -o json | grep -o '\"MESSAGE\":\"[^\"]*\"'",
                "\"MESSAGE\":\"Something went wrong\"",
            ),
            (
                "journalctl -u two -p 3 -o json-pretty | grep PRIORITY",
                "\"PRIORITY\": \"3\"",
            ),
            (
                "journalctl _SYSTEMD_UNIT=one.service -o cat",
                "first\nsecond\nthird\n",
            ),
            (
                "journalctl SYSLOG_IDENTIFIER=systemd UNIT=two.service -o cat | wc -l",
                "2\n",
            ),
            (
                "journalctl nonsense; echo $?",
                "Failed to add match 'nonsense': Invalid argument\n1\n",
            ),
            (
                "journalctl -o nonsense; echo $?",
                "Unknown output format 'nonsense'.\n1\n",
            ),
            (
                "journalctl --header; echo $?",
                "--header is not supported by this node's journal\n1\n",
            ),
            // What is logged later arrives, and nothing of other units.
            (
                "journalctl -fu speaker -o cat > /run/seen & \
                 until_seen() { for a in $(seq 200); do grep -q $1 /run/seen && return; sleep 0.02; done; echo never; }; \
                 systemctl start speaker; until_seen begun; systemctl start two; \
                 kill -s USR1 $(systemctl show -p MainPID --value speaker); until_seen again; kill $!; cat /run/seen",
                "Started speaker.service - speaker.service.\nbegun\nagain\n",
            ),
            (
                "timeout 3 journalctl -f -n 1 -o cat; echo $?",
                "again\n124\n",
            ),
            // A reader that has seen enough ends it.
            (
                // It may begin to look late: `two` is started until it has seen one.
                "touch /run/looks; (while [ -e /run/looks ]; do systemctl start two; sleep 0.2; done) & \
                 timeout 30 journalctl -fn0 -u two -o cat | { grep -m1 Starting; rm /run/looks; }; wait; echo ended",
                "Starting two.service - two.service...\nended\n",
            ),
        ],
    );
    fabric.reboot("etcd1").expect("it boots again");
    holds(
        &fabric,
        &[
            (
                "systemctl start two; journalctl -b -u one",
                "-- No entries --",
            ),
            ("journalctl -b -1 -u one -o cat | grep -c first", "1\n"),
            ("journalctl -b 1 -u one -o cat | grep -c first", "1\n"),
            (
                "journalctl -b -7; echo $?",
                "Data from the specified boot (-7) is not available: No such boot ID in journal\n1\n",
            ),
        ],
    );
}

/// What process 1 holds: kB of memory of its own and open files; and how many processes of
/// services there are. Page cache and the program's own file count for nobody here.
const HELD: &str = "echo $(awk '/^RssAnon/ { print $2 }' /proc/1/status) $(ls /proc/1/fd | wc -l) \
     $(cat /proc/[0-9]*/comm 2> /dev/null | grep -c -x -e sleep -e false)";

#[test]
fn process_1_stays_as_small_as_it_was() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    units(
        &fabric,
        &[
            (
                "runs.service",
                "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep 1000",
            ),
            (
                "fails.service",
                "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nExecStart=/bin/false",
            ),
        ],
    );
    let held = |rounds: usize| {
        let printed = bash(
            &fabric,
            &format!(
                "for round in $(seq {rounds}); do systemctl restart runs; systemctl start fails; \
                 systemctl status runs; done > /dev/null 2>&1; ssh -q etcd2 true; \
                 for a in $(seq 100); do pgrep -x false > /dev/null || break; sleep 0.02; done; {HELD}"
            ),
        );
        let numbers: Vec<u64> = printed
            .split_whitespace()
            .map(|number| number.parse().expect("a number"))
            .collect();
        assert_eq!(numbers.len(), 3, "{printed}");
        numbers
    };
    let (before, after) = (held(20), held(100));
    // A hundred rounds that keep a page each would be 400 kB.
    assert!(
        after[0] <= before[0] + 300,
        "kB: {before:?}, then {after:?}"
    );
    assert_eq!(before[1..], after[1..], "files and processes");
}

#[test]
fn a_restart_too_many_is_told_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let fabric = fabric(&dir.path().join("session"));
    units(
        &fabric,
        &[("runs.service", "[Service]\nExecStart=/bin/sleep 1000")],
    );
    holds(
        &fabric,
        &[(
            "for number in 1 2 3 4 5 6; do timeout 20 systemctl restart runs; echo $?; done",
            "0\n0\n0\n0\n0\nJob for runs.service failed because start of the service was \
             attempted too often.\n",
        )],
    );
}
