# The last 32 bytes of a snapshot are the SHA-256 of all before them.
for file in /backup/*.db; do
  size=$(stat -c %s $file)
  stored=$(tail -c 32 $file | od -An -tx1 | tr -d ' \n')
  computed=$(head -c $((size - 32)) $file | sha256sum | cut -d' ' -f1)
  [ "$stored" = "$computed" ] && echo "$(ETCDCTL_API=3 etcdctl snapshot status $file | cut -d, -f2) $file" >> /tmp/whole
done
newest=$(sort -n /tmp/whole | tail -1 | awk '{ print $2 }')
echo $newest > /root/newest.txt
cat /tmp/whole

# etcd and the API server stop, etcd comes back on the other directory, then the API server.
mkdir -p /root/stopped
mv /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/manifests/etcd.yaml /root/stopped/
for attempt in $(seq 300); do pgrep -x etcd >/dev/null || pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done
ETCDCTL_API=3 etcdctl snapshot restore $newest --data-dir=/var/lib/etcd-restored
sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-restored|}' /root/stopped/etcd.yaml
mv /root/stopped/etcd.yaml /etc/kubernetes/manifests/
mv /root/stopped/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
