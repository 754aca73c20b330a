# The manifest of some other cluster, off the web: its addresses and names come along.
cat > /etc/kubernetes/manifests/etcd.yaml <<'END'
apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/etcd.advertise-client-urls: https://10.0.0.4:2379
  labels:
    component: etcd
    tier: control-plane
  name: etcd
  namespace: kube-system
spec:
  containers:
  - command:
    - etcd
    - --advertise-client-urls=https://10.0.0.4:2379
    - --cert-file=/etc/kubernetes/pki/etcd/server.crt
    - --client-cert-auth=true
    - --data-dir=/var/lib/etcd
    - --initial-advertise-peer-urls=https://10.0.0.4:2380
    - --initial-cluster=master=https://10.0.0.4:2380
    - --key-file=/etc/kubernetes/pki/etcd/server.key
    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.4:2379
    - --listen-peer-urls=https://10.0.0.4:2380
    - --name=master
    - --trusted-ca-file=/etc/kubernetes/pki/etcd/etcd-ca.crt
    image: registry.k8s.io/etcd:3.5.16-0
    name: etcd
    volumeMounts:
    - mountPath: /var/lib/etcd
      name: etcd-data
    - mountPath: /etc/kubernetes/pki/etcd
      name: etcd-certs
  hostNetwork: true
  volumes:
  - hostPath:
      path: /etc/kubernetes/pki/etcd
      type: DirectoryOrCreate
    name: etcd-certs
  - hostPath:
      path: /var/lib/etcd
      type: DirectoryOrCreate
    name: etcd-data
END
# Until it has ended: before, the old one may still run, or its remains be what is found.
for attempt in $(seq 300); do
  crictl logs $(crictl ps -a --name '^etcd$' --state Exited -q | head -1) 2>&1 | grep -q -e 10.0.0.4 -e etcd-ca.crt && break
  sleep 0.1
done
