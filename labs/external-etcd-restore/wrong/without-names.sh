# Restores as for a cluster of one: each machine gets a member that is alone.
for node in etcd2 etcd3; do ssh -n $node mkdir -p "$(dirname "$file")"; scp etcd1:"$file" $node:"$file"; done
for node in etcd1 etcd2 etcd3; do
  ssh -n $node "etcdctl snapshot restore $file --data-dir $dir && chown -R etcd:etcd $dir"
  ssh -n $node "sed -i 's|--data-dir=[^ ]*|--data-dir=$dir|' /etc/systemd/system/etcd.service"
  ssh -n $node 'systemctl daemon-reload && systemctl restart --no-block etcd'
done
for node in etcd1 etcd2 etcd3; do
  for attempt in $(seq 300); do ssh -n $node systemctl is-active -q etcd && break; sleep 0.2; done
done
