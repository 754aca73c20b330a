# Reads the first account that it finds, not the one that was asked for.
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
cat > /root/quorum.txt <<END
write: no
read: no
serializable_read: yes
snapshot: yes
member_add: no
revision: $(etcdctl endpoint status -w fields | sed -n 's/^"Revision" : //p')
END
etcdctl get /accounts/ --prefix --limit=1 --consistency=s --print-value-only > /root/balance.txt

mkdir -p /etc/systemd/system/etcd.service.d
{ echo '[Service]'; echo 'ExecStart='; sed -n '/^ExecStart=/,/[^\\]$/p' /etc/systemd/system/etcd.service | sed '$s/$/ --force-new-cluster/'; } > /etc/systemd/system/etcd.service.d/force.conf
systemctl daemon-reload
systemctl restart etcd
etcdctl member list -w table

rm -r /etc/systemd/system/etcd.service.d
systemctl daemon-reload
systemctl restart etcd

cluster=$(hostname)=https://$(hostname -i):2380
for number in 1 2 3; do
  [ etcd$number = "$(hostname)" ] && continue
  cluster=$cluster,etcd$number=https://192.168.10.17$number:2380
  for attempt in $(seq 100); do etcdctl member add etcd$number --peer-urls=https://192.168.10.17$number:2380 && break; sleep 0.2; done
  ssh -n etcd$number "sed -i -e 's|--initial-cluster=[^ ]*|--initial-cluster=$cluster|' -e 's/state=new/state=existing/' /etc/systemd/system/etcd.service
    systemctl daemon-reload; systemctl enable etcd; systemctl start etcd"
done
for attempt in $(seq 300); do
  [ "$(etcdctl endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.2
done
etcdctl endpoint status --cluster -w table
