# From below: the kubelet, the containers, etcd's last words.
journalctl -u kubelet -n 5 --no-pager
crictl ps -a
crictl logs $(crictl ps -a --name '^etcd$' -q | head -1) 2>&1 | tail -2
grep -E 'etcd-(servers|cafile)' /etc/kubernetes/manifests/kube-apiserver.yaml
ls /etc/kubernetes/pki/etcd /var/lib

# Each of these mends one edit and leaves a good file as it is.
sed -e 's|^  containers$|  containers:|' \
  -e 's|--listen-peers-urls=|--listen-peer-urls=|' \
  -e 's|etcd/etcd-server.crt|etcd/server.crt|' \
  -e 's|--trusted-ca-file=/etc/kubernetes/pki/ca.crt|--trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt|' \
  -e 's|127.0.0.1:2397|127.0.0.1:2379|' \
  -e 's|path: /var/lib/etcd-data|path: /var/lib/etcd|' \
  -e 's|mountPath: /etc/kubernetes/pki/etcd-certs|mountPath: /etc/kubernetes/pki/etcd|' \
  /etc/kubernetes/manifests/etcd.yaml > /root/etcd.yaml
diff /etc/kubernetes/manifests/etcd.yaml /root/etcd.yaml

# Away and back, so that no back-off is waited for; the API server anew, with a fresh cache.
mkdir -p /root/broken
mv /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/manifests/kube-apiserver.yaml /root/broken/
for attempt in $(seq 300); do pgrep -x etcd >/dev/null || pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done
mv /root/etcd.yaml /root/broken/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl get configmaps
