# Its last words, and whom it believes to be etcd.
crictl ps -a --name kube-apiserver
crictl logs $(crictl ps -a --name kube-apiserver -q | head -1) 2>&1 | tail -3
grep -e --etcd-cafile /etc/kubernetes/manifests/kube-apiserver.yaml
openssl x509 -noout -issuer -in /etc/kubernetes/pki/etcd/server.crt

# The authority that signed etcd's own certificate.
sed -i 's|--etcd-cafile=.*|--etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt|' /etc/kubernetes/manifests/kube-apiserver.yaml
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl get configmaps
