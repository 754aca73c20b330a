# One node after the other, as one would renew certificates: the first API server is back before
# the last member is restored.
cluster=controlplane=https://192.168.10.150:2380,controlplane2=https://192.168.10.151:2380,controlplane3=https://192.168.10.152:2380
number=150
for node in controlplane controlplane2 controlplane3; do
  [ $node = controlplane ] || scp /opt/$file.db $node:/opt/$file.db
  ssh -n $node "mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/
    for attempt in \$(seq 300); do pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done
    etcdutl snapshot restore /opt/$file.db --name $node --initial-cluster $cluster --initial-cluster-token $token \
      --initial-advertise-peer-urls https://192.168.10.$number:2380 --data-dir /var/lib/etcd-restored
    sed -i '/hostPath/{n;s|path: /var/lib/etcd\$|path: /var/lib/etcd-restored|}' /etc/kubernetes/manifests/etcd.yaml
    sleep 3
    mv /root/kube-apiserver.yaml /etc/kubernetes/manifests/"
  number=$((number + 1))
done
for attempt in $(seq 300); do
  [ "$(etcdctl --endpoints=https://192.168.10.150:2379,https://192.168.10.151:2379,https://192.168.10.152:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt \
    --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key endpoint health 2>&1 | grep -c 'is healthy')" = 3 ] &&
    etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt \
      --key=/etc/kubernetes/pki/etcd/server.key get /registry/deployments/default/$keep --keys-only | grep -q . && break
  sleep 0.1
done
for server in 150 151 152; do
  for attempt in $(seq 300); do kubectl --server=https://192.168.10.$server:6443 get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
done
