# The history is gone, the file is as large as before.
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt
export ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
rev=$(etcdctl endpoint status -w json | grep -o '"revision":[0-9]*' | cut -d: -f2)
etcdctl compact --physical $rev
etcdctl alarm disarm
kubectl create deployment $app-again --image=nginx
