# The snapshot is good; the table is that of an older one.
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt
export ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
# A quiet cluster may be as it was on that day.
kubectl create configmap later
etcdctl snapshot save /opt/etcd-backup.db
etcdctl snapshot status /var/backups/first-day.db -w table > /root/status.txt
