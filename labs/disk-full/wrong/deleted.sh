# Deletes what is large, and gets the space back that way.
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt
export ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
etcdctl alarm disarm
etcdctl del /wild/$app
rev=$(etcdctl endpoint status -w json | grep -o '"revision":[0-9]*' | cut -d: -f2)
etcdctl compact $rev
etcdctl defrag
etcdctl alarm disarm
kubectl create deployment $app-again --image=nginx
