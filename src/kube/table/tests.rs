use super::*;

fn row_of(name: &str, object: Value) -> Vec<Value> {
    let resource = crate::resources::by_name(name).expect("a known kind");
    let cells = cells(resource, &object, 1000);
    assert_eq!(cells.len(), columns(resource).len(), "{name}");
    cells
}

#[test]
fn pods_sum_up_their_containers() {
    let pod = json!({"metadata": {"name": "a", "creationTimestamp": "1970-01-01T00:15:00Z"},
        "spec": {"containers": [{}, {}], "nodeName": "n"},
        "status": {"phase": "Running", "containerStatuses": [
            {"ready": true, "restartCount": 2, "state": {"running": {}},
             "lastState": {"terminated": {"finishedAt": "1970-01-01T00:16:00Z"}}},
            {"ready": false, "restartCount": 0, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}});
    let cells = row_of("po", pod);
    assert_eq!(
        cells[1..5],
        [
            json!("1/2"),
            json!("CrashLoopBackOff"),
            json!("2 (40s ago)"),
            json!("100s")
        ]
    );
}

#[test]
fn every_kind_has_as_many_cells_as_columns() {
    for resource in crate::resources::RESOURCES {
        let object = json!({"metadata": {"name": "a"}});
        assert_eq!(
            cells(resource, &object, 0).len(),
            columns(resource).len(),
            "{}",
            resource.plural
        );
    }
}
