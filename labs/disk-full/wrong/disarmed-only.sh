# Only the alarm goes; it comes back with the next write.
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt
export ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
etcdctl alarm disarm
head -c 900000 /dev/urandom | base64 -w0 | etcdctl put /wild/$app
kubectl create deployment $app-again --image=nginx
etcdctl alarm list
