# Nothing of the control plane runs, on no node.
for node in controlplane controlplane2 controlplane3; do
  ssh -n $node 'mv /etc/kubernetes/manifests /root/manifests; mkdir /etc/kubernetes/manifests'
done
for node in controlplane controlplane2 controlplane3; do
  ssh -n $node 'for attempt in $(seq 100); do pgrep -x etcd >/dev/null || pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done'
done

# Each node restores its member and points to it.
cat > /root/restore.sh <<'END'
etcdctl snapshot restore /opt/$1.db --name $(hostname) --initial-cluster-token $2 \
  --initial-cluster controlplane=https://192.168.10.150:2380,controlplane2=https://192.168.10.151:2380,controlplane3=https://192.168.10.152:2380 \
  --initial-advertise-peer-urls https://$(hostname -i):2380 --data-dir /var/lib/etcd-restored
sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-restored|}' /root/manifests/etcd.yaml
END
for node in controlplane2 controlplane3; do scp /root/restore.sh $node:/root/; scp /opt/$file.db $node:/opt/; done
for node in controlplane controlplane2 controlplane3; do ssh -n $node bash /root/restore.sh $file $token; done

# etcd first, then the rest.
for node in controlplane controlplane2 controlplane3; do ssh -n $node mv /root/manifests/etcd.yaml /etc/kubernetes/manifests/; done
for attempt in $(seq 30); do
  [ "$(ETCDCTL_API=3 etcdctl --endpoints=https://192.168.10.150:2379,https://192.168.10.151:2379,https://192.168.10.152:2379 \
    --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key \
    --command-timeout=2s endpoint health 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
for node in controlplane controlplane2 controlplane3; do ssh -n $node 'mv /root/manifests/kube-*.yaml /etc/kubernetes/manifests/'; done
for server in 150 151 152; do
  for attempt in $(seq 40); do kubectl --server=https://192.168.10.$server:6443 get --raw /readyz >/dev/null 2>&1 && break; sleep 0.5; done
done
kubectl wait --for=condition=Available deployment/$keep --timeout=20s
