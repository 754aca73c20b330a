# Waits until every member of the external etcd answers.
health() {
  etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt \
    --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt \
    --key=/etc/kubernetes/pki/etcd/healthcheck-client.key endpoint health --cluster
}
deadline=$((SECONDS + 60))
until health >/dev/null 2>&1; do
  [ $SECONDS -lt $deadline ] || { health; journalctl -u etcd -n 20 --no-pager; exit 1; }
  sleep 0.05
done
