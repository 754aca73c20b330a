//! The golden text is what Google's kubectl 1.32.3 printed for the same object
//! (`kubectl label --local -f FILE x=y -o yaml`).

use super::{parse_documents, parse_documents_with_lines, to_string};
use serde_json::{Value, json};

const TRICKY: &str = r##"{"apiVersion":"v1","data":{},"kind":"ConfigMap","metadata":{"annotations":{
 "a10":"1","a2":"yes","a3":"0x10","a1":"2001-01-01","b":"it's: x","c":"# foo","d":" lead","e":"trail ",
 "f":"multi\nline\n","g":"multi\nline","h":"  multi\nline\n\n",
 "i":"a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p q r s t u v w x y z ",
 "ii":"aaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbb cccccccccccccccccccccccccccc dddddddddddddddddddddd eeeeeeeeeeeeee fffffffffffffffff ggggggggggggggg",
 "j":"tab\there","l":"~","m":"1:20","o":"trailing space \nfoo","p":"","q":"- x","r":"-x","s":"1_000",
 "t":"0o14","u":"1e3","v":".5","w":"null","x":"\n","y":"{}","z/z.z":"=","zz":"<<","false":"a: b"},
 "labels":{"x":"y"},"name":"x"}}"##;

const TRICKY_YAML: &str = r##"apiVersion: v1
data: {}
kind: ConfigMap
metadata:
  annotations:
    a1: "2001-01-01"
    a2: "yes"
    a3: "0x10"
    a10: "1"
    b: 'it''s: x'
    c: '# foo'
    d: ' lead'
    e: 'trail '
    f: |
      multi
      line
    "false": 'a: b'
    g: |-
      multi
      line
    h: |2+
        multi
      line

    i: 'a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k
      l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p q r s t u v w
      x y z a b c d e f g h i j k l m n o p q r s t u v w x y z '
    ii: aaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbb cccccccccccccccccccccccccccc
      dddddddddddddddddddddd eeeeeeeeeeeeee fffffffffffffffff ggggggggggggggg
    j: "tab\there"
    l: "~"
    m: "1:20"
    o: "trailing space \nfoo"
    p: ""
    q: '- x'
    r: -x
    s: "1_000"
    t: "0o14"
    u: "1e3"
    v: ".5"
    w: "null"
    x: |2+

    "y": '{}'
    z/z.z: =
    zz: <<
  labels:
    x: "y"
  name: x
"##;

#[test]
fn emits_what_kubectl_emits() {
    let value: Value = serde_json::from_str(TRICKY).expect("test data is JSON");
    assert_eq!(to_string(&value), TRICKY_YAML);
}

#[test]
fn reads_back_what_it_emits() {
    let value: Value = serde_json::from_str(TRICKY).expect("test data is JSON");
    assert_eq!(parse_documents(&to_string(&value)).unwrap(), vec![value]);
}

#[test]
fn lists_are_not_indented_and_nest_inline() {
    let value = json!({"a": [{"b": 1, "c": [1, 2]}, [3, [4]], {}, []]});
    let text = "a:\n- b: 1\n  c:\n  - 1\n  - 2\n- - 3\n  - - 4\n- {}\n- []\n";
    assert_eq!(to_string(&value), text);
    assert_eq!(parse_documents(text).unwrap(), vec![value]);
}

#[test]
fn plain_scalars_follow_yaml_1_1() {
    let text = "a: yes\nb: off\nc: 010\nd: 0x1F\ne: 1_000\nf: 1e3\ng: 2001-12-14\nh: ~\ni:\nj: 'no'\nk: 1:20\nn: 12\n8080: x\n";
    let want = json!({"a": true, "b": false, "c": 8, "d": 31, "e": 1000, "f": 1000.0,
        "g": "2001-12-14", "h": null, "i": null, "j": "no", "k": "1:20", "false": 12, "8080": "x"});
    assert_eq!(parse_documents(text).unwrap(), vec![want]);
}

#[test]
fn documents_are_split_and_empty_ones_dropped() {
    let text = "---\n# nothing\n---\na: 1\n---\nb: 2\n---  \n";
    let found = parse_documents_with_lines(text).unwrap();
    let lines: Vec<_> = found.iter().map(|d| d.line).collect();
    let values: Vec<_> = found.into_iter().map(|d| d.value).collect();
    assert_eq!(values, vec![json!({"a": 1}), json!({"b": 2})]);
    assert_eq!(lines, [4, 6]);
    let json_text = "{\"a\":1}\n{\"b\":2}";
    assert_eq!(
        parse_documents(json_text).unwrap(),
        vec![json!({"a":1}), json!({"b":2})]
    );
}

#[test]
fn anchors_and_merge_keys() {
    let text = "base: &b {x: 1, w: 2}\nuse:\n  <<: *b\n  w: 3\n";
    let want = json!({"base": {"x": 1, "w": 2}, "use": {"x": 1, "w": 3}});
    assert_eq!(parse_documents(text).unwrap(), vec![want]);
    let laughs = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f]\n";
    let error = parse_documents(laughs).unwrap_err();
    assert!(error.to_string().contains("excessive aliasing"), "{error}");
}

/// Lines and words as `kubectl create -f` of 1.32.3 prints them.
#[test]
fn errors_have_kubectls_words() {
    for (text, want) in [
        (
            "a: b: c\n",
            "yaml: mapping values are not allowed in this context",
        ),
        (
            "a: 1\nb: c: d\n",
            "yaml: line 2: mapping values are not allowed in this context",
        ),
        (
            "a:\n\tb: 1\n",
            "yaml: line 2: found character that cannot start any token",
        ),
        (
            "a: 1\n b: 2\n",
            "yaml: line 2: mapping values are not allowed in this context",
        ),
        (
            "a:\n  b: 1\n c: 2\n",
            "yaml: line 2: did not find expected key",
        ),
        (
            "a:\n  b: 1\nc\nd: 1\n",
            "yaml: line 4: could not find expected ':'",
        ),
    ] {
        let error = parse_documents(text).unwrap_err();
        assert_eq!(error.to_string(), want, "for {text:?}");
        assert!(error.line >= 1 && error.column >= 1);
    }
}
