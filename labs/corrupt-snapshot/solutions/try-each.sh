# What does each say of itself, and can it be restored?
for file in /backup/*.db; do
  echo "$file: $(etcdutl snapshot status $file 2>&1 | tail -1)"
  if etcdutl snapshot restore $file --data-dir=/tmp/try/$(basename $file) >/tmp/try.log 2>&1; then
    echo "$(etcdutl snapshot status $file | cut -d, -f2) $file" >> /tmp/whole
  else
    tail -1 /tmp/try.log
  fi
done

# The newest of the whole ones has the highest revision.
sort -n /tmp/whole
newest=$(sort -n /tmp/whole | tail -1 | awk '{ print $2 }')
echo $newest > /root/newest.txt

# etcd and the API server stop, etcd comes back on the other directory, then the API server.
mkdir -p /root/stopped
mv /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/manifests/etcd.yaml /root/stopped/
for attempt in $(seq 300); do pgrep -x etcd >/dev/null || pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done
etcdutl snapshot restore $newest --data-dir=/var/lib/etcd-restored
sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-restored|}' /root/stopped/etcd.yaml
mv /root/stopped/etcd.yaml /etc/kubernetes/manifests/
mv /root/stopped/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl get configmaps
