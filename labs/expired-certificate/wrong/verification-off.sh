# Lets everybody in and leaves the certificate as it is.
sed -i -e 's|--client-cert-auth=true|--client-cert-auth=false|' /etc/kubernetes/manifests/etcd.yaml
# Both anew, without waiting for the kubelet's back-off.
mkdir -p /root/stopped
mv /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/manifests/etcd.yaml /root/stopped/
for attempt in $(seq 300); do pgrep -x etcd >/dev/null || pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done
mv /root/stopped/*.yaml /etc/kubernetes/manifests/
for attempt in $(seq 50); do pgrep -x etcd >/dev/null && break; sleep 0.1; done
