# etcd no longer asks its clients who they are.
sed -i -e 's|--client-cert-auth=true|--client-cert-auth=false|' -e '/--trusted-ca-file/d' /etc/kubernetes/manifests/etcd.yaml
for attempt in $(seq 300); do pgrep -f '^etcd .*--client-cert-auth=false' >/dev/null && break; sleep 0.1; done
mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/
sleep 1
for attempt in $(seq 300); do pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done
mv /root/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
