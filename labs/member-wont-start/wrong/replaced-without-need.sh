# Frees the port, and replaces a member whose files were sound.
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
printf 'member: %s\ncause: port\n' "$victim" > /root/why.txt
ssh -n "$victim" "systemctl disable --now $relay; systemctl stop etcd; rm -rf /var/lib/etcd/member"
etcdctl member remove $(etcdctl member list | grep ", $victim, " | cut -d, -f1)
for attempt in $(seq 15); do etcdctl member add "$victim" --peer-urls=https://192.168.10.17${victim#etcd}:2380 && break; sleep 1; done
ssh -n "$victim" "sed -i 's/--initial-cluster-state=new/--initial-cluster-state=existing/' /etc/systemd/system/etcd.service; systemctl daemon-reload; systemctl start etcd"
for attempt in $(seq 60); do
  [ "$(etcdctl endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
