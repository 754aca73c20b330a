# The snapshot goes to every node.
for node in controlplane2 controlplane3; do
  ssh -n $node mkdir -p "$(dirname "$file")"
  scp "$file" $node:"$file"
done

# What all members must agree on.
cluster=controlplane=https://192.168.10.150:2380,controlplane2=https://192.168.10.151:2380,controlplane3=https://192.168.10.152:2380

# Each restores for itself: its own name, its own peer URL.
restore() {
  ssh -n "$1" etcdctl snapshot restore "$file" --name "$1" \
    --initial-cluster $cluster --initial-cluster-token "$token" \
    --initial-advertise-peer-urls "https://$2:2380" --data-dir "$dir"
}
restore controlplane 192.168.10.150
restore controlplane2 192.168.10.151
restore controlplane3 192.168.10.152

# The static Pods' volumes point to the new directory from now on.
for node in controlplane controlplane2 controlplane3; do
  ssh -n $node "sed -i '/hostPath/{n;s|path: /var/lib/etcd\$|path: $dir|}' /etc/kubernetes/manifests/etcd.yaml"
done

# Until the new cluster answers as a whole.
for attempt in $(seq 40); do
  [ "$(etcdctl --endpoints=https://192.168.10.150:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt \
    --key=/etc/kubernetes/pki/etcd/server.key endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] &&
    kubectl get configmap "$ledger" >/dev/null 2>&1 && break
  sleep 0.5
done
etcdctl --endpoints=https://192.168.10.150:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt \
  --key=/etc/kubernetes/pki/etcd/server.key endpoint status --cluster -w table
kubectl get configmap "$ledger"
