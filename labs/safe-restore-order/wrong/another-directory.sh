# Restores into a directory of another name.
mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/
for attempt in $(seq 300); do pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done
crictl ps

etcdutl snapshot restore /opt/$file.db --data-dir=/var/lib/etcd-new
old=$(pgrep -x etcd)
sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-new|}' /etc/kubernetes/manifests/etcd.yaml
for attempt in $(seq 300); do new=$(pgrep -x etcd); [ -n "$new" ] && [ "$new" != "$old" ] && break; sleep 0.1; done

mv /root/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl wait --for=condition=Available deployment/$keep --timeout=60s
kubectl get deployments
