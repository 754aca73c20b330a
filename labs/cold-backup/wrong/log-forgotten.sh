# The member is killed in the middle of its work: the last changes are in its log only.
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt
export ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
systemctl stop kubelet
for writer in 1 2 3 4 5; do
  while etcdctl put /busy/$writer x >/dev/null 2>&1; do :; done &
done
sleep 2
pkill -KILL -x etcd
wait
cp /var/lib/etcd/member/snap/db /opt/cold.db
mkdir -p /root/stopped
mv /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/manifests/etcd.yaml /root/stopped/
systemctl start kubelet
for attempt in $(seq 300); do pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done
etcdutl snapshot restore /opt/cold.db --skip-hash-check --data-dir=/var/lib/etcd-cold
sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-cold|}' /root/stopped/etcd.yaml
mv /root/stopped/etcd.yaml /etc/kubernetes/manifests/
mv /root/stopped/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl wait --for=condition=Available deployment/$app --timeout=60s
