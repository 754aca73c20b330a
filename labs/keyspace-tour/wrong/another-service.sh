# Looks at the first Service that it finds, that of the API server.
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt
export ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key

etcdctl get /registry/configmaps/ --prefix --keys-only > /root/keys.txt

etcdctl get /registry/pods/$space/$web --print-value-only | grep -o '"nodeName":"[^"]*"' | cut -d'"' -f4 | sed 's/^/node: /' > /root/answers.txt
etcdctl get /registry/services/ --prefix --keys-only
etcdctl get /registry/services/specs/default/kubernetes --print-value-only | grep -o '"clusterIP":"[^"]*"' | cut -d'"' -f4 | sed 's/^/clusterIP: /' >> /root/answers.txt
etcdctl get /registry/services/specs/default/kubernetes -w fields | sed -n 's/"CreateRevision" :/created:/p' >> /root/answers.txt

etcdctl put /notes/$note first
etcdctl put /notes/$note $number
etcdctl get /notes/$note
etcdctl get /notes/$note -w fields | sed -n -e 's/"ModRevision" :/revision:/p' -e 's/"Version" :/version:/p' >> /root/answers.txt
cat /root/answers.txt

printf '%s\n' 'set: put' 'ls: get' 'cluster-health: endpoint health' 'backup: snapshot save' > /root/words.txt
