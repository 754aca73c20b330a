use super::*;
use serde_json::json;

fn errors(name: &str, value: Value) -> Vec<String> {
    let resource = crate::resources::by_name(name).expect("a known kind");
    object(resource, &value, None)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn names_are_checked_with_the_texts_of_the_reference() {
    assert_eq!(
        errors("cm", json!({"metadata": {"name": "A_b"}})),
        [format!(
            "metadata.name: Invalid value: \"A_b\": {DNS_SUBDOMAIN}"
        )]
    );
    assert!(
        errors(
            "clusterrole",
            json!({"metadata": {"name": "system:node"}, "rules": []})
        )
        .is_empty()
    );
    assert!(dns_1035_label("1a").is_some());
    assert!(qualified_name("app.kubernetes.io/name").is_none());
    assert!(qualified_name("a/b/c").is_some());
    assert!(label_value("-x").is_some());
}

#[test]
fn a_deployment_needs_a_matching_selector() {
    let found = errors(
        "deploy",
        json!({"metadata": {"name": "a"}, "spec": {"replicas": -1,
            "selector": {"matchLabels": {"app": "a"}}, "strategy": {"type": "RollingUpdate"},
            "template": {"metadata": {"labels": {"app": "b"}}, "spec": {"restartPolicy": "Always",
                "containers": [{"name": "c", "imagePullPolicy": "Always"}]}}}}),
    );
    assert_eq!(
        found,
        [
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
            "spec.template.metadata.labels: Invalid value: {\"app\":\"b\"}: `selector` does not match template `labels`",
            "spec.template.spec.containers[0].image: Required value",
        ]
    );
}
