# Each endpoint answers for itself. Which one tells another cluster's ID?
export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt \
  ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
for node in controlplane controlplane2 controlplane3; do
  echo "$node $(etcdctl --endpoints=https://$node:2379 endpoint status -w fields | grep '"ClusterID"')"
done | sort -k 2 | uniq -u -f 1 | cut -d' ' -f1 > /root/stuck.txt
cat /root/stuck.txt
member=$(cat /root/stuck.txt)

# What does its manifest say, and what runs?
ssh -n "$member" grep -A1 hostPath: /etc/kubernetes/manifests/etcd.yaml
ssh -n "$member" systemctl is-active kubelet
ssh -n "$member" crictl ps --name etcd

# The manifest is right, and nobody acts on it.
ssh -n "$member" systemctl start kubelet

for attempt in $(seq 40); do
  [ "$(etcdctl --endpoints=https://127.0.0.1:2379 endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
etcdctl --endpoints=https://127.0.0.1:2379 endpoint status --cluster -w table
