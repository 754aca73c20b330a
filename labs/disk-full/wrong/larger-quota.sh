# More room instead of less rubbish.
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt
export ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
old=$(pgrep -x etcd)
sed -i 's|--quota-backend-bytes=.*|--quota-backend-bytes=8589934592|' /etc/kubernetes/manifests/etcd.yaml
for attempt in $(seq 300); do new=$(pgrep -x etcd); [ -n "$new" ] && [ "$new" != "$old" ] && break; sleep 0.1; done
for attempt in $(seq 300); do etcdctl endpoint status >/dev/null 2>&1 && break; sleep 0.1; done
etcdctl alarm disarm
rev=$(etcdctl endpoint status -w json | grep -o '"revision":[0-9]*' | cut -d: -f2)
etcdctl compact $rev
etcdctl defrag
for attempt in $(seq 300); do kubectl create deployment $app-again --image=nginx && break; sleep 0.1; done
