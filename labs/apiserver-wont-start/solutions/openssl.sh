# etcd says from its side what it thinks of the client.
crictl logs $(crictl ps --name '^etcd$' -q) 2>&1 | grep -i certificate | tail -1

# The same key and subject, signed by the authority that etcd trusts.
cd /etc/kubernetes/pki
openssl req -new -key apiserver-etcd-client.key -subj /CN=kube-apiserver-etcd-client -out /root/client.csr
printf 'keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=clientAuth\n' > /root/client.ext
openssl x509 -req -in /root/client.csr -CA etcd/ca.crt -CAkey etcd/ca.key -CAcreateserial -days 365 -extfile /root/client.ext -out apiserver-etcd-client.crt

# The API server starts with it.
# optional: the kubelet tries again by itself, some time later
mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/
sleep 1
for attempt in $(seq 300); do pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done

# Back in place.
mv /root/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
