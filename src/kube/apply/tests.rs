use super::*;

fn deployment() -> &'static Resource {
    crate::resources::by_name("deploy").expect("known")
}

fn applied(replicas: i64, image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "labels": {"x": "1"}},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "c", "image": image}]}}}})
}

#[test]
fn conflicts_name_their_owner_and_force_takes_over() {
    let mut object = applied(1, "nginx");
    track(deployment(), &Value::Null, &mut object, "edit", "", "T");
    let fields = &object["metadata"]["managedFields"][0]["fieldsV1"];
    assert_eq!(
        fields["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"c\"}"]["f:image"],
        json!({})
    );
    let patch = json!({"metadata": {"name": "a"}, "spec": {"replicas": 3}});
    let conflicts = apply(deployment(), &object, &patch, "me", false).expect_err("a conflict");
    assert_eq!(
        conflict_text(&conflicts),
        "Apply failed with 1 conflict: conflict with \"edit\" using apps/v1 at T: .spec.replicas"
    );
    let mut new = apply(deployment(), &object, &patch, "me", true).expect("forced");
    assert_eq!(new["spec"]["replicas"], 3);
    track(deployment(), &object, &mut new, "me", "", "U");
    let entries = object::list(&new, "metadata.managedFields");
    assert_eq!(entries.len(), 2);
    assert!(
        object::at(&entries[0], "fieldsV1")["f:spec"]
            .get("f:replicas")
            .is_none()
    );
    assert_eq!(entries[1]["operation"], "Apply");
}

#[test]
fn fields_left_out_of_a_later_apply_go() {
    let mut first = applied(2, "nginx");
    mark_applied(deployment(), &applied(2, "nginx"), &mut first);
    track(deployment(), &Value::Null, &mut first, "me", "", "T");
    let mut patch = applied(2, "nginx:2");
    object::remove(&mut patch, "metadata.labels");
    let new = apply(deployment(), &first, &patch, "me", false).expect("no conflict");
    assert!(new["metadata"].get("labels").is_none());
    assert_eq!(
        new["spec"]["template"]["spec"]["containers"][0]["image"],
        "nginx:2"
    );
}
