export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
etcdctl endpoint status -w table
etcdctl alarm list

# The history goes, then the holes that it leaves, then the alarm.
rev=$(etcdctl endpoint status -w json | grep -o '"revision":[0-9]*' | cut -d: -f2)
etcdctl compact $rev
etcdctl defrag
etcdctl alarm disarm
etcdctl endpoint status -w table

kubectl create deployment $app-again --image=nginx
