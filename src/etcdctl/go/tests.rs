use super::{duration, number, quote, size, tabwriter};

#[test]
fn quotes_as_go_does() {
    assert_eq!(quote::quote(b"plain"), r#""plain""#);
    assert_eq!(quote::quote("<&>é".as_bytes()), "\"<&>é\"");
    assert_eq!(quote::quote(b"\xff\x01\x7f\\\""), r#""\xff\x01\x7f\\\"""#);
    assert_eq!(quote::quote(b"\n\t\r\x00\x0b"), r#""\n\t\r\x00\v""#);
    assert_eq!(
        quote::quote("\u{a0}\u{200b}\u{feff}\u{e000}".as_bytes()),
        r#""\u00a0\u200b\ufeff\ue000""#
    );
    assert_eq!(
        quote::quote("日本😀e\u{301}".as_bytes()),
        "\"日本😀e\u{301}\""
    );
    assert_eq!(quote::quote_char('x'), "'x'");
}

#[test]
fn unquotes_what_it_quotes() {
    for text in [
        &b"plain"[..],
        b"\xff\x01\x7f\\\"",
        "日本".as_bytes(),
        b"",
        b"\n\t",
    ] {
        let quoted = quote::quote(text);
        assert_eq!(
            quote::unquote(quoted.as_bytes()).unwrap(),
            (text.to_vec(), &b""[..])
        );
    }
    assert_eq!(
        quote::unquote(b"\"\\u00e9\\101\\x41\" rest").unwrap(),
        ("éAA".as_bytes().to_vec(), &b" rest"[..])
    );
    assert!(quote::unquote(b"\"open").is_err());
    assert!(quote::unquote(b"bare").is_err());
}

#[test]
fn numbers_fail_in_go_words() {
    assert_eq!(number::parse_i64(b"-12", 10), Ok(-12));
    assert_eq!(number::parse_i64(b"0x10", 0), Ok(16));
    assert_eq!(number::parse_i64(b"010", 0), Ok(8));
    assert_eq!(
        number::parse_u64(b"a7be38d986537a7c", 16),
        Ok(0xa7be_38d9_8653_7a7c)
    );
    assert_eq!(
        number::parse_i64(b"abc", 10).unwrap_err().to_string(),
        r#"strconv.ParseInt: parsing "abc": invalid syntax"#
    );
    assert_eq!(
        number::parse_i64(b"99999999999999999999", 0)
            .unwrap_err()
            .to_string(),
        r#"strconv.ParseInt: parsing "99999999999999999999": value out of range"#
    );
    assert_eq!(number::parse_i64(b"-9223372036854775808", 10), Ok(i64::MIN));
    assert!(number::parse_i64(b"9223372036854775808", 10).is_err());
    assert!(number::parse_u64(b"-1", 10).is_err());
    assert_eq!(
        number::parse_bool(b"maybe").unwrap_err().to_string(),
        r#"strconv.ParseBool: parsing "maybe": invalid syntax"#
    );
}

#[test]
fn durations_read_and_print_as_in_go() {
    for (text, nanos) in [
        ("5s", 5_000_000_000),
        ("1m30s", 90_000_000_000),
        ("1.5h", 5_400_000_000_000),
        ("0", 0),
    ] {
        assert_eq!(duration::parse(text.as_bytes()), Ok(nanos));
    }
    assert_eq!(
        duration::parse(b"5").unwrap_err().to_string(),
        r#"time: missing unit in duration "5""#
    );
    assert_eq!(
        duration::parse(b"5x").unwrap_err().to_string(),
        r#"time: unknown unit "x" in duration "5x""#
    );
    assert_eq!(
        duration::parse(b"").unwrap_err().to_string(),
        r#"time: invalid duration """#
    );
    for (nanos, text) in [
        (0, "0s"),
        (999, "999ns"),
        (1_500, "1.5µs"),
        (1_139_603, "1.139603ms"),
        (5_000_000_000, "5s"),
        (90_000_000_000, "1m30s"),
        (3_600_000_000_000, "1h0m0s"),
        (-5_000_000_000, "-5s"),
    ] {
        assert_eq!(duration::format(nanos), text);
    }
}

#[test]
fn sizes_are_humanized() {
    for (count, text) in [
        (0, "0 B"),
        (9, "9 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (20_480, "20 kB"),
        (2_700_000, "2.7 MB"),
        (u64::MAX, "18 EB"),
    ] {
        assert_eq!(size::bytes(count), text);
    }
    assert_eq!(size::ago(std::time::Duration::from_millis(10)), "now");
    assert_eq!(
        size::ago(std::time::Duration::from_secs(61)),
        "1 minute ago"
    );
}

#[test]
fn columns_end_at_tab_stops() {
    assert_eq!(
        tabwriter::align("A:\n\ta\tb\n\tlonger-name\tc\n\nz"),
        "A:\n\ta\t\tb\n\tlonger-name\tc\n\nz"
    );
    assert_eq!(
        tabwriter::align("  -h\thelp\n  --something\tx\n"),
        "  -h\t\thelp\n  --something\tx\n"
    );
}
