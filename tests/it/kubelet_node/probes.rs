//! Probes that fail, and what becomes of their containers.

use super::{on_control_plane, section};

/// Pods whose programs run for real, with probes that look at a file or a port.
const PROBED: &str = r#"
cat > /root/probed.yaml <<'END'
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
END
pod() {
  cat >> /root/probed.yaml <<END
---
apiVersion: v1
kind: Pod
metadata: {name: $1, labels: {app: $2}}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: registry.k8s.io/etcd:3.5.16-0
    command: [sh, -c, 'touch /tmp/fine; exec sleep 1000']
    $3
END
}
pod alive alive 'livenessProbe: {exec: {command: [cat, /tmp/fine]}, periodSeconds: 1, failureThreshold: 2}'
pod ready web 'readinessProbe: {exec: {command: [cat, /tmp/fine]}, periodSeconds: 1, failureThreshold: 1}'
pod other web ''
pod port port 'livenessProbe: {tcpSocket: {port: 81}, periodSeconds: 1, failureThreshold: 1}'
pod http http 'livenessProbe: {httpGet: {port: 82, path: /healthz}, periodSeconds: 1, failureThreshold: 1}'
pod slow slow 'livenessProbe: {exec: {command: [sleep, "9"]}, periodSeconds: 1, failureThreshold: 1}'
kubectl apply -f /root/probed.yaml >/dev/null
events() { kubectl get events --field-selector involvedObject.name=$1 -o custom-columns=T:.type,R:.reason,M:.message,C:.count --no-headers | awk '{ print } /cat: .tmp.fine/ && $NF > 1 { print "seen again" }'; }
"#;

#[test]
fn failing_probes_restart_containers_and_take_them_out_of_endpoints() {
    let text = on_control_plane(&format!(
        r#"{PROBED}
        until_ok 'kubectl get pods alive ready other --no-headers | grep -c "1/1 *Running *0" | grep 3'
        until_ok '[ $(kubectl get endpoints web -o jsonpath="{{.subsets[0].addresses[*].ip}}" | wc -w) = 2 ]'
        echo "== before"; kubectl get endpoints web --no-headers
        kubectl exec alive -- rm /tmp/fine
        kubectl exec ready -- rm /tmp/fine
        until_ok 'kubectl get pod ready --no-headers | grep 0/1'
        until_ok '[ $(kubectl get endpoints web -o jsonpath="{{.subsets[0].addresses[*].ip}}" | wc -w) = 1 ]'
        echo "== unready"; kubectl get pod ready --no-headers
        kubectl get endpoints web -o jsonpath='{{.subsets[0].addresses[*].targetRef.name}} {{.subsets[0].notReadyAddresses[*].targetRef.name}}'; echo
        kubectl get endpointslices -l kubernetes.io/service-name=web -o jsonpath='{{range .items[0].endpoints[*]}}{{.targetRef.name}}={{.conditions.ready}} {{end}}'; echo
        until_ok 'kubectl get pod alive --no-headers | grep "1/1 *Running *1 "'
        until_ok 'events alive | grep "Killing"'
        echo "== restarted"; kubectl get pod alive --no-headers
        kubectl get pod alive -o jsonpath='{{.status.containerStatuses[0].lastState.terminated}}'; echo
        events alive
        kubectl exec ready -- touch /tmp/fine
        kubectl exec alive -- rm /tmp/fine
        until_ok 'kubectl get pod ready --no-headers | grep 1/1'
        until_ok '[ $(kubectl get endpoints web -o jsonpath="{{.subsets[0].addresses[*].ip}}" | wc -w) = 2 ]'
        until_ok 'events ready | grep Unhealthy'
        echo "== ready"; kubectl get pod ready --no-headers; events ready
        until_ok 'kubectl get pod alive --no-headers | grep CrashLoopBackOff'
        until_ok 'events alive | grep BackOff'
        echo "== backoff"; kubectl get pod alive -o jsonpath='{{.status.containerStatuses[0]}}'; echo
        events alive
        for pod in port http slow; do
          until_ok "kubectl get pod $pod --no-headers | grep CrashLoopBackOff"
          until_ok "events $pod | grep Unhealthy"
          echo "== $pod"; events $pod
        done
        "#
    ));
    let has = |name: &str, wanted: &[&str]| {
        let section = section(&text, name);
        for one in wanted {
            assert!(section.contains(one), "{name} lacks {one}\n{text}");
        }
    };
    has("before", &[",10.244."]);
    has(
        "unready",
        &[
            "0/1   Running   0 ",
            "other ready\n",
            "ready=false",
            "other=true",
        ],
    );
    has(
        "restarted",
        &[
            "1/1   Running   1 (",
            "\"exitCode\":137",
            "\"reason\":\"Error\"",
            "Liveness probe failed: cat: /tmp/fine: No such file or directory",
            // Each failure is told, not only the one that decides.
            "seen again",
            "Container c failed liveness probe, will be restarted",
        ],
    );
    has(
        "ready",
        &[
            "1/1   Running   0 ",
            "Readiness probe failed: cat: /tmp/fine: No such file or directory",
        ],
    );
    has(
        "backoff",
        &[
            "back-off 10s restarting failed container=c pod=alive_default(",
            "\"restartCount\":1",
            "Back-off restarting failed container c in pod alive_default(",
        ],
    );
    has(
        "port",
        &[
            ":81: connect: connection refused",
            "Liveness probe failed: dial tcp 192.168.",
        ],
    );
    has(
        "http",
        &[
            ":82/healthz\": dial tcp 192.168.",
            ":82: connect: connection refused",
        ],
    );
    has(
        "slow",
        &["Liveness probe failed: command timed out: \"sleep 9\" timed out after 1s"],
    );
}

#[test]
fn a_control_plane_container_that_does_not_answer_is_restarted() {
    let text = on_control_plane(
        r#"
        until_ok '[ "$(state kube-scheduler)" = CONTAINER_RUNNING ]'
        old=$(newest kube-scheduler)
        # Whoever asks for its health is answered with what is not there.
        sed -i '/livenessProbe/,/startupProbe/s#path: /.*#path: /no-such-path#; s/periodSeconds: 10/periodSeconds: 1/; s/failureThreshold: 8/failureThreshold: 2/; s/initialDelaySeconds: 10/initialDelaySeconds: 0/' kube-scheduler.yaml
        pod='kubectl -n kube-system get pod kube-scheduler-controlplane --no-headers'
        until_ok "$pod | grep -E '(Running|CrashLoopBackOff) +[1-9]'"
        until_ok 'kubectl -n kube-system get events | grep "kube-scheduler-controlplane *Liveness probe failed"'
        echo "== events"; kubectl -n kube-system get events | grep kube-scheduler-controlplane
        echo "== containers"; crictl ps -a --name kube-scheduler
        "#,
    );
    let events = section(&text, "events");
    for wanted in [
        "Liveness probe failed: HTTP probe failed with statuscode: 403",
        "Container kube-scheduler failed liveness probe, will be restarted",
    ] {
        assert!(events.contains(wanted), "no {wanted} in\n{text}");
    }
    assert!(section(&text, "containers").contains("Exited"), "{text}");
}
