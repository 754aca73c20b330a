use super::super::words::replace_variables;
use super::*;

fn parse(name: &str, text: &str) -> Unit {
    let mut unit = Unit::empty(name, PathBuf::new());
    unit.parse(text);
    unit
}

#[test]
fn a_service_as_the_course_writes_it() {
    let unit = parse(
        "etcd.service",
        "[Unit]\nDescription=etcd key-value store\nAfter=network.target\n\n[Service]\n\
         User=etcd\nType=notify\n# a comment\nEnvironment=ETCD_DATA_DIR=/var/lib/etcd \"ETCD_NAME=%p x\"\n\
         ExecStart=/usr/local/bin/etcd --a \\\n  --b='c d'\nRestart=always\nRestartSec=10s\n\
         LimitNOFILE=40000\n\n[Install]\nWantedBy=multi-user.target\n",
    );
    assert_eq!(unit.kind, Type::Notify);
    assert_eq!(
        unit.start[0].words,
        ["/usr/local/bin/etcd", "--a", "--b=c d"]
    );
    assert_eq!(
        unit.environment[1],
        ("ETCD_NAME".to_owned(), "etcd x".to_owned())
    );
    assert_eq!(
        (unit.restart, unit.restart_delay),
        (Restart::Always, Duration::from_secs(10))
    );
    assert_eq!(unit.wanted_by, ["multi-user.target"]);
    assert_eq!(unit.open_files, Some(40000));
}

#[test]
fn drop_ins_clear_and_replace() {
    let mut unit = parse("kubelet.service", "[Service]\nExecStart=/usr/bin/kubelet\n");
    unit.parse("[Service]\nEnvironment=\"A=--x --y\"\nExecStart=\nExecStart=-@/bin/k $A ${A} $B\n");
    assert_eq!(unit.start.len(), 1);
    let command = &unit.start[0];
    assert!(command.ignore_failure && command.own_argv0);
    let words = replace_variables(&command.words, &unit.environment);
    assert_eq!(words, ["/bin/k", "--x", "--y", "--x --y"]);
}

#[test]
fn time_spans() {
    assert_eq!(duration("1min 30s"), Some(Duration::from_secs(90)));
    assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
    assert_eq!(duration("10"), Some(Duration::from_secs(10)));
    assert_eq!(duration("infinity"), None);
    assert_eq!(duration("soon"), None);
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let unit = parse("x.service", "[Service]\nType=dbus\nExecStart=/bin/x\n");
    assert!(unit.refused.is_some_and(|text| text.contains("Type=dbus")));
}
