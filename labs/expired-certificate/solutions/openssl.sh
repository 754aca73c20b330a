cd /etc/kubernetes/pki/etcd
openssl x509 -noout -enddate -in server.crt
openssl x509 -noout -text -in server.crt | grep -A1 'Alternative Name'

# The same key, subject and names; a new period.
for name in server peer; do
  names=$(openssl x509 -noout -ext subjectAltName -in $name.crt | tail -1 | sed -e 's/IP Address:/IP:/g' -e 's/ //g')
  printf 'subjectAltName=%s\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n' "$names" > /root/$name.ext
  openssl req -new -key $name.key -subj /CN=controlplane -out /root/$name.csr
  openssl x509 -req -in /root/$name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile /root/$name.ext -out $name.crt
done
openssl x509 -noout -enddate -in server.crt

# Both anew, without waiting for the kubelet's back-off.
# optional: the kubelet tries again by itself, some time later
mv /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/manifests/etcd.yaml /root/
sleep 1
for attempt in $(seq 300); do pgrep -x etcd >/dev/null || pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done

# Back in place.
mv /root/kube-apiserver.yaml /root/etcd.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
