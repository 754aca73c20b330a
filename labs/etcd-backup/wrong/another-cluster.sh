# A snapshot of some other etcd, which has keys of the same names.
cat > /var/lib/etcd/other.sh <<END
etcd --data-dir=/tmp/other --listen-client-urls=http://127.0.0.1:12379 \
  --advertise-client-urls=http://127.0.0.1:12379 --listen-peer-urls=http://127.0.0.1:12380 >/dev/null 2>&1 &
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=http://127.0.0.1:12379
for attempt in \$(seq 300); do etcdctl endpoint health >/dev/null 2>&1 && break; sleep 0.1; done
etcdctl put /registry/namespaces/$team '{"metadata":{"name":"x"}}'
etcdctl put /registry/configmaps/$team/budget '{"data":{}}'
etcdctl snapshot save /var/lib/etcd/other.db
kill %1
END
crictl exec $(crictl ps -q --name '^etcd$') sh -c 'bash /var/lib/etcd/other.sh'
mv /var/lib/etcd/other.db /opt/etcd-backup.db
rm /var/lib/etcd/other.sh
ETCDCTL_API=3 etcdctl snapshot status /opt/etcd-backup.db -w table > /root/status.txt
