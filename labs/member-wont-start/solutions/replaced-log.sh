# The log of the one that does not answer.
# optional: it is for the waiting at the end alone
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
ssh -n "$victim" journalctl -u etcd -n 15 --no-pager

# It stumbles over a record of the log.
printf 'Member = %s\nCause = log\n' "$victim" > /root/why.txt

# On its own machine, with the others as endpoints. The old files are kept aside, to be looked at.
ssh "$victim" bash <<'END'
export ETCDCTL_ENDPOINTS=https://192.168.10.171:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
name=$(hostname)
systemctl stop etcd
mv /var/lib/etcd/member /root/damaged-member
etcdctl member remove $(etcdctl member list | grep ", $name, " | cut -d, -f1)
for attempt in $(seq 15); do etcdctl member add $name --peer-urls=https://192.168.10.17${name#etcd}:2380 && break; sleep 1; done
sed -i 's/--initial-cluster-state=new/--initial-cluster-state=existing/' /etc/systemd/system/etcd.service
systemctl daemon-reload
systemctl start etcd
END
for attempt in $(seq 60); do
  [ "$(etcdctl endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
