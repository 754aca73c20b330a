# Removes and adds, but starts on the old member's directory: its ID has been removed for good.
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
[ "$victim" = etcd2 ] && address=192.168.10.172 || address=192.168.10.173
etcdctl member remove "$(etcdctl member list | grep ", $victim, " | cut -d, -f1)"
for attempt in $(seq 50); do etcdctl member add "$victim" --peer-urls=https://$address:2380 && break; sleep 0.2; done
ssh -n "$victim" 'rm -rf /var/lib/etcd && cp -a /root/old-disk /var/lib/etcd'
ssh -n "$victim" "sed -i 's/--initial-cluster-state=new/--initial-cluster-state=existing/' /etc/systemd/system/etcd.service"
ssh -n "$victim" 'systemctl daemon-reload; systemctl start --no-block etcd'
sleep 3
