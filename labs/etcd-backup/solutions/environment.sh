# Everything that etcdctl needs can stand in the environment.
# optional: 3.5 speaks API 3 unless told otherwise
export ETCDCTL_API=3

# Where to ask, and with which certificates.
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt
export ETCDCTL_CERT=/etc/kubernetes/pki/etcd/healthcheck-client.crt
export ETCDCTL_KEY=/etc/kubernetes/pki/etcd/healthcheck-client.key
etcdctl snapshot save /opt/etcd-backup.db

# etcdutl works on files alone.
etcdutl --write-out=table snapshot status /opt/etcd-backup.db > /root/status.txt
cat /root/status.txt
