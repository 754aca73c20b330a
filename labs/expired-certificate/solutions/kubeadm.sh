# What do they die of, and what has run out?
crictl ps -a
kubeadm certs check-expiration
kubeadm certs renew all

# Both anew, without waiting for the kubelet's back-off.
# optional: the kubelet tries again by itself, some time later
mv /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/manifests/etcd.yaml /root/
sleep 1
for attempt in $(seq 300); do pgrep -x etcd >/dev/null || pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done

# Back in place.
mv /root/kube-apiserver.yaml /root/etcd.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubeadm certs check-expiration | head -12
kubectl get configmaps
