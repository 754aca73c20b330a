# The endpoint that answers with another cluster's ID.
pki=/etc/kubernetes/pki/etcd
etcd() { etcdctl --endpoints=https://127.0.0.1:2379 --cacert=$pki/ca.crt --cert=$pki/server.crt --key=$pki/server.key "$@"; }
echo "$stuck" > /root/stuck.txt
[ "$stuck" = controlplane2 ] && address=192.168.10.151 || address=192.168.10.152

# Out of the member list, and off the node.
ssh -n "$stuck" 'systemctl start kubelet; mv /etc/kubernetes/manifests/etcd.yaml /root/'
ssh -n "$stuck" 'for attempt in $(seq 300); do pgrep -x etcd >/dev/null || break; sleep 0.1; done'
etcd member remove "$(etcd member list | grep "$address:2380" | cut -d, -f1)"

# In again under the same name, with an empty directory; the others send what it lacks.
for attempt in $(seq 100); do etcd member add "$stuck" --peer-urls=https://$address:2380 && break; sleep 0.2; done
ssh -n "$stuck" "sed -i -e '/hostPath/{n;s|path: $dir\$|path: /var/lib/etcd-anew|;s|path: /var/lib/etcd\$|path: /var/lib/etcd-anew|}' \
  -e 's|^    - --initial-cluster=.*|&\n    - --initial-cluster-state=existing|' /root/etcd.yaml && mv /root/etcd.yaml /etc/kubernetes/manifests/"

for attempt in $(seq 300); do
  [ "$(etcd endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.2
done
etcd endpoint status --cluster -w table
