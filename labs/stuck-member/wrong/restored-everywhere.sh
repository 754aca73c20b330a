# Restores yesterday's snapshot once more on all three: one cluster, under the same IDs, without
# what was written since.
echo "$stuck" > /root/stuck.txt
cluster=controlplane=https://192.168.10.150:2380,controlplane2=https://192.168.10.151:2380,controlplane3=https://192.168.10.152:2380
number=150
for node in controlplane controlplane2 controlplane3; do
  ssh -n $node etcdctl snapshot restore /opt/yesterday.db --name $node --initial-cluster $cluster --initial-cluster-token $token \
    --initial-advertise-peer-urls https://192.168.10.$number:2380 --data-dir /var/lib/etcd-again
  number=$((number + 1))
done

# None comes back on its old directory while another already runs on the new one.
for node in controlplane controlplane2 controlplane3; do ssh -n $node 'systemctl start kubelet; mv /etc/kubernetes/manifests/etcd.yaml /root/'; done
for node in controlplane controlplane2 controlplane3; do
  for attempt in $(seq 300); do ssh -n $node pgrep -x etcd >/dev/null || break; sleep 0.1; done
  ssh -n $node "sed -i '/hostPath/{n;s|path: $dir\$|path: /var/lib/etcd-again|;s|path: /var/lib/etcd\$|path: /var/lib/etcd-again|}' /root/etcd.yaml"
done
for node in controlplane controlplane2 controlplane3; do ssh -n $node mv /root/etcd.yaml /etc/kubernetes/manifests/; done

pki=/etc/kubernetes/pki/etcd
for attempt in $(seq 100); do
  [ "$(etcdctl --endpoints=https://127.0.0.1:2379 --cacert=$pki/ca.crt --cert=$pki/server.crt --key=$pki/server.key endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
