//! Expected values follow the reference's own behaviour (kubectl 1.32.3).

use super::{JsonPath, relaxed};
use serde_json::{Value, json};

fn pods() -> Value {
    json!({
        "kind": "List",
        "items": [
            {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "web", "n": 1}},
             "spec": {"containers": [{"name": "c1", "image": "nginx"}, {"name": "c2", "image": "busybox"}]},
             "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}},
            {"metadata": {"name": "b"}, "spec": {"containers": [{"name": "c3", "image": "redis"}]},
             "status": {"phase": "Pending", "ratio": 0.5, "ok": true, "none": null}}
        ]
    })
}

fn render(template: &str) -> Result<String, String> {
    let path = JsonPath::parse(template).map_err(|e| e.to_string())?;
    path.allow_missing_keys(true)
        .render(&pods())
        .map_err(|e| e.to_string())
}

#[test]
fn templates_render_as_kubectls() {
    for (template, want) in [
        ("{.kind}", "List"),
        ("kind: {.kind}!", "kind: List!"),
        ("{.items[*].metadata.name}", "a b"),
        ("{.items[0].metadata.name}", "a"),
        ("{.items[-1].metadata.name}", "b"),
        ("{.items[0:2].metadata.name}", "a b"),
        ("{.items[:1].metadata.name}", "a"),
        ("{.items[0,1].metadata.name}", "a b"),
        ("{.items..metadata.name}", "a b"),
        ("{..image}", "nginx busybox redis"),
        (
            "{.items[*]['metadata.name', 'status.phase']}",
            "a b Running Pending",
        ),
        (
            r"{.items[0].metadata.labels.app\.kubernetes\.io/name}",
            "web",
        ),
        (
            r"{.items[0].metadata.labels['app\.kubernetes\.io/name']}",
            "web",
        ),
        (
            "{range .items[*]}{.metadata.name}{\"\\t\"}{.status.phase}{\"\\n\"}{end}",
            "a\tRunning\nb\tPending\n",
        ),
        (
            "{range .items[*]}{.metadata.name}:{range .spec.containers[*]}{.name},{end};{end}",
            "a:c1,c2,;b:c3,;",
        ),
        (
            "{.items[?(@.metadata.name==\"b\")].status.phase}",
            "Pending",
        ),
        ("{.items[?(@.status.phase!='Running')].metadata.name}", "b"),
        ("{.items[?(@.metadata.labels)].metadata.name}", "a"),
        (
            "{.items[0].status.conditions[?(@.type==\"Ready\")].status}",
            "True",
        ),
        (
            "{.items[*].spec.containers[?(@.name=='c3')].image}",
            "redis",
        ),
        ("{.items[1].status.ratio} {.items[1].status.ok}", "0.5 true"),
        ("{.items[1].status.none}", "null"),
        (
            "{.items[0].status.conditions}",
            "[{\"status\":\"True\",\"type\":\"Ready\"}]",
        ),
        ("{.items[0].metadata.labels.n}", "1"),
        ("{.missing.field}", ""),
        ("{range .missing[*]}{.x}{end}done", "done"),
        ("{.items[*].metadata.labels.n}", "1"),
        ("{@.kind}", "List"),
        ("{$.kind}", "List"),
        ("{.items[?(@.metadata.labels.n>0)].metadata.name}", "a"),
        (
            "{.items[0].status.*}",
            "[{\"status\":\"True\",\"type\":\"Ready\"}] Running",
        ),
    ] {
        assert_eq!(render(template), Ok(want.to_owned()), "for {template}");
    }
}

#[test]
fn errors_have_kubectls_words() {
    for (template, want) in [
        (
            "{.items[5].metadata.name}",
            "array index out of bounds: index 5, length 2",
        ),
        ("{.kind[0]}", "string is not array or slice"),
        ("{.items[x]}", "invalid array index x"),
        ("{.items", "unclosed action"),
        ("{.items[0}", "unterminated array"),
        ("{.items[?(@.a==1}", "unterminated filter"),
        ("{end}", "not in range, nothing to end"),
        ("{foo}", "unrecognized identifier foo"),
        ("{\"x}", "unterminated quoted string"),
        ("{#}", "unrecognized character in action: U+0023 '#'"),
    ] {
        assert_eq!(render(template), Err(want.to_owned()), "for {template}");
    }
    let strict = JsonPath::parse("{.a.b}").unwrap().render(&json!({"a": {}}));
    assert_eq!(strict.unwrap_err().to_string(), "b is not found");
}

#[test]
fn relaxed_forms() {
    for form in [
        "metadata.name",
        ".metadata.name",
        "{metadata.name}",
        "{.metadata.name}",
    ] {
        assert_eq!(relaxed(form).unwrap(), "{.metadata.name}");
    }
    assert!(relaxed("{.metadata.name").is_err());
}
