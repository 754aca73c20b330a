# Each endpoint answers for itself. Which one tells another cluster's ID?
export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt \
  ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
for node in controlplane controlplane2 controlplane3; do
  echo "$node $(etcdctl --endpoints=https://$node:2379 endpoint status -w fields | grep '"ClusterID"')"
done | sort -k 2 | uniq -u -f 1 | cut -d' ' -f1 > /root/stuck.txt
cat /root/stuck.txt
member=$(cat /root/stuck.txt)

# Off the node.
ssh -n "$member" 'systemctl start kubelet; mv /etc/kubernetes/manifests/etcd.yaml /root/'
for attempt in $(seq 300); do ssh -n "$member" pgrep -x etcd >/dev/null || break; sleep 0.1; done
url=$(ssh -n "$member" sed -n 's/.*--initial-advertise-peer-urls=//p' /root/etcd.yaml)

# Out of the member list, as a member goes by the book.
# optional: this one has never spoken in the new cluster, so it may also begin anew under its ID
id=$(etcdctl --endpoints=https://127.0.0.1:2379 member list | grep " $url," | cut -d, -f1)
etcdctl --endpoints=https://127.0.0.1:2379 member remove $id

# In again under the same name, with an empty directory; the others send what it lacks.
for attempt in $(seq 15); do etcdctl --endpoints=https://127.0.0.1:2379 member add $member --peer-urls=$url && break; sleep 1; done
ssh -n "$member" "sed -i -e '/hostPath/{n;s|path: $dir\$|path: /var/lib/etcd-anew|;s|path: /var/lib/etcd\$|path: /var/lib/etcd-anew|}' \
  -e 's|^    - --initial-cluster=.*|&\n    - --initial-cluster-state=existing|' /root/etcd.yaml && mv /root/etcd.yaml /etc/kubernetes/manifests/"

for attempt in $(seq 40); do
  [ "$(etcdctl --endpoints=https://127.0.0.1:2379 endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
etcdctl --endpoints=https://127.0.0.1:2379 endpoint status --cluster -w table
