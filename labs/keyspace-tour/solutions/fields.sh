# The settings once.
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key

# All ConfigMaps, by their keys.
etcdctl get /registry/configmaps/ --prefix --keys-only > /root/keys.txt

# A Pod and a Service. The values are JSON here.
etcdctl get /registry/pods/$space/$web --print-value-only | grep -o '"nodeName":"[^"]*"' | cut -d'"' -f4 | sed 's/^/node: /' > /root/answers.txt
etcdctl get /registry/services/ --prefix --keys-only
etcdctl get /registry/services/specs/$space/$web --print-value-only | grep -o '"clusterIP":"[^"]*"' | cut -d'"' -f4 | sed 's/^/clusterIP: /' >> /root/answers.txt
etcdctl get /registry/services/specs/$space/$web -w fields | sed -n 's/"CreateRevision" :/created:/p' >> /root/answers.txt

# A key of one's own, written twice.
etcdctl put /notes/$note first
etcdctl put /notes/$note $number
etcdctl get /notes/$note
etcdctl get /notes/$note -w fields | sed -n -e 's/"ModRevision" :/revision:/p' -e 's/"Version" :/version:/p' >> /root/answers.txt
cat /root/answers.txt

# The words.
printf '%s\n' 'set: put' 'ls: get' 'cluster-health: endpoint health' 'backup: snapshot save' > /root/words.txt
