# Out with the old member, in with the new one.
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
id=$(etcdctl member list | grep ", $victim, " | cut -d, -f1)
etcdctl member remove $id
address=192.168.10.17${victim#etcd}
for attempt in $(seq 15); do etcdctl member add "$victim" --peer-urls=https://$address:2380 && break; sleep 1; done

# The unit file stays; a drop-in takes its command back and brings another.
ssh "$victim" bash <<'END'
mkdir -p /etc/systemd/system/etcd.service.d
{
  echo '[Service]'
  echo 'ExecStart='
  sed -n '/^ExecStart=/,/[^\\]$/p' /etc/systemd/system/etcd.service | sed 's/state=new/state=existing/'
} > /etc/systemd/system/etcd.service.d/join.conf
cat /etc/systemd/system/etcd.service.d/join.conf
systemctl daemon-reload
systemctl start etcd
END

for attempt in $(seq 40); do
  [ "$(etcdctl endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
etcdctl endpoint status --cluster -w table
