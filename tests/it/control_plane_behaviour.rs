//! What a cluster does by itself: nodes that fall silent and come back, an etcd endpoint
//! that goes away under the API server, daemons on every node.

use crate::kubelet_node::{on_cluster, section};

#[track_caller]
fn has(text: &str, name: &str, wanted: &[&str]) {
    let section = section(text, name);
    for one in wanted {
        assert!(section.contains(one), "{name} lacks {one:?}\n{text}");
    }
}

/// A Deployment whose Pods leave a silent node after a second, and one whose stay 300 s.
const QUICK_AND_SLOW: &str = r#"
cat > /root/web.yaml <<'END'
apiVersion: apps/v1
kind: Deployment
metadata: {name: quick}
spec:
  replicas: 1
  selector: {matchLabels: {app: quick}}
  template:
    metadata: {labels: {app: quick}}
    spec:
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            preference:
              matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node01]}]
      tolerations:
      - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 1}
      containers: [{name: c, image: nginx}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      containers: [{name: c, image: nginx}]
END
kubectl apply -f /root/web.yaml >/dev/null
kubectl create deploy slow --image=nginx --replicas=2 >/dev/null
kubectl expose deploy slow --port=80 >/dev/null
for what in deploy/quick deploy/slow ds/agent; do until_ok "kubectl rollout status $what --timeout=10s"; done
ready() { kubectl get endpoints slow -o jsonpath="{.subsets[0].addresses[*].ip}" | wc -w; }
until_ok '[ "$(ready)" = 2 ]'
where() { kubectl get pods -l app=$1 -o jsonpath='{range .items[*]}{.metadata.name} {.spec.nodeName} {.metadata.deletionTimestamp}{"\n"}{end}'; }
"#;

/// A kubelet reports every 10 s: a shorter grace, on a busy machine, takes living nodes for
/// lost.
const GRACE: &str = "sed -i 's/    - kube-controller-manager$/&\\n    - --node-monitor-grace-period=20s/' \
                     kube-controller-manager.yaml\n";

#[test]
fn a_node_whose_kubelet_stops_is_left_and_taken_back() {
    let text = on_cluster(
        "control_planes = 1\nworkers = 2",
        &format!(
            r#"{QUICK_AND_SLOW}{GRACE}
            echo "== before"; where quick; where slow
            ssh node01 systemctl stop kubelet </dev/null
            echo "== at once"; kubectl get node node01 --no-headers
            until_ok 'kubectl get node node01 --no-headers | grep NotReady'
            until_ok 'kubectl get node node01 -o jsonpath="{{.spec.taints}}" | grep NoExecute'
            until_ok '[ "$(ready)" = 1 ]'
            echo "== silent"; kubectl get nodes --no-headers
            kubectl get node node01 -o jsonpath='{{range .status.conditions[*]}}{{.type}}={{.status}} {{.reason}} {{.message}}{{"\n"}}{{end}}{{.spec.taints}}'; echo
            until_ok 'kubectl get events -A | grep "NodeNotReady *node/node01"'
            until_ok 'kubectl get events | grep "NodeNotReady *pod/slow"'
            echo "== events"; kubectl get events -A | grep NotReady
            # One goes elsewhere; its Pod waits for its kubelet to be gone. The others stay.
            until_ok 'where quick | grep node02'
            until_ok 'kubectl get pods -l app=quick --no-headers | grep Terminating'
            until_ok 'kubectl get ds agent --no-headers | grep "agent *1 *1 *1 *1 *1 "'
            echo "== quick"; kubectl get pods -l app=quick -o wide --no-headers
            kubectl get events | grep TaintManagerEviction
            echo "== slow"; kubectl get pods -l app=slow -o wide --no-headers
            echo "== daemons"; kubectl get pods -l app=agent -o wide --no-headers
            kubectl get ds agent -o jsonpath='{{.status.desiredNumberScheduled}} {{.status.numberMisscheduled}}'; echo
            # Nothing new comes there.
            kubectl scale deploy slow --replicas=5 >/dev/null
            until_ok '[ "$(ready)" = 4 ]'
            echo "== scaled"; where slow | grep -c node02
            ssh node01 systemctl start kubelet </dev/null
            until_ok 'kubectl get node node01 --no-headers | grep " Ready "'
            until_ok '[ -z "$(kubectl get node node01 -o jsonpath="{{.spec.taints}}")" ]'
            until_ok '! kubectl get pods --no-headers | grep Terminating'
            until_ok '[ "$(ready)" = 5 ]'
            until_ok 'kubectl get ds agent --no-headers | grep "agent *2 *2 *2 *2 *2 "'
            "#
        ),
    );
    has(&text, "before", &["node01"]);
    has(&text, "at once", &["node01   Ready "]);
    has(
        &text,
        "silent",
        &[
            "controlplane   Ready ",
            "node01         NotReady ",
            "node02         Ready ",
            "Ready=Unknown NodeStatusUnknown Kubelet stopped posting node status.\n",
            "MemoryPressure=Unknown",
            "\"effect\":\"NoSchedule\",\"key\":\"node.kubernetes.io/unreachable\"",
            "\"effect\":\"NoExecute\",\"key\":\"node.kubernetes.io/unreachable\"",
        ],
    );
    has(
        &text,
        "events",
        &[
            "Node node01 status is now: NodeNotReady",
            "pod/slow-",
            "Node is not ready",
        ],
    );
    has(
        &text,
        "quick",
        &[
            "Terminating",
            "Running",
            "Marking for deletion Pod default/quick-",
        ],
    );
    assert!(!section(&text, "slow").contains("Terminating"), "{text}");
    // A daemon's Pod is not driven out, although no new one would come.
    assert_eq!(
        section(&text, "daemons").matches("1/1   Running").count(),
        2,
        "{text}"
    );
    has(&text, "daemons", &["1 1\n"]);
    has(&text, "scaled", &["4\n"]);
}

#[test]
fn the_api_goes_on_when_any_etcd_endpoint_goes_away() {
    let text = on_cluster(
        "control_planes = 1\nworkers = 1\netcd = 3",
        r#"
        grep -o 'etcd-servers=.*' kube-apiserver.yaml | tr , '\n' | grep -c 2379
        pid=$(pgrep -x kube-apiserver)
        kubectl create configmap kept --from-literal=k=0 >/dev/null
        kubectl get configmaps -w --no-headers > /root/watched 2>&1 &
        watcher=$!
        until_ok 'grep -w kept /root/watched'
        for number in 1 2 3; do
          echo "== without etcd$number"
          ssh etcd$number systemctl stop etcd </dev/null
          kubectl create configmap made-without-$number --from-literal=k=v
          kubectl get configmap made-without-$number -o jsonpath='{.data.k}{"\n"}'
          kubectl patch configmap kept -p "{\"data\":{\"k\":\"$number\"}}"
          kubectl get --raw /readyz; echo
          kubectl create deploy web-$number --image=nginx
          kubectl rollout status deploy web-$number --timeout=20s | tail -1
          until_ok "grep made-without-$number /root/watched"
          ssh etcd$number systemctl start etcd </dev/null
        done
        kill $watcher
        echo "== same"; [ "$pid" = "$(pgrep -x kube-apiserver)" ] && echo the same process
        echo "== restarts"; kubectl -n kube-system get pod kube-apiserver-controlplane --no-headers
        # Without a quorum nothing is written, and the API server says so.
        ssh etcd1 systemctl stop etcd </dev/null; ssh etcd2 systemctl stop etcd </dev/null
        echo "== no quorum"
        kubectl create configmap late --request-timeout=2s; echo "left $?"
        kubectl get --raw /readyz 2>&1 | grep -o 'etcd failed' | head -1
        ssh etcd1 systemctl start etcd </dev/null
        until_ok 'kubectl create configmap later'
        echo "== again"; kubectl get configmap kept -o jsonpath='{.data.k}'
        "#,
    );
    for number in 1..=3 {
        let made = format!("configmap/made-without-{number} created\nv\n");
        let rolled = format!("deployment \"web-{number}\" successfully rolled out");
        let wanted = [made.as_str(), "configmap/kept patched\nok\n", &rolled];
        has(&text, &format!("without etcd{number}"), &wanted);
    }
    has(&text, "same", &["the same process"]);
    has(&text, "restarts", &[" Running   0 "]);
    has(&text, "no quorum", &["left 1", "etcd failed"]);
    has(&text, "again", &["3"]);
}

/// A DaemonSet and a Service for it; `agents DESIRED` waits until it has that many ready,
/// current and available Pods, and nothing else behind the Service.
const AGENT: &str = r#"
cat > /root/agent.yaml <<'END'
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      containers: [{name: c, image: 'nginx:1.26'}]
---
apiVersion: v1
kind: Service
metadata: {name: agent}
spec: {selector: {app: agent}, ports: [{port: 80}]}
END
behind() { kubectl get endpoints agent -o jsonpath="{.subsets[0].addresses[*].nodeName}" | tr ' ' '\n' | sort | xargs; }
agents() {
  until_ok "kubectl get ds agent --no-headers | grep 'agent *$1 *$1 *$1 *$1 *$1 '"
  until_ok "[ \$(behind | wc -w) = $1 ]"
  echo "== $2"; behind
}
merge() { kubectl patch ds agent --type=merge -p "$1" >/dev/null; }
"#;

#[test]
fn daemons_run_on_every_node_that_they_fit() {
    let text = on_cluster(
        "control_planes = 1\nworkers = 3",
        &format!(
            r#"{AGENT}
            kubectl apply -f /root/agent.yaml >/dev/null
            agents 3 workers
            merge '{{"spec":{{"template":{{"spec":{{"tolerations":[{{"key":"node-role.kubernetes.io/control-plane","effect":"NoSchedule"}}]}}}}}}}}'
            agents 4 tolerant
            kubectl get ds agent -o jsonpath='{{.status}}'; echo
            kubectl set image ds/agent c=nginx:1.27 >/dev/null
            kubectl rollout status ds/agent --timeout=20s | tail -1
            agents 4 new
            kubectl get pods -l app=agent -o jsonpath='{{.items[*].spec.containers[0].image}}'; echo
            # Nodes that are lost and come again, as new ones.
            kubectl delete node node03 >/dev/null
            agents 3 lost
            ssh node03 systemctl restart kubelet </dev/null
            agents 4 found
            # What keeps new Pods away does not drive out those that are there.
            kubectl taint node node01 busy=yes:NoSchedule >/dev/null
            until_ok '[ "$(kubectl get ds agent -o jsonpath={{.status.numberMisscheduled}})" = 1 ]'
            echo "== kept"; behind
            kubectl taint node node01 busy- >/dev/null
            kubectl taint node node01 broken=yes:NoExecute >/dev/null
            agents 3 driven-out
            kubectl taint node node01 broken- >/dev/null
            agents 4 back
            kubectl drain node02; echo "left $?"
            kubectl drain node02 --ignore-daemonsets; echo "left $?"
            kubectl get node node02 --no-headers
            agents 4 drained
            kubectl uncordon node02 >/dev/null
            kubectl label node node02 disk=ssd >/dev/null
            merge '{{"spec":{{"template":{{"spec":{{"nodeSelector":{{"disk":"ssd"}}}}}}}}}}'
            agents 1 selected
            kubectl label node node01 disk=ssd >/dev/null
            agents 2 labelled
            # Left alone, the Pods stay and are taken over.
            kubectl get pods -l app=agent -o name | sort > /root/before
            kubectl delete ds agent --cascade=orphan >/dev/null
            sed 's/    spec:/&\n      nodeSelector: {{disk: ssd}}/; s/1.26/1.27/' /root/agent.yaml > /root/again.yaml
            sed -i 's/      containers/      tolerations: [{{key: node-role.kubernetes.io\/control-plane, effect: NoSchedule}}]\n&/' /root/again.yaml
            kubectl apply -f /root/again.yaml >/dev/null
            agents 2 adopted
            kubectl get pods -l app=agent -o name | sort | cmp - /root/before && echo the same Pods
            # A Deployment takes its sets over, too.
            kept() {{ kubectl create deploy kept --image=nginx >/dev/null; until_ok 'kubectl rollout status deploy kept --timeout=5s'; }}
            kept
            kubectl get rs -l app=kept -o name > /root/sets
            kubectl delete deploy kept --cascade=orphan >/dev/null
            kept
            kubectl get rs -l app=kept -o name | cmp - /root/sets && echo the same sets
            merge '{{"spec":{{"updateStrategy":{{"type":"OnDelete"}}}}}}'
            kubectl set image ds/agent c=nginx:1.28 >/dev/null
            until_ok '[ -z "$(kubectl get ds agent -o jsonpath={{.status.updatedNumberScheduled}})" ]'
            kubectl delete $(head -1 /root/before) >/dev/null
            until_ok '[ "$(kubectl get ds agent -o jsonpath={{.status.updatedNumberScheduled}})" = 1 ]'
            echo "== on delete"; kubectl get pods -l app=agent -o jsonpath='{{.items[*].spec.containers[0].image}}'; echo
            kubectl rollout undo ds/agent
            kubectl delete ds agent >/dev/null
            until_ok '[ -z "$(kubectl get pods -l app=agent -o name)" ]'
            until_ok '[ -z "$(behind)" ]'
            echo "== gone"; behind
            "#
        ),
    );
    has(&text, "workers", &["node01 node02 node03\n"]);
    has(
        &text,
        "tolerant",
        &[
            "controlplane node01 node02 node03\n",
            "\"currentNumberScheduled\":4,\"desiredNumberScheduled\":4,\"numberAvailable\":4,\
             \"numberMisscheduled\":0,\"numberReady\":4,\"observedGeneration\":2,\
             \"updatedNumberScheduled\":4",
        ],
    );
    assert!(
        text.contains("daemon set \"agent\" successfully rolled out"),
        "{text}"
    );
    has(
        &text,
        "new",
        &["nginx:1.27 nginx:1.27 nginx:1.27 nginx:1.27\n"],
    );
    has(&text, "lost", &["controlplane node01 node02\n"]);
    has(&text, "found", &["controlplane node01 node02 node03\n"]);
    has(&text, "kept", &["controlplane node01 node02 node03\n"]);
    has(&text, "driven-out", &["controlplane node02 node03\n"]);
    has(
        &text,
        "back",
        &[
            "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): default/agent-",
            "left 1\n",
            "node/node02 drained\nleft 0\n",
            "node02   Ready,SchedulingDisabled ",
        ],
    );
    has(&text, "selected", &["node02\n"]);
    has(&text, "labelled", &["node01 node02\n"]);
    has(&text, "adopted", &["the same Pods\n", "the same sets\n"]);
    has(
        &text,
        "on delete",
        &[
            "nginx:1.28",
            "nginx:1.27",
            "older revisions of a DaemonSet are not part of kubedrill",
        ],
    );
    assert_eq!(section(&text, "gone").lines().next(), Some(""), "{text}");
}
