# Its last words, and who it is for etcd.
crictl ps -a --name kube-apiserver
crictl logs $(crictl ps -a --name kube-apiserver -q | head -1) 2>&1 | tail -3
grep -E 'etcd-(cert|key)file' /etc/kubernetes/manifests/kube-apiserver.yaml
ls /etc/kubernetes/pki
openssl x509 -noout -issuer -in /etc/kubernetes/pki/apiserver-etcd-client.crt

# The pair that etcd's authority signed for it.
sed -i -e 's|--etcd-certfile=.*|--etcd-certfile=/etc/kubernetes/pki/apiserver-etcd-client.crt|' \
  -e 's|--etcd-keyfile=.*|--etcd-keyfile=/etc/kubernetes/pki/apiserver-etcd-client.key|' /etc/kubernetes/manifests/kube-apiserver.yaml
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl get configmaps
