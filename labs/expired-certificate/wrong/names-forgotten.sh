# Right authority, right dates, no names.
cd /etc/kubernetes/pki/etcd
openssl req -new -key server.key -subj /CN=controlplane -out /root/server.csr
openssl x509 -req -in /root/server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out server.crt
# Both anew, without waiting for the kubelet's back-off.
mkdir -p /root/stopped
mv /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/manifests/etcd.yaml /root/stopped/
for attempt in $(seq 300); do pgrep -x etcd >/dev/null || pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done
mv /root/stopped/*.yaml /etc/kubernetes/manifests/
for attempt in $(seq 50); do pgrep -x etcd >/dev/null && break; sleep 0.1; done
