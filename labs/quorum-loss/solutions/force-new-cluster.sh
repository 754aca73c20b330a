# What still works, and what waits for others that do not come?
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
does() { "$@" >/dev/null 2>&1 && echo yes || echo no; }
cat > /root/quorum.txt <<END
write: $(does etcdctl --command-timeout=2s put /probe 1)
read: $(does etcdctl --command-timeout=2s get /accounts/1)
serializable_read: $(does etcdctl --command-timeout=2s get /accounts/1 --consistency=s)
snapshot: $(does etcdctl --command-timeout=30s snapshot save /root/probe.db)
member_add: $(does etcdctl --command-timeout=2s member add probe --peer-urls=https://192.168.10.179:2380)
revision: $(etcdctl endpoint status -w fields | sed -n 's/^"Revision" : //p')
END
cat /root/quorum.txt

# A read that asks this member alone.
etcdctl get /accounts/$last --consistency=s --print-value-only > /root/balance.txt

# Once with --force-new-cluster: the members that are gone are forgotten, the data stays.
mkdir -p /etc/systemd/system/etcd.service.d
{ echo '[Service]'; echo 'ExecStart='; sed -n '/^ExecStart=/,/[^\\]$/p' /etc/systemd/system/etcd.service | sed '$s/$/ --force-new-cluster/'; } > /etc/systemd/system/etcd.service.d/force.conf
systemctl daemon-reload && systemctl restart etcd
etcdctl member list -w table

# Never again: at the next start it would throw the others out.
rm -r /etc/systemd/system/etcd.service.d
systemctl daemon-reload
# optional: what runs has used the flag up; it is the next start that must be without
systemctl restart etcd

# The others join one by one, each with the members so far.
cluster=$(hostname)=https://$(hostname -i):2380
for number in 1 2 3; do
  [ etcd$number = "$(hostname)" ] && continue
  cluster=$cluster,etcd$number=https://192.168.10.17$number:2380
  for attempt in $(seq 15); do etcdctl member add etcd$number --peer-urls=https://192.168.10.17$number:2380 && break; sleep 1; done
  ssh -n etcd$number "sed -i -e 's|--initial-cluster=[^ ]*|--initial-cluster=$cluster|' -e 's/state=new/state=existing/' /etc/systemd/system/etcd.service
    systemctl daemon-reload; systemctl enable etcd; systemctl start etcd"
done
for attempt in $(seq 120); do
  [ "$(etcdctl endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
etcdctl endpoint status --cluster -w table
