# Who does not answer, and what are its last words?
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
etcdctl endpoint health --cluster
ssh -n "$victim" systemctl status etcd --no-pager
ssh -n "$victim" journalctl -u etcd -n 15 --no-pager
printf 'member: %s\ncause: database\n' "$victim" > /root/why.txt

# Out with the old member, in with a new one.
id=$(etcdctl member list | grep ", $victim, " | cut -d, -f1)
etcdctl member remove $id
address=192.168.10.17${victim#etcd}
for attempt in $(seq 15); do etcdctl member add "$victim" --peer-urls=https://$address:2380 && break; sleep 1; done

# It joins with an empty directory.
ssh -n "$victim" 'systemctl stop etcd; rm -rf /var/lib/etcd/member'
ssh -n "$victim" "sed -i 's/--initial-cluster-state=new/--initial-cluster-state=existing/' /etc/systemd/system/etcd.service"
ssh -n "$victim" 'systemctl daemon-reload && systemctl start etcd'
for attempt in $(seq 60); do
  [ "$(etcdctl endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
