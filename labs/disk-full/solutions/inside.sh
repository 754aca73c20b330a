# The container has all that is needed.
etcdctl() { crictl exec $(crictl ps --name '^etcd$' -q) sh -c "ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key $*"; }
etcdctl alarm list

# The history goes, then the holes that it leaves, then the alarm.
rev=$(etcdctl get / -w json | grep -o '"revision":[0-9]*' | cut -d: -f2)
etcdctl compaction --physical $rev
etcdctl --command-timeout=60s defrag --cluster
etcdctl alarm disarm
kubectl create deployment $app-again --image=nginx
