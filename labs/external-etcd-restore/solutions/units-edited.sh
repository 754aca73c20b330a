# The snapshot goes to every machine, and each restores it for itself.
for node in etcd2 etcd3; do ssh -n $node mkdir -p "$(dirname "$file")"; scp etcd1:"$file" $node:"$file"; done
cluster=etcd1=https://192.168.10.171:2380,etcd2=https://192.168.10.172:2380,etcd3=https://192.168.10.173:2380
for number in 1 2 3; do
  ssh -n etcd$number "etcdctl snapshot restore $file --name etcd$number --initial-cluster $cluster \
    --initial-cluster-token $token --initial-advertise-peer-urls https://192.168.10.17$number:2380 --data-dir $dir"
done

# The service runs as the user etcd, who must own what root has written.
for node in etcd1 etcd2 etcd3; do ssh -n $node chown -R etcd:etcd "$dir"; done

# Another directory in the unit; systemd has to be told. The first waits for the second.
for node in etcd1 etcd2 etcd3; do
  ssh -n $node "sed -i 's|--data-dir=[^ ]*|--data-dir=$dir|' /etc/systemd/system/etcd.service"
  ssh -n $node 'systemctl daemon-reload && systemctl restart --no-block etcd'
done
for attempt in $(seq 40); do
  [ "$(ssh -n etcd1 'etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt \
    --key=/etc/kubernetes/pki/etcd/server.key endpoint health --cluster 2>&1' | grep -c "is healthy")" = 3 ] &&
    kubectl get configmap "$ledger" >/dev/null 2>&1 && break
  sleep 0.5
done
kubectl get configmap "$ledger"
