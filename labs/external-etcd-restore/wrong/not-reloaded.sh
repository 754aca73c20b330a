# Changes the unit files and restarts, but systemd has not read them: the old command runs.
for node in etcd2 etcd3; do ssh -n $node mkdir -p "$(dirname "$file")"; scp etcd1:"$file" $node:"$file"; done
cluster=etcd1=https://192.168.10.171:2380,etcd2=https://192.168.10.172:2380,etcd3=https://192.168.10.173:2380
for number in 1 2 3; do
  ssh -n etcd$number "etcdctl snapshot restore $file --name etcd$number --initial-cluster $cluster \
    --initial-cluster-token $token --initial-advertise-peer-urls https://192.168.10.17$number:2380 --data-dir $dir"
done
for node in etcd1 etcd2 etcd3; do
  ssh -n $node chown -R etcd:etcd "$dir"
  ssh -n $node "sed -i 's|--data-dir=[^ ]*|--data-dir=$dir|' /etc/systemd/system/etcd.service"
  ssh -n $node 'systemctl restart --no-block etcd'
done
for node in etcd1 etcd2 etcd3; do
  for attempt in $(seq 300); do ssh -n $node systemctl is-active -q etcd && break; sleep 0.2; done
done
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.2; done
sleep 2
