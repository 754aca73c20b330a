# Saves the data, but leaves the survivor alone: the next failure is the end.
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
etcdctl get /accounts/$last --consistency=s --print-value-only > /root/balance.txt
mkdir -p /etc/systemd/system/etcd.service.d
{ echo '[Service]'; echo 'ExecStart='; sed -n '/^ExecStart=/,/[^\\]$/p' /etc/systemd/system/etcd.service | sed '$s/$/ --force-new-cluster/'; } > /etc/systemd/system/etcd.service.d/force.conf
systemctl daemon-reload
systemctl restart etcd
for attempt in $(seq 100); do etcdctl endpoint health && break; sleep 0.2; done
