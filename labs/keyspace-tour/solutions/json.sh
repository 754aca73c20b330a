# The etcd container has etcdctl and the certificates as well.
in_etcd() { kubectl -n kube-system exec etcd-controlplane -- sh -c "ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key $*"; }
in_etcd get /registry/configmaps --prefix --keys-only | grep . > /root/keys.txt
echo "node=$(in_etcd get /registry/pods/$space/$web --print-value-only | grep -o '"nodeName":"[^"]*"' | cut -d'"' -f4)" > /root/answers.txt
echo "clusterIP=$(in_etcd get /registry/services/specs/$space/$web --print-value-only | grep -o '"clusterIP":"[^"]*"' | cut -d'"' -f4)" >> /root/answers.txt
echo "created=$(in_etcd get /registry/services/specs/$space/$web -w json | grep -o '"create_revision":[0-9]*' | cut -d: -f2)" >> /root/answers.txt

# Mine.
in_etcd put /notes/$note first
in_etcd put /notes/$note $number
echo "revision=$(in_etcd get /notes/$note -w json | grep -o '"mod_revision":[0-9]*' | cut -d: -f2)" >> /root/answers.txt
echo "version=$(in_etcd get /notes/$note -w json | grep -o '"version":[0-9]*' | cut -d: -f2)" >> /root/answers.txt
cat > /root/words.txt <<END
backup = snapshot save
cluster-health = endpoint health
ls = get --prefix --keys-only
set = put
END
