# Its last words.
crictl ps -a --name kube-apiserver
crictl logs $(crictl ps -a --name kube-apiserver -q | head -1) 2>&1 | tail -3
grep -E 'etcd-' /etc/kubernetes/manifests/kube-apiserver.yaml
grep -E 'listen-client|trusted-ca' /etc/kubernetes/manifests/etcd.yaml
openssl x509 -noout -issuer -in /etc/kubernetes/pki/apiserver-etcd-client.crt

# Each of these mends one edit and leaves a good file as it is.
sed -e 's|--etcd-servers=.*|--etcd-servers=https://127.0.0.1:2379|' \
  -e 's|--etcd-cafile=.*|--etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt|' \
  -e 's|--etcd-certfile=.*|--etcd-certfile=/etc/kubernetes/pki/apiserver-etcd-client.crt|' \
  -e 's|--etcd-keyfile=.*|--etcd-keyfile=/etc/kubernetes/pki/apiserver-etcd-client.key|' \
  -e 's|--kubelet-client-certificate=.*|--kubelet-client-certificate=/etc/kubernetes/pki/apiserver-kubelet-client.crt|' \
  /etc/kubernetes/manifests/kube-apiserver.yaml > /root/kube-apiserver.yaml

# Is the certificate itself of the right authority?
# optional: it is, unless the fault of this run is a foreign one, which openssl.sh mends
openssl verify -CAfile /etc/kubernetes/pki/etcd/ca.crt /etc/kubernetes/pki/apiserver-etcd-client.crt || kubeadm certs renew apiserver-etcd-client

# The kubelet sees the good file as a new one.
# optional: it would see it as a changed one
mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/broken.yaml
for attempt in $(seq 300); do pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done

# Back in place.
mv /root/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl get configmaps
