# All flags are as they should be, and etcd turns the client away.
grep -e --etcd- /etc/kubernetes/manifests/kube-apiserver.yaml
crictl logs $(crictl ps --name '^etcd$' -q) 2>&1 | grep -i certificate | tail -1

# Not signed by the authority that is here, although the issuer's name is the same.
openssl verify -CAfile /etc/kubernetes/pki/etcd/ca.crt /etc/kubernetes/pki/apiserver-etcd-client.crt || kubeadm certs renew apiserver-etcd-client

# The API server starts with it.
# optional: the kubelet tries again by itself, some time later
mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/
sleep 1
for attempt in $(seq 300); do pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done

# Back in place.
mv /root/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl get configmaps
