# Everything that writes stops first, then etcd itself.
for node in controlplane controlplane2 controlplane3; do ssh -n $node 'mkdir -p /root/stopped && mv /etc/kubernetes/manifests/*.yaml /root/stopped/'; done
for node in controlplane controlplane2 controlplane3; do
  ssh -n $node 'for attempt in $(seq 300); do pgrep -x etcd >/dev/null || pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done'
done

# The snapshot goes to every node, and each restores it for itself.
cluster=controlplane=https://192.168.10.150:2380,controlplane2=https://192.168.10.151:2380,controlplane3=https://192.168.10.152:2380
number=150
for node in controlplane controlplane2 controlplane3; do
  ssh -n $node mkdir -p "$(dirname "$file")"
  [ $node = controlplane ] || scp "$file" $node:"$file"
  ssh -n $node etcdutl snapshot restore "$file" --name $node --initial-cluster $cluster \
    --initial-cluster-token "$token" --initial-advertise-peer-urls https://192.168.10.$number:2380 \
    --data-dir "$dir"
  number=$((number + 1))
done

# The volume points to the new directory; then everything starts again.
for node in controlplane controlplane2 controlplane3; do ssh -n $node "sed -i '/hostPath/{n;s|path: /var/lib/etcd\$|path: $dir|}' /root/stopped/etcd.yaml && mv /root/stopped/*.yaml /etc/kubernetes/manifests/"; done
for attempt in $(seq 40); do
  [ "$(etcdctl --endpoints=https://192.168.10.150:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt \
    --key=/etc/kubernetes/pki/etcd/server.key endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] &&
    kubectl get configmap "$ledger" >/dev/null 2>&1 && break
  sleep 0.5
done
kubectl get configmap "$ledger"
