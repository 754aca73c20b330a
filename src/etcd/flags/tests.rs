//! Flags against what etcd 3.5.16 was seen to say.

use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::server::{AutoCompaction, ClusterState};

fn read(words: &[&str]) -> Result<Values, Trouble> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    match command_line(&words)? {
        Asked::Run(values) => Ok(values),
        Asked::Help => Err(Trouble::Usage("help".into())),
    }
}

fn options(words: &[&str]) -> Result<Options, String> {
    Options::from_values(&read(words).map_err(|trouble| format!("{trouble:?}"))?)
}

#[test]
fn every_flag_of_the_help_is_known() {
    for line in HELP.lines() {
        let Some(rest) = line.strip_prefix("  --") else {
            continue;
        };
        let name = rest.split([' ', '\'']).next().unwrap_or_default();
        assert!(
            table::find(name).is_some(),
            "--{name} stands in the help but is not known"
        );
    }
}

#[test]
fn every_default_is_valid() {
    for flag in table::FLAGS
        .iter()
        .filter(|flag| flag.kind != table::Kind::Ignored)
    {
        let mut values = Values::default();
        assert_eq!(values.set(flag, flag.default), Ok(()), "--{}", flag.name);
        assert_eq!(values.changed().count(), 0, "--{}", flag.name);
    }
    assert!(options(&[]).is_ok());
}

#[test]
fn words_are_read_as_go_reads_them() {
    let usage = |text: &str| Err(Trouble::Usage(text.to_owned()));
    assert_eq!(
        read(&["--nope"]),
        usage("flag provided but not defined: -nope")
    );
    assert_eq!(read(&["-name"]), usage("flag needs an argument: -name"));
    assert_eq!(read(&["---name"]), usage("bad flag syntax: ---name"));
    assert_eq!(
        read(&["--snapshot-count=x"]),
        usage("invalid value \"x\" for flag -snapshot-count: parse error")
    );
    assert_eq!(
        read(&["--client-cert-auth=maybe"]),
        usage("invalid boolean value \"maybe\" for -client-cert-auth: parse error")
    );
    assert_eq!(
        read(&["--listen-client-urls", "127.0.0.1:2379"]),
        usage(
            "invalid value \"127.0.0.1:2379\" for flag -listen-client-urls: parse \"127.0.0.1:2379\": first path segment in URL cannot contain colon"
        )
    );
    assert_eq!(
        read(&["--initial-cluster-state", "old"]),
        usage("invalid value \"old\" for flag -initial-cluster-state: invalid value")
    );
    assert_eq!(read(&["--name", "a", "b"]), Err(Trouble::Stray("b".into())));
    let values = read(&[
        "-name=a",
        "--client-cert-auth",
        "--data-dir",
        "/d",
        "-pre-vote=false",
    ])
    .expect("good flags");
    assert_eq!((values.text("name"), values.text("data-dir")), ("a", "/d"));
    assert!(values.bool("client-cert-auth") && !values.bool("pre-vote"));
}

#[test]
fn the_environment_fills_what_the_line_leaves_out() {
    let env = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let mut values = read(&["--name", "a"]).expect("good flags");
    let notes = environment(
        &mut values,
        &env(&[
            ("ETCD_DATA_DIR", "/d"),
            ("ETCD_NAME", "b"),
            ("ETCD_X", "1"),
            ("HOME", "/"),
        ]),
    );
    assert_eq!(
        notes,
        Ok(vec![
            EnvNote::Used("ETCD_DATA_DIR".into(), "/d".into()),
            EnvNote::Shadowed("ETCD_NAME".into()),
            EnvNote::Unknown("ETCD_X=1".into()),
        ])
    );
    assert_eq!(values.text("data-dir"), "/d");
    let mut values = Values::default();
    assert_eq!(
        environment(&mut values, &env(&[("ETCD_PRE_VOTE", "perhaps")])),
        Err("invalid value \"perhaps\" for ETCD_PRE_VOTE: parse error".into())
    );
}

#[test]
fn kubeadms_flags_are_understood() {
    let options = options(&[
        "--advertise-client-urls=https://10.0.0.5:2379",
        "--cert-file=/etc/kubernetes/pki/etcd/server.crt",
        "--client-cert-auth=true",
        "--data-dir=/var/lib/etcd",
        "--experimental-initial-corrupt-check=true",
        "--experimental-watch-progress-notify-interval=5s",
        "--initial-advertise-peer-urls=https://10.0.0.5:2380",
        "--initial-cluster=controlplane=https://10.0.0.5:2380",
        "--key-file=/etc/kubernetes/pki/etcd/server.key",
        "--listen-client-urls=https://127.0.0.1:2379,https://10.0.0.5:2379",
        "--listen-metrics-urls=http://127.0.0.1:2381",
        "--listen-peer-urls=https://10.0.0.5:2380",
        "--name=controlplane",
        "--peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt",
        "--peer-client-cert-auth=true",
        "--peer-key-file=/etc/kubernetes/pki/etcd/peer.key",
        "--peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt",
        "--snapshot-count=10000",
        "--trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt",
    ])
    .expect("kubeadm's flags are good");
    assert_eq!(
        options.server.initial_cluster,
        [(
            "controlplane".to_owned(),
            "https://10.0.0.5:2380".to_owned()
        )]
    );
    assert_eq!(options.server.snapshot_count, 10_000);
    assert_eq!(options.watch_progress_interval, Duration::from_secs(5));
    assert_eq!(options.listen_client.len(), 2);
    assert!(options.client_tls.client_cert_auth && options.peer_tls.client_cert_auth);
    assert!(options.server.initial_corrupt_check);
}

#[test]
fn validation_speaks_the_references_words() {
    for (words, error) in [
        (
            &["--heartbeat-interval=500"][..],
            "--election-timeout[1000ms] should be at least as 5 times as --heartbeat-interval[500ms]",
        ),
        (
            &["--election-timeout=60000"],
            "--election-timeout[60000ms] is too long, and should be set less than 50000ms",
        ),
        (
            &["--listen-client-urls=http://127.0.0.1:1"],
            "--advertise-client-urls is required when --listen-client-urls is set explicitly",
        ),
        (
            &["--listen-peer-urls=http://node:1"],
            "expected IP in URL for binding (http://node:1)",
        ),
        (
            &["--auto-compaction-mode=weekly"],
            "unknown auto-compaction-mode \"weekly\"",
        ),
        (
            &["--tls-min-version=TLS1.3", "--tls-max-version=TLS1.2"],
            "min version (TLS1.3) is greater than max version (TLS1.2)",
        ),
        (
            &["--tls-min-version=SSL3"],
            "unexpected TLS version \"SSL3\" (must be one of: TLS1.2, TLS1.3)",
        ),
        (
            &["--experimental-enable-v2v3=/v2"],
            "--experimental-enable-v2v3=\"/v2\" is not supported by this server: the v2 API over v3 keys is not implemented; --enable-v2 has a store of its own",
        ),
    ] {
        assert_eq!(options(words).err().as_deref(), Some(error));
    }
}

#[test]
fn compaction_is_read_in_hours_durations_and_revisions() {
    let mode = |words: &[&str]| options(words).map(|options| options.server.auto_compaction);
    assert_eq!(mode(&[]), Ok(AutoCompaction::Off));
    assert_eq!(
        mode(&["--auto-compaction-retention=2"]),
        Ok(AutoCompaction::Periodic(Duration::from_secs(7200)))
    );
    assert_eq!(
        mode(&["--auto-compaction-retention=5m"]),
        Ok(AutoCompaction::Periodic(Duration::from_secs(300)))
    );
    assert_eq!(
        mode(&[
            "--auto-compaction-mode=revision",
            "--auto-compaction-retention=1000"
        ]),
        Ok(AutoCompaction::Revision(1000))
    );
    assert!(
        mode(&["--auto-compaction-retention=often"])
            .is_err_and(|error| error.starts_with("error parsing CompactionRetention: "))
    );
}

#[test]
fn a_name_changes_the_default_cluster() {
    let options =
        options(&["--name=a", "--initial-advertise-peer-urls=http://h:1"]).expect("good flags");
    assert_eq!(
        options.server.initial_cluster,
        [("a".to_owned(), "http://h:1".to_owned())]
    );
    assert!(options.data_dir_defaulted);
    assert_eq!(options.server.data_dir.to_str(), Some("a.etcd"));
}

#[test]
fn a_file_stands_in_for_flags() {
    let (values, unknown) = parse_file(
        "name: s1\ndata-dir: /d\nsnapshot-count: 5000\ninitial-cluster-state: existing\nlisten-client-urls: http://127.0.0.1:1,http://127.0.0.1:2\nadvertise-client-urls: http://127.0.0.1:1\nlog-outputs: [stderr]\nclient-transport-security:\n  cert-file: /c\n  client-cert-auth: true\n  colour: red\nnonsense: 1\n",
    )
    .expect("a good file");
    assert_eq!(unknown, ["client-transport-security.colour", "nonsense"]);
    let options = Options::from_values(&values).expect("good values");
    assert_eq!(options.server.state, ClusterState::Existing);
    assert_eq!(options.listen_client.len(), 2);
    assert!(options.client_tls.client_cert_auth);
    assert_eq!(
        parse_file("client-transport-security:\n  allowed-cn: [a]\n")
            .err()
            .as_deref(),
        Some(
            "client-transport-security.allowed-cn is not supported by this server: it limits the names of peers alone (peer-transport-security.allowed-cn)"
        )
    );
    // A flag that the file has no key for.
    let (values, unknown) = parse_file("cert-file: /c\n").expect("a file");
    assert_eq!(
        (values.text("cert-file"), unknown),
        ("", vec!["cert-file".to_owned()])
    );
    assert_eq!(
        parse_file("snapshot-count: \"many\"\n").err().as_deref(),
        Some(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go struct field configYAML.snapshot-count of type uint64"
        )
    );
}

#[test]
fn logging_is_read_first() {
    let outputs =
        |words: &[&str]| logging(&read(words).expect("good flags")).map(|logging| logging.outputs);
    assert_eq!(outputs(&[]), Ok(vec![crate::log::Output::Stderr]));
    assert_eq!(outputs(&["--log-outputs=/dev/null"]), Ok(vec![]));
    assert_eq!(
        outputs(&["--log-outputs=default,stdout"]),
        Err("multi logoutput for \"default\" is not supported yet".into())
    );
    assert_eq!(
        outputs(&["--logger=capnslog"]),
        Err("--logger=capnslog is removed in v3.5".into())
    );
}

#[test]
fn a_member_that_listens_everywhere_is_found_at_the_machines_address() {
    let advertised = |words: &[&str], host: &str| {
        let mut values = read(words).expect("good flags");
        let used = values.advertise(host).expect("a host");
        let options = Options::from_values(&values);
        let urls = options.map(|options| {
            let cluster = options.server.initial_cluster;
            (
                options.server.peer_urls,
                options.server.client_urls,
                cluster,
            )
        });
        (used, urls)
    };
    let peer = "--listen-peer-urls=http://0.0.0.0:3380";
    let client = "--listen-client-urls=https://0.0.0.0:3379";
    let explicit = "--advertise-client-urls=http://localhost:2379";
    let at = |url: &str| vec![url.to_owned()];
    let alone = |name: &str, url: &str| vec![(name.to_owned(), url.to_owned())];

    let (used, urls) = advertised(&["--name=m", peer, client, explicit], "192.0.2.7");
    let (peers, clients, cluster) = urls.expect("good flags");
    assert!(used);
    assert_eq!(peers, at("http://192.0.2.7:3380"));
    assert_eq!(clients, at("http://192.0.2.7:3379"));
    assert_eq!(cluster, alone("m", "http://192.0.2.7:3380"));

    // A member of the default name keeps the default cluster, which then does not fit.
    let (_, urls) = advertised(&[peer], "192.0.2.7");
    let (_, _, cluster) = urls.expect("good flags");
    assert_eq!(cluster, alone("default", "http://localhost:2380"));

    let (_, urls) = advertised(&[peer], "fd00::2");
    assert_eq!(urls.expect("good flags").0, at("http://[fd00::2]:3380"));

    // Other addresses, to listen on or to be found at, stay.
    let elsewhere = "--listen-peer-urls=http://127.0.0.1:3380";
    let own = "--initial-advertise-peer-urls=http://127.0.0.1:2380";
    for words in [&[elsewhere][..], &[peer, own], &[]] {
        assert!(!advertised(words, "192.0.2.7").0, "{words:?}");
    }
    let (used, urls) = advertised(&[client], "192.0.2.7");
    let error = urls.expect_err("nobody said where clients find it");
    assert!(
        !used && error.starts_with("--advertise-client-urls is required"),
        "{error}"
    );
}
